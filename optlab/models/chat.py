"""A question put the way a chat model was trained to be asked: the model's own template, rendered in a sandbox.

Templates come with a checkpoint and are programs (Jinja); they run without access to anything but the messages.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, NoReturn

from optlab.errors import ModelError
from optlab.models.checkpoint import read_json
from optlab.models.tokenizer import Tokenizer

FILE = "chat_template.jinja"
MARK = "\uffff"
"""A noncharacter: it stands in no text that people exchange."""


def template(tokenizer: Tokenizer, folder: Path) -> str | None:
    """The chat template of a model folder; None for a model that only continues text."""
    if (folder / FILE).is_file():
        return (folder / FILE).read_text(encoding="utf-8")
    found = tokenizer.settings.get("chat_template")
    if isinstance(found, list):  # several, by name
        found = {one.get("name"): one.get("template") for one in found}.get("default")
    return found if isinstance(found, str) else None


def known(folder: Path) -> bool:
    """Whether a model folder comes with a chat template."""
    settings = folder / "tokenizer_config.json"
    return (folder / FILE).is_file() or (settings.is_file() and bool(read_json(settings).get("chat_template")))


def ask_in_tokens(question: str, tokenizer: Tokenizer, folder: Path) -> list[int]:
    """`question` as the token ids after which the model answers: the template's control tokens are matched, what looks
    like one in the question is text. Raises ModelError as `ask`, TextError as `Tokenizer.encode`."""
    pieces = tokenizer.lookalikes_apart(question)
    marked = "".join(f"{MARK}{number}{MARK}" if number % 2 else piece for number, piece in enumerate(pieces))
    ids: list[int] = []
    for number, part in enumerate(re.split(f"{MARK}(\\d+){MARK}", ask(marked, tokenizer, folder))):
        if part:
            ids += tokenizer.encode(pieces[int(part)]) if number % 2 else tokenizer.encode_template(part)
    return ids


def ask(question: str, tokenizer: Tokenizer, folder: Path) -> str:
    """`question` as the text after which the model answers. Raises ModelError when the model has no usable template."""
    from jinja2 import TemplateError
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    source = template(tokenizer, folder)
    if source is None:
        raise ModelError("this model has no chat template; it continues texts and answers no questions")

    def refuse(message: str) -> NoReturn:
        raise TemplateError(message)

    environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
    environment.globals["raise_exception"] = refuse
    special: dict[str, Any] = {}
    for role in ("bos", "eos"):
        number = tokenizer.special_id(role)
        special[f"{role}_token"] = "" if number is None else tokenizer.token(number)
    messages = [{"role": "user", "content": question}]
    try:
        return environment.from_string(source).render(messages=messages, add_generation_prompt=True, **special)
    except (TemplateError, TypeError, ValueError) as error:
        raise ModelError("the chat template of this model cannot be used: {error}", error=error) from None
