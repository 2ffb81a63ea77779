"""What distillation is worth: against training on the text alone, with and without its cache, and on a larger model.

    python -m benchmarks.distillation against-text [--seconds 60]
    python -m benchmarks.distillation cache [--steps 300]
    python -m benchmarks.distillation recovery [--seconds 600]

`against-text`: two students of nano with one block (34 % of its parameters), the same start, text, settings and
seconds; one hears the teacher, one only the text. `cache`: five temperatures after each other with the teacher's
answers kept, and with the teacher asked every time. `recovery`: SmolLM2 with 24 of its 30 blocks, killed with SIGKILL
half way and continued.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from optlab.compression import Compressed, compress
from optlab.evaluation.compare import Quality, compare
from optlab.evaluation.environment import record
from optlab.jobs.resolution import settled
from optlab.messages import Message
from optlab.models import load
from optlab.models.language_model import LanguageModel
from optlab.progress import silent
from optlab.protocol import Protocol
from optlab.recipes import Recipe
from optlab.texts import evaluation_tokens

TOKENS, CONTEXT = 32_768, 256
STUDENT = {"student_layers": 1, "learning_rate": 2e-3, "batch": 8, "window": 128}
TEMPERATURES = (1.0, 1.5, 2.0, 4.0, 8.0)


def distilled(model: LanguageModel, progress: Any = silent, **values: Any) -> Compressed:
    """`model` distilled by these values, on its own text."""
    protocol = settled(model.name, Protocol(dtype="float32", tokens=TOKENS, context=CONTEXT))
    return compress(model, Recipe.from_dict({"steps": [{"distill": values}]}), protocol, progress)


def words_of(model: LanguageModel, tokens: int = TOKENS) -> list[int]:
    """The held-out words that all students of a benchmark are judged on."""
    return evaluation_tokens(model.description.default_text, model.tokenizer, tokens)


def parameters(model: LanguageModel) -> int:
    return sum(parameter.numel() for parameter in model.module.parameters())


def against_text(
    temperature: float, alpha: float, seconds: float | None = None, steps_taught: int = 100_000
) -> dict[str, Any]:
    """Distillation beside training on the text alone; nats per token, the difference paired over windows.

    Both take so many seconds or, without, the same work: `steps_taught` steps, and those of the text alone that cost as
    many multiplications (`steps_of_text`). Work is the same on every machine, whatever else it does.
    """
    teacher = load("nano", "float32")
    settings = {**STUDENT, "seconds": seconds, "temperature": temperature}
    taught = distilled(teacher, **settings, steps=steps_taught, alpha=alpha)
    share = parameters(taught.model) / parameters(teacher)
    text = steps_taught if seconds else steps_of_text(steps_taught, share)
    alone = distilled(teacher, **settings, steps=text, alpha=1.0)
    ids = words_of(teacher)
    quality: Quality = compare(alone.model, taught.model, ids, CONTEXT, silent, None)
    return {
        "share_of_parameters": share,
        "nll_text_alone": quality.base.nll, "nll_taught": quality.candidate.nll,
        "nll_teacher": compare(teacher, taught.model, ids, CONTEXT, silent, None).base.nll,
        "difference": quality.nll_delta, "ci95": quality.nll_ci95, "windows": quality.windows,
        "steps": {"text": steps(alone), "taught": steps(taught)},
        "curves": {"text": curves(alone), "taught": curves(taught)},
    }  # fmt: skip


def steps_of_text(taught: int, share: float) -> int:
    """Steps on the text alone that cost what `taught` steps with a teacher do. share: parameters of the student over
    the teacher's, and so the multiplications of a pass over a token.

    A student's step is a pass forward and two of its length backward; the teacher, asked anew every time, adds a whole
    one. That is a little unfair to the teacher, whose answers are kept (`cache`) for every later reading.
    """
    return round(taught * (3 * share + 1) / (3 * share))


def steps(done: Compressed) -> int:
    """Training steps of the only training of `done`."""
    return int(done.trainings[0].held_out[-1].step)


def curves(done: Compressed) -> list[dict[str, Any]]:
    """The trainings of `done` as plain JSON."""
    return [training.to_dict() for training in done.trainings]


def step_of(message: str) -> list[int]:
    """The training step that a progress message names, if it does."""
    if not isinstance(message, Message) or "step" not in message.values:
        return []
    return [int(message.values["step"])]


def cache(count: int) -> dict[str, Any]:
    """Seconds for all temperatures, asked every time and kept, and how far their losses are apart."""
    teacher = load("nano", "float32")
    seconds, losses = {}, {}
    for kept in ("0", "1"):
        os.environ["OPTLAB_TEACHER_CACHE"] = kept
        began = time.perf_counter()
        done = [distilled(teacher, **STUDENT, steps=count, alpha=0.5, temperature=t) for t in TEMPERATURES]
        seconds[kept] = time.perf_counter() - began
        losses[kept] = [one.trainings[0].held_out[-1].nll for one in done]
    return {
        "seconds_asked": seconds["0"], "seconds_kept": seconds["1"], "ratio": seconds["0"] / seconds["1"],
        "held_out_asked": losses["0"], "held_out_kept": losses["1"], "temperatures": TEMPERATURES,
    }  # fmt: skip


def recovery(seconds: float, blocks: int) -> dict[str, Any]:
    """SmolLM2 with fewer blocks, before and after distillation that was killed half way; gap in nats per token."""
    teacher = load("smollm2-135m", "float32")
    settings = {"student_layers": blocks, "batch": 4, "window": 128, "learning_rate": 1e-4, "temperature": 1.0,
                "alpha": 0.0, "start": "influence"}  # fmt: skip
    start = distilled(teacher, **settings | {"steps": 1, "learning_rate": 1e-7, "alpha": 1.0})
    settings |= {"steps": 100_000, "seconds": seconds}
    command = [sys.executable, "-m", "benchmarks.distillation", "train", json.dumps(settings)]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    for line in child.stdout:
        killed_at = json.loads(line)
        if killed_at["seconds"] > seconds / 2:
            os.kill(child.pid, signal.SIGKILL)
            break
    if child.wait() != -signal.SIGKILL:
        raise SystemExit(f"the training ended by itself (exit {child.returncode}) before it could be killed")
    told: list[int] = []
    done = distilled(teacher, lambda fraction, message, partial=None: told.extend(step_of(message)), **settings)
    ids = words_of(teacher, TOKENS // 4)
    before, after = (compare(teacher, one.model, ids, CONTEXT, silent, None).nll_delta for one in (start, done))
    return {
        "gap_before": before, "gap_after": after, "gap_down": 1 - after / before, "steps": steps(done),
        "killed_at_step": killed_at["step"], "went_on_at_step": told[0],
        "curve": curves(done),
    }  # fmt: skip


def train(settings: dict[str, Any]) -> None:
    """The child of `recovery`: says each step, and the seconds since the first, until it is killed."""
    first: list[float] = []

    def say(fraction: float, message: str, partial: object = None) -> None:
        for step in step_of(message):
            first.append(time.perf_counter())
            print(json.dumps({"step": step, "seconds": first[-1] - first[0]}), flush=True)

    distilled(load("smollm2-135m", "float32"), say, **settings)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("against-text", "cache", "recovery", "train"))
    parser.add_argument("settings", nargs="?", type=json.loads, default={})
    parser.add_argument("--seconds", type=float)
    parser.add_argument("--steps", type=int, default=300, help="of each training: 252 read the text once")
    parser.add_argument("--temperature", type=float, default=2.0)
    parser.add_argument("--alpha", type=float, default=0.5)
    parser.add_argument("--blocks", type=int, default=24)
    parser.add_argument("--out", type=Path, help="a file for the result as JSON, curves included")
    given = parser.parse_args()
    if given.what == "train":
        train(given.settings)
        return
    if given.what == "against-text":
        found = against_text(given.temperature, given.alpha, given.seconds or 60.0)
    elif given.what == "cache":
        found = cache(given.steps)
    else:
        found = recovery(given.seconds or 600.0, given.blocks)
    if given.out:
        given.out.write_text(json.dumps(found | {"environment": record().to_dict()}, indent=1))
    print(json.dumps({name: value for name, value in found.items() if not name.startswith("curve")}, indent=1))


if __name__ == "__main__":
    main()
