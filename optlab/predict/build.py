"""The probe itself: look at a model once, and write down everything that predictions need.

In order of usefulness: sensitivities and the methods that need no calibration text, then measured anchors, then the
methods that take longer, then how fast this machine decodes. What is known is on disk after every part, so predictions
are possible early and get narrower, and a probe that was stopped goes on where it was.

Sensitivities come from the calibration side of the model's default text, anchors are measured on its evaluation side.
They read windows of the default measurement, because the loss (unlike the divergence) depends on the words: on nano the
same rounding costs 0.53 to 0.91 of its divergence from one play to the next, so only that text can tell its own share.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from torch import Tensor

from optlab import texts
from optlab.calibrate.statistics import Statistics, statistics
from optlab.calibrate.walk import in_batches
from optlab.evaluate.compare import compare
from optlab.methods import method
from optlab.models.checkpoint import open_checkpoint
from optlab.models.device import choose_dtype
from optlab.models.language_model import LanguageModel
from optlab.predict import first_order, singles
from optlab.predict.anchors import anchors
from optlab.predict.fisher import in_groups, sensitivities
from optlab.predict.levels import SPARSITIES, Family, families, family_key
from optlab.predict.state import QUANTILES, State, folder_of
from optlab.predict.tables import Filler, apply
from optlab.progress import Progress, silent, span
from optlab.protocol import Protocol
from optlab.recipes import Recipe

PROBE_TOKENS = 2048
ANCHOR_TOKENS = 4096
FIRST_ANCHORS = 6
"""So many anchors come before single layers are looked at."""
DEFAULT = Protocol()


@dataclass
class Probe:
    """A probe under way: what `build` needs in hand."""

    model: LanguageModel
    working: LanguageModel
    state: State
    folder: Path
    wanted: list[Family]
    recipes: list[Recipe]
    progress: Progress

    @property
    def context(self) -> int:
        return min(DEFAULT.context, self.model.description.context_length)

    @cached_property
    def grams(self) -> Statistics:
        """The same statistics that a measurement with default settings calibrates with."""
        text = self.model.description.default_text
        return statistics(self.model, text, DEFAULT.calibration_tokens, self.context, DEFAULT.seed)

    def gradients(self, names: list[str], ahead: Progress) -> dict[str, Tensor]:
        """The slope of the loss on the words of the anchors."""
        ids = anchor_tokens(self.model, self.context)
        windows = [ids[start : start + self.context] for start in range(0, len(ids), self.context)]
        return first_order.gradients(self.model, windows, names, ahead)

    def fill(self, filler: Filler, some: list[Family], ahead: Progress) -> None:
        """Tabulate these families for the layers at hand."""
        for number, family in enumerate(some):
            filler.fill(family, span(ahead, number / len(some), (number + 1) / len(some)))
            self.state.save(self.folder)

    def measure(self, some: list[Recipe], ahead: Progress) -> None:
        """Measure those of `some` that were not yet."""
        known = {one["hash"] for one in self.state.anchors}
        left = [recipe for recipe in some if recipe.content_hash not in known]
        if not left:
            return
        dtype = choose_dtype("auto", self.model.device)
        base, ids = self.model.to(dtype=dtype), anchor_tokens(self.model, self.context)
        for number, recipe in enumerate(left):
            ahead(number / len(left), f"measuring {short(recipe)}", self.partial())
            apply(self.model, self.working, recipe, None, lambda: self.grams)
            quality = compare(base, self.working.to(dtype=dtype), ids, self.context)
            for name in self.state.names:
                self.working.set_weight(name, self.model.weight(name))
            self.state.anchors.append(
                {
                    "hash": recipe.content_hash, "recipe": recipe.to_dict(), "nll": quality.nll_delta,
                    "kl": quality.kl_mean, "tokens": len(ids),
                }
            )  # fmt: skip
            self.state.save(self.folder)

    def correct(self, ahead: Progress) -> None:
        """Measure how far single layers are from their quadratic form."""
        if self.state.corrections:
            return
        text = self.model.description.default_text
        asked = PROBE_TOKENS + singles.TOKENS
        windows = texts.calibration_windows(text, self.model.tokenizer, asked, self.context, seed=1)
        batches = in_batches(windows[PROBE_TOKENS // self.context :], 512)
        main = {family.method: family for family in reversed(self.wanted)}
        levels = [(main["rtn"], 0)]
        levels += [(main["magnitude"], level) for level in (SPARSITIES.index(0.4), SPARSITIES.index(0.7))]
        singles.measure(self.state, self.model, self.working, batches, levels, lambda: self.grams, ahead)
        self.state.save(self.folder)

    def partial(self) -> dict[str, int]:
        return {"anchors": len(self.state.anchors), "anchors_wanted": len(self.recipes)}


def build(model: LanguageModel, progress: Progress = silent) -> State:
    """The finished probe of `model` (float32, never changed), from disk where it was made before.

    Raises TextError when its text is too short, Cancelled from `progress`; what was found until then stays.
    """
    folder = folder_of(model.fingerprint)
    state = State.load(folder) if (folder / "state.json").is_file() else new_state(model)
    wanted = families([columns for _, columns in state.shapes])
    probe = Probe(model, model.clone(), state, folder, wanted, anchors(state.names, wanted), progress)
    state.anchors_wanted = len(probe.recipes)
    slow = {family.key for family in wanted if method(family.kind, family.method).needs_calibration}
    quick = [recipe for recipe in probe.recipes if not slow & {family_key(step) for step in recipe.steps}]
    missing = [family for family in wanted if not complete(state, family)]
    if missing:
        text = model.description.default_text
        windows = texts.calibration_windows(text, model.tokenizer, PROBE_TOKENS, probe.context, seed=1)
        filler = Filler(model, probe.working, state, lambda: probe.grams)
        batches = in_batches(windows, 512)
        if len(in_groups(model)) > 1:
            for found in sensitivities(model, batches, 0, span(progress, 0.0, 0.2)):
                # One group's sensitivity is gone once the next begins, so all methods are tried while it is here.
                filler.start(found, probe.gradients(list(found), silent))
                probe.fill(filler, missing, span(progress, 0.2, 0.3))
        else:
            found = next(sensitivities(model, batches, 0, span(progress, 0.0, 0.06)))
            filler.start(found, probe.gradients(list(found), span(progress, 0.06, 0.1)))
            probe.fill(filler, [one for one in missing if one.key not in slow], span(progress, 0.1, 0.3))
            probe.measure(quick[:FIRST_ANCHORS], span(progress, 0.3, 0.4))
            probe.correct(span(progress, 0.4, 0.6))
            probe.measure(quick, span(progress, 0.6, 0.7))
            probe.fill(filler, [one for one in wanted if not complete(state, one)], span(progress, 0.7, 0.9))
    probe.correct(span(progress, 0.9, 0.95))
    probe.measure(probe.recipes, span(progress, 0.95, 1.0))
    progress(1.0, "probed", probe.partial())
    return state


def complete(state: State, family: Family) -> bool:
    """Whether all levels of a family are known, together with every pruning that is."""
    table = state.tables.get(family.key)
    if table is None or not table.done:
        return False
    pruned = [key for key, known in state.tables.items() if known.kind == "prune"]
    return family.kind == "prune" or table.masks == state.pruned_levels(pruned)


def anchor_tokens(model: LanguageModel, context: int) -> list[int]:
    """The tokens that anchors are measured on: every second window of those that the default measurement reads.

    Raises TextError when the text is too short.
    """
    text = model.description.default_text
    ids = texts.evaluation_tokens(text, model.tokenizer, DEFAULT.tokens)
    step = context * max(DEFAULT.tokens // ANCHOR_TOKENS, 1)
    return [token for start in range(0, len(ids) - context + 1, step) for token in ids[start : start + context]]


def new_state(model: LanguageModel) -> State:
    """What is known before anything was computed."""
    names = model.linear_names()
    structure, checkpoint = model.structure, open_checkpoint(model.folder)
    shapes = [(int(rows), int(columns)) for rows, columns in (model.weight(name).shape for name in names)]
    return State(
        model=model.name,
        fingerprint=model.fingerprint,
        names=names,
        shapes=shapes,
        kinds=[structure.kinds[name] for name in names],
        blocks=[structure.block_of(name) or 0 for name in names],
        matrices=model.description.matrices,
        tensors=[(entry.name, entry.dtype, tuple(entry.shape)) for entry in checkpoint.tensors.values()],
        storage_dtype=checkpoint.dtype,
        head=structure.embedding if structure.tied else structure.head,
        quantiles=np.zeros((len(names), QUANTILES)),
        energy=np.zeros(len(names)),
    )


def short(recipe: Recipe) -> str:
    """A recipe in a few words for the line of progress."""
    if any(step.layers for step in recipe.steps):
        return "a recipe with other settings for each layer"
    return recipe.describe()
