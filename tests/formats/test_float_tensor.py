"""float16, bfloat16 and float8 weights: errors in closed form, files exactly."""

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from optlab.errors import ModelError
from optlab.formats.float_tensor import E4M3, FloatTensor


def weights(rows=24, columns=96, seed=0) -> torch.Tensor:
    return torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed))


def of_format(kind: str, W: torch.Tensor) -> FloatTensor:
    rows, columns = W.shape
    if kind in ("float16", "bfloat16"):
        return FloatTensor(W.to(getattr(torch, kind)))
    shapes = {"tensor": (1, 1), "channel": (rows, 1), "group": (rows, columns // 8)}
    return FloatTensor.scaled(W, *shapes[kind])


def e4m3_numbers() -> torch.Tensor:
    """All finite numbers of the format, from its definition: 4 exponent bits of bias 7, 3 mantissa bits, no infinity,
    the largest code left for NaN (arXiv 2209.05433, table 1)."""
    positive = [m / 8 * 2.0**-6 for m in range(8)]
    positive += [(1 + m / 8) * 2.0 ** (e - 7) for e in range(1, 16) for m in range(8)][:-1]
    return torch.tensor(sorted({sign * value for value in positive for sign in (-1.0, 1.0)}))


def test_float8_rounds_to_the_nearest_number_of_the_format():
    W = weights(1, 512)
    stored = FloatTensor.scaled(W, 1, 1)
    assert stored.scale is not None
    step = stored.scale.float()
    numbers = e4m3_numbers()
    assert numbers.max() == 448
    best = ((W / step).T - numbers).abs().amin(1)
    torch.testing.assert_close(((stored.dequantize() - W) / step).abs()[0], best, rtol=1e-4, atol=1e-4)


def test_the_relative_error_of_a_float_is_half_its_last_digit():
    W = weights(64, 64).abs() + 0.1
    for kind, digits in (("float16", 11), ("bfloat16", 8), ("channel", 4)):
        error = ((of_format(kind, W).dequantize() - W) / W).abs().max()
        assert 2.0 ** -(digits + 1) < error <= 2.0**-digits, kind


def test_no_weight_becomes_nan_however_large_or_small():
    for size in (1e-8, 1.0, 6e4, 1e15):
        W = weights() * size
        W[0] = 0.0
        for kind in ("tensor", "channel", "group"):
            back = of_format(kind, W).dequantize()
            assert back.isfinite().all()
            assert (back[0] == 0).all()
            assert (back - W).norm() < 0.05 * W.norm()


def test_finer_scales_lose_less_where_rows_differ():
    W = weights(32, 64) * torch.logspace(-6, 0, 32).unsqueeze(1)
    relative = [
        float(((of_format(kind, W).dequantize() - W) / W.norm(dim=1, keepdim=True)).norm())
        for kind in ("tensor", "channel")
    ]
    assert relative[1] < relative[0] / 2


@settings(deadline=None, max_examples=50)
@given(
    kind=st.sampled_from(["float16", "bfloat16", "tensor", "channel", "group"]),
    rows=st.integers(1, 30),
    groups=st.integers(1, 9),
    share=st.floats(0, 1),
)
@example(kind="tensor", rows=2, groups=4, share=0.9921875)  # a single weight is left
def test_parts_bring_back_the_same_weight_and_their_bytes_are_the_size(kind, rows, groups, share):
    W = weights(rows, 8 * groups)
    before = of_format(kind, W)
    if share > 0.05:
        mask = torch.rand(W.shape, generator=torch.Generator().manual_seed(1)) < share
        before = before.with_zeros(mask)
        assert (before.dequantize()[mask] == 0).all()
    parts = before.parts()
    after = FloatTensor.from_parts(before.meta(), parts)
    assert after.values.dtype == before.values.dtype
    assert torch.equal(after.dequantize(), before.dequantize())
    assert (after.meta(), after.form) == (before.meta(), before.form)
    assert before.stored_bits() == 8 * sum(part.numel() * part.element_size() for part in parts.values())


def test_bits_per_weight():
    W = weights(64, 128)
    bits = {kind: of_format(kind, W).stored_bits() / W.numel() for kind in ("float16", "bfloat16", "channel", "group")}
    assert bits == {"float16": 16, "bfloat16": 16, "channel": 8 + 16 / 128, "group": 8 + 16 / 8}


def test_half_zeros_are_left_out_of_the_file():
    W = weights(64, 128)
    mask = torch.zeros(W.shape, dtype=torch.bool)
    mask[:, :64] = True
    sparse = of_format("bfloat16", W).with_zeros(mask)
    assert sparse.form == "bitmask"
    assert sparse.stored_bits() == W.numel() + 16 * W.numel() // 2


@pytest.mark.parametrize("damage", ["missing", "scale", "dtype"])
def test_damaged_parts_are_one_clear_sentence(damage):
    tensor = of_format("channel", weights())
    parts, meta = tensor.parts(), tensor.meta()
    assert parts["weight"].dtype == E4M3
    if damage == "missing":
        del parts["weight"]
    elif damage == "scale":
        del parts["weight_scale"]
    else:
        meta["format"] = "bfloat16"
    with pytest.raises(ModelError, match="make the artefact again"):
        FloatTensor.from_parts(meta, parts)
