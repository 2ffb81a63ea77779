"""What a compression method is, and the one table that names them all.

A method is one class in one file and one line in `REGISTRY`. It declares its parameters once (name, type, range, unit,
help); the sliders of the pages, the validation of recipes, the command line and the generated documentation all come
from that declaration. Method files import torch inside their functions, so that a page can draw the knobs of every
method without loading torch (`tests/test_imports.py` holds this).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any, ClassVar

from optlab.errors import RecipeError
from optlab.messages import say

if TYPE_CHECKING:
    from optlab.context import Context

Value = int | float | bool | str | None

REGISTRY: dict[str, dict[str, str]] = {
    "prune": {
        "magnitude": "optlab.prune.magnitude:Magnitude",
        "wanda": "optlab.prune.wanda:Wanda",
        "sparsegpt": "optlab.prune.sparsegpt:SparseGPT",
        "sparsegpt_gptq": "optlab.prune.sparsegpt_gptq:SparseGPTQ",
        "taylor": "optlab.prune.taylor:Taylor",
        "random": "optlab.prune.random:Random",
        "chosen_heads": "optlab.prune.chosen_heads:ChosenHeads",
        "gradual": "optlab.prune.gradual:Gradual",
        "l1": "optlab.prune.l1:L1",
    },
    "quantize": {
        "rtn": "optlab.quantize.rtn:RTN",
        "gptq": "optlab.quantize.gptq:GPTQ",
        "signround": "optlab.quantize.signround:SignRound",
        "hqq": "optlab.quantize.hqq:HQQ",
        "awq": "optlab.quantize.awq:AWQ",
        "nf4": "optlab.quantize.nf4:NF4",
        "fp4": "optlab.quantize.fp4:FP4",
        "fp8": "optlab.quantize.fp8:FP8",
        "cast": "optlab.quantize.cast:Cast",
        "qat": "optlab.quantize.qat:QAT",
        "dynamic": "optlab.quantize.dynamic:Dynamic",
        "smoothquant": "optlab.quantize.smoothquant:SmoothQuant",
    },
    "cache": {
        "kv": "optlab.quantize.key_value_cache:KeyValueCache",
    },
    "distill": {
        "forward_kl": "optlab.distill.forward_kl:ForwardKL",
        "reverse_kl": "optlab.distill.reverse_kl:ReverseKL",
        "jensen_shannon": "optlab.distill.jensen_shannon:JensenShannon",
        "hidden_mse": "optlab.distill.hidden_mse:HiddenMSE",
        "attention": "optlab.distill.attention_transfer:AttentionTransfer",
    },
}
"""kind of step -> method name -> "module:class"."""

METHOD_KEY = {"prune": "method", "quantize": "method", "cache": "method", "distill": "loss"}
"""The key of a step that names its method; a distillation is named by its loss."""

DEFAULT_METHOD = {"prune": "magnitude", "quantize": "rtn", "cache": "kv", "distill": "forward_kl"}


@dataclass(frozen=True)
class Parameter:
    """One knob of a method, declared once for page, command line, validation and documentation."""

    name: str
    type: type
    default: Value
    label: str
    help: str
    minimum: float | None = None
    maximum: float | None = None
    step: float | None = None
    choices: tuple[Value, ...] | None = None
    optional: bool = False
    unit: str = ""
    advanced: bool = False
    none_label: str = "none"

    def check(self, value: Any) -> Value:
        """`value` in this parameter's type. Raises RecipeError with the allowed values in the sentence."""
        if value is None:
            if self.optional:
                return None
            raise RecipeError("{name} must not be empty; {allowed}", name=self.name, allowed=self.allowed())
        if self.type is bool:
            if not isinstance(value, bool):
                raise RecipeError("{name} must be true or false, not {value!r}", name=self.name, value=value)
            return value
        if self.type in (int, float):
            if isinstance(value, bool) or not isinstance(value, (int, float)):
                raise RecipeError(
                    "{name} must be a number, not {value!r}; {allowed}",
                    name=self.name,
                    value=value,
                    allowed=self.allowed(),
                )
            if not _is_finite(value) or (self.type is int and value != int(value)):
                raise RecipeError(
                    "{name} {value!r} is not a whole, finite number; {allowed}",
                    name=self.name,
                    value=value,
                    allowed=self.allowed(),
                )
            value = self.type(value)
        elif not isinstance(value, str):
            raise RecipeError(
                "{name} must be a word, not {value!r}; {allowed}",
                name=self.name,
                value=value,
                allowed=self.allowed(),
            )
        if self.choices is not None and value not in self.choices:
            raise RecipeError(
                "{name} {value!r} is not offered; {allowed}",
                name=self.name,
                value=value,
                allowed=self.allowed(),
            )
        too_low = self.minimum is not None and value < self.minimum
        too_high = self.maximum is not None and value > self.maximum
        if too_low or too_high:
            raise RecipeError(
                "{name} {value} is out of range; {allowed}",
                name=self.name,
                value=value,
                allowed=self.allowed(),
            )
        return value

    def allowed(self) -> str:
        """What would work, in words."""
        return say("{allowed} or null", allowed=self._range()) if self.optional else self._range()

    def _range(self) -> str:
        if self.choices is not None:
            choices = ", ".join(str(choice) for choice in self.choices if choice is not None)
            return say("use {choices}", choices=choices)
        if self.minimum is not None and self.maximum is not None:
            return say("use {minimum:g} to {maximum:g}", minimum=self.minimum, maximum=self.maximum)
        if self.minimum is not None:
            return say("use {minimum:g} or more", minimum=self.minimum)
        if self.type is bool:
            return say("use true or false")
        return say("use any {type}", type=self.type.__name__)


@dataclass(frozen=True)
class Probed:
    """Settings at which a probe tries a method (`optlab.prediction`), so that what lies between them is predicted.

    levels: bits of a quantization, or sparsities of a pruning, rising. groups: of a quantization: 'every' group size
    that fits all layers of a model, the 'usual' one of them, or 'usual and row' (one scale for a row too). changed:
    other parameters that are not at their default.
    """

    levels: tuple[float, ...]
    groups: str = "usual"
    changed: tuple[tuple[str, Value], ...] = ()


class Method:
    """A compression method: what it is called, what it can be told, and how it changes a model.

    Subclasses set the class attributes, and implement `apply`. `parameters` are checked before an instance is made,
    so `self.values[name]` can be trusted.
    """

    kind: ClassVar[str]
    name: ClassVar[str]
    title: ClassVar[str]
    summary: ClassVar[str]
    source: ClassVar[str]
    parameters: ClassVar[tuple[Parameter, ...]] = ()
    needs_calibration: ClassVar[bool] = False
    changes_shape: ClassVar[bool] = False
    trains: ClassVar[bool] = False
    probed: ClassVar[tuple[Probed, ...]] = ()
    """What a probe tries of it; nothing is predicted of a method without."""

    def __init__(self, values: Mapping[str, Value] | None = None) -> None:
        # checked against the declarations, so that code may use each value in its declared type
        self.values: dict[str, Any] = dict(self.check(values or {}))

    @classmethod
    def check(cls, values: Mapping[str, Any]) -> dict[str, Value]:
        """All parameters, defaults filled in. Raises RecipeError on an unknown name or a value out of range."""
        known = {parameter.name: parameter for parameter in cls.parameters}
        for name in values:
            if name not in known:
                takes = ", ".join(known)
                raise RecipeError(
                    "{kind} method {name} has no parameter {name_2!r}; it takes {takes}",
                    kind=cls.kind,
                    name=cls.name,
                    name_2=name,
                    takes=takes,
                )
        checked = {name: p.check(values.get(name, p.default)) for name, p in known.items()}
        cls.check_together(checked)
        return checked

    @classmethod
    def describe(cls, values: Mapping[str, Value]) -> str:
        """A short name for tables and legends, such as 'rtn 4 bits, group 64'."""
        return cls.name

    @classmethod
    def check_together(cls, values: Mapping[str, Value]) -> None:
        """Rules between parameters. Raises RecipeError."""

    @classmethod
    def check_layer(cls, values: Mapping[str, Value], name: str, shape: tuple[int, int]) -> None:
        """Whether the method can treat a weight of `shape` (out_features, in_features). Raises RecipeError."""

    @property
    def leaves_zeros(self) -> bool:
        """Whether it puts zeros into weights, which stay as large as they were."""
        return self.kind == "prune" and not self.changes_shape

    def check_pruned(self) -> None:
        """Whether it can treat weights into which an earlier step put zeros. Raises RecipeError."""

    @classmethod
    def untrained(cls, values: Mapping[str, Value]) -> tuple[str, dict[str, Value]] | None:
        """Of a method that trains: name and values of the method of its kind that leaves as many zeros and levels
        without training; None when it leaves neither. Any other method is its own.

        Raises RecipeError where it makes a model of another shape, which is like nothing before it.
        """
        return cls.name, dict(values)

    def apply(self, context: Context) -> None:
        """Compress the layers of `context` in place; see `optlab.context.Context`."""
        raise NotImplementedError


def names(kind: str) -> list[str]:
    """Names of the methods of a kind, in the order they are offered."""
    if kind not in REGISTRY:
        raise RecipeError("unknown step {kind!r}; use {registry}", kind=kind, registry=", ".join(REGISTRY))
    return list(REGISTRY[kind])


@cache
def method(kind: str, name: str) -> type[Method]:
    """The class of a method. Raises RecipeError when there is none of that name."""
    known = names(kind)
    if name not in known:
        raise RecipeError(
            "unknown {method_key} {name!r} for {kind}; use {known}",
            method_key=METHOD_KEY[kind],
            name=name,
            kind=kind,
            known=", ".join(known),
        )
    found = resolve_name(REGISTRY[kind][name])
    assert issubclass(found, Method) and (found.kind, found.name) == (kind, name), f"registry line of {name} is wrong"
    return found


def divisors_for_groups(width: int) -> list[int]:
    """Group sizes worth offering for a weight of `width` inputs: its divisors that are multiples of 32, and itself."""
    return [size for size in range(1, width + 1) if width % size == 0 and (size % 32 == 0 or size == width)]


def _is_finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # an integer beyond every float
        return False
