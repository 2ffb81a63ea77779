"""How a view is written as an address, and a measurement as a command line: the two ways to see the same again."""

from __future__ import annotations

import json
import shlex
from urllib.parse import urlencode

from optlab.i18n import ENGLISH, language
from optlab.protocol import Protocol
from optlab.recipes import Recipe
from optlab.results.specs import RecipeSpec

SETTINGS = (
    "text", "tokens", "context", "dtype", "decode_dtype", "calibration", "calibration_tokens", "seed", "latency", "bos",
)  # fmt: skip
STOP = "stop"
DEFAULTS = Protocol().model_dump()
OPTIONS = (
    "text", "tokens", "context", "calibration", "calibration_tokens", "dtype", "decode_dtype", "device", "seed", "bos",
)  # fmt: skip
"""Settings that are options of the command line by their own name."""

ADDRESS = "http://localhost:8501"
"""Where `make app` serves."""


def query(model: str, recipe: Recipe, protocol: Protocol) -> dict[str, str]:
    """The query of an address that shows this: only what differs from the defaults, so that links stay short."""
    asked = {"model": model}
    if recipe.steps:
        asked["recipe"] = json.dumps(recipe.to_dict()["steps"], separators=(",", ":"))
    settings = protocol.model_dump()
    for name in SETTINGS:
        if settings[name] != DEFAULTS[name]:
            asked[name] = json.dumps(settings[name]) if isinstance(settings[name], bool) else str(settings[name])
    if protocol.stop_below_percent is not None:
        asked[STOP] = f"{protocol.stop_below_percent:g}"
    return asked


def query_of_run(spec: RecipeSpec) -> dict[str, str]:
    """The query that shows the measurement of a run's spec. Raises RecipeError for a method that is no more."""
    return query(spec.model, spec.known_recipe, spec.protocol)


def address_of_run(spec: RecipeSpec, base: str = ADDRESS) -> str:
    """The whole address that reopens a run in the language of this context. base: where the dashboard is served."""
    spoken = {} if language() == ENGLISH else {"lang": language()}
    return f"{base.rstrip('/')}/explore?{urlencode(query_of_run(spec) | spoken)}"


def command(model: str, protocol: Protocol, file: str = "recipe.yaml") -> str:
    """The command line that measures the recipe in `file` with these settings."""
    words = ["python", "-m", "optlab", "measure", model, "--recipe", file]
    settings = protocol.model_dump()
    for name in OPTIONS:
        if settings[name] != DEFAULTS[name]:
            words += [f"--{name.replace('_', '-')}", str(settings[name])]
    if protocol.stop_below_percent is not None:
        words += ["--stop-below-percent", f"{protocol.stop_below_percent:g}"]
    if not protocol.latency:
        words.append("--no-latency")
    return shlex.join([*words, "--json"])


def reproduce(spec: RecipeSpec) -> str:
    """One line for a shell that writes the recipe of a run and measures it again.

    The recipe is written as JSON, which is YAML too, so that it needs no second line. Raises RecipeError for a
    method that is no more.
    """
    recipe = spec.known_recipe
    file = f"recipe-{recipe.content_hash[:8]}.yaml"
    written = shlex.quote(json.dumps(recipe.to_dict()))
    return f"printf '%s' {written} > {file} && {command(spec.model, spec.protocol, file)}"
