"""How well predictions hold: recipes drawn by lot, predicted, then measured, beside simpler ways to predict.

    python -m benchmarks.prediction MODEL [--recipes 40] [--tokens 8192] [--text NAME|PATH] [--seeds 7 8]
        [--out FILE]

The recipes (as many for each seed, none an anchor) are uniform or different for each layer, quantized by rounding,
pruned by magnitude, or both. Sensitivities come from the calibration side of the model's text; the measurement reads
what a default measurement does, as the anchors do (no recipe that is predicted is one), or another text. Every simpler
way gets the same anchors and the same kind of link, a quadratic of logarithms:

    HIGGS           sum of alpha_l |D_l|^2 / |W_l|^2, alpha_l from noise in one layer (arXiv 2411.17525)
    weight error    |D|^2 / |W|^2 of all layers together
    bits            stored bits per weight
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import spearmanr

from benchmarks.protocol import machine
from optlab import texts
from optlab.evaluation.compare import compare
from optlab.models import load
from optlab.models.device import choose_dtype
from optlab.models.language_model import LanguageModel
from optlab.prediction.build import build, measured_windows
from optlab.prediction.mixed import recipe_of
from optlab.prediction.predictor import Predictor
from optlab.prediction.size import layer_bytes
from optlab.prediction.state import State
from optlab.prediction.tables import apply
from optlab.prediction.treatment import damage, treatment
from optlab.recipes import Recipe, Step
from optlab.results.recipe import known as known_recipe

SEEDS = (7, 8)
BITS, SPARSITIES = (2, 3, 4, 5, 6), (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7)
LEAST, MOST = 0.02, 3.0
"""Nats between which a relative error is counted."""
PLAIN = ("rtn", "magnitude")
"""The methods of the recipes that are drawn."""
NOISE_SIZE, NOISE_TOKENS = 0.2, 1024

Floats = NDArray[np.float64]


def drawn(state: State, count: int, seed: int) -> list[Recipe]:
    """Recipes by lot: a third each quantized, pruned and both; of each, half the same for all layers."""
    rng = random.Random(seed)
    main = next(table for key, table in state.tables.items() if key.startswith("quantize rtn"))
    sizes = sorted({level["group_size"] for level in main.levels}, key=lambda size: size or 1 << 30)
    anchors = {one.recipe.content_hash for one in state.anchors}
    found: dict[str, Recipe] = {}
    while len(found) < count:
        kind, uniform = len(found) % 3, rng.random() < 0.5
        strongest, low = rng.randrange(2, len(SPARSITIES)), rng.randrange(0, 3)

        def one(kind: int = kind, strongest: int = strongest, low: int = low) -> list[Step]:
            steps = []
            if kind != 0:
                sparsity = SPARSITIES[rng.randrange(max(strongest - 3, 0), strongest + 1)]
                steps.append(Step("prune", "magnitude", {"sparsity": sparsity}))
            if kind != 1:
                bits = BITS[rng.randrange(low, min(low + 3, len(BITS)))]
                steps.append(Step("quantize", "rtn", {"bits": bits, "group_size": rng.choice(sizes)}))
            return steps

        recipe = Recipe(tuple(one())) if uniform else recipe_of({name: one() for name in state.names})
        if recipe.content_hash not in anchors:
            found[recipe.content_hash] = recipe
    return list(found.values())


@dataclass
class Bench:
    """A model and its text, measured in the precision that the default measurement uses."""

    original: LanguageModel
    ids: list[int]
    context: int

    def __post_init__(self) -> None:
        self.working = self.original.clone()
        self.dtype = choose_dtype("auto", self.original.device)
        self.base = self.original.to(dtype=self.dtype)

    def measure(self, recipe: Recipe) -> tuple[float, float]:
        """(difference of the loss, divergence) in nats."""
        apply(self.original, self.working, recipe, None, _no_statistics)
        return self._compared(self.ids, self.original.linear_names())

    def noisy(self, name: str, ids: list[int]) -> float:
        """Divergence when layer `name` gets Gaussian noise of `NOISE_SIZE` times its own size."""
        W = self.original.weight(name)
        noise = torch.randn(W.shape, generator=torch.Generator().manual_seed(SEEDS[0]))
        self.working.set_weight(name, W + NOISE_SIZE * noise * W.norm() / noise.norm())
        return self._compared(ids, [name])[1]

    def _compared(self, ids: list[int], changed: list[str]) -> tuple[float, float]:
        quality = compare(self.base, self.working.to(dtype=self.dtype), ids, self.context)
        for name in changed:
            self.working.set_weight(name, self.original.weight(name))
        return quality.nll_delta, quality.kl_mean


def simple_link(x: Floats, nll: Floats) -> Callable[[Floats], Floats]:
    """log(loss) as a quadratic of log(x), by least squares over the anchors that lost something."""
    clear = nll > 0.01
    fitted = np.polyfit(np.log(x[clear]), np.log(nll[clear]), 2)
    return lambda new: np.exp(np.polyval(fitted, np.log(new)))


def scores(predicted: Floats, measured: Floats) -> dict[str, float]:
    """Relative errors within LEAST..MOST, rank correlation over all."""
    counted = (measured >= LEAST) & (measured <= MOST)
    errors = np.abs(predicted / measured - 1)[counted]
    return {
        "counted": int(counted.sum()),
        "median_error": float(np.median(errors)),
        "p90_error": float(np.quantile(errors, 0.9)),
        "spearman": float(spearmanr(predicted[counted], measured[counted])[0]),
        "spearman_all": float(spearmanr(predicted, measured)[0]),
    }


def features(state: State, recipe: Recipe, alpha: Floats) -> list[float]:
    """What the simpler ways see of a recipe: HIGGS, weight error, bits per weight."""
    done = treatment(state, recipe)
    found = damage(state, done)
    weights = sum(rows * columns for rows, columns in state.shapes)
    error = float((found.error * state.energy).sum() / state.energy.sum())
    bits = 8 * float(layer_bytes(state, done, found).sum()) / weights
    return [float((alpha * found.error).sum()), error, bits]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("--recipes", type=int, default=40)
    parser.add_argument("--tokens", type=int, default=8192)
    parser.add_argument("--text")
    parser.add_argument("--seeds", type=int, nargs="+", default=SEEDS)
    parser.add_argument("--out", type=Path, help="measurements are kept here, and not repeated")
    asked = parser.parse_args()
    model = load(asked.model, "float32")
    began = time.perf_counter()
    state = build(model)
    probe_s = time.perf_counter() - began
    text = asked.text or model.description.default_text
    context = min(512, model.description.context_length)
    if asked.text:
        ids = texts.evaluation_tokens(text, model.tokenizer, asked.tokens)
    else:
        ids = list(chain.from_iterable(measured_windows(model, context)))[: asked.tokens]
    bench = Bench(model, ids, context)
    kept: dict[str, Any] = json.loads(asked.out.read_text()) if asked.out and asked.out.is_file() else {}

    def once(key: str, compute: Callable[[], Any]) -> Any:
        if key not in kept:
            kept[key] = compute()
            if asked.out:
                asked.out.write_text(json.dumps(kept))
        return kept[key]

    lots = chain.from_iterable(drawn(state, asked.recipes, seed) for seed in asked.seeds)
    recipes = list({recipe.content_hash: recipe for recipe in lots}.values())
    measured = []
    for number, recipe in enumerate(recipes):
        measured.append(
            once(
                f"{recipe.content_hash} {asked.tokens} {asked.text or 'default'}",
                partial(bench.measure, recipe),
            )
        )
        print(f"\r{number + 1} of {len(recipes)} measured", end="", flush=True)
    alpha = np.array([once(f"noise {name}", partial(bench.noisy, name, ids[:NOISE_TOKENS])) for name in state.names])
    alpha /= NOISE_SIZE**2

    predictor = Predictor(state, text=asked.text)
    began = time.perf_counter()
    predictions = [predictor.predict(recipe, asked.tokens) for recipe in recipes]
    each_ms = 1000 * (time.perf_counter() - began) / len(recipes)
    nll = np.array([one[0] for one in measured])
    ours = np.array([one.nll for one in predictions], dtype=float)
    bands = np.array([one.nll_band90 for one in predictions], dtype=float)
    inside = (nll >= bands[:, 0]) & (nll <= bands[:, 1])
    counted = (nll >= LEAST) & (nll <= MOST)
    told = [one for one in state.anchors if all(step.method in PLAIN for step in known_recipe(one.recipe).steps)]
    known = np.array([features(state, known_recipe(one.recipe), alpha) for one in told])
    target = np.array([one.nll for one in told])
    new = np.array([features(state, recipe, alpha) for recipe in recipes])
    rows = {"optlab": scores(ours, nll)}
    for column, name in enumerate(("HIGGS", "weight error", "bits")):
        rows[name] = scores(simple_link(known[:, column], target)(new[:, column]), nll)
    print(
        f"\n{asked.model} on {text}, {asked.tokens} tokens, {len(recipes)} recipes, {len(state.anchors)} anchors, "
        f"probe {probe_s:.0f} s (0 when cached); {machine()}"
    )
    print("| | median error | 90th percentile | Spearman of those counted | of all |\n|---|---|---|---|---|")
    for name, row in rows.items():
        figures = [f"{row['median_error']:.1%}", f"{row['p90_error']:.1%}"]
        figures += [f"{row['spearman']:.4f}", f"{row['spearman_all']:.4f}"]
        print(f"| {name} | {' | '.join(figures)} |")
    shares = f"{inside[counted].mean():.0%} of them, {inside.mean():.0%} of all"
    print(f"counted {counted.sum()} ({LEAST} to {MOST} nats); in band {shares}; {each_ms:.1f} ms per prediction")
    for i in np.argsort(nll):
        band = f"[{bands[i, 0]:.4f}, {bands[i, 1]:.4f}]"
        divergence = f"KL {measured[i][1]:.4f} predicted {predictions[i].kl:.4f}"
        print(f"  {nll[i]:8.4f} predicted {ours[i]:8.4f} {band} {divergence}  {_short(recipes[i])}")


def _short(recipe: Recipe) -> str:
    return "by layer" if any(step.layers for step in recipe.steps) else recipe.describe()


def _no_statistics() -> Any:
    raise AssertionError("these recipes need no calibration")


if __name__ == "__main__":
    main()
