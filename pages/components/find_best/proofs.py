"""What became of predictions: the one that was proved last, and the record of them all."""

from __future__ import annotations

import streamlit as st

from optlab.advice.proof import Proof, proof_of, proofs, record
from optlab.figures import format
from optlab.i18n import _
from optlab.prediction.ledger import Ledger
from optlab.recipes import Recipe
from pages.components.shared.services import escaped


def show(ledger: Ledger, recipe: Recipe) -> None:
    """Predicted against measured, where this recipe was predicted before it was measured."""
    proof = proof_of(ledger, recipe)
    if proof is not None:
        line(proof)


def line(proof: Proof) -> None:
    """One proof, with a sign for whether the band held."""
    icon = ":material/verified:" if proof.inside else ":material/warning:"
    st.markdown(f"{icon} {escaped(proof.in_words())}")


def of_all(ledger: Ledger) -> None:
    """How many bands held, and every proof behind that."""
    found = proofs(ledger)
    if not found:
        st.caption(_("No prediction was proved on this model yet. Every proof is recorded here, hit or miss."))
        return
    with st.expander(record(ledger), icon=":material/fact_check:"):
        st.dataframe(
            {
                _("Recipe"): [one.title for one in found],
                _("Predicted"): [format.change(one.predicted) for one in found],
                _("90% band"): [format.change_range(one.low, one.high) for one in found],
                _("Measured"): [format.change(one.measured) for one in found],
                _("Inside"): [one.inside for one in found],
                _("When"): [format.moment(one.finished) for one in found],
            },
            hide_index=True,
        )
