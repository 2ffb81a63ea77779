"""A run that continues a prompt with the original and with the compressed model, token by token in turns.

In turns, because a person compares the two texts while they grow, and because two texts written one after the other
would show different speeds for no other reason than what else the machine was doing. The speeds are those of this
text, beside whatever else runs; the latency of a measurement is taken alone.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from optlab.errors import ModelError, OptLabError
from optlab.framing import Framing
from optlab.jobs import model_cache
from optlab.jobs.compressed_cache import packed
from optlab.jobs.kind import GENERATING, JobKind, Log
from optlab.jobs.resolution import precise, title
from optlab.messages import say
from optlab.progress import Progress, span
from optlab.results.generation import GenerateSpec, Generation, Parting, Written
from optlab.store import artefacts

if TYPE_CHECKING:
    from optlab.models.language_model import LanguageModel

LOADED = 0.1
COMPRESSED = 0.6


@dataclass
class Writer:
    """One of the two texts while it grows."""

    choices: Iterator[tuple[int, Any]]
    tokenizer: Any
    ids: list[int] = field(default_factory=list)
    seconds: float = 0.0
    ended: bool = False
    logits: Any = None

    def step(self) -> None:
        """Write one more token, if there is one."""
        began = time.perf_counter()
        chosen = next(self.choices, None)
        if chosen is None:
            self.ended = True
            return
        token, self.logits = chosen
        if self.ids:  # the first step reads the prompt, which is not decoding
            self.seconds += time.perf_counter() - began
        self.ids.append(int(token))

    def state(self) -> Written:
        """The text so far."""
        speed = (len(self.ids) - 1) / self.seconds if self.seconds else None
        return Written(text=self.tokenizer.decode(self.ids), tokens=len(self.ids), tokens_per_second=speed)


def execute(spec: GenerateSpec, progress: Progress, log: Log) -> Generation:
    """Both texts; the candidate's only when the recipe has steps. Partial results look the same.

    Raises ModelError, RecipeError, OptLabError (a prompt that is empty or too long).
    """
    from optlab.kernels.generate import choices
    from optlab.kernels.parting import parting
    from optlab.kernels.runtime import refusal, runtime

    recipe = spec.known_recipe
    protocol = precise(spec.protocol)
    # in float32, because a recipe is applied to the weights as they are; the runtimes cast
    model = model_cache.model(spec.model, "float32", protocol.device, span(progress, 0.0, LOADED))
    if model.objective != "causal":
        raise ModelError("{model} fills gaps and cannot continue a text; pick a causal model", model=spec.model)
    if (why_not := refusal(model)) is not None:
        raise ModelError(why_not)
    room = model.description.context_length - spec.max_tokens
    ids = _prompt(model, spec.prompt, spec.chat, model.framing(protocol.bos), room)

    room = len(ids) + spec.max_tokens
    runtimes = {"base": runtime(model, protocol.decodes_in, room)}
    if recipe.steps:
        compressed, folder = packed(model, recipe, protocol, span(progress, LOADED, COMPRESSED))
        log(f"the packed model is in {folder}")
        runtimes["candidate"] = runtime(compressed, protocol.decodes_in, room)

    settings = (spec.max_tokens, spec.temperature, spec.seed, _ends(model))
    writers = {side: Writer(choices(one, ids, *settings), model.tokenizer) for side, one in runtimes.items()}
    parted: Parting | None = None

    def written() -> Generation:
        return Generation(**{side: writer.state() for side, writer in writers.items()}, parted=parted)

    for count in range(spec.max_tokens):
        for writer in writers.values():
            if not writer.ended:
                writer.step()
        base, candidate = writers["base"], writers.get("candidate")
        if candidate and not parted and not (base.ended or candidate.ended) and base.ids[-1] != candidate.ids[-1]:
            chosen = (base.ids[-1], candidate.ids[-1])
            found = parting(count, base.logits, candidate.logits, chosen, model.tokenizer)
            parted = found.model_copy(update={"shared": model.tokenizer.decode(base.ids[:count])})
        if all(writer.ended for writer in writers.values()):
            break
        done = COMPRESSED + (1 - COMPRESSED) * (count + 1) / spec.max_tokens
        progress(done, say("token {count} of {max_tokens}", count=count + 1, max_tokens=spec.max_tokens), written())
    return written()


def _ends(model: LanguageModel) -> frozenset[int]:
    """Tokens after which a text is complete: the tokenizer's end, and those that the model's config names."""
    named = model.config.get("eos_token_id")
    ids = [*(named if isinstance(named, list) else [named]), model.tokenizer.special_id("eos")]
    return frozenset(one for one in ids if one is not None)


def _prompt(model: LanguageModel, text: str, chat: bool, framing: Framing, room: int) -> list[int]:
    """The prompt's ids, BOS in front where the model begins so. What a person writes is text; a chat template writes
    control tokens, BOS often among them, which is then not written twice."""
    if chat:
        ids, _ = model.tokenizer.conversation([{"role": "user", "content": text}], answer=True)
    else:
        ids = model.tokenizer.encode(text)
    if not ids:
        raise OptLabError("the prompt is empty; write at least one word")
    if tuple(ids[: len(framing.before)]) != framing.before:
        ids = [*framing.before, *ids]
    if len(ids) > room:
        raise OptLabError(
            "the prompt has {id_count} tokens, beside the new ones there is room for {room}; shorten either",
            id_count=len(ids),
            room=max(room, 0),
        )
    return list(ids)


GENERATE = JobKind(
    name="generate", label="text", spec=GenerateSpec, partial=Generation, result=Generation, execute=execute,
    decides=lambda spec, weights: [  # not the rest of the protocol: it does not change the text
        artefacts.key(weights, spec.known_recipe, spec.protocol), [spec.protocol.decodes_in, spec.protocol.device],
        spec.prompt, spec.max_tokens, spec.temperature, spec.seed, spec.chat,
    ],
    title=lambda spec: say("{model}: text, {recipe}", model=title(spec.model), recipe=spec.known_recipe.describe()),
    priority=GENERATING,
    portable=True,
    modules=("optlab.kernels.generate", "optlab.kernels.parting", "optlab.kernels.runtime"),
)  # fmt: skip
