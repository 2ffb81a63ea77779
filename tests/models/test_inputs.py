"""Rounded inputs of linear layers: exact on their grid, bounded off it, and part of the model wherever it goes."""

from pathlib import Path

import pytest
import torch
from torch import nn

from optlab.models import load
from optlab.models.inputs import InputFormat, input_format, input_formats, round_inputs
from tests.tiny import tiny_model_folder


def tokens(seed: int = 0) -> torch.Tensor:
    sizes = torch.tensor([1e-6, 1.0, 300.0]).view(3, 1)
    return torch.randn(3, 40, generator=torch.Generator().manual_seed(seed)) * sizes


@pytest.mark.parametrize("bits", range(3, 9))
def test_each_token_has_its_own_scale_and_is_off_by_half_a_step_at_most(bits):
    x = tokens()
    largest = x.abs().amax(1, keepdim=True)
    step = largest / (2 ** (bits - 1) - 1)
    error = (InputFormat(bits).rounded(x) - x).abs()
    assert (error <= 0.5001 * step).all()
    assert (error.amax(1) > 0.3 * step[:, 0]).all()


def test_whole_multiples_of_the_step_come_back_exactly():
    codes = torch.arange(-127, 128).float()
    for step in (2.0**-20, 0.5, 64.0):
        assert torch.equal(InputFormat(8).rounded(codes * step), codes * step)
        assert torch.equal(InputFormat(8, step).rounded(codes * step), codes * step)


def test_a_fixed_scale_cuts_what_lies_beyond_it():
    x = torch.tensor([[-500.0, 100.2, 3.0]])
    assert InputFormat(8, 1.0).rounded(x).tolist() == [[-127.0, 100.0, 3.0]]


def test_a_token_of_zeros_stays_zero():
    assert torch.equal(InputFormat(8).rounded(torch.zeros(2, 5)), torch.zeros(2, 5))


def test_only_the_last_choice_for_a_layer_counts():
    layer = nn.Linear(4, 2)
    round_inputs(layer, InputFormat(8))
    round_inputs(layer, InputFormat(4))
    x = torch.randn(3, 4)
    assert torch.equal(layer(x), nn.functional.linear(InputFormat(4).rounded(x), layer.weight, layer.bias))
    assert input_format(layer) == InputFormat(4)


@pytest.mark.parametrize("family", ["llama", "gpt2"])
def test_copies_of_a_model_keep_it_and_the_model_copied_from_does_not_get_it(family, tmp_path: Path):
    model = load(str(tiny_model_folder(family, tmp_path / family)))
    name = model.linear_names()[0]
    ids = torch.arange(4, 20).unsqueeze(0)
    plain = model.logits(ids)
    copy = model.clone()
    round_inputs(copy.module_named(name), InputFormat(3))
    again = copy.clone()
    assert input_formats(again.module) == {name: InputFormat(3)}
    assert torch.equal(again.logits(ids), copy.logits(ids))
    assert not torch.equal(copy.logits(ids), plain)
    assert torch.equal(model.logits(ids), plain)
    assert input_formats(copy.to(dtype="bfloat16").module) == {name: InputFormat(3)}
