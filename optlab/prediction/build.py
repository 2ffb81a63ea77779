"""The probe itself: look at a model once, and write down everything that predictions need.

In order of usefulness: sensitivities and the methods that need no calibration text, then measured anchors, then the
methods that take longer. What is known is on disk after every part, so predictions are possible within a minute and get
narrower, and a probe that was stopped goes on where it was. A recipe that is both a level of a table and an anchor is
applied once.

Sensitivities come from the calibration side of the model's default text. A loss (unlike a divergence) depends on the
words, and what a person is told is the loss on those that a default measurement reads. So the original reads these
once, for the gradient of its loss there, and anchors are measured on some of them. A recipe that is predicted is none
of the anchors, so its own loss on these words is not known to anybody.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from functools import cached_property
from itertools import product
from pathlib import Path

import numpy as np
import torch

from optlab import texts
from optlab.calibrate.gradients import mean_gradients
from optlab.calibrate.statistics import Statistics, statistics
from optlab.calibrate.walk import in_batches
from optlab.errors import ModelError
from optlab.evaluation.scoring import windows_of
from optlab.messages import say
from optlab.methods import method
from optlab.models.checkpoint import open_checkpoint
from optlab.models.device import choose_dtype
from optlab.models.language_model import LanguageModel
from optlab.prediction import singles
from optlab.prediction.anchors import wanted_anchors
from optlab.prediction.ends import probed_levels
from optlab.prediction.fisher import Sensitivity, in_groups, sensitivities
from optlab.prediction.levels import Family, families
from optlab.prediction.link import WINDOWS
from optlab.prediction.reference import Reference
from optlab.prediction.searched import searched_anchors
from optlab.prediction.state import QUANTILES, VERSION, State, known, place_of
from optlab.prediction.tables import Filler, apply
from optlab.progress import Progress, silent, span
from optlab.protocol import Protocol
from optlab.recipes import Recipe
from optlab.results.model import ProbingSoFar
from optlab.results.probe import Anchor, EndDamage

DEFAULT = Protocol()
PROBE_TOKENS = 2048
GLANCE = 5
"""Levels of rounding that are tabulated before anything else: all bits, in the usual groups."""
FIRST_ANCHORS = 6
"""So many anchors come before single layers are looked at."""
SAVED_EVERY_S = 2.0


@dataclass
class Probe:
    """A probe under way: what `build` needs in hand."""

    model: LanguageModel
    working: LanguageModel
    state: State
    target: Path
    wanted: list[Family]
    recipes: list[Recipe] = field(default_factory=list)
    """The anchors, once `settle` has chosen them."""
    anchor_count: int | None = WINDOWS
    """Windows of a default measurement that every anchor reads; None is all of them."""
    waiting: Progress = silent
    """Told while statistics are gathered, which happens on first use."""
    saved: float = 0.0

    @property
    def context(self) -> int:
        return min(DEFAULT.context, self.model.description.context_length)

    @cached_property
    def grams(self) -> Statistics:
        """The same statistics that a measurement with default settings calibrates with."""
        asked = DEFAULT.calibration_tokens, self.context, DEFAULT.seed
        return statistics(self.model, self.state.text, *asked, self.waiting)

    @cached_property
    def reference(self) -> Reference:
        """The original on the words of the anchors."""
        return Reference(self.model.to(dtype=self.dtype), self.windows[0])

    @cached_property
    def windows(self) -> tuple[list[list[int]], list[list[int]]]:
        """Of a default measurement: those that anchors read, and the others."""
        return shared_out(measured_windows(self.model, self.context), self.anchor_count)

    @property
    def dtype(self) -> torch.dtype:
        """Of what anchors compute in. Without matrix units of their own, processors are no faster in bfloat16: a window
        of SmolLM2 took 1.7 s in it and 1.2 in float32."""
        device = self.model.device
        return torch.float32 if device.type == "cpu" else choose_dtype("auto", device)

    def start(self, filler: Filler, found: dict[str, Sensitivity], ahead: Progress) -> None:
        """Begin with the layers of `found`. A few levels of rounding come before the words that are measured are read,
        so that something is predicted within seconds; they are looked at once more with the others."""
        filler.start(found)
        main = next(family for family in self.wanted if family.method == "rtn")
        if main.key not in self.state.tables:
            filler.fill(main, span(ahead, 0.0, 0.1), most=GLANCE)
            self.state.keep()
        read, others = self.windows
        on_anchors = mean_gradients(self.model, read, list(found), 0, span(ahead, 0.1, 0.4))
        if not others:
            filler.gradients = on_anchors, on_anchors
            return
        on_others = mean_gradients(self.model, others, list(found), 0, span(ahead, 0.4, 1.0))
        share = len(read) / (len(read) + len(others))
        for name, G in on_others.items():
            G.lerp_(on_anchors[name], share)
        filler.gradients = on_others, on_anchors

    def save(self) -> None:
        """Write down what is known, unless that was done just now."""
        if time.monotonic() - self.saved > SAVED_EVERY_S:
            self.state.keep()
            self.saved = time.monotonic()

    def fill(self, filler: Filler, some: list[Family], ahead: Progress) -> None:
        """Tabulate these families for the layers at hand. What takes long to apply is measured at once, if it is an
        anchor."""
        every = len(filler.sensitivity) == len(self.state.names)
        anchors_left = {recipe.content_hash for recipe in self.left(self.recipes)}

        def seen(recipe: Recipe) -> None:
            if every and not quick(recipe) and recipe.content_hash in anchors_left:
                self.note(recipe)
            self.save()

        for number, family in enumerate(some):
            self.waiting = span(ahead, number / len(some), (number + 1) / len(some))
            filler.fill(family, self.waiting, seen)
        self.state.keep()

    def settle(self) -> None:
        """Choose the anchors."""
        if not self.recipes:
            self.recipes = wanted_anchors(self.state, self.wanted)
            self.state.anchors_wanted = len(self.recipes)

    def settle_searched(self) -> None:
        """Choose the anchors that a search proposes, which only finished tables can; as they are read from disk, where
        numbers are rounded, so that they are the same ones whenever the probe is looked at."""
        self.state.keep()
        self.recipes = [*self.recipes, *searched_anchors(State.load(self.target))]
        self.state.anchors_wanted = len(self.recipes)

    def left(self, some: list[Recipe]) -> list[Recipe]:
        """Those that were not measured yet."""
        measured = {one.recipe.content_hash for one in self.state.anchors}
        return [recipe for recipe in some if recipe.content_hash not in measured]

    def measure(self, some: list[Recipe], ahead: Progress) -> None:
        """Measure those of `some` that were not yet."""
        left = self.left(some)
        for number, recipe in enumerate(left):
            ahead(number / len(left), f"measuring {short(recipe)}", self.partial())
            apply(self.model, self.working, recipe, None, lambda: self.grams)
            self.note(recipe)
            for name in self.state.names:
                self.working.set_weight(name, self.model.weight(name))
            self.save()
        self.state.keep()

    def note(self, recipe: Recipe) -> None:
        """Measure `recipe`, which `working` holds."""
        nll, kl = self.reference.compare(self.working.to(dtype=self.dtype))
        windows = self.windows[0]
        tokens = sum(map(len, windows))
        self.state.anchors.append(Anchor(recipe=recipe, nll=nll, kl=kl, windows=len(windows), tokens=tokens))

    def correct(self, ahead: Progress) -> None:
        """Measure how far single layers are from their quadratic form."""
        if self.state.corrections:
            return
        length = min(singles.TOKENS, self.context)
        window = self.further_window
        main = {family.method: family for family in reversed(self.wanted)}
        zeros = main["magnitude"]
        levels = [(main["rtn"], 0)]
        levels += [(zeros, zeros.levels.index({"sparsity": share})) for share in (0.4, 0.7)]
        ids = torch.tensor([window[:length]])
        singles.measure(self.state, self.model, self.working, ids, levels, lambda: self.grams, ahead)
        self.state.keep()

    @property
    def further_window(self) -> list[int]:
        """A window of the calibration side that no sensitivity was found on."""
        return probing_windows(self.model, self.state.text, PROBE_TOKENS + self.context, self.context)[-1]

    def round_ends(self, ahead: Progress) -> None:
        """Measure what rounding costs the embedding and the head, each alone."""
        known = {one.name for one in self.state.ends}
        left = [name for name, _ in self.state.end_shapes if name not in known]
        levels = probed_levels(self.wanted)
        if not left:
            return
        reference = Reference(self.model.to(dtype=self.dtype), [self.further_window])
        for name, (family, level) in product(left, levels):
            ahead(left.index(name) / len(left), say("rounding {name} alone", name=name), self.partial())
            apply(self.model, self.working, Recipe.of(family.step(level)), [name], lambda: self.grams)
            _, kl = reference.compare(self.working.to(dtype=self.dtype))
            self.working.set_weight(name, self.model.weight(name))
            one = EndDamage(name=name, family=family.key, kl=kl, **family.levels[level])
            self.state.ends.append(one)
        self.state.save(self.target)

    def partial(self) -> ProbingSoFar:
        return ProbingSoFar(anchors=len(self.state.anchors), anchors_wanted=len(self.recipes))


def build(model: LanguageModel, progress: Progress = silent, anchor_count: int | None = WINDOWS) -> State:
    """The finished probe of `model` (float32, never changed), from disk where it was made before.

    anchor_count: so many windows of a default measurement are read by every anchor, None is all of them. Raises
    TextError when the model's text is too short, Cancelled from `progress`; what was found until then stays.
    """
    state = begun(model)
    wanted = families([columns for _, columns in state.shapes])
    probe = Probe(model, model.clone(), state, place_of(model.fingerprint), wanted, anchor_count=anchor_count)
    if not all(complete(state, family) for family in wanted):
        windows = probing_windows(model, state.text, PROBE_TOKENS, probe.context)
        filler = Filler(model, probe.working, state, lambda: probe.grams)
        batches = in_batches(windows, 512)
        # The methods that need no text, then those that do, then once more what had to know all prunings.
        rounds = [[one for one in wanted if calibrated(one) == late] for late in (False, True)]
        if len(in_groups(model)) > 1:
            for found in sensitivities(model, batches, 0, span(progress, 0.0, 0.2)):
                # One group's sensitivity is gone once the next begins, so all methods are tried while it is here.
                probe.start(filler, found, span(progress, 0.2, 0.2))
                probe.fill(filler, [*rounds[0], *rounds[1], *rounds[0]], span(progress, 0.2, 0.3))
        else:
            found = next(sensitivities(model, batches, 0, span(progress, 0.0, 0.05)))
            probe.start(filler, found, span(progress, 0.05, 0.12))
            probe.fill(filler, rounds[0][:2], span(progress, 0.12, 0.15))
            probe.settle()
            first = [recipe for recipe in probe.recipes if quick(recipe)]
            probe.measure(first[:FIRST_ANCHORS], span(progress, 0.15, 0.2))
            probe.correct(span(progress, 0.2, 0.3))
            probe.measure(first, span(progress, 0.3, 0.45))
            probe.fill(filler, [*rounds[1], *rounds[0]], span(progress, 0.45, 0.95))
    probe.settle()
    probe.correct(span(progress, 0.95, 0.96))
    probe.round_ends(span(progress, 0.96, 0.97))
    probe.measure(probe.recipes, span(progress, 0.97, 0.99))
    probe.settle_searched()
    probe.measure(probe.recipes, span(progress, 0.99, 1.0))
    progress(1.0, say("probed"), probe.partial())
    return state


def begun(model: LanguageModel) -> State:
    """What an earlier probe found; nothing where there was none, or one by the rules of another version."""
    before = known(model.fingerprint)
    try:
        found = None if before is None else State.load(before)
    except ModelError:
        found = None
    return new_state(model) if found is None or found.rule != VERSION else found


def calibrated(family: Family) -> bool:
    """Whether a family reads the calibration text."""
    return method(family.kind, family.method).needs_calibration


def quick(recipe: Recipe) -> bool:
    """Whether a recipe needs no calibration, so that it is applied in seconds."""
    return not any(method(step.kind, step.method).needs_calibration for step in recipe.steps)


def complete(state: State, family: Family) -> bool:
    """Whether all levels of a family are known, together with every pruning that is."""
    table = state.tables.get(family.key)
    if table is None or not table.done:
        return False
    pruned = [key for key, known in state.tables.items() if known.kind == "prune"]
    return family.kind == "prune" or set(table.masks) == set(state.pruned_levels(pruned))


def probing_windows(model: LanguageModel, text: str, tokens: int, context: int) -> list[list[int]]:
    """Windows of the calibration side on which sensitivities are found; other ones than a measurement calibrates
    with. Raises TextError."""
    return texts.calibration_windows(text, model.tokenizer, tokens, context, 1, model.framing())


def measured_windows(model: LanguageModel, context: int) -> list[list[int]]:
    """The windows that a default measurement reads. Raises TextError when the text is too short."""
    return evaluation_windows(model, DEFAULT.tokens, context)


def shared_out(windows: list[list[int]], count: int | None) -> tuple[list[list[int]], list[list[int]]]:
    """`count` of `windows` (None is all of them), evenly spread, and the others."""
    count = len(windows) if count is None else min(count, len(windows))
    chosen = {number * len(windows) // count for number in range(count)}
    parts = [one for number, one in enumerate(windows) if number in chosen]
    return parts, [one for number, one in enumerate(windows) if number not in chosen]


def evaluation_windows(model: LanguageModel, tokens: int, context: int) -> list[list[int]]:
    """Windows of the evaluation side of the model's own text, as a measurement reads them. Raises TextError."""
    framing, name = model.framing(), model.description.default_text
    passage = texts.evaluation_passage(name, model.tokenizer, tokens, context, framing)
    return windows_of(model, passage.ids, context, framing)


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
        text=model.description.default_text,
        quantiles=np.zeros((len(names), QUANTILES)),
        energy=np.zeros(len(names)),
    )


def short(recipe: Recipe) -> str:
    """A recipe in a few words for the line of progress."""
    if any(step.layers for step in recipe.steps):
        return "a recipe with other settings for each layer"
    return recipe.describe()
