"""GGUF files as they are on disk: metadata, tensors, and which number formats the weights are stored in.

Works without torch; the `gguf` package of llama.cpp parses and dequantizes.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from optlab.errors import ModelError

FLOAT_TYPES = ("F32", "F16", "BF16", "F64")
LINEAR_PARTS = ("attn_q", "attn_k", "attn_v", "attn_qkv", "attn_output", "ffn_gate", "ffn_up", "ffn_down")
LINEAR_WEIGHTS = tuple(f".{part}.weight" for part in LINEAR_PARTS)


class GGUFFile:
    """An opened GGUF file. Raises ModelError when it is not one, or ends too early."""

    def __init__(self, path: Path) -> None:
        import gguf

        self.path = path
        try:
            with path.open("rb") as stream:
                if stream.read(4) != b"GGUF":
                    raise ModelError("{name} is not a GGUF file", name=path.name)
            # Damage shows up as whatever the parser trips over, so everything it can raise is one sentence here.
            self._reader = gguf.GGUFReader(path)
            self.tensors = {tensor.name: tensor for tensor in self._reader.tensors}
            self.architecture = str(self.value("general.architecture"))
        except ModelError:
            raise
        except OSError as error:
            raise ModelError("cannot read {path}: {strerror}", path=path, strerror=error.strerror or error) from None
        except Exception:
            raise ModelError("{name} is truncated or damaged; download or copy it again", name=path.name) from None
        if not self.tensors:
            raise ModelError("{name} holds no tensors", name=path.name)

    def value(self, key: str, default: Any = None) -> Any:
        """A metadata value: a number, a word or a list."""
        field = self._reader.fields.get(key)
        return default if field is None else field.contents()

    def own(self, key: str, default: Any = None) -> Any:
        """A metadata value under the architecture's name: own("block_count") is llama.block_count for a Llama."""
        return self.value(f"{self.architecture}.{key}", default)

    def float16(self, name: str) -> Any:
        """The weights of a tensor as a float16 array, or float32 when a value does not fit float16."""
        import numpy as np
        from gguf.quants import dequantize

        tensor = self.tensors[name]
        try:
            weights = dequantize(tensor.data, tensor.tensor_type)
        except NotImplementedError:
            kind = tensor.tensor_type.name
            raise ModelError(
                "{name} stores {name_2} as {kind}, which cannot be read",
                name=self.path.name,
                name_2=name,
                kind=kind,
            ) from None
        if not np.isfinite(weights).all():
            raise ModelError(
                "{name} is damaged: {name_2} holds values that are not numbers",
                name=self.path.name,
                name_2=name,
            )
        if np.abs(weights).max(initial=0.0) > np.finfo(np.float16).max:
            return np.ascontiguousarray(weights, dtype=np.float32)
        return np.ascontiguousarray(weights, dtype=np.float16)

    def storage(self) -> dict[str, Any]:
        """How the weights are stored: {"format", "bits", "block", "layers", "embedding", "file_bytes"}.

        format, bits per code and block length are those of most linear layers, `layers` how many of them have it.
        """
        import gguf

        linears = [t for t in self.tensors.values() if t.name.endswith(LINEAR_WEIGHTS)]
        counts = Counter(t.tensor_type for t in linears or self.tensors.values())
        kind, layers = counts.most_common(1)[0]
        block, block_bytes = gguf.GGML_QUANT_SIZES[kind]
        embedding = self.tensors.get("token_embd.weight")
        return {
            "format": kind.name,
            "bits": _bits(kind.name, block, block_bytes),
            "block": block,
            "layers": layers,
            "embedding": embedding.tensor_type.name if embedding is not None else None,
            "file_bytes": self.path.stat().st_size,
        }


def _bits(name: str, block: int, block_bytes: int) -> int:
    """Bits per code, which the names state after the Q ("Q4_1", "IQ3_XXS"); bits per value for float formats."""
    digits = name.lstrip("ITMXFPQ")[:1]
    return int(digits) if "Q" in name and digits.isdigit() else 8 * block_bytes // block
