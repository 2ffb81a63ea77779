"""Writing text with a runtime: one token after another, greedy or sampled."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from optlab.kernels.runtime import Runtime


def generate(
    runtime: Runtime,
    ids: list[int],
    max_tokens: int,
    temperature: float = 0.0,
    seed: int = 0,
    stop: frozenset[int] = frozenset(),
) -> Iterator[int]:
    """Up to `max_tokens` tokens after the prompt `ids`; as `choices`, without the logits."""
    return (token for token, _ in choices(runtime, ids, max_tokens, temperature, seed, stop))


def choices(
    runtime: Runtime,
    ids: list[int],
    max_tokens: int,
    temperature: float = 0.0,
    seed: int = 0,
    stop: frozenset[int] = frozenset(),
) -> Iterator[tuple[int, Tensor]]:
    """Up to `max_tokens` tokens after the prompt `ids`, ending before a token of `stop`; each with the logits [V] that
    it was chosen from.

    temperature 0 takes the likeliest token; otherwise tokens are drawn from softmax(logits / temperature), seeded.
    """
    generator = torch.Generator().manual_seed(seed)
    runtime.reset()
    logits = runtime.prefill(ids)
    for number in range(max_tokens):
        if temperature <= 0:
            token = int(logits.argmax())
        else:
            p = torch.softmax(logits.float() / temperature, dim=-1)
            token = int(torch.multinomial(p, 1, generator=generator)) if p.is_cpu else drawn(p, generator)
        if token in stop:
            return
        yield token, logits
        if number + 1 < max_tokens:
            logits = runtime.decode(token)


def drawn(p: Tensor, generator: torch.Generator) -> int:
    """A token from probabilities p [V], where they lie: one seeded number travels there, and one token back.

    generator: of the processor, so that a seed means the same numbers whatever the device.
    """
    u = torch.rand(1, dtype=torch.float64, generator=generator).to(p.device)
    reached = p.double().cumsum(0)
    return int(torch.searchsorted(reached, u * reached[-1], right=True).clamp(max=len(p) - 1))
