"""What a measurement would take, told before it starts."""

from __future__ import annotations

from optlab.results.document import Document
from optlab.results.fields import Count, Name, Number, Word
from optlab.results.recipe import RecipeField


class Forecast(Document):
    """way: "whole" in memory, or "blocks", one at a time. seconds: of each phase, from this machine's rates and what it
    took before. memory_bytes: the most that each phase holds. disk_bytes: written at most."""

    model: Name
    recipe: RecipeField
    way: Word
    seconds: dict[Word, Number]
    memory_bytes: dict[Word, Count]
    disk_bytes: Count
