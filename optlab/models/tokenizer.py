"""Text to token ids and back, exactly as the model's own files say.

`encode` adds nothing and makes no special token out of characters (`plain_text`); what the files want around a text is
told apart from it (`framing`), because windows of a text are framed one by one. What tokenizer.json says about
truncation and padding is switched off. Works without torch and transformers unless a folder has only the older
vocabulary files.
"""

from __future__ import annotations

import importlib.util
import json
import re
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from optlab.errors import ModelError, TextError
from optlab.files import JsonObject
from optlab.framing import BosRule, Framing
from optlab.models import chat, tokenizer_limits
from optlab.models.checkpoint import read_json, refuse_pointer
from optlab.models.plain_text import PlainText, panics_told
from optlab.models.token_bytes import has_part, sizes, spelled

if TYPE_CHECKING:
    import tokenizers

LONG, KEPT = 100_000, 4
"""Texts of so many characters take most of a second each time; the tokens of the last few are kept, because every
recipe of a sweep reads the same ones."""
MARK = "\uffff"
"""A noncharacter: it stands in no text that people exchange."""
ENDS = ("bos", "eos")
SENTENCEPIECE_FILES = ("tokenizer.model", "spiece.model", "sentencepiece.bpe.model")
OLDER_FILES = ("vocab.json", "vocab.txt", *SENTENCEPIECE_FILES)


class Tokenizer:
    """A model's tokenizer. backend: the `tokenizers.Tokenizer` inside; settings: tokenizer_config.json.

    template: that of chats, None for a model that only continues text.
    """

    def __init__(self, backend: tokenizers.Tokenizer, settings: JsonObject, template: str | None = None) -> None:
        backend.no_truncation()
        backend.no_padding()
        self.backend = backend
        self.settings = settings
        self.template = template
        self.rows: int | None = None
        self._plain = PlainText(backend)
        self._known: OrderedDict[str, tuple[list[int], list[int]]] = OrderedDict()

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

            tokenizer_limits.check_file(file)
            try:
                with panics_told():
                    backend = tokenizers.Tokenizer.from_file(str(file))
            except (ModelError, ValueError, TypeError):
                refuse_pointer(file)
                raise ModelError("{file} is not a tokenizer; copy it again", file=file) from None
            tokenizer_limits.check(backend, file)
            return cls(backend, settings, chat.template(folder, settings))
        if not any((folder / name).is_file() for name in OLDER_FILES):
            raise ModelError("{folder} has no tokenizer; tokenizer.json is needed beside config.json", folder=folder)
        return cls(_from_older_files(folder, settings), settings, chat.template(folder, settings))

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
        """Token ids of `text`, none added, its characters never read as a special token.

        Raises TextError when the text is not valid Unicode, or holds a token that the model has no embedding for.
        """
        if len(text) >= LONG:
            return self.sized(text)[0]
        return list(self._checked(self._plain.encode, text).ids)

    def conversation(self, messages: Sequence[Mapping[str, str]], answer: bool = False) -> tuple[list[int], list[int]]:
        """(token ids of `messages` as the model's chat template writes them, UTF-8 bytes that each stands for).

        Here, and nowhere else, control tokens are matched: those of the template. What looks like one in a message is
        text. answer: end where the model begins to answer. Raises ModelError without a usable template, and as
        `encode`.
        """
        kept: list[str] = []

        def marked(content: str) -> str:
            pieces = self._plain.split(content)
            for number in range(1, len(pieces), 2):
                kept.append(pieces[number])
                pieces[number] = f"{MARK}{len(kept) - 1}{MARK}"
            return "".join(pieces)

        guarded = [{**one, "content": marked(one["content"])} for one in messages]
        written = chat.render(self.template, guarded, {f"{role}_token": self._spelled(role) for role in ENDS}, answer)
        ids: list[int] = []
        of_each: list[int] = []
        for number, part in enumerate(re.split(f"{MARK}(\\d+){MARK}", written)):
            text = kept[int(part)] if number % 2 else part
            encode = self._plain.encode if number % 2 else self._plain.encode_with_control
            encoding = self._checked(encode, text)
            ids += encoding.ids
            of_each += sizes(text, encoding, self.by_bytes)
        return ids, of_each

    def _spelled(self, role: str) -> str:
        number = self.special_id(role)
        return "" if number is None else self.token(number)

    def sized(self, text: str) -> tuple[list[int], list[int]]:
        """(token ids as `encode` gives them, UTF-8 bytes of `text` that each stands for).

        The bytes add up to those of the text. A character that several tokens spell is counted where its bytes are,
        one that the tokenizer does not know under the unknown token. Raises as `encode`.
        """
        if text not in self._known:
            encoding = self._checked(self._plain.encode, text)
            found = list(encoding.ids), sizes(text, encoding, self.by_bytes)
            if len(text) < LONG:
                return found
            self._known[text] = found
            while len(self._known) > KEPT:
                self._known.popitem(last=False)
        self._known.move_to_end(text)
        ids, of_each = self._known[text]
        return list(ids), list(of_each)

    def lookalikes(self, text: str) -> int:
        """How often `text` holds what looks like a special token, such as "<unk>", and is encoded as characters."""
        return self._plain.lookalikes(text)

    @cached_property
    def by_bytes(self) -> bool:
        """Whether tokens spell bytes, a letter for each (byte-level BPE)."""
        decoder = self.backend.decoder
        return decoder is not None and has_part(json.loads(decoder.__getstate__()), "ByteLevel")

    def framing(self, objective: str, bos: BosRule = "auto") -> Framing:
        """What stands around every window of a text (`optlab.framing`), as llama.cpp decides it.

        auto: `add_bos_token` of tokenizer_config.json where it is said, else what the post-processor of tokenizer.json
        writes. A causal model gets nothing after a text: the text goes on. Raises TextError when `always` is asked of
        a tokenizer without such a token, ModelError when the model has no embedding for it.
        """
        if bos == "never":
            return Framing()
        before, after = self._written_around()
        if not before and objective == "masked":
            before, after = (self._ids("cls"), self._ids("sep")) if not after else (before, after)
        asked = self.settings.get("add_bos_token")
        if objective != "masked" and isinstance(asked, bool):
            before = (before or self._ids("bos")) if asked else ()
        if bos == "always" and not before:
            before = self._ids("bos") or self._ids("cls")
            if not before:
                raise TextError("the tokenizer of this model names no BOS token to begin with; use bos auto or never")
        found = Framing(before, after if objective == "masked" else ())
        if self.rows is not None and max((*found.before, *found.after), default=-1) >= self.rows:
            raise ModelError(
                "the tokenizer begins texts with {token!r}, a token that the model has no embedding for; use bos never",
                token=self.token(max(found.before + found.after)),
            )
        return found

    def _written_around(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Ids that the post-processor writes before and after a text."""
        with panics_told():
            whole = self.backend.encode("a", add_special_tokens=True)
        written = whole.special_tokens_mask
        first = next((i for i, added in enumerate(written) if not added), len(written))
        last = next((i for i, added in enumerate(reversed(written)) if not added), 0)
        return tuple(whole.ids[:first]), tuple(whole.ids[len(written) - last :])

    def _ids(self, role: str) -> tuple[int, ...]:
        found = self.special_id(role)
        return () if found is None else (found,)

    def _checked(self, encode: Callable[[str], tokenizers.Encoding], text: str) -> tokenizers.Encoding:
        try:
            encoding = encode(text)
        except (UnicodeEncodeError, TypeError):
            raise TextError("the text holds characters that are not valid Unicode") from None
        largest = max(encoding.ids, default=-1)
        if self.rows is not None and largest >= self.rows:
            raise TextError(
                "the text holds {token!r}, a token that the model has no embedding for",
                token=self.token(largest),
            )
        return encoding

    def decode(self, ids: Sequence[int], skip_special: bool = False) -> str:
        """Text of token ids; special tokens are written out unless skip_special."""
        with panics_told():
            return str(self.backend.decode(list(ids), skip_special_tokens=skip_special))

    def readable(self, token_id: int) -> str:
        """Text of one token; its bytes (\\xe2\\x80) where it spells only part of a character."""
        text = self.decode([token_id])
        return spelled(self.token(token_id)) if "\N{REPLACEMENT CHARACTER}" in text else text

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


def _from_older_files(folder: Path, settings: JsonObject) -> tokenizers.Tokenizer:
    pieces = next((name for name in SENTENCEPIECE_FILES if (folder / name).is_file()), None)
    others = any((folder / name).is_file() for name in ("vocab.json", "vocab.txt"))
    if pieces is not None and not others and importlib.util.find_spec("sentencepiece") is None:
        raise ModelError(
            "{folder} has its tokenizer only as {pieces}, which needs the package sentencepiece to be read; install "
            "it, or save the tokenizer as tokenizer.json",
            folder=folder,
            pieces=pieces,
        )
    if (folder / "vocab.json").is_file() and not (folder / "merges.txt").is_file():
        raise ModelError("{folder} lacks merges.txt, without which its vocab.json is no tokenizer", folder=folder)

    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(
            str(folder), use_fast=True, trust_remote_code=False, local_files_only=True
        )
        backend: tokenizers.Tokenizer = tokenizer.backend_tokenizer
    except Exception as error:
        if settings.get("auto_map"):
            raise ModelError(
                "the tokenizer in {folder} needs the code in its own folder (auto_map), which OptLab never runs; save "
                "it as tokenizer.json",
                folder=folder,
            ) from None
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        raise ModelError(
            "the tokenizer in {folder} could not be read ({reason}); save it as tokenizer.json",
            folder=folder,
            reason=lines[0][:200] if lines else type(error).__name__,
        ) from None
    return backend
