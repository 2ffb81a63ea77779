"""Mamba: no attention; each block reads its tokens one after another into a state."""

from __future__ import annotations

from typing import Any

import numpy as np

from optlab.models.gguf.architectures import Architecture, rms_eps, wide
from optlab.models.gguf.file import GGUFFile
from optlab.models.hub_config import HubConfig

KEYS = frozenset({
    "attention.layer_norm_rms_epsilon", "ssm.conv_kernel", "ssm.inner_size", "ssm.state_size", "ssm.time_step_rank",
})  # fmt: skip
OUTER = {"token_embd": "backbone.embeddings", "output_norm": "backbone.norm_f", "output": "lm_head"}
BLOCK = {
    "attn_norm": "norm", "ssm_in": "mixer.in_proj", "ssm_conv1d": "mixer.conv1d", "ssm_x": "mixer.x_proj",
    "ssm_dt": "mixer.dt_proj", "ssm_a": "mixer.A_log", "ssm_d": "mixer.D", "ssm_out": "mixer.out_proj",
}  # fmt: skip


def _mamba(file: GGUFFile) -> HubConfig:
    return {
        "vocab_size": int(file.tensors["token_embd.weight"].shape[0]),
        "hidden_size": file.count("embedding_length"),
        "num_hidden_layers": file.count("block_count"),
        "intermediate_size": file.count("ssm.inner_size"),
        "expand": file.count("ssm.inner_size") // file.count("embedding_length"),
        "state_size": file.count("ssm.state_size"),
        "conv_kernel": file.count("ssm.conv_kernel"),
        "time_step_rank": file.count("ssm.time_step_rank"),
        "layer_norm_epsilon": rms_eps(file)["rms_norm_eps"],
        "hidden_act": "silu",
        "use_bias": False,
        "use_conv_bias": "blk.0.ssm_conv1d.bias" in file.tensors,
    }


def _with_channel(_: GGUFFile, values: Any) -> Any:
    """[inner, kernel] -> [inner, 1, kernel]: each channel is convolved alone."""
    return values[:, None, :]


def _logarithm(_: GGUFFile, values: Any) -> Any:
    """llama.cpp stores A = -exp(A_log)."""
    return np.log(-wide(values))


ARCHITECTURES = {
    "mamba": Architecture(
        "mamba", "MambaForCausalLM", _mamba, BLOCK, KEYS, OUTER, "backbone.layers",
        {"ssm_conv1d.weight": _with_channel, "ssm_a": _logarithm}, rotary=False, bare=frozenset({"ssm_a", "ssm_d"}),
    ),
}  # fmt: skip
