"""What a temperature does to the answers of teacher and student on a passage, position by position."""

from __future__ import annotations

from optlab.results.document import Document, Part
from optlab.results.fields import Count, Number, Word
from optlab.results.specs import RecipeSpec


class TemperatureLabSpec(RecipeSpec):
    """recipe: of the student; one without steps shows the teacher alone. passage: the how manieth piece of the text."""

    passage: Count


class Softened(Part):
    """logits: of the words that are shown. log_z, entropy (nats): of the whole vocabulary, for each temperature."""

    logits: tuple[Number, ...]
    log_z: tuple[Number, ...]
    entropy: tuple[Number, ...]


class Position(Part):
    """One place of the passage. ids: words that are shown. true: the word that follows in the text.

    gradient: norm of what the loss asks of the student, for each temperature; pull: T (p - q) of each shown word;
    hard_gradient: norm for training on the true word. The last three are None without a student.
    """

    ids: tuple[Count, ...]
    true: Count | None
    teacher: Softened
    student: Softened | None = None
    gradient: tuple[Number, ...] | None = None
    pull: tuple[tuple[Number, ...], ...] | None = None
    hard_gradient: Number | None = None


class TemperatureLab(Document):
    """tokens: words of the passage. names: id -> word. positions: one for each word but the last."""

    tokens: tuple[Word, ...]
    names: dict[int, Word]
    positions: tuple[Position, ...]
    temperatures: tuple[Number, ...]
