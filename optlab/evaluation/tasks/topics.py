"""What is an article about? Five topics of BBC News, whose names follow "Topic:"."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from optlab.evaluation.tasks import Family, Question, Task

ASK = "\n\nTopic:"
ARTICLES = 200


class Topics(Task):
    name: ClassVar[str] = "topics"
    title: ClassVar[str] = "News topics"
    summary: ClassVar[str] = (
        "Each BBC News article, none of them used for calibration, is followed by the word Topic; the topic name with "
        "the highest probability is the answer. The model was never trained for this."
    )
    source: ClassVar[str] = "Greene and Cunningham 2006 (BBC News)"
    family: ClassVar[Family] = "news"

    @staticmethod
    def questions() -> Sequence[Question]:
        from optlab.texts.topics import articles

        asked = articles(ARTICLES)
        topics = sorted({article.topic for article in asked})
        choices = tuple(f" {topic}" for topic in topics)
        return [Question(article.text, ASK, choices, topics.index(article.topic)) for article in asked]
