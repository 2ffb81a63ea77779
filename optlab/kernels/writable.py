"""Which models and recipes a GGUF file or an ONNX graph can say, told before anything is compressed. Torch-free.

The writers ask the same questions of the model at hand (`gguf_export`, `onnx_export`); pages, runs and the command line
ask them first, so that nobody waits for a recipe whose file cannot be written.
"""

from __future__ import annotations

from optlab.errors import ModelError
from optlab.models.architectures import ARCHITECTURES
from optlab.models.families import own_config
from optlab.models.hub_config import HubConfig
from optlab.recipes import Recipe

GGUF_FAMILIES = {"llama": "llama", "mistral": "llama", "qwen2": "qwen2"}
"""The hub's word for a family -> llama.cpp's, which computes it alike."""
GGUF_ROTARY = (None, "linear", "llama3")
ONNX_SAYS = {"norm_offset", "embedding_scale"}
"""What the graph can say beyond a Llama (`Config.beyond_llama`)."""
ONNX_ACTIVATIONS = ("silu", "gelu_tanh")


def check_gguf(name: str, family: str, hub: HubConfig | None = None) -> None:
    """Raise ModelError where a model cannot be written as GGUF. hub: its config.json; None where only the family is
    known."""
    if family not in GGUF_FAMILIES:
        raise ModelError(
            "only Llama, Mistral and Qwen2 models are written as GGUF; {name} is a {family}", name=name, family=family
        )
    if hub is None:
        return
    config = own_config(hub)
    kind = dict(config.rope_scaling).get("rope_type") if config is not None else None
    if kind not in GGUF_ROTARY:
        raise ModelError("rotary positions of type {rope_type!r} are not written as GGUF", rope_type=kind)
    if foreign := _foreign(hub, set(), ("silu",)):
        raise ModelError(
            "a GGUF file of a {family} cannot say what {name} does otherwise: {what}",
            family=family, name=name, what=foreign,
        )  # fmt: skip


def check_onnx(name: str, family: str, hub: HubConfig | None = None) -> None:
    """As `check_gguf`, for ONNX."""
    if family not in ARCHITECTURES:
        raise ModelError(
            "only models of the Llama family are written as ONNX; {name} is a {family}", name=name, family=family
        )
    if hub is not None and (foreign := _foreign(hub, ONNX_SAYS, ONNX_ACTIVATIONS)):
        raise ModelError(
            "this graph is a Llama's, and {name} is a {family} with other habits: {what}",
            name=name, family=family, what=foreign,
        )  # fmt: skip


def _foreign(hub: HubConfig, known: set[str], activations: tuple[str, ...]) -> str:
    """What a model does that the file cannot say; '' for nothing."""
    config = own_config(hub)
    if config is None:
        return str(hub.get("model_type"))
    beyond: set[str] = config.beyond_llama() - known
    return ", ".join(sorted(beyond)) or ("" if config.activation in activations else str(config.activation))


def check_weights_alone(recipe: Recipe) -> None:
    """Raise ModelError where `recipe` rounds anything but weights: only OptLab does that with its own file."""
    for step in recipe.steps:
        if step.kind == "cache":
            raise ModelError(
                "this file cannot say that keys and values are rounded; export weights without the step {step}",
                step=step.describe(),
            )
        if "activation_bits" in step.values:
            raise ModelError(
                "this file cannot say that activations are rounded; export weights without the step {step}",
                step=step.describe(),
            )
