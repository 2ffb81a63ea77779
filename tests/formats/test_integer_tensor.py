"""A quantized weight survives its file exactly, and its size is a closed form."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from optlab.errors import ModelError, RecipeError
from optlab.formats.integer_grid import in_groups, minmax
from optlab.formats.integer_tensor import QuantizedTensor


def quantized(bits=4, size=32, zero="integer", rows=48, columns=96, seed=0) -> QuantizedTensor:
    W = torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed))
    return QuantizedTensor.of(W, minmax(in_groups(W, size), bits, zero), size)


@settings(deadline=None, max_examples=50)
@given(
    bits=st.integers(2, 8),
    rows=st.integers(1, 40),
    groups=st.integers(1, 5),
    size=st.sampled_from([3, 16, 20, 32]),
    zero=st.sampled_from(["none", "integer", "float"]),
    per_channel=st.booleans(),
    share=st.floats(0, 1),
)
def test_parts_bring_back_the_same_weight(bits, rows, groups, size, zero, per_channel, share):
    before = quantized(bits, None if per_channel else size, zero, rows, groups * size)
    if zero != "float" and share > 0.1:
        before = before.with_zeros(torch.rand(before.shape, generator=torch.Generator().manual_seed(1)) < share)
    after = QuantizedTensor.from_parts(before.meta(), before.parts())
    assert torch.equal(after.codes, before.codes)
    assert torch.equal(after.dequantize(), before.dequantize())
    assert (after.zero, after.bits, after.group_size) == (before.zero, before.bits, before.group_size)
    assert (after.pruned, after.form) == (before.pruned, before.form)
    parts = before.parts().values()
    assert before.stored_bits() == 8 * sum(part.numel() * part.element_size() for part in parts)


@pytest.mark.parametrize(
    ("zero", "bits_per_weight"), [("none", 4 + 16 / 64), ("integer", 4 + 20 / 64), ("float", 4 + 32 / 64)]
)
def test_stored_bits_are_codes_scales_and_zeros(zero, bits_per_weight):
    tensor = quantized(4, 64, zero, rows=64, columns=128)
    assert tensor.stored_bits() / (64 * 128) == bits_per_weight


def test_library_reads_the_same_weight_from_our_parts():
    compressor = pytest.importorskip("compressed_tensors.compressors.pack_quantized.base").PackedQuantizationCompressor
    quantization = pytest.importorskip("compressed_tensors.quantization")
    for bits in (2, 3, 4, 5, 6, 7, 8):
        for size in (32, None):
            for symmetric in (True, False):
                ours = quantized(bits, size, "none" if symmetric else "integer")
                args = quantization.QuantizationArgs(
                    num_bits=bits, symmetric=symmetric, group_size=size, strategy="group" if size else "channel"
                )
                parts = {**ours.parts(), "weight_shape": torch.tensor(ours.shape)}
                parts["weight_scale"] = parts["weight_scale"].float()
                scheme = quantization.QuantizationScheme(targets=["Linear"], weights=args)
                theirs = compressor.decompress(parts, scheme)["weight"]
                assert torch.equal(theirs.float(), ours.dequantize()), (bits, size, symmetric)


def test_masked_weights_become_exactly_zero_and_others_stay():
    for zero in ("none", "integer"):
        tensor = quantized(3, 32, zero)
        mask = torch.rand(tensor.shape) < 0.5
        after = tensor.with_zeros(mask).dequantize()
        assert (after[mask] == 0).all()
        assert torch.equal(after[~mask], tensor.dequantize()[~mask])


def test_codes_of_zeros_are_left_out_where_that_is_smaller_and_only_after_pruning():
    # Symmetric: code 2 stands for 0. Half the weights fall on it by rounding alone.
    scale = torch.ones(8, 1, dtype=torch.float16)
    codes = torch.tensor([2, 1], dtype=torch.uint8).repeat(8, 64)
    rounded = QuantizedTensor(codes, scale, None, 2, None)
    assert rounded.form == "codes"
    for share, form in ((0.1, "codes"), (0.9, "bitmask")):
        mask = torch.zeros(64, 128, dtype=torch.bool)
        mask[:, : int(128 * share)] = True
        tensor = quantized(4, 32, "none", 64, 128).with_zeros(mask)
        assert tensor.form == form
    kept = int((tensor.codes != 8).sum())
    bits = 64 * 128 + 32 * -(-kept * 4 // 32) + 16 * tensor.scale.numel()
    assert tensor.stored_bits() == bits < 4 * 64 * 128


def test_a_float_zero_point_cannot_hold_pruned_weights():
    with pytest.raises(RecipeError, match="use integer"):
        quantized(zero="float").with_zeros(torch.ones(48, 96, dtype=torch.bool))


@pytest.mark.parametrize("damage", ["missing", "shape", "meta"])
def test_damaged_parts_are_one_clear_sentence(damage):
    tensor = quantized()
    parts, meta = tensor.parts(), tensor.meta()
    if damage == "missing":
        del parts["weight_scale"]
    elif damage == "shape":
        parts["weight_scale"] = parts["weight_scale"][:, :1]
    else:
        meta["bits"] = "many"
    with pytest.raises(ModelError, match="make the artefact again"):
        QuantizedTensor.from_parts(meta, parts)
