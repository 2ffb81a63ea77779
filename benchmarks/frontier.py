"""Whether the predicted frontier holds: points of it, measured beside uniform rounding of the same size.

    python -m benchmarks.frontier [--model nano] [--text NAME] [--tokens 8192] [--method rtn ...] [--points 5]

Without a text the words are those of a default measurement, as *Prove it* reads them. Both sides choose from the same
methods. Excess loss of uniform rounding is read off between its measured recipes on a straight line of log(excess) over
bytes, which is how it falls.
"""

from __future__ import annotations

import argparse
import math
import time
from itertools import chain

import numpy as np

from benchmarks.protocol import machine
from optlab import foreground
from optlab.client.client import Client
from optlab.compression import compress
from optlab.evaluation.compare import compare
from optlab.models import load
from optlab.prediction.build import measured_windows
from optlab.prediction.frontier import Frontier, Point
from optlab.prediction.predictor import Predictor
from optlab.prediction.state import Floats
from optlab.protocol import Protocol
from optlab.recipes import Recipe, Step
from optlab.store.store import Store
from optlab.texts import evaluation_tokens

BITS_PER_WEIGHT = (2.8, 5.0)
"""Of the decoder's linear layers, between which points of the frontier are measured, as far apart in ratio."""
LARGEST_EXCESS, SMALLEST_EXCESS = 3.0, 0.001
MOST_BITS = 6


def main() -> None:
    """Print both sides, a line as soon as it is measured."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.frontier")
    parser.add_argument("--model", default="nano")
    parser.add_argument("--text", help="default: what a default measurement reads")
    parser.add_argument("--tokens", type=int, default=8192)
    parser.add_argument("--skip", type=int, default=0, help="tokens at the beginning of the text that are not read")
    parser.add_argument("--method", nargs="+", default=["rtn"])
    parser.add_argument("--points", type=int, default=5)
    chosen = parser.parse_args()
    model = load(chosen.model, "float32")
    predictor = Predictor(foreground.predictor(Client(Store()), chosen.model).state, text=chosen.text)
    frontier = Frontier(predictor, tuple(chosen.method))
    text = chosen.text or model.description.default_text
    context = min(512, model.description.context_length)
    if chosen.text:
        ids = evaluation_tokens(text, model.tokenizer, chosen.skip + chosen.tokens)[chosen.skip :]
    else:
        ids = list(chain.from_iterable(measured_windows(model, context)))[: chosen.tokens]

    def measured(recipe: Recipe) -> float:
        candidate = compress(model, recipe, Protocol(calibration=model.description.default_text)).model
        return compare(model, candidate, ids, context).nll_delta

    weights = sum(rows * columns for rows, columns in predictor.state.shapes)
    rest = _bytes(predictor.predict(Recipe())) - 2 * weights

    def bits(size: int) -> float:
        return 8 * (size - rest) / weights

    print(f"{chosen.model}, {chosen.tokens} tokens of {text}, {' and '.join(chosen.method)}; {machine()}\n")
    print("| recipe | bits per weight | predicted | 90 % band | measured | uniform at that size | change |")
    print("|---|---|---|---|---|---|---|")
    sizes, losses = [], []
    for step in _uniform(frontier):
        told = predictor.predict(Recipe.of(step))
        if told.nll is None or told.nll > 2 * LARGEST_EXCESS:
            continue
        sizes.append(_bytes(told))
        losses.append(measured(Recipe.of(step)))
        _line(step.describe(), bits(sizes[-1]), Point(Recipe.of(step), told), losses[-1])
    inside = 0
    for wanted in np.geomspace(*BITS_PER_WEIGHT, chosen.points):
        began = time.perf_counter()
        point = frontier.at_most_bytes(math.floor(rest + wanted * weights / 8))
        seconds = time.perf_counter() - began
        size = point.size_bytes
        beside = uniform_at(size, np.array(sizes, dtype=float), np.array(losses))
        found = measured(point.recipe)
        band = point.prediction.nll_band90
        inside += band is not None and (band[0] or 0.0) <= found <= (math.inf if band[1] is None else band[1])
        _line(f"frontier, found in {seconds:.2f} s", bits(size), point, found, beside)
    print(f"\n{inside} of {chosen.points} points of the frontier lie inside their band")
    began = time.perf_counter()
    count = len(Frontier(predictor, tuple(chosen.method)).points())
    print(f"\nthe whole frontier: {count} points in {time.perf_counter() - began:.2f} s")


def uniform_at(size: float, sizes: Floats, losses: Floats) -> float | None:
    """The excess loss of the best uniform recipes at `size`; None beyond those that stand out of the noise."""
    order = np.argsort(sizes)
    sizes, losses = sizes[order], np.minimum.accumulate(losses[order])
    clear = losses > SMALLEST_EXCESS
    sizes, losses = sizes[clear], losses[clear]
    if not len(sizes) or not sizes[0] <= size <= sizes[-1]:
        return None
    return float(np.exp(np.interp(size, sizes, np.log(losses))))


def _uniform(frontier: Frontier) -> list[Step]:
    """The choices of the menu for all layers alike, without those for which a smaller one is predicted to be better."""
    menu = frontier.menu
    alone = [number for number, choice in enumerate(menu.choices) if len(choice) == 1]
    size, damage = menu.size.sum(0), menu.damage.sum(0)
    best: list[Step] = []
    lowest = math.inf
    for number in sorted(alone, key=lambda number: float(size[number])):
        step = menu.choices[number][0]
        if damage[number] < lowest and int(str(step.values["bits"])) <= MOST_BITS:
            lowest = float(damage[number])
            best.append(step)
    return best


def _bytes(told: object) -> int:
    size = getattr(told, "size_bytes", None)
    assert isinstance(size, int), "every point of the menu lies inside of the probed range"
    return size


def _line(name: str, bits: float, point: Point, measured: float, beside: float | None = None) -> None:
    told = point.prediction
    assert told.nll is not None and told.nll_band90 is not None
    band = f"{told.nll_band90[0]:.4f} to {told.nll_band90[1]:.4f}"
    ends = " | |" if beside is None else f"{beside:.4f} | {measured / beside - 1:+.0%} |"
    print(f"| {name} | {bits:.3f} | {told.nll:.4f} | {band} | {measured:.4f} | {ends}", flush=True)


if __name__ == "__main__":
    main()
