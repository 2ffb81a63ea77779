"""Compare a file: a checkpoint that another tool compressed, beside the model on the page."""

from __future__ import annotations

import streamlit as st

from optlab.client.client import Client
from optlab.figures import format, glossary, pairs
from optlab.i18n import _
from optlab.jobs.comparison import COMPARISON
from optlab.results.comparison import Comparison
from optlab.store.run import Run
from pages.components.shared import facts, services, view, watching

OTHER = "compare/other"
MOST_LAYERS = 10


def show(client: Client) -> None:
    """The box: what to compare, and the comparison as far as it is known."""
    shown = view.current()
    with st.expander(_("Compare a file"), icon=":material/difference:", expanded=bool(st.session_state.get(OTHER))):
        st.caption(
            _(
                "A file of this model made by any tool: GGUF, GPTQ, AWQ, compressed-tensors, bitsandbytes, HQQ, "
                "float8, or another fine-tune with the same tokenizer. It is measured as is, against {model}."
            ).format(model=services.escaped(shown.model))
        )
        with st.form("compare/file", border=False):
            other = st.text_input(
                _("Folder, .gguf file or hub id"), key="compare/path", placeholder="/models/llama-gptq-4bit",
            )  # fmt: skip
            if st.form_submit_button(_("Compare"), icon=":material/play_arrow:", type="primary") and other.strip():
                st.session_state[OTHER] = other.strip()
                services.act(client.submit_comparison, shown.model, other.strip(), shown.protocol)
        chosen = st.session_state.get(OTHER)
        run = client.find_comparison(shown.model, chosen, shown.protocol) if chosen else None
        if run is not None:
            watching.watch(run, "compare/file", draw)


def draw(run: Run) -> None:
    """The figures of a comparison, once it is done."""
    found = COMPARISON.result_of(run)
    if found is None:
        return
    for column, pair in zip(st.columns(3), pairs.of(found), strict=False):
        with column, st.container(border=True, height="stretch"):
            st.metric(pair.name, pair.candidate_text, help=pair.help)
            st.caption(
                f"{_('original')}: {pair.base_text}  \n{pair.headline}  \n{pair.interval}"
                if pair.complete
                else format.not_measured()
            )
    facts.row(
        [
            (_("KL divergence"), f"{found.delta.kl_mean:.5f}", glossary.kl_divergence()),
            (_("Top-1 agreement"), f"{found.delta.top1_agreement:.1%}", glossary.top1_agreement()),
        ]
    )
    for note in found.notes:
        st.caption(services.sentence(note))
    layers(found)


def layers(found: Comparison) -> None:
    """The layers whose weights differ most."""
    worst = sorted(found.layers, key=lambda layer: layer.weight_error, reverse=True)[:MOST_LAYERS]
    if not worst:
        st.caption(_("No weight matrix has a counterpart of the same name and shape."))
        return
    column = st.column_config
    st.dataframe(
        [
            {"name": one.name, "error": one.weight_error, "output": one.output_error, "bits": one.bits_other}
            for one in worst
        ],
        hide_index=True,
        column_config={
            "name": column.TextColumn(_("Layers that differ most")),
            "error": column.NumberColumn(_("Change of the weights"), format="percent",
                                         help=_("Root mean square of the difference, relative to the original.")),
            "output": column.NumberColumn(_("Change of the output"), format="percent",
                                          help=_("The same for what the layer outputs on the inputs of the original.")),
            "bits": column.NumberColumn(_("Bits per weight"), format="%.2f", help=_("As its own file stores it.")),
        },
    )  # fmt: skip
