"""Rounded keys and values: exact on their levels, and attention as if one token after another had been decoded."""

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from optlab.models import load
from optlab.models.key_values import KeyValueFormat, key_value_formats, round_key_values
from optlab.models.language_model import LanguageModel
from optlab.models.transformer import KVCache
from tests.tiny import CAUSAL, tiny_model_folder

FORMATS = [KeyValueFormat(8, "token"), KeyValueFormat(3, "token"), KeyValueFormat(4, "channel", 4)]


def numbers(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def rounding(family: str, folder: Path, chosen: KeyValueFormat) -> LanguageModel:
    model = load(str(tiny_model_folder(family, folder / family)))
    for name, _ in model.blocks():
        round_key_values(model, name, chosen)
    return model


@pytest.mark.parametrize("bits", range(2, 9))
@pytest.mark.parametrize("dim", [-1, -2])
def test_a_number_is_off_by_half_a_step_at_most(bits, dim):
    x = numbers(2, 16, 8) * torch.logspace(-2, 2, 16).unsqueeze(1)
    low, high = x.aminmax(dim=dim, keepdim=True)
    error = (KeyValueFormat(bits).rounded(x, dim) - x).abs()
    assert (error <= (0.5 / (2**bits - 1) + 0.001) * (high - low) + 0.001 * low.abs()).all()
    assert (error.amax(dim) > 0).all()


def test_levels_come_back_exactly_and_so_do_equal_numbers():
    levels = torch.arange(16.0).view(1, 16) * 0.25 - 1.5
    assert torch.equal(KeyValueFormat(4).rounded(levels, -1), levels)
    equal = torch.full((3, 5), 0.5)
    assert torch.equal(KeyValueFormat(4).rounded(equal, -1), equal)


@pytest.mark.parametrize("chosen", FORMATS)
@pytest.mark.parametrize("tokens", [1, 3, 4, 11])
def test_attention_is_that_of_decoding_token_after_token(chosen, tokens):
    """A cache kept by hand: every token is appended, and what is full is rounded before the next one asks."""
    q, k, v = numbers(1, 4, tokens, 8), numbers(1, 2, tokens, 8, seed=1), numbers(1, 2, tokens, 8, seed=2)
    seen_k, seen_v = torch.empty(1, 2, 0, 8), torch.empty(1, 2, 0, 8)
    rows = []
    for t in range(tokens):
        if chosen.keys == "token":
            new_k, new_v = chosen.rounded(k[:, :, t : t + 1], -1), chosen.rounded(v[:, :, t : t + 1], -1)
        else:
            new_k, new_v = k[:, :, t : t + 1], v[:, :, t : t + 1]
            if t and t % chosen.group == 0:
                full = slice(t - chosen.group, t)
                seen_k[:, :, full] = chosen.rounded(k[:, :, full], -2)
                seen_v[:, :, full] = chosen.rounded(v[:, :, full], -1)
        seen_k, seen_v = torch.cat((seen_k, new_k), 2), torch.cat((seen_v, new_v), 2)
        rows.append(F.scaled_dot_product_attention(q[:, :, t : t + 1], seen_k, seen_v, enable_gqa=True))
    expected = torch.cat(rows, 2)
    torch.testing.assert_close(chosen.attention(q, k, v), expected)
    torch.testing.assert_close(chosen.attention(q[:, :, -1:], k, v), expected[:, :, -1:])


def test_keys_with_a_large_channel_want_ranges_per_channel():
    q, k, v = numbers(1, 2, 64, 16), numbers(1, 2, 64, 16, seed=1), numbers(1, 2, 64, 16, seed=2)
    k[..., 3] += 30
    exact = F.scaled_dot_product_attention(q, k, v, is_causal=True)

    def error(keys: str) -> float:
        return float((KeyValueFormat(4, keys, 16).attention(q, k, v) - exact).norm())

    assert error("channel") < error("token") / 2


@pytest.mark.parametrize("family", CAUSAL)
@pytest.mark.parametrize("chosen", FORMATS)
def test_every_family_reads_a_window_as_it_decodes_it(family, chosen, tmp_path):
    model = rounding(family, tmp_path, chosen)
    ids = torch.arange(4, 19).unsqueeze(0)
    with torch.inference_mode():
        whole = model.logits(ids)[0]
        if hasattr(model.module, "generate"):
            cache, rows = None, []
            for t in range(ids.shape[1]):
                out = model.module(input_ids=ids[:, t : t + 1], past_key_values=cache, use_cache=True)
                cache, rows = out.past_key_values, [*rows, out.logits[0, 0]]
        else:
            config = model.module.config
            memory = KVCache(config, 1, 20, torch.float32, "cpu")
            rows = [model.module(ids[:, t : t + 1], memory)[0, 0] for t in range(ids.shape[1])]
    torch.testing.assert_close(torch.stack(rows), whole, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("family", CAUSAL)
def test_fewer_bits_lose_more_and_copies_keep_them(family, tmp_path):
    plain = load(str(tiny_model_folder(family, tmp_path / family)))
    ids = torch.arange(4, 44).unsqueeze(0)
    errors = []
    with torch.inference_mode():
        exact = plain.logits(ids)
        for bits in (8, 5, 2):
            model = rounding(family, tmp_path / str(bits), KeyValueFormat(bits, "channel", 8))
            errors.append(float((model.logits(ids) - exact).norm() / exact.norm()))
            copy = model.clone()
            assert torch.equal(copy.logits(ids), model.logits(ids))
            assert key_value_formats(copy) == {name: KeyValueFormat(bits, "channel", 8) for name, _ in copy.blocks()}
        assert torch.equal(plain.logits(ids), exact)
        assert key_value_formats(plain) == {}
    assert 0 < errors[0] < 0.01 < errors[2]
    assert errors == sorted(errors)


def test_memory_is_the_bits_and_two_numbers_for_each_range():
    assert KeyValueFormat(4, "token").bits_per_number(64) == 4 + 32 / 64
    assert KeyValueFormat(8, "channel", 32).bits_per_number(64) == 8 + (32 / 32 + 32 / 64) / 2
