"""What four recipes do to real work, and which tokens flip; writes docs/tasks.md.

    python -m benchmarks.tasks                                     all tasks, SmolLM2, twenty minutes on two quiet cores
    python -m benchmarks.tasks --model nano --task openbookqa      less of it, printed and not written

The table is what `optlab tasks` prints for the recipes in benchmarks/recipes: the tasks are runs in the store, so what
was asked before is not asked again (`--again` asks anew, and times all of it).
"""

from __future__ import annotations

import argparse
import os
import platform
import re
import time
from collections.abc import Sequence
from pathlib import Path

from optlab import foreground
from optlab.api import protocol_of
from optlab.cli.console import opened, reporter
from optlab.client.client import Client
from optlab.client.task_words import tasks_in_words
from optlab.errors import TextError
from optlab.evaluation.tasks import REGISTRY
from optlab.evaluation.uncertain import SHARE, Held, held, tokens
from optlab.jobs import model_cache
from optlab.jobs.compressed_cache import packed
from optlab.jobs.tasks import TASKS
from optlab.models.device import choose_device
from optlab.protocol import Protocol
from optlab.recipes import Recipe
from optlab.results.tasks import TaskResult
from optlab.texts.splits import calibration_windows

RECIPES = Path(__file__).parent / "recipes"
PAGE = Path(__file__).parents[1] / "docs" / "tasks.md"
MARKS = ("<!-- measured -->", "<!-- /measured -->")
TEXT, JUDGED = "bbc-news", "web-bible"
"""The threshold of uncertainty is learned on one text and used on another."""
TOKENS, CONTEXT = 8192, 256


def asked(
    client: Client, model: str, names: Sequence[str], tokens: int | None, again: bool
) -> dict[str, dict[str, TaskResult]]:
    """Results by recipe and task; what has no data here is told and left out."""
    protocol = protocol_of({})
    found: dict[str, dict[str, TaskResult]] = {}
    for label, recipe in recipes().items():
        found[label] = {}
        for name in names:
            try:
                run = foreground.ask(client, name, model, recipe, protocol, reporter(False), again, None, tokens)
            except TextError as error:
                print(f"{name} is left out: {error}")
                continue
            result = TASKS.result_of(run)
            assert result is not None  # the run is done
            found[label][name] = result
    return found


def recipes() -> dict[str, Recipe]:
    """By the name of their file."""
    return {file.stem: Recipe.from_file(file) for file in sorted(RECIPES.glob("*.yaml"))}


def uncertain(client: Client, model: str) -> dict[str, Held]:
    """Of every recipe, how many of its flips the original's most uncertain tokens hold on a text not seen before."""
    found = {}
    for label, recipe in recipes().items():
        subject = client.subject(model, Protocol())
        base = model_cache.model(model, "float32", str(choose_device("auto")))
        candidate = packed(base, recipe, subject.protocol)[0].model
        framing = base.framing()
        read = [calibration_windows(text, base.tokenizer, TOKENS, CONTEXT, framing=framing) for text in (TEXT, JUDGED)]
        learned, judged = (tokens(base, candidate, windows, framing) for windows in read)
        found[label] = held(learned, judged)
    return found


def uncertain_in_words(found: dict[str, Held]) -> str:
    """As a Markdown table."""
    lines = [
        "| recipe | tokens that flip | uncertain tokens | flips among them | 95 % interval | at most possible |",
        "|---|---|---|---|---|---|",
    ]
    for label, one in found.items():
        possible = min(one.uncertain / one.flips, 1.0) if one.flips else 1.0
        ends = "" if one.ci95 is None else f"{one.ci95[0]:.1%} to {one.ci95[1]:.1%}"
        lines.append(f"| {label} | {one.flips:.1%} | {one.uncertain:.1%} | {one.held:.1%} | {ends} | {possible:.1%} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="smollm2-135m")
    parser.add_argument("--task", action="append")
    parser.add_argument("--tokens", type=int, default=6000, help="of each task and model")
    parser.add_argument("--again", action="store_true")
    parser.add_argument("--no-flips", action="store_true", help="leave the tokens that flip out")
    chosen = parser.parse_args()
    began = time.monotonic()
    with opened() as client:
        found = asked(client, chosen.model, chosen.task or list(REGISTRY), chosen.tokens, chosen.again)
        seconds = time.monotonic() - began
        table = tasks_in_words(found)
        flips = "" if chosen.no_flips else uncertain_in_words(uncertain(client, chosen.model))
    told = (
        f"{time.strftime('%d %B %Y')}, {chosen.model}, {platform.processor() or platform.machine()} with "
        f"{os.cpu_count()} cores: all tasks of all recipes, about "
        f"{chosen.tokens} tokens of each, in {seconds / 60:.1f} minutes.\n\n```\n{table}\n```\n\n"
        f"The {SHARE:.0%} most uncertain tokens: threshold from {TEXT}, judged on {JUDGED}, {TOKENS} tokens each.\n\n"
        f"{flips}\n"
    )
    print(told)
    if chosen.task is None:
        page = PAGE.read_text(encoding="utf-8")
        inside = f"{MARKS[0]}\n{told}{MARKS[1]}"
        PAGE.write_text(re.sub(f"{MARKS[0]}.*{MARKS[1]}", lambda _: inside, page, flags=re.DOTALL), encoding="utf-8")


if __name__ == "__main__":
    main()
