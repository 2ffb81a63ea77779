"""Models as they are described, of any size, without a file."""

from __future__ import annotations

from optlab.models.describe import Description, LayerInfo


def llama(width: int, inner: int, blocks: int, vocabulary: int = 32_000) -> Description:
    """As `describe` tells it of such a model in bfloat16, without its norms."""
    layers = [
        LayerInfo(name, kind, (vocabulary, width), vocabulary * width, 2 * vocabulary * width, None)
        for name, kind in (("model.embed_tokens", "embedding"), ("lm_head", "head"))
    ]
    for block in range(blocks):
        kinds = {f"self_attn.{one}_proj": (f"attention.{one}", (width, width)) for one in "qkvo"} | {
            "mlp.gate_proj": ("mlp.gate", (inner, width)), "mlp.up_proj": ("mlp.up", (inner, width)),
            "mlp.down_proj": ("mlp.down", (width, inner)),
        }  # fmt: skip
        for name, (kind, (rows, columns)) in kinds.items():
            size = rows * columns
            layers.append(LayerInfo(f"model.layers.{block}.{name}", kind, (rows, columns), size, 2 * size, block))
    parameters = sum(layer.parameters for layer in layers)
    return Description(
        model="m", title="m", family="llama", objective="causal", fingerprint="0" * 64, parameters=parameters,
        size_bytes=2 * parameters, dtype="BF16", vocabulary=vocabulary, context_length=4096, blocks=blocks, tied=False,
        checkpoint_note=None, default_text="bbc-news", layers=layers,
    )  # fmt: skip
