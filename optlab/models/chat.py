"""A question put the way a chat model was trained to be asked: the model's own template, rendered in a sandbox.

Templates come with a checkpoint and are programs (Jinja). They see nothing but the messages, and they run in a process
with limits, because a template of one line can ask for a text of any length, or never end. Tags, filters and functions
are those that transformers gives them (`transformers.utils.chat_template_utils`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, NoReturn

from optlab.confined import MEGABYTE, GivenUpError, Limits, Room
from optlab.errors import ModelError, OptLabError
from optlab.models.checkpoint import read_json
from optlab.progress import Progress, silent

FILE = "chat_template.jinja"
LONGEST_TEMPLATE = 1_000_000
"""Characters; those of models have up to 20,000."""
LIMITS = Limits(seconds=5.0, memory=512 * MEGABYTE)
LONGEST_TEXT = 16_000_000
"""Characters of a conversation as a template writes it."""

_room = Room(LIMITS)


def template(folder: Path, settings: Mapping[str, Any]) -> str | None:
    """The chat template of a model folder with these settings (tokenizer_config.json); None for a model that only
    continues text. Raises ModelError when its file is no text."""
    file = folder / FILE
    if file.is_file():
        try:
            if file.stat().st_size > 4 * LONGEST_TEMPLATE:
                raise ModelError("{file} is larger than any chat template", file=file)
            return file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            raise ModelError("{file} cannot be read as text; copy it again", file=file) from None
    found = settings.get("chat_template")
    if isinstance(found, list):  # several, by name
        found = next((one.get("template") for one in found if isinstance(one, dict) and one.get("name") == "default"),
                     None)  # fmt: skip
    return found if isinstance(found, str) else None


def known(folder: Path) -> bool:
    """Whether a model folder comes with a chat template."""
    settings = folder / "tokenizer_config.json"
    return (folder / FILE).is_file() or (settings.is_file() and bool(read_json(settings).get("chat_template")))


def render(source: str | None, messages: Sequence[Mapping[str, str]], special: Mapping[str, str], answer: bool) -> str:
    """`messages` ({"role", "content"}) as the text that a template makes of them. special: "bos_token", "eos_token".
    answer: the text ends where the model begins to answer. Raises ModelError when there is no usable template."""
    if source is None:
        raise ModelError("this model has no chat template; it continues texts and answers no questions")
    if len(source) > LONGEST_TEMPLATE:
        raise ModelError("the chat template of this model is longer than any that is used")
    asked = json.dumps({"messages": list(messages), "special": dict(special), "answer": answer})
    try:
        return _room.ask("optlab.models.chat:rendered", source, asked)
    except GivenUpError as error:
        raise ModelError("the chat template of this model cannot be used: {error}", error=error) from None
    except ModelError:
        raise
    except OptLabError as error:
        raise ModelError("the chat template of this model cannot be used: {error}", error=error) from None


def rendered(source: str, asked: str, progress: Progress = silent) -> str:
    """The other side of `render`. Raises ModelError."""
    from jinja2 import TemplateError

    question = json.loads(asked)
    try:
        made = _environment().from_string(source).generate(
            messages=question["messages"], add_generation_prompt=question["answer"], **question["special"]
        )  # fmt: skip
        pieces, length = [], 0
        for piece in made:
            pieces.append(piece)
            length += len(piece)
            if length > LONGEST_TEXT:
                raise TemplateError(f"it writes more than {LONGEST_TEXT} characters")
        return "".join(pieces)
    except MemoryError:
        raise
    except RecursionError:
        raise ModelError("the chat template of this model cannot be used: it calls itself without end") from None
    except Exception as error:  # a program of a stranger raises what it likes
        reason = str(error).strip().split("\n")[0][:300] or type(error).__name__
        raise ModelError("the chat template of this model cannot be used: {reason}", reason=reason) from None


def _environment() -> Any:
    """Jinja as transformers sets it up for chat templates."""
    from jinja2 import TemplateError, nodes
    from jinja2.ext import Extension
    from jinja2.ext import loopcontrols as loop_controls
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    class Generation(Extension):
        """`{% generation %}` marks what the assistant says, for training; here it is written like anything else."""

        tags = {"generation"}  # noqa: RUF012  jinja's own spelling

        def parse(self, parser: Any) -> nodes.Node:
            line = next(parser.stream).lineno
            body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
            return nodes.Scope(body, lineno=line)

    def refuse(message: str) -> NoReturn:
        raise TemplateError(message)

    def as_json(value: Any, ensure_ascii: bool = False, indent: int | None = None, separators: Any = None,
                sort_keys: bool = False) -> str:  # fmt: skip
        return json.dumps(
            value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys
        )  # jinja's own writes for HTML

    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[Generation, loop_controls]
    )
    environment.filters["tojson"] = as_json
    environment.globals["raise_exception"] = refuse
    environment.globals["strftime_now"] = lambda form: datetime.now().strftime(form)
    return environment
