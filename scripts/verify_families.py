"""What is verified about each family, and the table that says so in docs/models.md.

    python -m scripts.verify_families            print the table
    python -m scripts.verify_families --write    put it into docs/models.md

A tiny random model of each family that our Transformer computes, with short windows and low caps where the family has
such: its logits beside those of transformers on the same tokens in float32, and what the C++ loop gives in bfloat16,
prompt and tokens one by one, beside torch's operators in bfloat16.
"""

from __future__ import annotations

import argparse
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from optlab.kernels.llama import LlamaRuntime
from optlab.kernels.native.llama import NativeLlama, refusal
from optlab.models.architectures import ARCHITECTURES
from optlab.models.config import Config
from optlab.models.transformer import Transformer

DOCUMENT = Path(__file__).parent.parent / "docs" / "models.md"
BEGIN, END = "<!-- verified families -->", "<!-- end -->"
LENGTH, PROMPT = 96, 64
"""Tokens; windows are shorter."""
SIZES: dict[str, Any] = {
    "vocab_size": 160, "hidden_size": 64, "num_hidden_layers": 4, "num_attention_heads": 4, "num_key_value_heads": 2,
    "intermediate_size": 96, "max_position_embeddings": 128, "bos_token_id": 1, "eos_token_id": 1, "pad_token_id": 0,
}  # fmt: skip
WINDOW = {"sliding_window": 24}
GEMMA = {"head_dim": 32, "query_pre_attn_scalar": 24, **WINDOW, "final_logit_softcapping": 3.0}
TINY: dict[str, tuple[str, dict[str, Any]]] = {
    # model_type -> what of it is special, sizes and values
    "llama": ("positions of Llama 3", {
        "rope_parameters": {
            "rope_type": "llama3", "rope_theta": 5e5, "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
            "original_max_position_embeddings": 32,
        },
    }),
    "mistral": ("sliding window", WINDOW),
    "qwen2": ("biases, window in the later blocks", {"use_sliding_window": True, "max_window_layers": 2, **WINDOW}),
    "qwen3": ("normalized queries and keys, YaRN past its original length", {
        "head_dim": 32, "tie_word_embeddings": True,
        "rope_parameters": {
            "rope_type": "yarn", "rope_theta": 1e6, "factor": 4.0, "original_max_position_embeddings": 32,
        },
    }),
    "gemma": ("norms of 1 + w, scaled embedding", {"head_dim": 32, "num_key_value_heads": 1}),
    "gemma2": ("also norms of outputs, soft caps, a window in every other block", {
        **GEMMA, "attn_logit_softcapping": 2.0,
    }),
    "gemma3_text": ("also two bases of positions, normalized queries and keys", {**GEMMA, "sliding_window_pattern": 3}),
    "phi3": ("fused matrices, half of a head rotated, window", {"partial_rotary_factor": 0.5, **WINDOW}),
    "olmo2": ("norms of outputs only, queries and keys normalized over all heads", {}),
    "smollm3": ("every fourth block without positions", {}),
    "granite": ("multipliers", {
        "embedding_multiplier": 3.0, "logits_scaling": 2.0, "residual_multiplier": 0.5, "attention_multiplier": 0.2,
    }),
    "cohere": ("parallel blocks of one norm, neighbouring pairs rotated", {"logit_scale": 0.3}),
    "stablelm": ("LayerNorm, a quarter of a head rotated, biases", {
        "use_qkv_bias": True, "hidden_size": 128, "use_parallel_residual": True,
    }),
    "gpt_neox": ("LayerNorm, biases, parallel residual, a quarter of a head rotated", {"hidden_size": 128}),
    "gpt2": ("learned positions, transposed and fused matrices", {}),
}  # fmt: skip


@dataclass(frozen=True)
class Verified:
    """logits: largest difference to transformers in float32. native, usual: how far the C++ loop's logits, and those
    of torch's operators in bfloat16, are from float32, relative to their size; native is None without that loop."""

    family: str
    special: str
    logits: float
    native: float | None
    usual: float


def hub_config(family: str) -> dict[str, Any]:
    """The config.json of the tiny model."""
    values = {**SIZES, **TINY[family][1], "model_type": family}
    if family == "gpt2":
        sizes = ARCHITECTURES[family].sizes
        short = {"num_hidden_layers": "n_layer", "hidden_size": "n_embd", "num_attention_heads": "n_head"}
        values = {short.get(key, key): value for key, value in values.items()}
        values[sizes["context_length"]] = values.pop("max_position_embeddings")
        values["n_inner"] = values.pop("intermediate_size")
    if family in ("gpt2", "gpt_neox"):
        values.pop("num_key_value_heads")
    return values


@torch.inference_mode()
def verify(family: str, seed: int = 0) -> Verified:
    """One row of the table."""
    from transformers import AutoConfig, AutoModelForCausalLM

    hub = hub_config(family)
    theirs = AutoModelForCausalLM.from_config(AutoConfig.for_model(**hub), attn_implementation="eager").eval()
    generator = torch.Generator().manual_seed(seed)
    for parameter in theirs.parameters():
        parameter.copy_((0.2 * torch.randn(parameter.shape, generator=generator)).bfloat16())
    ours, half = (Transformer(Config.from_hub(hub)).eval() for _ in range(2))
    for module in (ours, half.to(torch.bfloat16)):
        module.load_state_dict(theirs.state_dict())
    ids = torch.randint(2, SIZES["vocab_size"], (LENGTH,), generator=generator)
    expected, found = theirs(ids[None]).logits[0], ours(ids[None])[0]
    rows = expected[PROMPT - 1 :]

    def off(runs: LlamaRuntime) -> float:
        runs.path = ""
        given = [runs.prefill(ids[:PROMPT].tolist()), *(runs.decode(token) for token in ids[PROMPT:].tolist())]
        return float((torch.stack(given).float() - rows).norm() / rows.norm())

    native = None
    if refusal(half, torch.bfloat16) is None:
        native = off(NativeLlama(half, {}, torch.bfloat16, LENGTH, []))
    usual = off(LlamaRuntime(half, {}, torch.bfloat16, LENGTH, []))
    return Verified(family, TINY[family][0], float((found - expected).abs().max()), native, usual)


def table(rows: list[Verified]) -> str:
    """Markdown."""
    lines = [
        "| `model_type` | what of it is in the tiny model | logits, float32 | C++ loop, bfloat16 | torch, bfloat16 |",
        "|---|---|---|---|---|",
    ]
    for row in rows:
        native = "" if row.native is None else f"{row.native:.2%}"
        lines.append(f"| {row.family} | {row.special} | {row.logits:.1e} | {native} | {row.usual:.2%} |")
    return "\n".join(lines)


def stated() -> dict[str, float]:
    """Family -> largest difference of logits, as the document has them."""
    text = DOCUMENT.read_text(encoding="utf-8")
    inside = text[text.index(BEGIN) : text.index(END)]
    found = re.findall(r"^\| (\w+) \| [^|]+ \| ([0-9.e+-]+) \|", inside, re.MULTILINE)
    return {family: float(logits) for family, logits in found}


def main() -> None:
    """Print the table, or write it."""
    parser = argparse.ArgumentParser(prog="python -m scripts.verify_families")
    parser.add_argument("--write", action="store_true")
    made = table([verify(family) for family in TINY])
    if parser.parse_args().write:
        text = DOCUMENT.read_text(encoding="utf-8")
        before, after = text[: text.index(BEGIN) + len(BEGIN)], text[text.index(END) :]
        DOCUMENT.write_text(f"{before}\n{made}\n{after}", encoding="utf-8")
    print(made)


if __name__ == "__main__":
    main()
