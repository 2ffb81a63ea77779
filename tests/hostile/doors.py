"""The places at which a stranger's bytes enter. Each door is given bytes and returns what it made of them, in a word.

Imported once by the server of `tests.hostile.room`, from which every attempt is a copy: what is imported here costs an
attempt nothing. Nothing here may start a thread.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch
import transformers.models.gpt2.modeling_gpt2
import transformers.models.llama.modeling_llama  # noqa: F401

from optlab import texts
from optlab.models import chat
from optlab.models.describe import describe
from optlab.models.tokenizer import Tokenizer
from optlab.protocol import Protocol
from optlab.recipes import Recipe
from optlab.report import archive
from pages.components.server.door import Door
from pages.components.server.policy import Policy
from pages.components.shared.view import read as read_view

torch.set_num_threads(1)
TEXT = "All that glisters is not gold; 1599, o heavy lightness! " * 8
QUESTION = [{"role": "user", "content": "What is it?"}]


def recipe(data: bytes, base: Path, here: Path) -> str:
    found = Recipe.from_yaml(data.decode("utf-8", errors="surrogateescape"))
    return str(found.describe())


def link(data: bytes, base: Path, here: Path) -> str:
    """A page takes any address; what it cannot use it says."""
    said = json.loads(data)
    query = said if isinstance(said, dict) else {"recipe": said}
    view = read_view({str(key): str(value)[:30_000] for key, value in query.items()})
    return view.problem or "a view"


def protocol(data: bytes, base: Path, here: Path) -> str:
    from pydantic import ValidationError

    try:
        return str(Protocol.model_validate(json.loads(data)).tokens)
    except ValidationError as error:
        return f"{error.error_count()} settings are wrong"


def request(data: bytes, base: Path, here: Path) -> str:
    """Headers of a request, a line each, before a server that would answer everything."""
    headers = [tuple(line.split(b": ", 1)) for line in data.split(b"\n") if b": " in line]
    scope = {
        "type": "http", "method": "GET", "path": "/", "query_string": b"", "headers": headers, "scheme": "http",
        "server": ("127.0.0.1", 8501), "client": ("127.0.0.1", 1),
    }  # fmt: skip
    said: list[Any] = []

    async def behind(scope: Any, receive: Any, send: Any) -> None:
        said.append(200)

    async def send(message: Any) -> None:
        said.append(message.get("status"))

    asyncio.run(Door(behind, Policy.of("127.0.0.1", {}))(scope, None, send))  # type: ignore[arg-type]
    return f"status {said[0]}"


def gguf(data: bytes, base: Path, here: Path) -> str:
    file = here / "model.gguf"
    file.write_bytes(data)
    return f"{describe(str(file)).parameters} parameters"


def _folder(base: Path, here: Path, name: str, data: bytes) -> Path:
    folder = here / "model"
    shutil.copytree(base, folder)
    (folder / name).write_bytes(data)
    return folder


def safetensors(data: bytes, base: Path, here: Path) -> str:
    return f"{describe(str(_folder(base, here, 'model.safetensors', data))).parameters} parameters"


def config(data: bytes, base: Path, here: Path) -> str:
    return f"{describe(str(_folder(base, here, 'config.json', data))).parameters} parameters"


def tokenizer(data: bytes, base: Path, here: Path) -> str:
    """A model with this tokenizer.json is described, and a text is read with it."""
    folder = _folder(base, here, "tokenizer.json", data)
    describe(str(folder))
    found = Tokenizer.from_folder(folder)
    ids = found.encode(TEXT)
    return f"{len(ids)} tokens, {len(found.decode(ids))} characters"


def tokenizer_settings(data: bytes, base: Path, here: Path) -> str:
    folder = _folder(base, here, "tokenizer_config.json", data)
    describe(str(folder))
    found = Tokenizer.from_folder(folder)
    return f"{len(found.encode(TEXT))} tokens, {found.framing('causal')}"


def template(data: bytes, base: Path, here: Path) -> str:
    """A template as the file of a model folder, on the side that has the limits."""
    (here / chat.FILE).write_bytes(data)
    source = chat.template(here, {})
    return f"{len(chat.render(source, QUESTION, {'bos_token': '<s>', 'eos_token': '</s>'}, answer=True))} characters"


def project(data: bytes, base: Path, here: Path) -> str:
    runs, recipes = archive.read(data)
    return f"{len(runs)} runs, {len(recipes)} recipes"


def text(data: bytes, base: Path, here: Path) -> str:
    """The first line is the file's name, the rest what it holds."""
    name, _, content = data.partition(b"\n")
    file = here / name.decode(errors="surrogateescape")
    try:
        file.write_bytes(content)
    except (OSError, ValueError):
        return "no file can be called so"
    return f"{len(texts.load(str(file)).documents)} documents"


Door_ = Callable[[bytes, Path, Path], str]
DOORS: dict[str, Door_] = {
    made.__name__: made
    for made in (
        recipe, link, protocol, request, gguf, safetensors, config, tokenizer, tokenizer_settings, template, project,
        text,
    )
}  # fmt: skip
