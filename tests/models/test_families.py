"""Every family computes what transformers computes, and its layers are what a person counts by hand."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import transformers
from torch import Tensor, nn

from optlab.models import load
from optlab.models.language_model import LanguageModel
from optlab.models.transformer import Transformer
from tests.tiny import CAUSAL, CONFIGS, FAMILIES, MASKED, OTHERS, OWN, SHARED, VOCABULARY, tiny_model_folder

Tiny = Callable[[str], Path]

GATED = {"attention.q": 2, "attention.k": 2, "attention.v": 2, "attention.o": 2, "mlp.up": 2, "mlp.down": 2}
COUNTS = {
    # linears by kind, norms, embeddings (word, position, segment), whether the head has a tensor of its own
    "llama": (GATED | {"mlp.gate": 2}, 5, 1, True),
    "mistral": (GATED | {"mlp.gate": 2}, 5, 1, True),
    "qwen2": (GATED | {"mlp.gate": 2}, 5, 1, False),
    "gemma": (GATED | {"mlp.gate": 2}, 5, 1, False),
    "qwen3": (GATED | {"mlp.gate": 2}, 9, 1, False),
    "gemma2": (GATED | {"mlp.gate": 2}, 9, 1, False),
    "gemma3": (GATED | {"mlp.gate": 2}, 13, 1, False),
    "phi3": ({"attention.qkv": 2, "attention.o": 2, "mlp.gate_up": 2, "mlp.down": 2}, 5, 1, True),
    "olmo2": (GATED | {"mlp.gate": 2}, 9, 1, True),
    "smollm3": (GATED | {"mlp.gate": 2}, 5, 1, False),
    "gpt2": ({"attention.qkv": 2, "attention.o": 2, "mlp.up": 2, "mlp.down": 2}, 5, 2, False),
    "opt": (GATED, 5, 2, False),
    "neox": ({"attention.qkv": 2, "attention.o": 2, "mlp.up": 2, "mlp.down": 2}, 5, 1, True),
    "bert": (GATED, 6, 3, False),
    "roberta": (GATED, 6, 3, False),
    "distilbert": (GATED, 6, 2, False),
}


def ids(batch: int = 2, length: int = 17) -> Tensor:
    """Random token ids; no padding id, which encoders treat apart."""
    return torch.randint(4, VOCABULARY, (batch, length), generator=torch.Generator().manual_seed(1))


def reference(folder: Path, family: str) -> nn.Module:
    return getattr(transformers, CONFIGS[family][0]).from_pretrained(folder, dtype=torch.float32).eval()


@pytest.mark.parametrize("family", FAMILIES)
@torch.no_grad()
def test_logits_equal_those_of_transformers(tiny: Tiny, family: str) -> None:
    model = load(str(tiny(family)), "float32", "cpu")
    expected = reference(tiny(family), family)(input_ids=ids()).logits
    assert expected.std() > 0.1
    torch.testing.assert_close(model.logits(ids()), expected, atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize("family", FAMILIES)
@torch.no_grad()
def test_head_of_hidden_equals_logits(tiny: Tiny, family: str) -> None:
    model = load(str(tiny(family)), "float32", "cpu")
    hidden = model.hidden(ids())
    assert hidden.shape == (2, 17, 32)
    assert torch.equal(model.head(hidden), model.logits(ids()))
    assert not torch.equal(model.head(hidden + 1), model.logits(ids()))
    assert torch.equal(model.head(model.hidden(ids())), model.logits(ids())), "head must leave the body as it was"


@pytest.mark.parametrize("family", FAMILIES)
def test_the_layer_map_is_what_a_person_counts(tiny: Tiny, family: str) -> None:
    linears, norms, embeddings, own_head = COUNTS[family]
    description = load(str(tiny(family)), "float32", "cpu").description
    kinds = Counter(layer.kind for layer in description.layers if not layer.name.endswith(".bias"))
    assert {kind: count for kind, count in kinds.items() if "." in kind} == linears
    assert (kinds["norm"], kinds["embedding"], kinds["head"]) == (norms, embeddings, int(own_head))
    assert description.tied == (not own_head)
    assert description.blocks == 2
    assert {layer.block for layer in description.layers if "." in layer.kind} == {0, 1}


@pytest.mark.parametrize("family", FAMILIES)
@torch.no_grad()
def test_a_window_of_the_stated_length_can_be_read(tiny: Tiny, family: str) -> None:
    model = load(str(tiny(family)), "float32", "cpu")
    longest = model.description.context_length
    # RoBERTa counts positions from behind the padding token, which is 0 here.
    assert longest == {"roberta": 63, "distilbert": 512}.get(family, 64)
    assert torch.isfinite(model.logits(ids(1, longest))).all()
    if family in (*MASKED, "gpt2"):
        with pytest.raises((IndexError, RuntimeError)):
            model.logits(ids(1, longest + 1))


@pytest.mark.parametrize("family", [*SHARED, *OTHERS])
@torch.no_grad()
def test_a_window_of_the_stated_length_can_be_read_by_whatever_transformers_computes(tiny: Tiny, family: str) -> None:
    model = load(str(tiny(family)), "float32", "cpu")
    assert torch.isfinite(model.logits(ids(1, model.description.context_length))).all()


@pytest.mark.parametrize("family", FAMILIES)
def test_every_parameter_is_in_the_map_once(tiny: Tiny, family: str) -> None:
    description = load(str(tiny(family)), "float32", "cpu").description
    expected = sum(p.numel() for p in reference(tiny(family), family).parameters())
    assert sum(layer.parameters for layer in description.layers) == description.parameters == expected
    assert sum(layer.bytes for layer in description.layers) == 4 * expected
    assert len({layer.name for layer in description.layers}) == len(description.layers)


@pytest.mark.parametrize("family", FAMILIES)
@torch.no_grad()
def test_linear_weights_multiply_as_out_by_in(tiny: Tiny, family: str) -> None:
    model = load(str(tiny(family)), "float32", "cpu")
    shapes = dict(model.description.linears)
    assert list(shapes) == model.linear_names()
    for name in model.linear_names():
        W, module = model.weight(name), model.module_named(name)
        assert tuple(W.shape) == shapes[name]
        x = torch.randn(3, W.shape[1])
        bias = module.bias if module.bias is not None else 0.0
        torch.testing.assert_close(module(x), x @ W.T + bias)


@pytest.mark.parametrize("family", FAMILIES)
@torch.no_grad()
def test_a_weight_that_is_set_changes_the_model_and_not_its_clone(tiny: Tiny, family: str) -> None:
    model = load(str(tiny(family)), "float32", "cpu")
    twin, before = model.clone(), model.logits(ids())
    name = model.linear_names()[-1]
    model.set_weight(name, torch.zeros_like(model.weight(name)))
    assert (model.weight(name) == 0).all()
    assert not torch.allclose(model.logits(ids()), before)
    assert torch.equal(twin.logits(ids()), before)
    with pytest.raises(ValueError, match="shape"):
        model.set_weight(name, torch.zeros(3, 3))


def test_families_that_we_know_run_on_our_own_transformer(tiny: Tiny) -> None:
    own = {family for family in FAMILIES if isinstance(load(str(tiny(family)), device="cpu").module, Transformer)}
    assert own == set(OWN)


def test_objectives(tiny: Tiny) -> None:
    assert {load(str(tiny(family)), device="cpu").objective for family in CAUSAL} == {"causal"}
    assert {load(str(tiny(family)), device="cpu").objective for family in MASKED} == {"masked"}


@pytest.mark.parametrize("family", ["llama", "gpt2"])
def test_embedding_and_head_can_be_named(tiny: Tiny, family: str) -> None:
    model = load(str(tiny(family)), device="cpu")
    assert model.weight(model.structure.embedding).shape == (VOCABULARY, 32)
    assert model.weight(model.structure.head).shape == (VOCABULARY, 32)
    shared = model.weight(model.structure.embedding).data_ptr() == model.weight(model.structure.head).data_ptr()
    assert shared == model.description.tied
    assert {model.structure.embedding} <= {name for name, _ in model.description.matrices}


@pytest.mark.parametrize("family", ["qwen2", "gpt2", "bert"])
def test_a_clone_keeps_its_tie(tiny: Tiny, family: str) -> None:
    twin = load(str(tiny(family)), device="cpu").clone()
    twin.set_weight(twin.structure.embedding, torch.ones(VOCABULARY, 32))
    assert (twin.weight(twin.structure.head) == 1).all()


@pytest.mark.parametrize("family", ["llama", "neox"])
@torch.no_grad()
def test_bfloat16_is_close_and_leaves_the_original_alone(tiny: Tiny, family: str) -> None:
    model = load(str(tiny(family)), "float32", "cpu")
    small = model.to("bfloat16")
    assert (small.dtype, model.dtype) == (torch.bfloat16, torch.float32)
    assert model.to("float32") is model
    assert {p.dtype for p in small.module.parameters()} == {torch.bfloat16}
    assert all(b.dtype == torch.float32 for n, b in small.module.named_buffers() if "inv_freq" in n)
    assert small.logits(ids()).dtype == torch.bfloat16
    error = (small.logits(ids()).float() - model.logits(ids())).abs().mean()
    assert error < 0.05 * model.logits(ids()).std()


def test_a_module_can_be_replaced_and_blocks_are_in_order(tiny: Tiny) -> None:
    model = load(str(tiny("llama")), device="cpu")
    assert [name for name, _ in model.blocks()] == ["model.layers.0", "model.layers.1"]
    name = model.linear_names()[0]
    replacement = nn.Linear(32, 32)
    model.replace_module(name, replacement)
    assert model.module_named(name) is replacement
    model.replace_module("model.layers", nn.ModuleList([model.blocks()[1][1]]))
    assert [n for n, _ in model.blocks()] == ["model.layers.0"]
    assert len(model.linear_names()) == 7


@pytest.mark.parametrize(
    ("family", "changes"),
    [
        ("llama", {"attention_bias": True, "mlp_bias": True}),
        ("llama", {"tie_word_embeddings": True, "head_dim": 16}),
        ("llama", {"rope_parameters": {"rope_type": "linear", "factor": 2.0, "rope_theta": 5000.0}}),
        ("neox", {"use_parallel_residual": False, "attention_bias": False}),
        ("opt", {"word_embed_proj_dim": 16, "do_layer_norm_before": False}),
        ("bert", {"is_decoder": False, "tie_word_embeddings": False}),
    ],
)
@torch.no_grad()
def test_variations_of_a_family(tmp_path: Path, family: str, changes: dict[str, object]) -> None:
    folder = tiny_model_folder(family, tmp_path, **changes)
    model: LanguageModel = load(str(folder), "float32", "cpu")
    expected = reference(folder, family)(input_ids=ids()).logits
    torch.testing.assert_close(model.logits(ids()), expected, atol=2e-5, rtol=1e-4)
    torch.testing.assert_close(model.head(model.hidden(ids())), expected, atol=2e-5, rtol=1e-4)
