"""NF4 and FP4: their levels against what was published, their errors in closed form, their files exactly."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from optlab.errors import ModelError
from optlab.formats.codebook_tensor import CodebookTensor
from optlab.formats.codebooks import e2m1, levels, nearest, normal_float

PUBLISHED_NF4 = [
    -1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635, -0.18477343022823334,
    -0.09105003625154495, 0.0, 0.07958029955625534, 0.16093020141124725, 0.24611230194568634, 0.33791524171829224,
    0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1.0,
]  # fmt: skip
"""arXiv 2305.14314, appendix E."""


def weights(rows=24, columns=96, seed=0) -> torch.Tensor:
    return torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed))


def test_nf4_is_the_published_codebook():
    # The paper's constants were computed with another inverse normal, in float32.
    torch.testing.assert_close(normal_float(), torch.tensor(PUBLISHED_NF4), rtol=0, atol=1e-6)


def test_nf4_levels_are_met_equally_often_by_normal_numbers():
    largest = 1.848  # of the levels in standard deviations: where 0.9677 of the probability lies below
    x = torch.erfinv(torch.linspace(-1, 1, 20_003)[1:-1].double()).float() * 2**0.5
    x = x[x.abs() <= largest]
    share = nearest(x / largest, "nf4").bincount(minlength=16) / len(x)
    assert (share[1:-1] - 1 / 15).abs().max() < 0.012  # the two outermost levels have half of what the others have
    assert (share[[0, 15]] - 1 / 30).abs().max() < 0.012


def test_fp4_is_the_list_of_the_standard():
    positive = [0, 0.5, 1, 1.5, 2, 3, 4, 6]
    assert (6 * e2m1()).tolist() == pytest.approx(positive + [-v for v in positive])


@pytest.mark.parametrize("book", ["nf4", "fp4"])
def test_the_nearest_level_is_chosen(book):
    x = torch.linspace(-1.2, 1.2, 4801)
    chosen = levels(book)[nearest(x, book).long()]
    best = (x.unsqueeze(1) - levels(book)).abs().amin(1)
    torch.testing.assert_close((chosen - x).abs(), best, rtol=0, atol=1e-7)


@pytest.mark.parametrize("book", ["nf4", "fp4"])
def test_numbers_on_the_levels_come_back_exactly(book):
    scale = torch.tensor([0.5, 2.0, 0.0]).repeat_interleave(2).view(3, 2)
    codes = torch.arange(16).repeat(3, 2)
    W = levels(book)[codes] * scale.repeat_interleave(16, dim=1)
    assert torch.equal(CodebookTensor.of(W, book, 16).dequantize(), W)


@pytest.mark.parametrize("book", ["nf4", "fp4"])
def test_the_error_of_evenly_spread_weights_is_that_of_the_gaps(book):
    """Evenly spread numbers over a gap of width d have a mean squared error of d^2 / 12, in d / 2 of all numbers."""
    x = torch.linspace(-1, 1, 200_001)
    W = torch.cat((x, torch.tensor([1.0, -1.0, 1.0]))).view(1, -1)
    gaps = levels(book).sort().values.diff().double()
    expected = float((gaps**3).sum() / 24)
    error = CodebookTensor.of(W, book, None).dequantize() - W
    assert float(error.double().square().mean()) == pytest.approx(expected, rel=1e-3)


def test_no_number_is_further_off_than_half_the_widest_gap():
    W = weights()
    for book in ("nf4", "fp4"):
        half = float(levels(book).sort().values.diff().max()) / 2
        error = (CodebookTensor.of(W, book, 32).dequantize() - W).abs().unflatten(1, (-1, 32)).amax(-1)
        largest = W.abs().unflatten(1, (-1, 32)).amax(-1)
        assert (error <= (half + 2.0**-11) * largest).all()


def test_nf4_fits_normal_weights_better_than_even_levels_and_than_fp4():
    from optlab.formats.integer_grid import in_groups, minmax
    from optlab.formats.integer_tensor import QuantizedTensor

    W = weights(256, 512)

    def error(tensor) -> float:
        return float((tensor.dequantize() - W).square().mean())

    nf4 = error(CodebookTensor.of(W, "nf4", 64))
    assert nf4 < error(QuantizedTensor.of(W, minmax(in_groups(W, 64), 4, "none"), 64))
    assert nf4 < error(CodebookTensor.of(W, "fp4", 64))


@settings(deadline=None, max_examples=50)
@given(
    book=st.sampled_from(["nf4", "fp4"]),
    rows=st.integers(1, 40),
    groups=st.integers(1, 5),
    size=st.sampled_from([1, 3, 16, 20, 32]),
    per_channel=st.booleans(),
    share=st.floats(0, 1),
)
def test_parts_bring_back_the_same_weight_and_their_bytes_are_the_size(book, rows, groups, size, per_channel, share):
    W = weights(rows, groups * size)
    before = CodebookTensor.of(W, book, None if per_channel else size)
    if share > 0.1:
        mask = torch.rand(W.shape, generator=torch.Generator().manual_seed(1)) < share
        before = before.with_zeros(mask)
        assert (before.dequantize()[mask] == 0).all()
    parts = before.parts()
    after = CodebookTensor.from_parts(before.meta(), parts)
    assert torch.equal(after.dequantize(), before.dequantize())
    assert (after.meta(), after.form) == (before.meta(), before.form)
    assert before.stored_bits() == 8 * sum(part.numel() * part.element_size() for part in parts.values())


def test_stored_bits_are_codes_and_scales_and_zeros_are_left_out_where_that_is_smaller():
    tensor = CodebookTensor.of(weights(64, 128), "nf4", 64)
    assert tensor.stored_bits() / (64 * 128) == 4 + 16 / 64
    mask = torch.zeros(64, 128, dtype=torch.bool)
    mask[:, :115] = True
    sparse = tensor.with_zeros(mask)
    kept = int((sparse.dequantize() != 0).sum())
    assert sparse.stored_bits() == 64 * 128 + 32 * -(-kept * 4 // 32) + 16 * 64 * 2


@pytest.mark.parametrize("damage", ["missing", "shape", "book"])
def test_damaged_parts_are_one_clear_sentence(damage):
    tensor = CodebookTensor.of(weights(), "nf4", 32)
    parts, meta = tensor.parts(), tensor.meta()
    if damage == "missing":
        del parts["weight_scale"]
    elif damage == "shape":
        parts["weight_scale"] = parts["weight_scale"][:, :1]
    else:
        meta["book"] = "nf5"
    with pytest.raises(ModelError, match="make the artefact again"):
        CodebookTensor.from_parts(meta, parts).dequantize()
