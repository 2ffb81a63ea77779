"""Messages come from the catalog of the chosen language, and stay English where it has none."""

from __future__ import annotations

from contextvars import copy_context

from optlab import i18n
from optlab.i18n import _, plural
from optlab.messages import say


def test_without_a_catalog_the_message_is_english() -> None:
    copy_context().run(i18n.use, "tlh")
    assert _("Measure") == "Measure"


def test_an_empty_message_stays_empty() -> None:
    assert _("") == ""  # gettext would answer with the header of the catalog


def test_plural_fills_in_the_count() -> None:
    assert plural("{count} run", "{count} runs", 1) == "1 run"
    assert plural("{count} run", "{count} runs", 3) == "3 runs"


def test_a_language_belongs_to_its_context() -> None:
    other = copy_context()
    other.run(i18n.use, "zh")
    assert other.run(i18n.language) == "zh"
    assert i18n.language() == "en"


def test_a_sentence_that_begins_with_a_name_leaves_it_its_letter() -> None:
    assert i18n.sentence(say("{name} is not a model", name="passwd")) == "passwd is not a model."
    assert i18n.sentence(say("there is no {name}", name="x")) == "There is no x."
    assert i18n.sentence(say("{why}, so wait", why=say("the disk is full"))) == "The disk is full, so wait."
    assert i18n.sentence("already written.") == "Already written."


def test_a_sentence_ends_as_sentences_of_its_language_do() -> None:
    def end(language: str) -> str:
        i18n.use(language)
        return i18n.sentence(say("the disk is full"))[-1]

    assert [copy_context().run(end, language) for language in ("en", "zh")] == [".", "。"]
