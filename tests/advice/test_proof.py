"""A proof says what was predicted, what was measured, and whether the band held; the record counts them all."""

from __future__ import annotations

import math

from optlab.advice.proof import proof_of, proofs, record
from optlab.prediction.ledger import Entry, Ledger
from optlab.recipes import Recipe, Step

HIT = Entry(Recipe.of(Step("quantize", "rtn", {"bits": 4})), math.log(1.10), (math.log(1.05), math.log(1.2)),
            math.log(1.15), 2.0)  # fmt: skip
MISS = Entry(Recipe.of(Step("quantize", "rtn", {"bits": 3})), 0.1, (0.0, 0.2), 2000.0, 1.0)


def test_a_proof_has_the_figures_of_its_entry_as_ratios() -> None:
    proof = proof_of(Ledger((HIT, MISS)), HIT.recipe)  # type: ignore[arg-type]
    assert proof is not None
    assert proof.in_words() == "Predicted +10.0% (+5.0% to +20.0%), measured +15.0%: inside the band."


def test_a_miss_is_told_as_one_even_beyond_what_a_number_holds() -> None:
    miss = proofs(Ledger((HIT, MISS)))[1]
    assert math.isinf(miss.measured)
    assert miss.in_words().endswith("outside the band.")


def test_what_was_never_predicted_has_no_proof() -> None:
    assert proof_of(Ledger((HIT,)), Recipe()) is None


def test_the_record_counts_hits_among_all_proofs() -> None:
    assert record(Ledger(())) == ""
    assert record(Ledger((HIT,))) == "1 of 1 proof lies inside its 90% band."
    assert record(Ledger((HIT, MISS, HIT))) == "2 of 3 proofs lie inside their 90% bands."
