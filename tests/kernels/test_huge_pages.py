"""Places in large pages: the same numbers, on cache lines, none over another, and dense weights held only once."""

from __future__ import annotations

import gc
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from optlab.kernels.native import library as built
from optlab.kernels.native.huge_pages import BLOCK, LINE, PAGE, Pages, block
from optlab.kernels.native.llama import NativeLlama
from optlab.kernels.runtime import runtime
from optlab.models import load
from optlab.models.transformer import Transformer
from tests.tiny import tiny_model_folder

DTYPES = (torch.uint8, torch.int8, torch.float16, torch.bfloat16, torch.float32)


@settings(max_examples=30, deadline=None)
@given(shapes=st.lists(st.tuples(st.integers(1, 40), st.integers(1, 70), st.sampled_from(DTYPES)), min_size=1))
def test_tensors_keep_their_numbers_and_do_not_overlap(shapes: list[tuple[int, int, torch.dtype]]) -> None:
    pages, generator = Pages(), torch.Generator().manual_seed(0)
    before = [torch.randint(0, 100, (rows, columns), generator=generator).to(kind) for rows, columns, kind in shapes]
    after = [pages.place(one) for one in before]
    for old, new in zip(before, after, strict=True):
        assert torch.equal(old, new)
        assert new.data_ptr() % LINE == 0
    ends = sorted((one.data_ptr(), one.data_ptr() + one.numel() * one.element_size()) for one in after)
    assert all(end <= begin for (_, end), (begin, _) in pairwise(ends))


def test_blocks_begin_where_a_page_does_and_grow_with_what_is_asked_for() -> None:
    assert block(10).data_ptr() % PAGE == 0
    assert block(PAGE + 1).numel() == 2 * PAGE
    assert Pages().empty((BLOCK + 1,), torch.uint8).numel() == BLOCK + 1


def test_a_place_outlives_the_pages_it_came_from() -> None:
    found = Pages().place(torch.arange(1000))
    gc.collect()
    assert torch.equal(found, torch.arange(1000))


@pytest.mark.skipif(built.library()[0] is None, reason=built.library()[1] or "the library is there")
def test_dense_weights_are_held_once(tmp_path: Path) -> None:
    model = load(str(tiny_model_folder("llama", tmp_path)), "bfloat16", "cpu")
    before = model.logits(torch.tensor([[5, 6, 7]]))
    fast = runtime(model, "bfloat16")
    assert isinstance(fast, NativeLlama) and isinstance(model.module, Transformer)
    assert model.module.lm_head.weight.data_ptr() == fast.head.parts[0].weight.data_ptr()  # type: ignore[union-attr]
    assert fast.embedding.data_ptr() == model.module.model.embed_tokens.weight.data_ptr()
    for packed, layer in zip(fast.blocks, model.module.model.layers, strict=True):
        assert packed.down.parts[0].weight.data_ptr() == layer.mlp.down_proj.weight.data_ptr()  # type: ignore[union-attr]
    assert torch.equal(model.logits(torch.tensor([[5, 6, 7]])), before)
