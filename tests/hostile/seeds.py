"""Sound inputs, one for each door: the doors open to them, and hostile ones are made from them."""

from __future__ import annotations

import json
from pathlib import Path

from optlab.jobs.measure import MEASURE
from optlab.protocol import Protocol
from optlab.report import archive
from optlab.results.measurement import MeasureSpec
from optlab.store.run import Run, Status
from tests.models.ggufs import write_gguf
from tests.pages import samples
from tests.tiny import tiny_model_folder

TEMPLATE = """{{ bos_token }}{% for message in messages %}
{% if message.role == 'user' %}<user>{{ message.content | trim }}
{% else %}{% generation %}{{ message.content }}{% endgeneration %}{% endif %}{% endfor %}
{{ strftime_now('%Y') | tojson }}{% if add_generation_prompt %}<assistant>{% endif %}"""
RECIPE = """steps:
  - prune: {method: wanda, sparsity: 0.5, pattern: unstructured}
  - quantize: {method: gptq, bits: 4, group_size: 64}
    layers: "model.layers.[0-9]+.mlp.*"
"""
LINK = {"model": "nano", "recipe": '[{"quantize": {"bits": 4}}]', "tokens": "8192", "context": "512", "dtype": "auto",
        "seed": "0", "latency": "true", "bos": "auto", "text": "shakespeare"}  # fmt: skip
REQUEST = b"host: localhost:8501\norigin: http://localhost:8501\ncookie: a=b\nuser-agent: x"


def base(folder: Path) -> Path:
    """A tiny Llama with a tokenizer."""
    return tiny_model_folder("llama", folder)


def of_base(folder: Path, scratch: Path) -> dict[str, bytes]:
    """Door -> what it opens to. folder: of `base`; scratch: an empty folder."""
    files = {"safetensors": "model.safetensors", "config": "config.json", "tokenizer": "tokenizer.json",
             "tokenizer_settings": "tokenizer_config.json"}  # fmt: skip
    return {
        "recipe": RECIPE.encode(),
        "link": json.dumps(LINK).encode(),
        "protocol": Protocol().model_dump_json().encode(),
        "request": REQUEST,
        "gguf": write_gguf(folder, scratch / "model.gguf").read_bytes(),
        "template": TEMPLATE.encode(),
        "project": project(),
        "text": b"words.jsonl\n" + b'{"text": "All that glisters is not gold."}\n{"text": "O heavy lightness!"}\n' * 3,
        **{door: (folder / name).read_bytes() for door, name in files.items()},
    }


def project() -> bytes:
    """An archive with one measurement."""
    recipe = samples.quantized(4)
    spec = MeasureSpec(model="nano", recipe=recipe, protocol=Protocol())
    run = Run(
        id=1, key="a" * 64, kind=MEASURE.name, status=Status.DONE, spec_json=spec.to_json(), title="title",
        result_json=samples.measurement(1.1, 5_000_000, 1.0, recipe).to_json(), created=1.8e9, started=1.8e9,
        finished=1.8e9, progress=1.0,
    )  # fmt: skip
    return archive.write([run])
