"""What several kinds of runs are told: a model, and mostly a recipe and how to measure it."""

from __future__ import annotations

from optlab.files import JsonObject
from optlab.protocol import Protocol
from optlab.recipes import Recipe
from optlab.results import recipe as recipes
from optlab.results.document import Document
from optlab.results.fields import Name
from optlab.results.recipe import RecipeField


class Spec(Document):
    """About a model: a name of the catalog or the hub, or an absolute path."""

    model: Name


class ProtocolSpec(Spec):
    """protocol: with every default decided (`optlab.jobs.subject`)."""

    protocol: Protocol = Protocol()

    @classmethod
    def upgraded(cls, fields: JsonObject, version: int) -> JsonObject:
        """Untyped specs might say None for the defaults."""
        return {name: value for name, value in fields.items() if name != "protocol" or value is not None}


class RecipeSpec(ProtocolSpec):
    """recipe: what is done to the model; one without steps is the original."""

    recipe: RecipeField = Recipe()

    @property
    def known_recipe(self) -> Recipe:
        """The recipe to apply. Raises RecipeError when this version of OptLab does not know its methods."""
        return recipes.known(self.recipe)
