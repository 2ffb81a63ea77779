"""A question put the way a chat model was trained to be asked: the model's own template, rendered in a sandbox.

Templates come with a checkpoint and are programs (Jinja); they run without access to anything but the messages.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from optlab.errors import ModelError
from optlab.models.checkpoint import read_json

FILE = "chat_template.jinja"


def template(folder: Path, settings: Mapping[str, Any]) -> str | None:
    """The chat template of a model folder with these settings (tokenizer_config.json); None for a model that only
    continues text."""
    if (folder / FILE).is_file():
        return (folder / FILE).read_text(encoding="utf-8")
    found = settings.get("chat_template")
    if isinstance(found, list):  # several, by name
        found = {one.get("name"): one.get("template") for one in found}.get("default")
    return found if isinstance(found, str) else None


def known(folder: Path) -> bool:
    """Whether a model folder comes with a chat template."""
    settings = folder / "tokenizer_config.json"
    return (folder / FILE).is_file() or (settings.is_file() and bool(read_json(settings).get("chat_template")))


def render(source: str | None, messages: Sequence[Mapping[str, str]], special: Mapping[str, str], answer: bool) -> str:
    """`messages` ({"role", "content"}) as the text that a template makes of them. special: "bos_token", "eos_token".
    answer: the text ends where the model begins to answer. Raises ModelError when there is no usable template."""
    from jinja2 import TemplateError
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    if source is None:
        raise ModelError("this model has no chat template; it continues texts and answers no questions")

    def refuse(message: str) -> NoReturn:
        raise TemplateError(message)

    environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
    environment.globals["raise_exception"] = refuse
    try:
        return environment.from_string(source).render(messages=messages, add_generation_prompt=answer, **special)
    except (TemplateError, TypeError, ValueError) as error:
        raise ModelError("the chat template of this model cannot be used: {error}", error=error) from None
