"""Zeros are stored in the cheapest of three forms, whose bytes are closed forms, and come back exactly."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from optlab.errors import ModelError
from optlab.formats.codebook_tensor import CodebookTensor
from optlab.formats.float_tensor import FloatTensor
from optlab.formats.integer_grid import in_groups, minmax
from optlab.formats.integer_tensor import QuantizedTensor
from optlab.formats.sparse.positions import pack_bits, unpack_bits
from optlab.formats.sparse.sizes import break_even, byte_costs, cheapest, digits_per_word, hardware_bytes, sizes
from optlab.formats.sparse_tensor import SparseTensor
from optlab.prune.masks import lowest_of_neighbours


def sparse(rows: int, columns: int, share: float, dtype: torch.dtype = torch.float16, seed: int = 0) -> SparseTensor:
    generator = torch.Generator().manual_seed(seed)
    W = torch.randn(rows, columns, generator=generator) + 3
    return SparseTensor(W.masked_fill(torch.rand(rows, columns, generator=generator) < share, 0.0).to(dtype))


@settings(deadline=None, max_examples=80)
@given(
    rows=st.integers(1, 20),
    columns=st.integers(1, 70),
    share=st.floats(0, 1),
    dtype=st.sampled_from([torch.float16, torch.bfloat16, torch.float32]),
    seed=st.integers(0, 1000),
)
def test_parts_bring_back_the_same_weight_and_take_the_bytes_that_are_reported(rows, columns, share, dtype, seed):
    before = sparse(rows, columns, share, dtype, seed)
    parts = before.parts()
    after = SparseTensor.from_parts(before.meta(), parts)
    assert torch.equal(after.values, before.values)
    assert after.values.dtype == dtype
    assert before.stored_bits() == 8 * sum(part.numel() * part.element_size() for part in parts.values())


@pytest.mark.parametrize(
    ("share", "form"), [(0.0, "dense"), (0.05, "dense"), (0.08, "bitmask"), (0.5, "bitmask"), (0.99, "csr")]
)
def test_the_cheapest_form_is_chosen(share, form):
    tensor = sparse(256, 512, share)
    assert tensor.form == form
    costs = byte_costs(256, 512, tensor.nonzeros, 2)
    assert costs[form] == min(costs.values())


def test_bytes_are_those_of_the_formulas():
    # 100 rows of 1000 columns, 16-bit numbers, a tenth of them not zero.
    costs = byte_costs(100, 1000, 10_000, 2)
    assert costs == {"dense": 200_000, "bitmask": 12_500 + 20_000, "csr": 4 * 101 + 10_000 * 4}
    assert byte_costs(1, 65_537, 1, 2)["csr"] == 4 * 2 + 4 + 2


def test_a_negative_zero_is_a_zero():
    tensor = SparseTensor(torch.tensor([[-0.0] * 31 + [1.0]], dtype=torch.float16))
    assert tensor.nonzeros == 1
    assert torch.equal(SparseTensor.from_parts(tensor.meta(), tensor.parts()).values, tensor.values)


def test_columns_beyond_the_reach_of_16_bits_come_back():
    W = torch.zeros(2, (1 << 16) + 8, dtype=torch.float16)
    W[0, 0], W[1, -1] = 1, 2
    tensor = SparseTensor(W)
    assert tensor.form == "csr"
    assert torch.equal(SparseTensor.from_parts(tensor.meta(), tensor.parts()).values, W)


@pytest.mark.parametrize(
    ("share", "part"),
    [(0.5, "weight_values"), (0.5, "weight_bitmask")]
    + [(0.99, part) for part in ("weight_values", "weight_rows", "weight_columns")],
)
def test_a_damaged_part_is_one_clear_sentence(share, part):
    tensor = sparse(64, 64, share)
    parts = tensor.parts()
    with pytest.raises(ModelError, match="make the artefact again"):
        SparseTensor.from_parts(tensor.meta(), {**parts, part: parts[part][:-1]})
    with pytest.raises(ModelError, match="make the artefact again"):
        SparseTensor.from_parts(tensor.meta(), {name: value for name, value in parts.items() if name != part})


def test_the_first_entry_is_the_lowest_bit():
    mask = torch.tensor([True, False, False, True, False, False, False, False, True])
    assert pack_bits(mask).tolist() == [0b1001, 1]
    assert torch.equal(unpack_bits(pack_bits(mask), 9), mask)


@settings(deadline=None, max_examples=40)
@given(
    pattern=st.sampled_from(["2:4", "4:8"]),
    rows=st.integers(1, 9),
    groups=st.integers(1, 30),
    more=st.floats(0, 0.4),
    seed=st.integers(0, 1000),
)
def test_packed_groups_come_back_though_some_have_more_zeros(pattern, rows, groups, more, seed):
    generator = torch.Generator().manual_seed(seed)
    W = torch.randn(rows, 8 * groups, generator=generator)
    W = W.masked_fill(lowest_of_neighbours(W.abs(), pattern), 0.0)
    before = SparseTensor(W.masked_fill(torch.rand(W.shape, generator=generator) < more, 0.0).half())
    parts = before.parts()
    assert torch.equal(SparseTensor.from_parts(before.meta(), parts).values, before.values)
    assert before.stored_bits() == 8 * sum(part.numel() * part.element_size() for part in parts.values())


@pytest.mark.parametrize(("pattern", "bits"), [("2:4", 8 + 64 / 96), ("4:8", 8 + 64 / 80)])
def test_half_of_a_pattern_is_smaller_packed_than_with_a_bitmask(pattern, bits):
    W = torch.randn(960, 960, generator=torch.Generator().manual_seed(0))
    tensor = SparseTensor(W.masked_fill(lowest_of_neighbours(W.abs(), pattern), 0.0).half())
    assert tensor.form == pattern
    assert tensor.stored_bits() / W.numel() == pytest.approx(bits, abs=1e-3)
    assert tensor.costs["bitmask"] * 8 / W.numel() == 9
    words = tensor.parts()["weight_places"]
    with pytest.raises(ModelError, match="make the artefact again"):
        SparseTensor.from_parts(tensor.meta(), {**tensor.parts(), "weight_places": words[:-1]})


def test_as_many_digits_share_a_word_as_fit():
    for pattern, choices in (("2:4", 6), ("4:8", 70)):
        assert choices ** digits_per_word(pattern) < 2**63 <= choices ** (digits_per_word(pattern) + 1)


@settings(deadline=None, max_examples=30)
@given(sparsity=st.floats(0, 1), bits=st.sampled_from([4, 8, 16, 32]))
def test_sizes_are_the_formulas(sparsity, bits):
    found = sizes((64, 128), sparsity, bits)
    kept = round((1 - sparsity) * 8192)
    assert found["dense"] == 8192 * bits // 8
    assert found["bitmask"] == 1024 + -(-kept * bits // 8)
    assert found["csr"] == 4 * 65 + -(-kept * (16 + bits) // 8)
    assert ("2:4" in found) == (sparsity >= 0.5)


@pytest.mark.parametrize("bits", [4, 8, 16])
def test_forms_cross_where_algebra_says(bits):
    assert break_even((1024, 1024), "bitmask", "dense", bits) == pytest.approx(1 / bits, abs=1e-4)
    rows = 32 / 1024  # bits per weight that the starts of the rows take
    assert break_even((1024, 1024), "csr", "bitmask", bits) == pytest.approx(1 - (1 - rows) / 16, abs=1e-3)


@settings(deadline=None, max_examples=40)
@given(
    kind=st.sampled_from(["codes", "codebook", "float8", "bfloat16"]),
    share=st.sampled_from(["2:4", "4:8", 0.3, 0.7, 0.97]),
    rows=st.integers(1, 24),
    seed=st.integers(0, 100),
)
def test_zeros_are_left_out_on_top_of_every_number_format(kind, share, rows, seed):
    generator = torch.Generator().manual_seed(seed)
    W = torch.randn(rows, 64, generator=generator)
    mask = (
        lowest_of_neighbours(W.abs(), share)
        if isinstance(share, str)
        else torch.rand(W.shape, generator=generator) < share
    )
    before = {
        "codes": lambda: QuantizedTensor.of(W, minmax(in_groups(W, 32), 4, "integer"), 32),
        "codebook": lambda: CodebookTensor.of(W, "nf4", 32),
        "float8": lambda: FloatTensor.scaled(W, rows, 1),
        "bfloat16": lambda: FloatTensor(W.bfloat16()),
    }[kind]().with_zeros(mask)
    parts = before.parts()
    after = type(before).from_parts(before.meta(), parts)
    assert torch.equal(after.dequantize(), before.dequantize())
    assert (before.dequantize()[mask] == 0).all()
    assert before.stored_bits() == 8 * sum(part.numel() * part.element_size() for part in parts.values())
    assert before.stored_bits() <= replace(before, pruned=False).stored_bits()
    assert min(before.costs.values()) == before.costs[cheapest(before.costs)]


def test_a_pattern_saves_a_third_of_a_bit_per_weight_over_a_bitmask_on_top_of_codes():
    W = torch.randn(960, 960, generator=torch.Generator().manual_seed(0))
    tensor = QuantizedTensor.of(W, minmax(in_groups(W, 64), 4, "none"), 64)
    pruned = tensor.with_zeros(lowest_of_neighbours(W.abs(), "2:4"))
    assert pruned.form == "2:4"
    assert pruned.costs["dense"] * 8 / W.numel() == 4
    assert pruned.costs["2:4"] * 8 / W.numel() == pytest.approx(2 + 64 / 96, abs=1e-3)
    assert pruned.costs["bitmask"] * 8 / W.numel() <= 3


def test_hardware_keeps_two_numbers_of_four_with_two_bits_each() -> None:
    values, index = 64 * 128 // 2 * 2, 64 * 128 // 2 * 2 // 8  # float16 numbers; 2 bits for each
    assert hardware_bytes((64, 128), 16) == values + index
    assert hardware_bytes((64, 128), 4) == 64 * 128 // 2 // 2 + index
