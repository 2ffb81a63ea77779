"""Choose a recipe, see what it does, understand why, and act: the page that carries the product."""

from functools import partial

import streamlit as st

from optlab.errors import OptLabError, RecipeError
from optlab.figures.storage import pruning
from optlab.i18n import _, said
from optlab.jobs.measure import MEASURE
from optlab.knobs import has_knobs
from optlab.models.describe import Description
from optlab.prediction.layer_values import ZEROS
from optlab.protocol import Protocol
from optlab.recipes import Recipe
from pages.components.explore import (
    automatic,
    curve,
    heads,
    latency_grid,
    layer_editor,
    layer_inspection,
    measurement,
    positions,
    protocol,
    recipe_file,
    sensitivity,
    storage,
    verdict,
)
from pages.components.shared import facts, frame, goals, knobs, measuring, prediction, prepare, services, view, writing
from pages.components.shared.folded import folded
from pages.components.shared.services import sentence


def main() -> None:
    """Draw the page."""
    shown = view.current()
    st.title(_("Explore"))
    if shown.problem:
        st.warning(sentence(shown.problem), icon=":material/link_off:")
    with services.shown_errors():
        description = prepare.description(shown.model)
        if description is None:
            return
        goal = goals.row(description, shown.recipe)
        if goal is not None:
            shown = view.change(recipe=goal)
        above = st.container()
        left, right = st.columns([5, 11], gap="large")
        with left:
            recipe, settings, problem = choose(shown, description)
        if (recipe, settings) != (shown.recipe, shown.protocol):
            shown = view.change(recipe=recipe, protocol=settings)
        with above:  # drawn last, because the boxes below have a say in the recipe
            curved = curve.show(services.client(), shown, description)
        with left:
            pressed = st.button(
                measuring.label(services.client(), shown, _("Measure")),
                type="primary", icon=":material/play_arrow:", width="stretch", key="explore/measure",
                disabled=bool(problem) or not recipe.steps,
                help=_("Compresses the model with this recipe and measures both; at once if that was done before."),
            )  # fmt: skip
            automatic.switch(description)
        with right:
            if problem:
                st.error(sentence(problem), icon=":material/block:")
            facts.checkpoint_note(description)
            see(shown, description, pressed, curved)
            automatic.watch(services.client(), shown, problem)
            prediction.time_speed(services.client(), shown)


def choose(shown: view.View, description: Description) -> tuple[Recipe, Protocol, str]:
    """The knobs and settings; a problem says why they do not fit, and the recipe then stays as it was."""
    recipe, settings, problem = shown.recipe, shown.protocol, ""
    try:
        if knobs.shows(recipe):
            _say_misfit(recipe, description)
            below = partial(verdict.show, services.client(), shown)
            held = has_knobs(recipe)
            recipe = knobs.recipe_knobs(recipe, description.model, description, below, held)
        else:
            st.info(_("Too detailed for the knobs; this recipe is measured exactly as written below."))
            st.code(recipe.to_yaml(), language="yaml", wrap_lines=True)
            if st.button(_("Start again with knobs")):
                recipe = Recipe()
        recipe.check_fits(description.linears, description.matrices)
    except RecipeError as error:
        problem = str(error)
    try:
        settings = protocol.settings(settings, description)
    except OptLabError as error:
        problem = str(error)
    return recipe, settings, problem


def _say_misfit(recipe: Recipe, description: Description) -> None:
    """A recipe that came from elsewhere may not fit this model; the knobs then show the nearest that does."""
    try:
        recipe.check_fits(description.linears, description.matrices)
    except RecipeError as error:
        st.warning(sentence(_("{why}; the knobs show the nearest valid setting").format(why=said(error.message))))


def see(shown: view.View, description: Description, pressed: bool, curved: bool) -> None:
    """Original against candidate, layer by layer, in their own words; and the recipe to take along.

    curved: the curve above shows what is predicted, and where the recipe stands.
    """
    client = services.client()
    if pressed:
        measuring.start(client, shown)
    if not shown.recipe.steps:
        st.info(_("Switch on a knob to begin. Quantize is a good first one."), icon=":material/tune:")
    done = measurement.show(client, shown, predicted=not curved)
    clicked = brought = edited = None
    with folded(_("Attention heads: click to remove"), "heads", ":material/grid_on:") as opened:
        if opened:
            clicked = heads.show(client, shown)
    if clicked is not None:
        view.change(recipe=clicked)
        st.rerun()
    if shown.recipe.steps:
        if not curved:
            positions.show(client, shown, done)
        result = MEASURE.result_of(done) if done else None
        layers = result.layers if result else ()
        with folded(_("Most sensitive layers"), "hurts", ":material/monitor_heart:") as opened:
            if opened:
                sensitivity.show(client, shown, description)
        with folded(_("Bits per layer"), "bits", ":material/view_list:") as opened:
            if opened:
                edited = layer_editor.show(shown.recipe, description, layers)
        if pruning(shown.recipe) is not None:
            with folded(_("Sparsity per layer"), "zeros", ":material/view_list:") as opened:
                if opened:
                    edited = layer_editor.show(shown.recipe, description, layers, ZEROS) or edited
            with folded(_("What zeros save"), "saves", ":material/save:") as opened:
                if opened:
                    storage.show(shown.recipe, description, layers)
        if edited is not None:
            view.change(recipe=edited)
            st.rerun()
        if done is not None:
            if description.objective == "causal":
                with folded(_("Speed at other batch and prompt sizes"), "latency_grid", ":material/speed:") as opened:
                    if opened:
                        latency_grid.show(client, shown)
            st.subheader(_("Why perplexity changed"))
            layer_inspection.show(client, shown, done)
        st.subheader(_("Sample output"))
        if description.objective == "causal":
            writing.show(client, shown, description.default_text)
        else:
            st.caption(_("This model fills gaps in a text and cannot continue one."))
        with folded(_("Recipe, file and command line"), "recipe", ":material/description:") as opened:
            if opened:
                brought = recipe_file.show(shown)
    else:
        brought = recipe_file.brought()
    if brought is not None:
        view.change(recipe=brought)
        st.rerun()


frame.required()
main()
