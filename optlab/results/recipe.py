"""The recipe of a run that is kept: one that this version of OptLab knows, or the record of one that it does not."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import PlainSerializer, PlainValidator

from optlab.errors import RecipeError
from optlab.files import JsonObject
from optlab.recipes import Recipe


@dataclass(frozen=True)
class UnknownRecipe:
    """A recipe with methods or settings that this version does not know: kept and shown, but never applied.

    steps: as JSON. reason: what is not known, as a sentence. It deliberately has no typed steps, so that nobody takes
    it for the original.
    """

    steps_json: str
    reason: str

    @property
    def is_original(self) -> bool:
        """Never: what it does is not known, but it does something."""
        return False

    def to_dict(self) -> JsonObject:
        """As it was written."""
        return {"steps": json.loads(self.steps_json)}

    @property
    def content_hash(self) -> str:
        """Sixteen hex digits, as those of `Recipe`."""
        return hashlib.sha256(self.steps_json.encode()).hexdigest()[:16]


AnyRecipe = Recipe | UnknownRecipe


def read(data: Any) -> AnyRecipe:
    """A recipe object as it is, or what JSON says; None is the original. Raises ValueError when it is no recipe."""
    if isinstance(data, Recipe | UnknownRecipe):
        return data
    try:
        return Recipe.from_dict(data)
    except RecipeError as error:
        steps = data.get("steps") if isinstance(data, dict) else None
        if not isinstance(steps, list) or not all(isinstance(step, dict) for step in steps):
            raise ValueError("a recipe has a list of steps") from None
        return UnknownRecipe(json.dumps(steps, sort_keys=True), str(error))


def known(recipe: AnyRecipe) -> Recipe:
    """A recipe that can be applied. Raises RecipeError for one that this version does not know."""
    if isinstance(recipe, UnknownRecipe):
        raise RecipeError(recipe.reason)
    return recipe


RecipeField = Annotated[AnyRecipe, PlainValidator(read), PlainSerializer(lambda recipe: recipe.to_dict())]
"""A recipe inside a document; JSON as in a recipe's file."""
