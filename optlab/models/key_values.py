"""Keys and values kept with few bits, as a cache of them would be: what it does to attention, wherever that computes.

While a model writes, the keys and values of all earlier tokens stay in memory; at long contexts they outweigh the
weights. Two ways to round them, both asymmetric (a step and a lowest number in float16 for each range):

    token     each token's key and value, per head, as soon as they are made (llama.cpp's q8_0 and q4_0 caches)
    channel   values as above, but keys per channel over `group` tokens, because a few channels of the keys are large
              in every token; the tokens of a group stay exact until the group is full (KIVI, arXiv 2402.02750)

Attention over a whole window computes what decoding one token after another would: with `channel`, a query sees the
exact keys of its own group and the rounded ones of all groups before.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from optlab.files import JsonObject
from optlab.models.attend import attend

if TYPE_CHECKING:
    from optlab.models.language_model import LanguageModel

ATTRIBUTE = "key_values"
"""Of an attention module: its KeyValueFormat, or None."""
INTERFACE = "optlab_key_values"
"""The name under which transformers' models find `_attention`."""


@dataclass(frozen=True)
class KeyValueFormat:
    """bits: 2 to 8. keys: "token" or "channel". group: tokens that share a key channel's range."""

    bits: int
    keys: str = "token"
    group: int = 64

    def rounded(self, x: Tensor, dim: int) -> Tensor:
        """x, in its dtype, rounded to the 2^bits levels of each range along `dim`."""
        low, high = (edge.float() for edge in x.aminmax(dim=dim, keepdim=True))
        step = ((high - low) / ((1 << self.bits) - 1)).half().float()
        low = low.half().float()
        safe = torch.where(step == 0, 1.0, step)
        codes = ((x.float() - low) / safe).round_().clamp_(0, (1 << self.bits) - 1)
        return codes.mul_(step).add_(low).to(x.dtype)

    def kept(self, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        """What a cache holds after all of k, v [..., T, head_dim], which begin at a group's first token."""
        if self.keys == "token":
            return self.rounded(k, -1), self.rounded(v, -1)
        full = k.shape[-2] // self.group * self.group
        groups = k[..., :full, :].unflatten(-2, (-1, self.group))
        keys = torch.cat((self.rounded(groups, -2).flatten(-3, -2), k[..., full:, :]), dim=-2)
        return keys, torch.cat((self.rounded(v[..., :full, :], -1), v[..., full:, :]), dim=-2)

    def attention(
        self,
        q: Tensor,
        k: Tensor,
        v: Tensor,
        mask: Tensor | None = None,
        scale: float | None = None,
        cap: float | None = None,
    ) -> Tensor:
        """Causal attention of q [B, heads, L, head_dim], the last L of the T tokens of k, v [B, kv_heads, T, head_dim],
        whose exact values are given; [B, heads, L, head_dim].

        mask: which keys a query sees, [L, T] or [B or 1, heads or 1, L, T], bool or added to the scores; None = all up
        to its own. scale, cap: as in `attend`.
        """
        length, total = q.shape[-2], k.shape[-2]
        if mask is None and length == total and self.keys == "token":
            keys, values = self.kept(k, v)  # a causal mask that is not spelled out is skipped over, twice as fast
            return attend(q, keys, values, None, scale, cap)
        if mask is None and length > 1:
            mask = torch.ones(length, total, dtype=torch.bool, device=q.device).tril(total - length)
        if mask is not None:
            mask = mask[..., :total]
        if k.shape[1] != q.shape[1]:
            k, v = (x.repeat_interleave(q.shape[1] // x.shape[1], dim=1) for x in (k, v))
        keys, values = self.kept(k, v)
        found = []
        for start, end in self._spans(total - length, total):
            # Inside of its group a query meets the exact keys; before it, the rounded.
            first = start // self.group * self.group if self.keys == "channel" else end
            some_k, some_v = (
                torch.cat((cached[..., :first, :], exact[..., first:end, :]), dim=-2)
                for cached, exact in ((keys, k), (values, v))
            )
            rows = slice(start - (total - length), end - (total - length))
            seen = None if mask is None else mask[..., rows, :end]
            found.append(attend(q[..., rows, :], some_k, some_v, seen, scale, cap))
        return torch.cat(found, dim=-2)

    def _spans(self, start: int, end: int) -> Iterator[tuple[int, int]]:
        """Runs of queries between `start` and `end` that see the same cache."""
        if self.keys == "token":
            yield start, end
            return
        while start < end:
            stop = min(end, (start // self.group + 1) * self.group)
            yield start, stop
            start = stop

    def bits_per_number(self, head_dim: int) -> float:
        """Bits that each cached number takes with its share of steps and lowest numbers (32 bits for each range)."""
        keys = self.group if self.keys == "channel" else head_dim
        return self.bits + (32 / keys + 32 / head_dim) / 2

    def meta(self) -> JsonObject:
        """Plain JSON; KeyValueFormat(**meta) is the same again."""
        return asdict(self)


def round_key_values(model: LanguageModel, block: str, chosen: KeyValueFormat) -> None:
    """From now on the attention of the block called `block` computes with rounded keys and values."""
    inside = model.module_named(block)
    for module in inside.modules():
        if "attention" in type(module).__name__.lower():
            setattr(module, ATTRIBUTE, chosen)
    if hasattr(model.module, "set_attn_implementation"):
        _register()
        model.module.set_attn_implementation(INTERFACE)  # type: ignore[operator]


def key_value_formats(model: LanguageModel) -> dict[str, KeyValueFormat]:
    """The blocks of `model` whose attention computes with rounded keys and values, by name."""
    found = {}
    for name, block in model.blocks():
        formats = [chosen for part in block.modules() if (chosen := getattr(part, ATTRIBUTE, None)) is not None]
        if formats:
            found[name] = formats[0]
    return found


def head_dim(model: LanguageModel) -> int:
    """Numbers in one head's key."""
    config: Any = model.module.config
    return int(getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads)


def _register() -> None:
    """Make `_attention` known to transformers; masks as for its own scaled_dot_product_attention."""
    from transformers import AttentionInterface
    from transformers.masking_utils import AttentionMaskInterface, sdpa_mask

    AttentionInterface.register(INTERFACE, _attention)
    AttentionMaskInterface.register(INTERFACE, sdpa_mask)


def _attention(
    module: nn.Module, query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor | None, **kwargs: Any
) -> tuple[Tensor, None]:
    """transformers' signature; answers [B, T, heads, head_dim]."""
    chosen: KeyValueFormat | None = getattr(module, ATTRIBUTE, None)
    cap = kwargs.pop("softcap", None)
    if chosen is None and cap is not None:  # which transformers' own function would leave out
        return attend(query, key, value, attention_mask, kwargs.get("scaling"), cap).transpose(1, 2).contiguous(), None
    if chosen is None:
        from transformers.integrations.sdpa_attention import sdpa_attention_forward

        found: tuple[Tensor, None] = sdpa_attention_forward(module, query, key, value, attention_mask, **kwargs)
        return found
    y = chosen.attention(query, key, value, attention_mask, kwargs.get("scaling"), cap)
    return y.transpose(1, 2).contiguous(), None
