"""Whom compression hurts: groups are parts of a whole, intervals those of the library, and what is kept is true."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import optlab
from optlab import paths
from optlab.evaluation.paired import interval
from optlab.lessons import whom
from optlab.lessons.weights import Array
from optlab.lessons.whom import FREQUENCIES, PLACES, SORTS, Losses

PIECES = [" word", "in", "Head", ",", "\n", "ROMEO"]


def read(windows: int, length: int, seed: int) -> Losses:
    random = np.random.default_rng(seed)
    ids = random.integers(0, len(PIECES), (windows, length))
    base = random.exponential(size=(windows, length - 1))
    return Losses("text", ids, base, base + random.normal(size=(2, windows, length - 1)))


@given(st.integers(2, 6), st.integers(70, 90), st.integers(0, 99))
def test_groups_of_a_kind_are_the_parts_of_the_whole(windows: int, length: int, seed: int) -> None:
    one = read(windows, length, seed)
    counts = np.asarray([5, 99, 100, 999, 1_000, 10_000])
    found = whom.groups([one], counts, PIECES)
    (whole,) = [group for group in found if group.kind == "text"]
    for kind, names in (("frequency", FREQUENCIES), ("place", PLACES), ("sort", SORTS)):
        parts = [group for group in found if group.kind == kind]
        assert [group.name for group in parts] == list(names)
        assert sum(group.tokens for group in parts) == whole.tokens == one.original.size
        for number in range(2):
            total = sum(group.tokens * group.changes[number].nats for group in parts)
            assert total / whole.tokens == pytest.approx(whole.changes[number].nats, abs=1e-9)


def test_a_group_is_the_mean_over_its_tokens_and_no_other() -> None:
    one = read(4, 80, 3)
    counts = np.asarray([5, 99, 100, 999, 1_000, 10_000])
    rare = next(group for group in whom.groups([one], counts, PIECES) if group.name == "under-100")
    there = np.isin(one.ids[:, 1:], [0, 1])
    assert rare.tokens == there.sum()
    assert rare.loss == pytest.approx(one.original[there].mean())
    assert rare.changes[1].nats == pytest.approx((one.compressed[1] - one.original)[there].mean())


def test_with_equal_windows_the_interval_is_the_paired_one() -> None:
    sums = np.random.default_rng(0).normal(size=12)
    found = whom.change(sums, np.full(12, 8))
    expected = interval(sums / 8)
    assert expected is not None and found.ci95 == pytest.approx(expected)


@pytest.mark.parametrize(
    ("piece", "sort"), [(" word", "word"), ("Head", "word"), ("in", "inside"), (" ,", "punctuation"), (".\n", "line"),
                        ("ROMEO", "capitals"), (" I", "word")],
)  # fmt: skip
def test_a_token_is_sorted_by_its_spelling(piece: str, sort: str) -> None:
    assert whom.sort(piece) == sort


def test_what_is_kept_is_whole() -> None:
    found = whom.load()
    whole = found.of("text")[0]
    for kind in ("frequency", "place", "sort"):
        groups = found.of(kind)
        assert sum(group.tokens for group in groups) == whole.tokens
        for number in range(len(found.recipes)):
            total = sum(group.tokens * group.changes[number].nats for group in groups)
            assert total / whole.tokens == pytest.approx(whole.changes[number].nats, abs=1e-9)


@pytest.mark.slow
def test_what_is_kept_is_what_transformers_reads() -> None:
    """All windows of the Bible at 2 bits, the losses by torch's cross-entropy of transformers' logits."""
    from transformers import AutoModelForCausalLM

    from optlab.texts import splits

    kept = whom.load()
    number = [one.name for one in kept.recipes].index("rtn-2")
    group = next(one for one in kept.of("text") if one.name == "web-bible")
    nano = optlab.load("nano")
    count = group.tokens // (whom.CONTEXT - 1)
    passage = splits.evaluation_passage("web-bible", nano.tokenizer, count * whom.CONTEXT, whom.CONTEXT)
    ids = torch.tensor(list(passage.ids)).reshape(-1, whom.CONTEXT)
    theirs = AutoModelForCausalLM.from_pretrained(paths.ASSETS / "nano", dtype=torch.float32).eval()
    before = losses(theirs, ids)
    made = optlab.compress(nano, kept.recipes[number].recipe)
    state = {name: made.model.weight(name.removesuffix(".weight")) for name in theirs.state_dict()
             if name.removesuffix(".weight") in made.stored}  # fmt: skip
    assert len(state) == 42
    theirs.load_state_dict(state, strict=False)
    change = losses(theirs, ids) - before
    assert before.mean() == pytest.approx(group.loss, abs=1e-4)
    assert change.mean() == pytest.approx(group.changes[number].nats, abs=1e-4)


@torch.inference_mode()
def losses(model: torch.nn.Module, ids: torch.Tensor) -> Array:
    """[W, T - 1], nats."""
    rows = []
    for window in ids:
        logits = model(window[None]).logits[0, :-1]
        rows.append(torch.nn.functional.cross_entropy(logits, window[1:], reduction="none").numpy())
    return np.stack(rows)
