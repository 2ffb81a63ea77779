"""WHAT to do to a model: a recipe is an ordered list of steps, checked when it is made and named by its content.

A recipe is written as YAML (see `docs/recipes.md`), compared by its `content_hash`, and never holds a value that a
method would refuse: bad input stops here, with a sentence that says what would work.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any

import yaml

from optlab import files
from optlab.bounded_yaml import LARGEST, read_yaml
from optlab.errors import RecipeError
from optlab.files import JsonObject
from optlab.layer_patterns import layer_pattern
from optlab.messages import Joined, say
from optlab.methods import DEFAULT_METHOD, METHOD_KEY, REGISTRY, Method, Value, method
from optlab.recipe_readers.readers import ours

MOST_STEPS = 4096

MIXED = 3
"""So many steps of one kind, each for some layers, are named together."""
LONGEST_EXPRESSION = 48
"""Characters of a layer expression that a recipe's short name shows."""


@dataclass(frozen=True)
class Step:
    """One step: its kind (prune, quantize, distill), its method, the values of all its parameters, and its layers.

    layers: a regular expression (RE2's syntax) that must match a module name from its start; None means every linear
        layer of the decoder blocks (embedding and head are touched only when an expression names them).
    """

    kind: str
    method: str
    values: Mapping[str, Value] = field(default_factory=dict)
    layers: str | None = None

    def __post_init__(self) -> None:
        checked = method(self.kind, self.method).check(self.values)
        object.__setattr__(self, "values", checked)
        if self.layers is not None:
            layer_pattern(self.layers)

    def instance(self) -> Method:
        """The method, ready to be applied."""
        return method(self.kind, self.method)(self.values)

    def matches(self, name: str) -> bool:
        """Whether this step names the layer `name` by its expression."""
        return self.layers is not None and layer_pattern(self.layers).match(name) is not None

    def to_dict(self) -> JsonObject:
        step: JsonObject = {self.kind: {METHOD_KEY[self.kind]: self.method, **self.values}}
        if self.layers is not None:
            step["layers"] = self.layers
        return step

    @classmethod
    def from_dict(cls, data: Any) -> Step:
        if not isinstance(data, Mapping):
            raise RecipeError("a step must be a mapping such as 'quantize: {{bits: 4}}', not {data!r}", data=data)
        kinds = [key for key in data if key != "layers"]
        if len(kinds) != 1:
            raise RecipeError(
                "a step names exactly one of {registry}; this one names {kinds}",
                registry=", ".join(REGISTRY),
                kinds=kinds or "none",
            )
        kind = kinds[0]
        if kind not in REGISTRY:
            raise RecipeError("unknown step {kind!r}; use {registry}", kind=kind, registry=", ".join(REGISTRY))
        values = data[kind] or {}
        if not isinstance(values, Mapping):
            raise RecipeError("{kind} takes a mapping of parameters, not {values!r}", kind=kind, values=values)
        values = dict(values)
        name = values.pop(METHOD_KEY[kind], DEFAULT_METHOD[kind])
        if not isinstance(name, str):
            raise RecipeError(
                "{method_key} must be a word, not {name!r}; use {registry}",
                method_key=METHOD_KEY[kind],
                name=name,
                registry=", ".join(REGISTRY[kind]),
            )
        layers = data.get("layers")
        if layers is not None and not isinstance(layers, str):
            raise RecipeError("layers must be a regular expression, not {layers!r}", layers=layers)
        return cls(kind, name, values, layers)

    def describe(self) -> str:
        """A short name for tables: 'rtn 4 bits, group 64'."""
        named = method(self.kind, self.method).describe(self.values)
        if self.layers is None:
            return named
        if len(self.layers) > LONGEST_EXPRESSION:  # a part of an expression says less than none
            return say("{recipe} on some layers", recipe=named)
        return say("{recipe} on {layers}", recipe=named, layers=self.layers)


def _by_layer(kind: str, steps: list[Step]) -> str | None:
    """One name for steps that each treat some layers; None for a kind that no single number sums up."""
    methods = "/".join(dict.fromkeys(step.method for step in steps))
    if kind == "quantize" and all("bits" in step.values for step in steps):
        bits = sorted(int(step.values["bits"] or 0) for step in steps)
        return Joined(", ", [say("{least} to {most} bits by layer", least=bits[0], most=bits[-1]), methods])
    if kind == "prune" and all("sparsity" in step.values for step in steps):
        shares = sorted(float(step.values["sparsity"] or 0.0) for step in steps)
        zeros = say("{least:.0%} to {most:.0%} zeros by layer", least=shares[0], most=shares[-1])
        return Joined(", ", [zeros, methods])
    return None


@dataclass(frozen=True)
class Recipe:
    """Steps in the order in which they are applied; no steps means the original model."""

    @property
    def is_original(self) -> bool:
        """Whether it leaves the model as it is."""
        return not self.steps

    steps: tuple[Step, ...] = ()

    def __post_init__(self) -> None:
        kinds = [step.kind for step in self.steps]
        if "quantize" in kinds and "distill" in kinds[kinds.index("quantize") :]:
            # Training moves weights off the grid that the quantization chose for them.
            raise RecipeError("distill trains float weights; put distill before quantize")

    @classmethod
    def of(cls, *steps: Step) -> Recipe:
        return cls(tuple(steps))

    @classmethod
    def from_dict(cls, data: Any) -> Recipe:
        if data is None:
            return cls()
        if not isinstance(data, Mapping) or set(data) - {"steps"}:
            raise RecipeError(
                "a recipe is a mapping with the single key 'steps', llm-compressor's, or a quantize_config.json"
            )
        steps = data.get("steps") or []
        if not isinstance(steps, Sequence) or isinstance(steps, str):
            raise RecipeError("'steps' must be a list")
        if len(steps) > MOST_STEPS:
            raise RecipeError("a recipe has at most {most} steps, not {count}", most=MOST_STEPS, count=len(steps))
        return cls(tuple(Step.from_dict(step) for step in steps))

    @classmethod
    def from_yaml(cls, text: str) -> Recipe:
        """What `text` says: YAML of ours or of llm-compressor, or a quantize_config.json. Raises RecipeError."""
        return cls.from_dict(ours(read_yaml(text)))

    @classmethod
    def from_file(cls, path: str | Path) -> Recipe:
        path = Path(path)
        try:
            if not path.is_dir() and not files.is_regular(path):
                raise RecipeError("{path} is not a regular file; give the path of a recipe file", path=path)
            if path.stat().st_size > LARGEST:
                raise RecipeError("{path} is larger than 1 MB, which no recipe is", path=path)
            return cls.from_yaml(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise RecipeError("cannot read the recipe {path}: {strerror}", path=path, strerror=error.strerror) from None
        except UnicodeDecodeError:
            raise RecipeError("the recipe {path} is not UTF-8 text", path=path) from None

    def to_dict(self) -> JsonObject:
        return {"steps": [step.to_dict() for step in self.steps]}

    def to_yaml(self) -> str:
        return yaml.safe_dump(self.to_dict(), sort_keys=False)

    @property
    def content_hash(self) -> str:
        """Sixteen hex digits; equal for recipes that do the same, however their files were written."""
        canonical = json.dumps(self.to_dict(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()[:16]

    def describe(self) -> str:
        """A short name for tables and legends."""
        found: list[str] = []
        for kind, group in groupby(self.steps, key=lambda step: step.kind):
            steps = list(group)
            by_layer = len(steps) >= MIXED and all(step.layers for step in steps) and _by_layer(kind, steps)
            found += [by_layer] if by_layer else [step.describe() for step in steps]
        return Joined(" + ", found) if len(found) > 1 else found[0] if found else say("original")

    def check_fits(
        self, linears: Sequence[tuple[str, tuple[int, int]]], matrices: Sequence[tuple[str, tuple[int, int]]] = ()
    ) -> None:
        """Whether every step can treat every weight it will meet. Raises RecipeError.

        linears: (name, (out_features, in_features)) of the decoder's linear layers, which a step without `layers`
            treats. matrices: all weights that an expression may name (embedding and head too); default the linears.
        """
        pruned: set[str] = set()
        for step in self.steps:
            instance = step.instance()
            chosen = [m for m in matrices or linears if step.matches(m[0])] if step.layers else list(linears)
            if not chosen:
                raise RecipeError(
                    "layers {layers!r} matches no layer; names look like {linears!r}",
                    layers=step.layers,
                    linears=linears[0][0],
                )
            for name, shape in chosen:
                instance.check_layer(step.values, name, shape)
            if pruned & {name for name, _ in chosen}:
                instance.check_pruned()
            if instance.leaves_zeros:
                pruned |= {name for name, _ in chosen}
