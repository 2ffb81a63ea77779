"""A chat template gives what transformers makes of it, and runs in a sandbox."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from optlab.errors import ModelError
from optlab.models.chat import known, render
from optlab.models.chat import template as template_of
from optlab.models.tokenizer import Tokenizer
from tests.tiny import tiny_model_folder

TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}\n    {% if loop.first %}<system>{% endif %}\n"
    "<{{ message['role'] }}>{{ message['content'] | trim }}{% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}"
)


def ask(question: str, tokenizer: Tokenizer, folder: Path) -> str:
    special = {f"{role}_token": tokenizer.token(tokenizer.special_id(role) or 10**6) for role in ("bos", "eos")}
    source = template_of(folder, tokenizer.settings)
    return render(source, [{"role": "user", "content": question}], special, answer=True)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tiny_model_folder("llama", tmp_path)


def tokenizer(folder: Path, template: object) -> Tokenizer:
    file = folder / "tokenizer_config.json"
    settings = json.loads(file.read_text()) if file.exists() else {}
    file.write_text(json.dumps({**settings, "chat_template": template}))
    return Tokenizer.from_folder(folder)


def test_the_text_is_that_of_transformers(folder: Path) -> None:
    from transformers import AutoTokenizer

    found = ask(" What is it?\n", tokenizer(folder, TEMPLATE), folder)
    theirs = AutoTokenizer.from_pretrained(folder, local_files_only=True).apply_chat_template(
        [{"role": "user", "content": " What is it?\n"}], tokenize=False, add_generation_prompt=True
    )
    assert found == theirs
    assert "<user>What is it?<assistant>" in found


def test_a_model_is_known_to_chat_by_either_file(folder: Path) -> None:
    assert not known(folder)
    tokenizer(folder, TEMPLATE)
    assert known(folder)
    tokenizer(folder, None)
    (folder / "chat_template.jinja").write_text("x")
    assert known(folder)


def test_a_file_beside_the_model_counts_before_the_settings(folder: Path) -> None:
    (folder / "chat_template.jinja").write_text("file: {{ messages[0]['content'] }}")
    assert ask("x", tokenizer(folder, TEMPLATE), folder) == "file: x"


def test_of_several_templates_the_default_is_used(folder: Path) -> None:
    several = [{"name": "tools", "template": "no"}, {"name": "default", "template": "yes"}]
    assert ask("x", tokenizer(folder, several), folder) == "yes"


@pytest.mark.parametrize(
    ("template", "sentence"),
    [
        (None, "no chat template"),
        ("{{ raise_exception('no system role') }}", "no system role"),
        ("{% for", "cannot be used"),
        ("{{ ''.__class__.__mro__[1].__subclasses__() }}", "cannot be used"),
        ("{{ messages.append(1) }}", "cannot be used"),
    ],
)
def test_a_template_that_cannot_be_used_is_one_sentence(folder: Path, template: str | None, sentence: str) -> None:
    with pytest.raises(ModelError, match=sentence):
        ask("x", tokenizer(folder, template), folder)
