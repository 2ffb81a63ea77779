"""A probed model made by hand, whose damages follow a law that the tests know, and a predictor that trusts it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from optlab.prediction.ends import probed_levels
from optlab.prediction.levels import Family, families
from optlab.prediction.link import WINDOWS
from optlab.prediction.predictor import Prediction
from optlab.prediction.size import recipe_bytes
from optlab.prediction.speed import Speed
from optlab.prediction.state import QUANTILES, FamilyTable, State
from optlab.prediction.treatment import damage, treatment
from optlab.recipes import Recipe, Step
from optlab.results.probe import Anchor, EndDamage

WIDTH = 64
KINDS = {"self_attn.q_proj": (WIDTH, WIDTH), "mlp.up_proj": (128, WIDTH), "mlp.down_proj": (WIDTH, 128)}


def state(blocks: int = 3, seed: int = 0) -> State:
    """A model of `blocks` blocks. A layer's damage is its sensitivity times 4^-bits * group^0.5 when it is quantized,
    and times sparsity^3 when it is pruned."""
    names = [f"model.layers.{block}.{kind}" for block in range(blocks) for kind in KINDS]
    shapes = list(KINDS.values()) * blocks
    rng = np.random.default_rng(seed)
    sensitivity = np.exp(rng.normal(0, 1.5, len(names)))
    found = State(
        model="made by hand",
        fingerprint="f" * 64,
        names=names,
        shapes=shapes,
        kinds=[kind.partition(".")[2].removesuffix("_proj") for kind in KINDS] * blocks,
        blocks=[block for block in range(blocks) for _ in KINDS],
        matrices=[("model.embed_tokens", (100, WIDTH)), *zip(names, shapes, strict=True)],
        tensors=[
            ("model.embed_tokens.weight", "F16", (100, WIDTH)),
            *[(f"{name}.weight", "F16", shape) for name, shape in zip(names, shapes, strict=True)],
        ],
        storage_dtype="F16",
        head="model.embed_tokens",
        quantiles=np.tile(np.linspace(0, 1, QUANTILES), (len(names), 1)),
        energy=np.ones(len(names)),
    )
    probed = [
        family
        for family in families([columns for _, columns in shapes])
        if family.method in ("rtn", "magnitude") and not dict(family.fixed).get("symmetric")
    ]
    for family in probed:
        found.tables[family.key] = table(found, family, sensitivity)
    found.ends = [
        EndDamage(name=found.head, family=family.key, kl=end_law(**family.levels[level]), **family.levels[level])  # type: ignore[arg-type]
        for family, level in probed_levels(probed)
    ]
    return found


def end_law(bits: int, group_size: int | None) -> float:
    """Nats of rounding the embedding alone."""
    return 0.3 * 4.0**-bits * float(group_size or WIDTH) ** 0.5


def table(found: State, family: Family, sensitivity: Any) -> FamilyTable:
    """The damages of a family, by the law."""
    masks = [f"{key}#{n}" for key, one in found.tables.items() for n in range(len(one.levels))]
    made = FamilyTable.empty(family, len(found.names), masks)
    for number, level in enumerate(family.levels):
        if family.kind == "prune":
            strength = float(str(level["sparsity"])) ** 3
            made.left[:, number] = 1 - float(str(level["sparsity"]))
        else:
            size = np.array([float(level["group_size"] or columns) for _, columns in found.shapes])
            strength = 4.0 ** -int(str(level["bits"])) * size**0.5
            made.left[:, number] = 1.0
        made.damage[:, number] = sensitivity * strength
        made.error[:, number] = strength
    made.kept_error[:] = 1.0
    made.slope[:] = made.anchor_slope[:] = 0.0
    made.kept_codes[:] = 1.0
    return made


@dataclass
class Trusting:
    """Predicts that the loss rises by exactly the damage, and that a token takes a nanosecond per byte."""

    state: State
    calls: int = 0

    def predict(self, recipe: Recipe) -> Prediction:
        self.calls += 1
        done = treatment(self.state, recipe)
        found = damage(self.state, done)
        size = recipe_bytes(self.state, done, found)
        whole = treatment(self.state, Recipe())
        original = recipe_bytes(self.state, whole, damage(self.state, whole))
        nll = float(found.total.sum())
        speed = Speed(size / original, size / original, size / original, original / 1e6)
        return Prediction(self.state.model, recipe, None, size, nll, (nll / 2, 2 * nll), speed=speed)


def truth(found: State, recipe: Recipe) -> float:
    """The damage of a recipe by the law, nats."""
    return float(damage(found, treatment(found, recipe)).total.sum())


def uniform(bits: int, group: int | None, sparsity: float = 0.0) -> Recipe:
    """Every layer the same."""
    quantized = Step("quantize", "rtn", {"bits": bits, "group_size": group})
    if not sparsity:
        return Recipe.of(quantized)
    return Recipe.of(Step("prune", "magnitude", {"sparsity": sparsity}), quantized)


def with_anchors(found: State, factor: float) -> State:
    """`found` with a dozen anchors, of which each was measured to do `factor` times the damage of the law."""
    recipes = [uniform(bits, group, s) for bits in (2, 3, 4) for group in (32, None) for s in (0.0, 0.3)]
    for recipe in recipes:
        lost = factor * truth(found, recipe)
        found.anchors.append(Anchor(recipe=recipe, kl=lost, nll=lost, windows=WINDOWS, tokens=4096))
    found.anchors_wanted = len(recipes)
    return found
