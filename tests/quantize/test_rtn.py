"""Rounding as a step of a recipe: what it stores, what it refuses, and that it gives back a Q4_1 checkpoint."""

from pathlib import Path

import pytest
import torch

from optlab.errors import RecipeError
from optlab.formats.integer_grid import in_groups, minmax
from optlab.formats.integer_tensor import QuantizedTensor
from optlab.methods import method
from optlab.models import load
from optlab.quantize.rtn import RTN
from tests.compressing import compressed, quantize, tiny


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPTLAB_HOME", str(tmp_path / "home"))


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize("family", ["llama", "gpt2"])
def test_every_linear_layer_is_rounded_and_nothing_else(family, tmp_path):
    model = tiny(family, tmp_path)
    result = compressed(model, tmp_path, quantize(bits=3))
    assert list(result.stored) == model.linear_names()
    for name, stored in result.stored.items():
        W = model.weight(name)
        expected = QuantizedTensor.of(W, minmax(in_groups(W, 16), 3, "integer"), 16)
        assert torch.equal(stored.dequantize(), expected.dequantize())
        assert torch.equal(result.model.weight(name), expected.dequantize())
    touched = {f"{name}.weight" for name in result.stored}
    after = dict(result.model.module.named_parameters())
    for name, before in model.module.named_parameters():
        assert torch.equal(before, after[name]) == (name not in touched)


@pytest.mark.usefixtures("home")
def test_more_bits_smaller_groups_and_better_ranges_lose_less(tmp_path):
    model = tiny("llama", tmp_path)

    def error(**values: object) -> float:
        result = compressed(model, tmp_path, quantize(**values))
        return sum(layer.output_error for layer in result.layers)

    by_bits = [error(bits=bits) for bits in range(2, 9)]
    assert by_bits == sorted(by_bits, reverse=True)
    assert error(bits=4, group_size=16) < error(bits=4, group_size=32)
    assert error(bits=2, clip="mse") < error(bits=2)


def test_a_group_that_does_not_divide_says_what_does():
    with pytest.raises(RecipeError) as raised:
        RTN.check_layer(RTN.check({"group_size": 128}), "any", (576, 576))
    assert str(raised.value) == "group_size 128 does not divide 576; use 32, 64, 96, 192, 288 or 576"
    RTN.check_layer(RTN.check({"group_size": None}), "any", (576, 577))


def test_defaults_and_descriptions():
    rtn = method("quantize", "rtn")
    values = rtn.check({})
    assert (values["bits"], values["group_size"], values["symmetric"]) == (4, 64, False)
    assert rtn.describe(values) == "rtn 4 bits, group 64"
    assert rtn.describe(rtn.check({"symmetric": True, "group_size": None})) == "rtn 4 bits, per channel, symmetric"
    for bits in (1, 9, 2.5):
        with pytest.raises(RecipeError):
            rtn.check({"bits": bits})


@pytest.mark.slow
def test_smollm2_is_given_back_by_rounding_to_its_own_format():
    """Its checkpoint is Q4_1: 16 levels of a float16 step from a float16 minimum in blocks of 32, read as float16."""
    model = load("smollm2-135m", "float32", "cpu")
    levels_used = 0
    for name in model.linear_names()[::10]:
        W = model.weight(name)
        back = QuantizedTensor.of(W, minmax(in_groups(W, 32), 4, "float"), 32)
        # A weight has 11 bits, the minimum and 15 steps add two roundings more.
        tolerance = 3 * 2.0**-11 * in_groups(W, 32).abs().amax(-1, keepdim=True)
        assert ((in_groups(back.dequantize(), 32) - in_groups(W, 32)).abs() <= tolerance).all(), name
        levels_used += in_groups(back.codes, 32)[0, 0].unique().numel()
    assert levels_used > 5 * len(model.linear_names()[::10])
