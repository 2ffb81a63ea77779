"""Text to token ids and back, exactly as the model's own files say, with nothing added.

Perplexity is defined on the text alone (no begin-of-text token, no [CLS]), so `encode` never adds a token, and what
tokenizer.json says about truncation and padding is switched off. Works without torch and transformers unless a folder
has only the older vocabulary files.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from optlab.errors import ModelError, TextError
from optlab.models.checkpoint import read_json

if TYPE_CHECKING:
    import tokenizers

LONG, KEPT = 100_000, 4
"""Texts of so many characters take most of a second each time; the tokens of the last few are kept, because every
recipe of a sweep reads the same ones."""
OLDER_FILES = ("vocab.json", "vocab.txt", "tokenizer.model", "spiece.model")


class Tokenizer:
    """A model's tokenizer. backend: the `tokenizers.Tokenizer` inside; settings: tokenizer_config.json."""

    def __init__(self, backend: tokenizers.Tokenizer, settings: dict[str, Any]) -> None:
        backend.no_truncation()
        backend.no_padding()
        self.backend = backend
        self.settings = settings
        self.rows: int | None = None
        self._known: OrderedDict[str, list[int]] = OrderedDict()

    @classmethod
    def from_folder(cls, folder: Path) -> Tokenizer:
        """The tokenizer of a model folder. Raises ModelError when there is none, or it is damaged."""
        settings_file = folder / "tokenizer_config.json"
        settings = read_json(settings_file) if settings_file.is_file() else {}
        extra = folder / "special_tokens_map.json"
        if extra.is_file():
            settings = {**read_json(extra), **settings}
        file = folder / "tokenizer.json"
        if file.is_file():
            import tokenizers

            try:
                return cls(tokenizers.Tokenizer.from_file(str(file)), settings)
            except Exception:  # the package raises bare Exception
                raise ModelError("{file} is not a tokenizer; copy it again", file=file) from None
        if not any((folder / name).is_file() for name in OLDER_FILES):
            raise ModelError("{folder} has no tokenizer; tokenizer.json is needed beside config.json", folder=folder)
        return cls(_from_older_files(folder), settings)

    def __len__(self) -> int:
        """Number of tokens, added ones included."""
        return int(self.backend.get_vocab_size(with_added_tokens=True))

    def fit(self, rows: int) -> None:
        """Check the tokenizer against an embedding of `rows` rows; `encode` then never gives an id without a row.

        Raises ModelError when its vocabulary is larger. Tokens that were only added to it (a padding token that the
        model never saw) may be: they are an error when a text holds them.
        """
        largest = max(self.backend.get_vocab(with_added_tokens=False).values(), default=-1)
        if largest >= rows:
            raise ModelError(
                "the tokenizer has ids up to {largest} but the embedding only {rows} rows; they do not belong together",
                largest=largest,
                rows=rows,
            )
        self.rows = rows
        self._known.clear()

    def encode(self, text: str) -> list[int]:
        """Token ids of `text`, none added. Raises TextError when the text is not valid Unicode, or holds a token that
        the model has no embedding for."""
        if text in self._known:
            self._known.move_to_end(text)
            return list(self._known[text])
        try:
            ids = list(self.backend.encode(text, add_special_tokens=False).ids)
        except (UnicodeEncodeError, TypeError):
            raise TextError("the text holds characters that are not valid Unicode") from None
        if self.rows is not None and max(ids, default=-1) >= self.rows:
            raise TextError(
                "the text holds {token!r}, a token that the model has no embedding for",
                token=self.token(max(ids)),
            )
        if len(text) >= LONG:
            self._known[text] = list(ids)
            while len(self._known) > KEPT:
                self._known.popitem(last=False)
        return ids

    def decode(self, ids: Sequence[int], skip_special: bool = False) -> str:
        """Text of token ids; special tokens are written out unless skip_special."""
        return str(self.backend.decode(list(ids), skip_special_tokens=skip_special))

    def token(self, token_id: int) -> str:
        """The token as the vocabulary spells it ("Ġthe"), empty for an id that has no token."""
        return str(self.backend.id_to_token(token_id) or "")

    def special_id(self, role: str) -> int | None:
        """The id of the token with a role ("bos", "eos", "pad", "unk", "mask", "cls", "sep"), None without one."""
        token = self.settings.get(f"{role}_token")
        if isinstance(token, dict):
            token = token.get("content")
        found = self.backend.token_to_id(token) if isinstance(token, str) else None
        return None if found is None else int(found)


def _from_older_files(folder: Path) -> tokenizers.Tokenizer:
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(
            str(folder), use_fast=True, trust_remote_code=False, local_files_only=True
        )
        backend: tokenizers.Tokenizer = tokenizer.backend_tokenizer
    except Exception as error:
        raise ModelError(
            "the tokenizer in {folder} could not be read ({name}); save it as tokenizer.json",
            folder=folder,
            name=type(error).__name__,
        ) from None
    return backend
