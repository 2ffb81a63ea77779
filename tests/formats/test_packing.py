"""Packing is exact for every width, and bit for bit the layout of the library `compressed-tensors`."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from optlab.formats.packing import pack, unpack, words_per_row

WIDTHS = range(2, 9)


@st.composite
def codes_and_bits(draw):
    bits = draw(st.integers(2, 8))
    rows, columns = draw(st.integers(1, 5)), draw(st.integers(1, 130))
    seed = draw(st.integers(0, 2**31))
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 1 << bits, (rows, columns), generator=generator, dtype=torch.uint8), bits


@settings(deadline=None)
@given(codes_and_bits())
def test_unpack_reverses_pack_for_every_width_and_shape(case):
    codes, bits = case
    assert torch.equal(unpack(pack(codes, bits), bits, codes.shape[1]), codes)


@settings(deadline=None)
@given(codes_and_bits())
def test_no_bit_is_wasted_but_in_the_last_word(case):
    codes, bits = case
    words = pack(codes, bits)
    assert words.dtype == torch.int32
    assert words.shape[1] == words_per_row(codes.shape[1], bits)
    assert 0 <= 32 * words.shape[1] - bits * codes.shape[1] < 32


@pytest.mark.parametrize("bits", WIDTHS)
@pytest.mark.parametrize("columns", [1, 31, 32, 33, 96, 576])
def test_layout_is_that_of_compressed_tensors(bits, columns):
    library = pytest.importorskip("compressed_tensors.compressors.pack_quantized.helpers")
    codes = torch.randint(0, 1 << bits, (7, columns), dtype=torch.uint8)
    signed = (codes.int() - (1 << (bits - 1))).to(torch.int8)
    assert torch.equal(pack(codes, bits), library.pack_to_int32(signed, bits))
    assert torch.equal(pack(codes.T.contiguous(), bits).T, library.pack_to_int32(signed, bits, packed_dim=0))


def test_first_code_lies_in_the_lowest_bits():
    assert pack(torch.tensor([[1, 2, 3]], dtype=torch.uint8), 4).tolist() == [[0x321]]


def test_a_code_that_straddles_two_words():
    codes = torch.zeros(1, 11, dtype=torch.uint8)
    codes[0, 10] = 0b101
    assert pack(codes, 3).tolist() == [[1 << 30, 1]]


def test_wrong_number_of_words_is_refused():
    with pytest.raises(ValueError, match="cannot hold 9 codes of 4 bits"):
        unpack(torch.zeros(1, 1, dtype=torch.int32), 4, 9)
