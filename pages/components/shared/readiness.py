"""What the first visitor would wait for, done while the server starts: a server that answers has its pages imported,
its store open and read, and the predictions of the models that OptLab brings along.

The workers go first, because they import torch on other cores meanwhile.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from importlib import import_module
from pkgutil import walk_packages

import streamlit as st
from sqlalchemy.exc import SQLAlchemyError
from streamlit.runtime.pages_manager import PagesManager

from optlab.client.knob_predictions import knob_predictions
from optlab.errors import OptLabError
from optlab.figures.curve import best_at_each_size
from optlab.knobs import KnobbedRecipe, Knobs
from optlab.methods import REGISTRY, method
from optlab.models.catalog import catalog
from optlab.protocol import Protocol
from optlab.recipes import Recipe
from pages import components
from pages.components.shared import services

LATE = ("pandas", "PIL.ImageFile", "streamlit.emojis", "streamlit.material_icon_names")
"""What Streamlit imports in the middle of a page, when the first table, emoji or icon of a process is drawn."""


@asynccontextmanager
async def lifespan(app: st.App) -> AsyncIterator[None]:
    """For `st.App`, whose runtime has begun by now: components of the browser can be registered."""
    # What the first session would find out by drawing a page without its frame, and then once more with it.
    PagesManager.uses_pages_directory = False
    prepare()
    yield


def prepare() -> None:
    """Have ready what pages need. What cannot be had (no disk, a store that does not answer) is left to the page that
    needs it, which says so."""
    with suppress(OptLabError, SQLAlchemyError):
        services.start_workers()
    for name in [*LATE, *(module.name for module in walk_packages(components.__path__, f"{components.__name__}."))]:
        import_module(name)
    for kind, methods in REGISTRY.items():
        for name in methods:
            method(kind, name)
    with suppress(OptLabError, SQLAlchemyError, OSError):
        services.client().history()  # of a full store: seconds
    for card in catalog():
        with suppress(OptLabError, SQLAlchemyError, OSError):
            predict(card.name)


def predict(model: str) -> None:
    """Have the predictions for a model at hand, for the family of recipes that its knobs begin with."""
    client = services.client()
    description = client.description(model)
    knobbed = None if description is None else KnobbedRecipe.of(Recipe(), description)
    if knobbed is not None:
        knob_predictions(client, model, knobbed, Knobs(), Protocol())
        best_at_each_size(client.predictor(model, Protocol()))
