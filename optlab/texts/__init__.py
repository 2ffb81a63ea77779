"""On WHICH words a model is judged: named texts and a person's own, with calibration and evaluation kept apart.

A document belongs to one side only, for ever: what calibrates a method or trains a student is never what measures it.
"""

from optlab.texts.names import TextCard, names
from optlab.texts.passage import Passage
from optlab.texts.splits import (
    calibration_windows,
    check_apart,
    evaluation_documents,
    evaluation_passage,
    evaluation_tokens,
    training_documents,
    training_windows,
)
from optlab.texts.text import Text, fingerprint, load, store_pasted

__all__ = [
    "Passage",
    "Text",
    "TextCard",
    "calibration_windows",
    "check_apart",
    "evaluation_documents",
    "evaluation_passage",
    "evaluation_tokens",
    "fingerprint",
    "load",
    "names",
    "store_pasted",
    "training_documents",
    "training_windows",
]
