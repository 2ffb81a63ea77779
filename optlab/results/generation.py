"""A text continued by the original and by the compressed model, and where the two part."""

from __future__ import annotations

from typing import Literal

from optlab.results.document import Document, Part
from optlab.results.fields import Count, Number, Passage, Positive, Truth, Word
from optlab.results.specs import RecipeSpec

SideName = Literal["base", "candidate"]


class GenerateSpec(RecipeSpec):
    """temperature: 0 takes the likeliest token. chat: the prompt is a question for the model's chat template."""

    prompt: Passage
    max_tokens: Positive
    temperature: Number = 0.0
    seed: Count = 0
    chat: Truth = False


class Written(Part):
    """One text. tokens_per_second: of this text, beside whatever else ran; None before the second token."""

    text: Passage = ""
    tokens: Count = 0
    tokens_per_second: Number | None = None


class Choice(Part):
    """A token that either model might have put, with the probability that each gave it."""

    text: Word
    base: Number
    candidate: Number
    chosen_by: tuple[SideName, ...] = ()


class Parting(Part):
    """The first token that is not the same. position: tokens before it, which are `shared`. tokens: the chosen ones
    first, then the likeliest."""

    position: Count
    tokens: tuple[Choice, ...]
    shared: Passage = ""


class Generation(Document):
    """candidate: None without a recipe. parted: None while the texts are the same."""

    base: Written = Written()
    candidate: Written | None = None
    parted: Parting | None = None
