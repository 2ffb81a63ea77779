"""Measure a grid: bits across sparsities, asked for at once, as far as it is known."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import streamlit as st

from optlab.client import grid as grids
from optlab.client.client import Client
from optlab.client.grid import Cell, Grid
from optlab.figures import format
from optlab.figures.grid import Square, heat
from optlab.i18n import _, plural
from optlab.knobs import KnobbedRecipe
from optlab.methods import method
from optlab.models.describe import Description
from optlab.recipes import Step
from optlab.store.run import Run, Status
from pages.components.shared import services, view, watching
from pages.components.shared.folded import folded

BITS, ZEROS = (8, 4, 3), (0, 50)
"""Chosen at first, zeros in percent: what most people ask, six measurements."""
UNQUANTIZED = 0
"""In the address, where None cannot be written."""


def show(client: Client) -> None:
    """The box: which values, what they would cost, and what is known of each crossing."""
    shown = view.current()
    with folded(_("Measure a grid"), "grid", ":material/grid_on:") as opened:
        if not opened:
            return
        with services.shown_errors():
            description = client.description(shown.model)
            if description is None:
                st.caption(_("Open this model in Explore first, so that its layers are known."))
                return
            family = KnobbedRecipe.of(shown.recipe, description)
            if family is None:
                st.caption(_("This recipe has more than bits and sparsity; choose one in Explore that has one step of "
                             "each kind."))  # fmt: skip
                return
            _grid(client, shown, description, family)


def _grid(client: Client, shown: view.View, description: Description, family: KnobbedRecipe) -> None:
    methods = _("{quantize} and {prune} on {model}, the other settings as in Explore.")
    st.caption(methods.format(quantize=_title(family.quantize), prune=_title(family.prune),
                              model=services.escaped(description.title)))  # fmt: skip
    with st.container(horizontal=True):
        bits = _choose(_("Bits"), [bit or UNQUANTIZED for bit in family.bits()], BITS, "grid_bits",
                       lambda bit: _("none") if bit == UNQUANTIZED else str(bit))  # fmt: skip
        offered = [round(100 * share) for share in family.sparsities() if _tenth(share)]
        shares = _choose(_("Sparsity"), offered, ZEROS, "grid_zeros", lambda share: f"{share}%")
    if not bits or not shares:
        st.caption(_("Choose at least one of each."))
        return
    chosen = [bit or None for bit in bits], [share / 100 for share in shares]
    found = grids.look(client, shown.model, family, *chosen, shown.protocol)
    _ask(client, found)

    def draw(runs: object = ()) -> None:
        now = grids.look(client, shown.model, family, *chosen, shown.protocol)
        st.plotly_chart(heat(map(_square, now.cells)), key="grid/heat", config={"displayModeBar": False},
                        alt=_("Loss of perplexity for each crossing of bits and sparsity"))  # fmt: skip

    live = [run for run in found.runs if run.live]
    if live:
        done = sum(cell.measured is not None for cell in found.cells)
        st.caption(_("{done} of {all} measured.").format(done=done, all=len(found.cells)))
        watching.watch_all(live, "grid", draw)
    else:
        draw()


def _choose(
    label: str, offered: list[int], first: Sequence[int], key: str, words: Callable[[int], str]
) -> list[int]:  # fmt: skip
    """Buttons of which several are pressed; the address keeps which. key: the name there."""
    pressed = [one for one in first if one in offered]
    return st.pills(label, offered, selection_mode="multi", default=pressed, key=key, format_func=words,
                    bind="query-params")  # fmt: skip


def _ask(client: Client, found: Grid) -> None:
    """The button with what it costs, and the one that takes back what waits."""
    missing = found.open
    with st.container(horizontal=True, vertical_alignment="center"):
        if missing:
            words = plural("Measure {count} recipe", "Measure {count} recipes", len(missing))
            cost = _("about {time}, {size} on disk").format(
                time=format.roughly(found.seconds), size=format.megabytes(found.size_bytes))  # fmt: skip
            services.action(f"{words} ({cost})", "grid/begin", ":material/play_arrow:", grids.begin, client, found)
        if any(run.status == Status.QUEUED for run in found.runs):
            services.action(_("Pause"), "grid/pause", ":material/pause:", grids.pause, client, found)


def _square(cell: Cell) -> Square:
    if cell.measured is not None:
        delta = cell.measured.result.delta
        low, high = delta.ppl_ratio_ci95 or (None, None)
        size = cell.measured.result.compressed.size_bytes
        return Square(cell.bits, cell.sparsity, delta.ppl_ratio, low, high, True, size)
    told = cell.predicted
    return Square(
        cell.bits, cell.sparsity, told.ppl_ratio if told else None, size_bytes=told.size_bytes if told else None,
        state=_state(cell.run),
    )  # fmt: skip


def _state(run: Run | None) -> str:
    if run is None:
        return ""
    words = {Status.QUEUED: _("waiting"), Status.RUNNING: _("running"), Status.FAILED: _("failed")}
    return words.get(run.status, "")


def _title(step: Step) -> str:
    return _(method(step.kind, step.method).title)


def _tenth(share: float) -> bool:
    """Every tenth: a knob has more stops than a row of buttons has room for."""
    return round(100 * share) % 10 == 0
