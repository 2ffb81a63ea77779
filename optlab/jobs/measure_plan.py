"""What a measurement consists of and how long each part should take, before and while it runs. Torch-free.

The amount of most parts is counted in parameters times tokens, because reading a token multiplies every parameter once;
work that does not read text counts as so many tokens. The priors were taken in November 2026 on two cores of an AMD
EPYC (bfloat16) and only speak until this machine has done the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from optlab.forecast.choice import Way, footprint, way_of
from optlab.forecast.footprint import Footprint
from optlab.forecast.rates import known as known_rates
from optlab.forecast.work import compression_work, evaluation_work
from optlab.jobs.durations import Durations, Work
from optlab.models.describe import Description
from optlab.protocol import REPORT_TOKENS, Protocol
from optlab.recipes import Recipe, Step
from optlab.store import artefacts

READ, COMPRESS, QUALITY, LATENCY, MEMORY, LAYERS = "read", "compress", "quality", "latency", "memory", "layers"

PER_PARAMETER_TOKEN_S = 2e-11
OPERATIONS = 2
"""For a parameter and a token: a multiplication and an addition."""
PASS_TOKENS = 500
"""Tokens whose reading takes as long as one pass over the weights of a simple method, packing and writing included."""
PASSES_OF_TRAINING = 6
"""Forward of student and teacher, backward twice as long as the forward, all in float32."""
PASSES_OF_CALIBRATION = 2
"""In float32, and for every layer the second moments of what it reads."""
TIMING_S = 12.0
"""Warming up, rounds of a small model, and the bandwidth of memory before and after."""
ROUND_TOKENS = 4 * (512 + 8 * 32)
"""Of a round of both models and the three that there are at least; a single token reads slower than one of a prompt."""
PROCESS_S = 5.0
BESIDE = 1.3
"""Seconds of two processes side by side, for each second of one alone."""
BLOCK_TOKENS = 2048
"""Of a step of a method that trains block by block."""


@dataclass(frozen=True)
class Expectation:
    """What a run will ask of this machine. phases: seconds of each part, by name, in order. footprint: its memory by
    phase, and its disk."""

    way: Way
    phases: Mapping[str, float]
    footprint: Footprint

    @property
    def seconds(self) -> float:
        """In all."""
        return sum(self.phases.values())

    @property
    def memory_bytes(self) -> int:
        """At most."""
        return self.footprint.peak


def plan(recipe: Recipe, protocol: Protocol, description: Description, known: Durations) -> dict[str, Work]:
    """The parts of measuring `recipe`, by name, in order. protocol: with nothing left open (`resolution.settled`).

    What this machine did before is on its disk or in a worker's memory: the original's own passage, statistics of the
    calibration text, a packed file. It is expected to be there still.
    """
    who = description.fingerprint[:16]
    place, alone = f"{protocol.device}/{protocol.dtype}", f"{protocol.device}/{protocol.decodes_in}"
    parameters, each_s = float(description.parameters), per_parameter_token_s()

    def of_tokens(key: str, about: str, tokens: float) -> Work:
        amount = parameters * max(tokens, 1.0)
        return Work(key, about, amount, amount * each_s)

    def first_or_again(first: Work, again: Work) -> Work:
        return again if known.done_before(first) else first

    parts = {READ: of_tokens(READ, who, PASS_TOKENS)}
    packed = artefacts.key(description.fingerprint, recipe, protocol)
    if artefacts.folder(packed).is_dir():
        parts[COMPRESS] = of_tokens("compress/again", who, PASS_TOKENS)
    else:
        methods = "+".join(f"{step.kind}.{step.method}" for step in recipe.steps)
        whole = of_tokens(f"compress/{methods}", packed, compression_tokens(recipe, protocol))
        limit = training_limit_s(recipe)
        untrained = of_tokens("", "", compression_tokens(recipe, protocol, trained=False)).prior_s or 0.0
        parts[COMPRESS] = whole if limit is None else replace(whole, most_s=limit + untrained)
    read = f"{who}/{protocol.text}/{protocol.tokens}/{protocol.context}/{place}"
    parts[QUALITY] = first_or_again(
        of_tokens(f"quality/first/{place}", read, 2.0 * protocol.tokens),
        of_tokens(f"quality/again/{place}", read, 1.5 * protocol.tokens),  # the head reads the original's part again
    )
    if protocol.latency and description.objective == "causal":
        seconds = max(TIMING_S, ROUND_TOKENS * parameters * each_s)
        parts[LATENCY] = Work(f"latency/{alone}", who, seconds, seconds)
        once = PROCESS_S + PASS_TOKENS * parameters * each_s
        parts[MEMORY] = first_or_again(
            Work(f"memory/first/{alone}", who, BESIDE * once, BESIDE * once),
            Work(f"memory/again/{alone}", who, once, once),
        )
    report_tokens = min(protocol.calibration_tokens, REPORT_TOKENS)
    parts[LAYERS] = first_or_again(
        of_tokens("layers/first", f"{who}/{protocol.calibration}", PASSES_OF_CALIBRATION * report_tokens),
        of_tokens("layers/again", f"{who}/{protocol.calibration}", PASS_TOKENS),
    )
    return parts


def expectation(recipe: Recipe, protocol: Protocol, description: Description, known: Durations) -> Expectation:
    """What measuring `recipe` will ask of this machine. protocol: as for `plan`. Raises as `way_of`."""
    way = way_of(recipe, protocol, description)
    if way == "whole":
        parts = plan(recipe, protocol, description, known)
    else:
        parts = plan_by_blocks(recipe, protocol, description)
    phases = {part: known.expected(work) or 0.0 for part, work in parts.items()}
    return Expectation(way, phases, footprint(recipe, protocol, description, way))


def plan_by_blocks(recipe: Recipe, protocol: Protocol, description: Description) -> dict[str, Work]:
    """As `plan`, of a pass over the weights: what compresses all blocks, and what the evaluation text takes in them and
    at the end."""
    rates, who = known_rates(), description.fingerprint[:16]
    methods = "+".join(f"{step.kind}.{step.method}" for step in recipe.steps)
    compressing = compression_work(recipe, protocol, description)
    reading = evaluation_work(protocol, description)
    return {
        COMPRESS: Work(f"blocks/{methods}", who, compressing.multiplied, compressing.seconds(rates)),
        QUALITY: Work("blocks/quality", who, reading.multiplied, reading.seconds(rates)),
    }


def per_parameter_token_s() -> float:
    """Seconds of multiplying a parameter for a token, at this machine's rate where that was measured."""
    rates = known_rates()
    return PER_PARAMETER_TOKEN_S if rates is None else OPERATIONS / rates.flops


def trains(recipe: Recipe) -> bool:
    """Whether a step of `recipe` trains, which takes minutes where another takes seconds."""
    return any(training_tokens(step) for step in recipe.steps)


def training_tokens(step: Step) -> float:
    """Tokens that a step trains on, one after the other; 0 for a step that does not train."""
    steps = step.values.get("steps")
    if not steps:
        return 0.0
    batch, window = step.values.get("batch"), step.values.get("window")
    return float(steps) * (float(batch) * float(window) if batch and window else BLOCK_TOKENS)


def training_limit_s(recipe: Recipe) -> float | None:
    """Seconds after which all training of `recipe` has ended; None where a step has no limit, or none trains."""
    limits = [step.values.get("seconds") for step in recipe.steps if training_tokens(step)]
    return sum(float(one or 0.0) for one in limits) if limits and None not in limits else None


def compression_tokens(recipe: Recipe, protocol: Protocol, trained: bool = True) -> float:
    """How many tokens the model would read in the time that `recipe` takes, roughly. trained: or without training."""
    total = float(PASS_TOKENS)
    for step in recipe.steps:
        total += PASS_TOKENS + (PASSES_OF_TRAINING * training_tokens(step) if trained else 0.0)
        total += PASSES_OF_CALIBRATION * protocol.calibration_tokens if step.instance().needs_calibration else 0
    return total
