"""The kernel that the rule names is the one that the runtime calls and the one that the prediction counts with."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from optlab.compression import Compressed, compress
from optlab.formats.integer_grid import in_groups, minmax
from optlab.formats.integer_tensor import QuantizedTensor
from optlab.formats.linear_format import LinearFormat
from optlab.kernels.linear import Int4Linear, Int8Linear, Int8Products, pack
from optlab.kernels.llama import LlamaRuntime
from optlab.kernels.native import library as built
from optlab.kernels.native.linear import INT4, INT8
from optlab.kernels.native.llama import NativeLlama
from optlab.kernels.rule import KERNELS, Loop, bytes_read, kernel_of, loop_of, notes_for
from optlab.kernels.runtime import HubRuntime, Runtime, runtime
from optlab.kernels.weights import Source
from optlab.methods import REGISTRY
from optlab.models import load
from optlab.models.inputs import InputFormat, input_format
from optlab.models.language_model import LanguageModel
from optlab.prediction.levels import family_key
from optlab.prediction.speed import kernel_bytes
from optlab.prediction.state import FamilyTable
from optlab.prediction.tables import apply
from optlab.prediction.treatment import treatment
from optlab.protocol import Protocol
from optlab.recipes import Recipe, Step
from tests.compressing import calibration_file
from tests.prediction.states import state
from tests.tiny import tiny_model_folder

CALLED = {"_weight_int4pack_mm_for_cpu": "int4", "_weight_int8pack_mm": "int8", "_int_mm": "int8x8"}
"""Torch's operator -> the kernel it stands for; without any of them a layer is dense."""

GRIDS = [
    Step("quantize", "rtn", {"bits": bits, "group_size": group, **zero})
    for bits in range(2, 9)
    for group in (16, 32, 64, None)
    for zero in ({"symmetric": True}, {"symmetric": False}, {"zero_point": "float"})
]
OTHERS = [
    Step("quantize", "nf4", {"group_size": 32}),
    Step("quantize", "fp4", {"group_size": None}),
    Step("quantize", "fp8", {}),
    Step("quantize", "cast", {"format": "bfloat16"}),
    Step("quantize", "cast", {"format": "float16"}),
    *[Step("quantize", "dynamic", {"bits": b, "activation_bits": a}) for b in (3, 4, 6, 8) for a in (4, 8)],
]
PRUNED = Step("prune", "magnitude", {"sparsity": 0.5})
RECIPES = [
    Recipe(),
    *[Recipe.of(step) for step in GRIDS + OTHERS],
    Recipe.of(PRUNED),
    *[Recipe.of(PRUNED, step) for step in GRIDS[::5] if step.values["zero_point"] == "integer"],
    *[Recipe.of(step, PRUNED) for step in OTHERS],
]


class Operators(TorchDispatchMode):
    """Counts the calls of torch's packed operators."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = dict.fromkeys(CALLED.values(), 0)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func.overloadpacket.__name__
        if name in CALLED:
            self.calls[CALLED[name]] += 1
        return func(*args, **(kwargs or {}))


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, LanguageModel]:
    sizes = {
        "llama": {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 1},
        "opt": {"hidden_size": 64, "num_hidden_layers": 1, "word_embed_proj_dim": 64},
    }
    return {
        family: load(str(tiny_model_folder(family, tmp_path_factory.mktemp(family), **changes)), "bfloat16", "cpu")
        for family, changes in sizes.items()
    }


@pytest.fixture
def without_native(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv(built.DISABLE, "0")
    built.library.cache_clear()
    yield
    monkeypatch.undo()
    built.library.cache_clear()


def compressed(model: LanguageModel, recipe: Recipe) -> Compressed:
    """Without a report, and so without a text."""
    original = model.to(dtype="float32")
    working = original.clone()
    return Compressed(working, apply(original, working, recipe, None, pytest.fail), [], recipe, 0.0)


def formats(model: LanguageModel, recipe: Recipe) -> dict[str, LinearFormat]:
    """What each linear layer is predicted to become: layer -> format."""
    found = {}
    for name in model.linear_names():
        width = model.weight(name).shape[1]
        steps = [step.instance() for step in recipe.steps if step.kind == "quantize"]
        found[name] = steps[0].linear_format(width) if steps else LinearFormat(width)  # type: ignore[attr-defined]
    return found


def predicted_bytes(model: LanguageModel, recipe: Recipe, loop: Loop) -> dict[str, float]:
    """As a prediction counts them."""
    probed = state()
    probed.names = model.linear_names()
    probed.shapes = [(rows, columns) for rows, columns in (model.weight(name).shape for name in probed.names)]
    probed.quantiles = probed.quantiles[:1].repeat(len(probed.names), 0)
    table: FamilyTable = next(iter(probed.tables.values()))
    probed.tables = {str(family_key(step)): table for step in recipe.steps}
    return dict(kernel_bytes(probed, treatment(probed, recipe), loop))


def run(timed: Runtime) -> dict[str, int]:
    """How often a prompt and one more token call each of torch's packed operators."""
    with Operators() as operators:
        timed.prefill([5, 9, 2])
        timed.decode(7)
    return operators.calls


def test_the_recipes_meet_every_kernel_of_every_loop(models: dict[str, LanguageModel]) -> None:
    layers = [layer for recipe in RECIPES for layer in formats(models["llama"], recipe).values()]
    for loop in ("native", "torch"):
        assert {kernel_of(layer, loop) for layer in layers} == set(KERNELS)  # type: ignore[arg-type]


@pytest.mark.skipif(built.library()[0] is None, reason=built.library()[1] or "the library is there")
@pytest.mark.parametrize("recipe", RECIPES, ids=Recipe.describe)
def test_the_cpp_loop_reads_each_layer_as_the_rule_says(recipe: Recipe, models: dict[str, LanguageModel]) -> None:
    model = models["llama"]
    timed = runtime(compressed(model, recipe), "bfloat16")
    assert isinstance(timed, NativeLlama)
    assert loop_of(timed.path) == "native"
    wanted = formats(model, recipe)
    read = dict.fromkeys(KERNELS, 0)
    blocks = [part for block in timed.blocks for part in (block.qkv, block.o, block.gate_up, block.down)]
    parts = [part for together in blocks for part in together.parts]  # type: ignore[union-attr]
    for name, part in zip(model.linear_names(), parts, strict=True):
        kernel = kernel_of(wanted[name], "native")
        assert part.struct.kind == {"dense": 0, "int4": INT4}.get(kernel, INT8), name
        assert (part.struct.levels > 0) == (wanted[name].activation_bits is not None)
        read[kernel] += part.bytes
        assert set(notes_for(wanted[name], "native")) <= set(timed.notes)
    assert predicted_bytes(model, recipe, "native") == read
    calls = run(timed)
    assert calls["int4"] == calls["int8"] == 0, "the C++ loop multiplies by codes itself"
    assert (calls["int8x8"] > 0) == (read["int8x8"] > 0)


@pytest.mark.usefixtures("without_native")
@pytest.mark.parametrize(
    ("family", "recipe"),
    [*(("llama", recipe) for recipe in RECIPES), *(("opt", recipe) for recipe in RECIPES[::4])],
    ids=lambda value: value if isinstance(value, str) else value.describe(),
)
def test_torch_multiplies_each_layer_as_the_rule_says(
    family: str, recipe: Recipe, models: dict[str, LanguageModel]
) -> None:
    model = models[family]
    timed = runtime(compressed(model, recipe), "bfloat16")
    assert isinstance(timed, LlamaRuntime if family == "llama" else HubRuntime)
    assert loop_of(timed.path) == "torch"
    wanted = formats(model, recipe)
    layers = [kernel_of(layer, "torch") for layer in wanted.values()]
    calls = run(timed)
    for kernel, count in calls.items():
        if family == "opt":  # one call for each layer, for the prompt and for the token
            assert count == 2 * layers.count(kernel), kernel  # type: ignore[arg-type]
        assert (count > 0) == (kernel in layers), kernel
    for layer in wanted.values():
        assert set(notes_for(layer, "torch")) <= set(timed.notes)
    read = dict.fromkeys(KERNELS, 0)
    for name, layer in wanted.items():
        kernel = kernel_of(layer, "torch")
        read[kernel] += bytes_read(kernel, "torch", layer, model.weight(name).shape[0])
    assert predicted_bytes(model, recipe, "torch") == read


@pytest.mark.parametrize("bits", [4, 8])
@pytest.mark.parametrize("group", [32, 64, 192, None])
@pytest.mark.parametrize("activation_bits", [None, 8])
def test_torchs_packed_layers_hold_as_many_bytes_as_are_counted(
    bits: int, group: int | None, activation_bits: int | None
) -> None:
    W = torch.randn(48, 576, generator=torch.Generator().manual_seed(0))
    stored = QuantizedTensor.of(W, minmax(in_groups(W, group), bits, "none"), group)
    source = Source(W, None, stored, None if activation_bits is None else InputFormat(activation_bits))
    module, _, (kernel,) = pack([source], torch.bfloat16, "cpu")
    held = {
        Int4Linear: lambda m: m.packed.nbytes + m.scales_and_zeros.nbytes,
        Int8Linear: lambda m: m.codes.nbytes + m.scale.nbytes,
        Int8Products: lambda m: m.codes.nbytes + m.scale.nbytes,
    }.get(type(module), lambda m: m.weight.nbytes)(module)
    assert kernel == kernel_of(source.format, "torch")
    assert bytes_read(kernel, "torch", source.format, 48) == held


@pytest.mark.parametrize("name", REGISTRY["quantize"])
def test_every_method_stores_what_it_says(name: str, models: dict[str, LanguageModel], tmp_path: Path) -> None:
    model = models["llama"].to(dtype="float32")
    values: dict[str, Any] = {"steps": 2} if name == "qat" else {}
    step = Step("quantize", name, values)
    protocol = Protocol(calibration=calibration_file(tmp_path), calibration_tokens=512, context=32)
    done = compress(model, Recipe.of(step), protocol)
    assert set(done.stored) == set(model.linear_names())
    for layer, tensor in done.stored.items():
        W, inputs = done.model.weight(layer), input_format(done.model.module_named(layer))
        on_a_grid = isinstance(tensor, QuantizedTensor)
        made = Source(W, None, tensor if on_a_grid else None, inputs).format
        assert kernel_of(made, "torch") == kernel_of(step.instance().linear_format(W.shape[1]), "torch")  # type: ignore[attr-defined]
        assert made == step.instance().linear_format(W.shape[1])  # type: ignore[attr-defined]


def test_a_row_whose_scales_float16_cannot_hold_is_dense_in_the_cpp_loop_alone() -> None:
    layer = LinearFormat(64, 4, 32, scales_in_float16=False)
    assert kernel_of(layer, "native") == "dense"
    assert "beyond float16" in notes_for(layer, "native")[0]
    assert kernel_of(layer, "torch") == "int4"
