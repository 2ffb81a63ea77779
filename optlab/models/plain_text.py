"""Text is text: what looks like a special token in a text is encoded as the characters it is made of.

Penn Treebank writes rare words as `<unk>`, a page about chat models writes `<|im_start|>`. A tokenizer that turns these
into control tokens measures another text than the one at hand; llama.cpp does not (`parse_special = false`), and only
a chat template may write control tokens. Added tokens that are not special, such as Gemma's runs of spaces, are part of
how a model reads text and are matched.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from optlab.errors import ModelError
from optlab.files import JsonObject

if TYPE_CHECKING:
    import tokenizers


@contextmanager
def panics_told() -> Iterator[None]:
    """What the package raises over a tokenizer that contradicts itself, as one ModelError: a bare Exception, or the
    panic of a Rust library, which is not even an Exception."""
    try:
        yield
    except (UnicodeEncodeError, TypeError):  # the text's fault
        raise
    except BaseException as error:
        if type(error) is not Exception and type(error).__name__ != "PanicException":
            raise
        raise ModelError(
            "the tokenizer of this model contradicts itself: {error}", error=str(error).split("\n")[0][:200]
        ) from None


class PlainText:
    """The way from text to ids that never makes a special token out of characters.

    backend: the model's tokenizer, which matches no special token in a text from then on; `with_control` does.
    """

    def __init__(self, backend: tokenizers.Tokenizer) -> None:
        self.backend = backend
        backend.encode_special_tokens = True
        special = [token.content for token in backend.get_added_tokens_decoder().values() if token.special]
        longest_first = sorted(filter(None, special), key=len, reverse=True)
        self._special = re.compile("|".join(map(re.escape, longest_first))) if longest_first else None
        self._merges = isinstance(backend.model, _bpe())
        self._hiding: tokenizers.Tokenizer | None = None
        self._with_control: tokenizers.Tokenizer | None = None

    def lookalikes(self, text: str) -> int:
        """How often `text` holds what looks like a special token."""
        return 0 if self._special is None else sum(1 for _ in self._special.finditer(text))

    def split(self, text: str) -> list[str]:
        """`text` in pieces, every second one of which looks like a special token."""
        return [text] if self._special is None else re.split(f"({self._special.pattern})", text)

    def encode(self, text: str) -> tokenizers.Encoding:
        """`text` as the model reads it, nothing added."""
        with panics_told():
            if self._merges or self._special is None or not self._special.search(text):
                return self.backend.encode(text, add_special_tokens=False)
            if self._hiding is None:
                self._hiding = hiding(self.backend)
            return self._hiding.encode(text, add_special_tokens=False)

    def encode_with_control(self, text: str) -> tokenizers.Encoding:
        """`text` of a chat template: special tokens are matched, nothing is added."""
        with panics_told():
            if self._with_control is None:
                self._with_control = _copy(self.backend.to_str())
            return self._with_control.encode(text, add_special_tokens=False)


def hiding(backend: tokenizers.Tokenizer) -> tokenizers.Tokenizer:
    """A copy of `backend` with the same ids whose special tokens are spelled in a way that no text holds.

    A unigram or word-piece vocabulary lists its special tokens among the pieces, so that "<s>" would be found there
    even by a tokenizer that matches no special token. No merge of a BPE vocabulary makes one.
    """
    description = json.loads(backend.to_str())
    special = {token["content"]: token["id"] for token in description["added_tokens"] if token["special"]}
    # A noncharacter (U+FFFF) stands in no text that people exchange, and no normalizer makes one.
    spelling = {content: f"\uffffspecial {number}\uffff" for content, number in special.items()}
    for token in description["added_tokens"]:
        token["content"] = spelling.get(token["content"], token["content"])
    _respell(description["model"], spelling)
    description["post_processor"] = None  # it names special tokens by their spelling; nothing is added to a text here
    made = _copy(json.dumps(description))
    made.encode_special_tokens = True
    return made


def _copy(description: str) -> tokenizers.Tokenizer:
    import tokenizers

    return tokenizers.Tokenizer.from_str(description)


def _bpe() -> type:
    from tokenizers import models

    return models.BPE


def _respell(model: JsonObject, spelling: dict[str, str]) -> None:
    """Change the spelling of pieces in the model of a tokenizer.json, in place."""
    vocabulary = model["vocab"]
    if isinstance(vocabulary, list):  # unigram: [piece, score]
        model["vocab"] = [[spelling.get(piece, piece), score] for piece, score in vocabulary]
    else:
        model["vocab"] = {spelling.get(piece, piece): number for piece, number in vocabulary.items()}
    if model.get("unk_token") in spelling:
        model["unk_token"] = spelling[model["unk_token"]]
