"""The words of the curve under the finger: names and stops of its knobs, and what stands around the chart."""

from __future__ import annotations

from dataclasses import dataclass

from optlab.client.knob_predictions import KnobPredictions
from optlab.figures import glossary
from optlab.i18n import _
from optlab.knobs import KnobbedRecipe, Knobs
from optlab.methods import method
from optlab.recipes import Step


@dataclass(frozen=True)
class Stop:
    """value: as `optlab.knobs.Knobs` has it. label: beside the knob; spoken: what a screen reader says."""

    value: float | None
    label: str
    spoken: str


@dataclass(frozen=True)
class Knob:
    """note: what it moves, below it."""

    label: str
    note: str
    stops: tuple[Stop, ...]


def knobs_in_words(knobbed: KnobbedRecipe, now: Knobs, told: KnobPredictions, stored: int) -> tuple[Knob, Knob, Knob]:
    """Bits, sparsity and temperature. stored: bits of a weight of the original."""
    bits = tuple(_bits(one, stored) for one in told.bits)
    shares = tuple(_share(one) for one in told.sparsities)
    warmth = tuple(_warmth(one) for one in knobbed.temperatures(now.temperature))
    training = _method(knobbed.distill) if now.temperature is not None else _("Has no effect without training.")
    return (
        Knob(_("Bits"), _method(knobbed.quantize), bits),
        Knob(_("Sparsity"), _method(knobbed.prune), shares),
        Knob(_("Temperature"), training, warmth),
    )


def words() -> dict[str, str]:
    """What the browser puts around the figures, by the names that `assets/curve` uses."""
    return {
        "quality": _("Perplexity"),
        "size": _("Size"),
        "speed": _("Speed"),
        "measured": _("measured"),
        "predicted": _("predicted"),
        "original": _("original"),
        "here": _("you are here"),
        "frontier": _("the best predicted at each size"),
        "band": _("90% band"),
        "train": _("Recover by training"),
        "budget": _("Size budget (MB)"),
        "within": _("within the budget"),
        "over": _("over the budget"),
        "chart": _("Size of the weights against how much worse the perplexity gets"),
        "across": _("size of the weights"),
        "up": _("perplexity, % worse"),
        "comma": _(", "),
        "quality_means": glossary.perplexity(),
        "size_means": glossary.size(),
        "speed_means": glossary.latency(),
        "bits_means": glossary.bits(),
        "sparsity_means": glossary.sparsity(),
        "temperature_means": glossary.temperature(),
        "knobs": _("Knobs"),
        "figures": _("Original and compressed"),
    }


def _method(step: Step) -> str:
    return _(method(step.kind, step.method).title)


def _bits(bits: int | None, stored: int) -> Stop:
    if bits is None:
        return Stop(None, str(stored), _("{bits} bits, not quantized").format(bits=stored))
    return Stop(bits, str(bits), _("{bits} bits").format(bits=bits))


def _share(sparsity: float) -> Stop:
    label = f"{sparsity:.0%}"
    return Stop(sparsity, label, _("{share} zeros").format(share=label))


def _warmth(temperature: float) -> Stop:
    return Stop(temperature, f"{temperature:g}", f"{temperature:g}")
