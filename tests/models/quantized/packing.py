"""Other tools' packings from their published definitions, bit by bit in numpy, independent of the code under test."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file

from optlab.formats.codebooks import levels

Parts = dict[str, torch.Tensor]


def stream(codes: np.ndarray, bits: int) -> np.ndarray:
    """codes [n, rows] -> uint32 words [n * bits / 32, rows], as one stream of bits down each column, lowest first."""
    flat = ((codes[:, None, :] >> np.arange(bits)[None, :, None]) & 1).reshape(-1, codes.shape[1])
    words = flat.reshape(-1, 32, codes.shape[1]).astype(np.uint64) << np.arange(32, dtype=np.uint64)[None, :, None]
    return words.sum(1).astype(np.uint32)


def words(array: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(array).view(np.int32))


def rounded(W: np.ndarray, bits: int, group: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """W [in, out] on the grid of its groups (group [in]): codes [in, out], zeros and float16 scales [groups, out]."""
    count, most = int(group.max()) + 1, (1 << bits) - 1
    low = np.stack([np.minimum(W[group == g].min(0), 0) for g in range(count)])
    high = np.stack([np.maximum(W[group == g].max(0), 0) for g in range(count)])
    scales = np.maximum((high - low) / most, 1e-4).astype(np.float16)
    zeros = np.clip(np.round(-low / scales.astype(np.float32)), 1, most).astype(np.int64)
    codes = np.clip(np.round(W / scales[group].astype(np.float32)) + zeros[group], 0, most).astype(np.int64)
    return codes, zeros, scales


def gptq(W: torch.Tensor, bits: int, size: int, version: int = 1, shuffled: bool = False) -> tuple[Parts, torch.Tensor]:
    """The tensors of a layer W [out, in] in GPTQ's format, and the weight they stand for."""
    inputs = W.shape[1]
    group = np.arange(inputs) // size
    if shuffled:
        group = np.random.default_rng(0).permutation(group)
    codes, zeros, scales = rounded(W.T.float().numpy(), bits, group)
    parts = {
        "qweight": words(stream(codes, bits)),
        "qzeros": words(stream((zeros - (1 if version == 1 else 0)).T, bits).T),
        "scales": torch.from_numpy(scales),
        "g_idx": torch.from_numpy(group.astype(np.int32)),
    }
    meant = (codes - zeros[group]) * scales[group].astype(np.float64)
    return parts, torch.from_numpy(meant.T.astype(np.float32))


def awq(W: torch.Tensor, size: int) -> tuple[Parts, torch.Tensor]:
    """The tensors of a layer W [out, in] in AWQ's layout GEMM, and the weight they stand for."""
    group = np.arange(W.shape[1]) // size
    codes, zeros, scales = rounded(W.T.float().numpy(), 4, group)

    def packed(values: np.ndarray) -> torch.Tensor:
        word = np.zeros((values.shape[0], values.shape[1] // 8), dtype=np.uint32)
        for place, output in enumerate([0, 2, 4, 6, 1, 3, 5, 7]):
            word |= values[:, output::8].astype(np.uint32) << np.uint32(4 * place)
        return words(word)

    parts = {"qweight": packed(codes), "qzeros": packed(zeros), "scales": torch.from_numpy(scales)}
    return parts, torch.from_numpy(((codes - zeros[group]) * scales[group].astype(np.float64)).T.astype(np.float32))


def write(
    source: Path, folder: Path, settings: dict[str, object], pack: Callable[[torch.Tensor], tuple[Parts, torch.Tensor]]
) -> dict[str, torch.Tensor]:
    """`source` with the linear layers of its blocks packed, as a folder; the weights that it stands for, by name."""
    tensors, meant = {}, {}
    for name, W in load_file(source / "model.safetensors").items():
        if name.endswith("_proj.weight"):
            layer = name.removesuffix(".weight")
            parts, meant[name] = pack(W)
            tensors |= {f"{layer}.{part}": values.contiguous() for part, values in parts.items()}
        else:
            tensors[name] = meant[name] = W
    folder.mkdir(parents=True)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    config = json.loads((source / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "quantization_config": settings}))
    for name in ("tokenizer.json", "tokenizer_config.json"):
        if (source / name).is_file():
            (folder / name).write_bytes((source / name).read_bytes())
    return meant


def nf4(W: torch.Tensor, size: int = 64) -> tuple[Parts, torch.Tensor]:
    """The tensors of a layer W [out, in] as bitsandbytes keeps NF4, and the weight they stand for."""
    book = levels("nf4").numpy()
    blocks = W.float().numpy().reshape(-1, size)
    absmax = np.abs(blocks).max(1)
    codes = np.abs(blocks[..., None] / absmax[:, None, None] - book).argmin(-1).reshape(-1)
    state = {"quant_type": "nf4", "blocksize": size, "dtype": "float16", "shape": list(W.shape)}
    parts = {
        "weight": torch.from_numpy((codes[::2] << 4 | codes[1::2]).astype(np.uint8)).view(-1, 1),
        "weight.quant_map": levels("nf4").clone(),
        "weight.absmax": torch.from_numpy(absmax),
        "weight.quant_state.bitsandbytes__nf4": torch.from_numpy(
            np.frombuffer(json.dumps(state).encode(), dtype=np.uint8).copy()
        ),
    }
    return parts, torch.from_numpy(book[codes] * absmax.repeat(size)).view(W.shape)


def int8_rows(W: torch.Tensor) -> tuple[Parts, torch.Tensor]:
    """The tensors of a layer W [out, in] as bitsandbytes keeps int8, and the weight they stand for."""
    largest = W.float().abs().amax(1)
    codes = (W.float() * 127 / largest[:, None]).round().to(torch.int8)
    parts = {"weight": codes, "SCB": largest, "weight_format": torch.zeros((), dtype=torch.uint8)}
    return parts, codes.float() * largest[:, None] / 127


def float8_rows(W: torch.Tensor) -> tuple[Parts, torch.Tensor]:
    """The tensors of a layer W [out, in] as compressed-tensors keeps float8 by rows, and the weight they stand for."""
    scale = W.float().abs().amax(1, keepdim=True) / 448
    values = (W.float() / scale).to(torch.float8_e4m3fn)
    return {"weight": values, "weight_scale": scale}, values.float() * scale
