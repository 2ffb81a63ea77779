"""What a person is looking at: model, recipe, text and settings, kept in the address so that a link reopens it.

The address is the truth when it says anything (a link, a reload, the back button). Changing the page empties it, so the
session remembers the last view and writes it back.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

import streamlit as st
from pydantic import ValidationError

from optlab.bounded_yaml import read_json
from optlab.errors import OptLabError, RecipeError
from optlab.i18n import _, said
from optlab.models.catalog import catalog
from optlab.protocol import Protocol
from optlab.recipes import Recipe
from optlab.report.links import SETTINGS, STOP, query, query_of_run
from optlab.results.specs import RecipeSpec
from pages.components.shared import language

KEYS = ("model", "recipe", *SETTINGS, STOP)
LONGEST = 20_000
"""Characters of a recipe in an address."""
LONGEST_ADDRESS = 60_000
"""Characters of a query: a server that is asked with more than 64 kB hangs up without a word."""
LONGEST_SETTING = 4096
"""Characters of anything else; no path of a file system is longer."""
LONG = ("recipe", "model")
"""A recipe has its own limit; a model that cannot be is told by its own sentence."""

NEWCOMERS = "nano"
"""The model that everybody sees first; from it others are one click away."""

__all__ = ["KEYS", "NEWCOMERS", "View", "change", "current", "link", "link_to_run", "parse_recipe", "read", "too_long"]


@dataclass(frozen=True)
class View:
    """problem: why a part of the address could not be used, in one sentence; '' when all is well."""

    model: str
    recipe: Recipe
    protocol: Protocol
    problem: str = ""


def current() -> View:
    """The view that the address names, else the last one of this session."""
    given = {key: st.query_params[key] for key in KEYS if key in st.query_params}
    if given:
        st.session_state["view"] = given
    else:
        _write(st.session_state.setdefault("view", {"model": default_model()}))
    return read(st.session_state["view"])


def change(model: str | None = None, recipe: Recipe | None = None, protocol: Protocol | None = None) -> View:
    """Show something else from now on, in this session and in its address."""
    view = current()
    changed = View(
        view.model if model is None else model,
        view.recipe if recipe is None else recipe,
        view.protocol if protocol is None else protocol,
    )
    st.session_state["view"] = query(changed.model, changed.recipe, changed.protocol)
    _write(st.session_state["view"])
    return changed


def link(model: str, recipe: Recipe, protocol: Protocol) -> dict[str, str]:
    """The query of an address that shows this in the language of this session."""
    return query(model, recipe, protocol) | language.in_link()


def link_to_run(spec: RecipeSpec) -> dict[str, str]:
    """`link` to the measurement of a run's spec. Raises RecipeError for a method that is no more."""
    return query_of_run(spec) | language.in_link()


def too_long(query: Mapping[str, str]) -> bool:
    """Whether an address with this query would not open."""
    return len(query.get("recipe", "")) > LONGEST or len(urlencode(query)) > LONGEST_ADDRESS


def read(query: Mapping[str, str]) -> View:
    """The view of a query; what makes no sense becomes its default, and the problem says so."""
    problems: list[str] = []
    recipe, protocol = Recipe(), Protocol()
    if long := [name for name, value in query.items() if name not in LONG and len(value) > LONGEST_SETTING]:
        problems.append(_("This link has invalid settings ({names}); defaults are used instead.").format(
            names=", ".join(long)))  # fmt: skip
        query = {name: value for name, value in query.items() if name not in long}
    try:
        recipe = parse_recipe(query.get("recipe", ""))
    except RecipeError as error:
        problems.append(_("The recipe in this link cannot be used: {why}.").format(why=said(error.message)))
    asked = {name: query[name] for name in SETTINGS if query.get(name)}
    if query.get(STOP):
        asked["stop_below_percent"] = query[STOP]
    try:
        protocol = Protocol.model_validate(asked)
    except ValidationError as error:
        names = ", ".join(str(detail["loc"][0]) for detail in error.errors())
        problems.append(_("This link has invalid settings ({names}); defaults are used instead.").format(
            names=names))  # fmt: skip
    return View(query.get("model") or default_model(), recipe, protocol, " ".join(problems))


def parse_recipe(text: str) -> Recipe:
    """A recipe as `link` writes it: the list of steps as JSON. Raises RecipeError."""
    if not text:
        return Recipe()
    if len(text) > LONGEST:
        raise RecipeError(
            "it has {text_count} characters, and no recipe in an address has more than {longest}",
            text_count=len(text),
            longest=LONGEST,
        )
    try:
        steps = read_json(text)
    except (ValueError, RecursionError):
        raise RecipeError("it is not a list of steps written as JSON") from None
    return Recipe.from_dict({"steps": steps})


def default_model() -> str:
    """The model that a newcomer sees: nano, which answers in seconds, else the first of the catalog that is here."""
    from optlab.models.catalog import locate

    for name in (NEWCOMERS, *(card.name for card in catalog())):
        try:
            if locate(name) is not None:
                return name
        except OptLabError:
            continue
    return catalog()[0].name


def _write(query: Mapping[str, str]) -> None:
    if {key: st.query_params.get(key) for key in KEYS if key in st.query_params} != dict(query):
        for key in KEYS:
            if key in query:
                st.query_params[key] = query[key]
            elif key in st.query_params:
                del st.query_params[key]
