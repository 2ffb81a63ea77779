"""A file to take home holds what was measured, names its own sha256, and its card is what the Hub reads."""

from __future__ import annotations

import hashlib
import json
import zipfile
from pathlib import Path

import pytest
import torch
import yaml
from transformers import AutoModelForCausalLM

import optlab
from optlab.compression import Compressed
from optlab.errors import Cancelled, ModelError, OptLabError
from optlab.exports.card import licence_of
from optlab.exports.formats import FORMATS
from optlab.exports.package import CARD, SUMS, export
from optlab.kernels.artefact import load_artefact
from optlab.recipes import Recipe
from optlab.results.export import Figures
from tests.tiny import tiny_model_folder

SYMMETRIC = {"quantize": {"bits": 4, "group_size": 32, "symmetric": True}}
ASYMMETRIC = {"quantize": {"bits": 4, "group_size": 32}}
IDS = torch.arange(4, 40).unsqueeze(0)
FIGURES = Figures(
    text="shakespeare", tokens=8192, context=512, dtype="float32", ppl_original=50.0, ppl=51.0, ppl_ratio=1.02,
    ppl_ratio_ci95=(1.01, 1.03), kl_mean=0.02, top1_agreement=0.93, size_original=10_000_000, size_bytes=4_000_000,
    decode_speedup=1.5, decode_speedup_ci95=(1.4, 1.6), processor="a processor",
)  # fmt: skip


def made(family: str, step: dict, folder: Path) -> Compressed:
    source = tiny_model_folder(family, folder, dtype="float16")
    (source / "README.md").write_text("---\nlicense: mit\n---\n# tiny\n")
    return optlab.compress(str(source), step)


@pytest.fixture
def out(tmp_path: Path) -> Path:
    folder = tmp_path / "out"
    folder.mkdir()
    return folder


@torch.inference_mode()
def distance(one: torch.nn.Module, other: Compressed) -> float:
    expected = other.model.logits(IDS)
    return float((one(IDS).logits - expected).norm() / expected.norm())


@pytest.mark.parametrize("family", ["llama", "qwen2"])
@pytest.mark.parametrize(("step", "exact"), [(SYMMETRIC, True), (ASYMMETRIC, False)])
def test_a_gguf_says_whether_it_holds_the_weights_that_were_measured(
    family: str, step: dict, exact: bool, tmp_path: Path, out: Path
) -> None:
    compressed = made(family, step, tmp_path / "m")
    written = export(compressed, "gguf", out, FIGURES)
    assert written.exact is exact
    assert (written.rounding == 0) is exact and written.rounding < 1e-3
    assert sorted(path.name for path in out.iterdir()) == sorted([CARD, written.file])
    assert hashlib.sha256((out / written.file).read_bytes()).hexdigest() == written.sha256
    assert ("the very weights that were measured" in written.card) is exact
    with torch.inference_mode():
        back, expected = optlab.load(str(out / written.file)).logits(IDS), compressed.model.logits(IDS)
    assert float((back - expected).norm() / expected.norm()) < 2e-3


def test_the_safetensors_archive_unpacks_to_what_transformers_reads(tmp_path: Path, out: Path) -> None:
    compressed = made("llama", ASYMMETRIC, tmp_path / "m")
    written = export(compressed, "safetensors", out)
    with zipfile.ZipFile(out / written.file) as archive:
        assert archive.testzip() is None
        archive.extractall(tmp_path / "home")
    (folder,) = (tmp_path / "home").iterdir()
    for line in (folder / SUMS).read_text().splitlines():
        digest, name = line.split("  ")
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest
    assert (folder / CARD).read_text() == written.card
    assert distance(AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32), compressed) < 1e-3
    assert f'from_pretrained("{folder.name}")' in written.card
    with torch.inference_mode():
        assert torch.equal(load_artefact(folder).model.logits(IDS), compressed.model.logits(IDS))


def test_a_form_that_only_we_read_says_so_on_its_card(tmp_path: Path, out: Path) -> None:
    step = {"quantize": {"method": "nf4", "group_size": 32}}
    card = export(made("llama", step, tmp_path / "m"), "safetensors", out).card
    assert "transformers cannot say what this file holds" in card and "load_artefact" in card


def test_the_way_to_load_onnx_that_the_card_shows_works(tmp_path: Path, out: Path) -> None:
    pytest.importorskip("onnxruntime")
    compressed = made("llama", ASYMMETRIC, tmp_path / "m")
    written = export(compressed, "onnx", out)
    with zipfile.ZipFile(out / written.file) as archive:
        archive.extractall(tmp_path / "home")
    (folder,) = (tmp_path / "home").iterdir()
    code = written.card.split("```python\n")[1].split("```")[0]
    code = code.replace('"model.onnx"', repr(str(folder / "model.onnx")))
    names: dict = {}
    exec(code.replace('"tokenizer.json"', repr(str(folder / "tokenizer.json"))), names)
    with torch.inference_mode():
        expected = compressed.model.logits(torch.tensor([names["ids"]]))
    assert float((torch.from_numpy(names["logits"]) - expected).norm() / expected.norm()) < 1e-3


def test_the_card_is_what_the_hub_reads(tmp_path: Path, out: Path) -> None:
    written = export(made("llama", ASYMMETRIC, tmp_path / "m"), "gguf", out, FIGURES)
    _, header, body = written.card.split("---\n", 2)
    assert yaml.safe_load(header) == {
        "license": "mit", "library_name": "gguf", "pipeline_tag": "text-generation", "tags": ["optlab", "gguf"],
    }  # fmt: skip
    recipe = body.split("```yaml\n")[1].split("```")[0]
    assert Recipe.from_yaml(recipe) == optlab.api.recipe_of(ASYMMETRIC)
    for figure in ("50", "51", "1.0100 to 1.0300", "2.50 times smaller", "93.0%", "8,192 tokens", "a processor"):
        assert figure in body
    assert f"llama-cli -m {written.file}" in body


def test_the_licence_is_that_of_the_original_or_unknown(tmp_path: Path) -> None:
    assert licence_of("nano", tmp_path) == "apache-2.0"
    assert licence_of("somebody/else", tmp_path) is None
    for card, found in (("---\nlicense: llama3\n---\n", "llama3"), ("no header", None), ("---\n- 1\n---\n", None),
                        ("---\nlicense: [a, b]\n---\n", None), ("---\n*x\n---\n", None)):  # fmt: skip
        (tmp_path / CARD).write_text(card)
        assert licence_of("somebody/else", tmp_path) == found


def test_what_a_format_cannot_say_is_refused_in_one_sentence(tmp_path: Path, out: Path) -> None:
    compressed = made("llama", {"quantize": {"method": "dynamic"}}, tmp_path / "m")
    with pytest.raises(ModelError, match="cannot say that activations are rounded"):
        export(compressed, "gguf", out)
    with pytest.raises(OptLabError, match="use gguf, safetensors, onnx"):
        export(compressed, "pickle", out)


@pytest.mark.parametrize("format", FORMATS)
def test_no_file_tells_where_the_original_lies_on_this_disk(format: str, tmp_path: Path, out: Path) -> None:
    secret = tmp_path / "a-customer" / "their-model"
    export(made("llama", ASYMMETRIC, secret), format, out, FIGURES)
    files = [path for path in out.iterdir() if path.is_file()]
    assert files and not any(b"a-customer" in path.read_bytes() for path in files)
    assert "their-model is" not in (out / CARD).read_text() and "is their-model after" in (out / CARD).read_text()


def test_the_card_of_a_masked_model_loads_it_as_one(tmp_path: Path, out: Path) -> None:
    card = export(made("bert", ASYMMETRIC, tmp_path / "m"), "safetensors", out).card
    assert "AutoModelForMaskedLM.from_pretrained" in card and "pipeline_tag: fill-mask" in card
    assert "CausalLM" not in card


def test_the_card_says_how_large_the_file_itself_is(tmp_path: Path, out: Path) -> None:
    # 5 bits are no type of GGUF here, so the file is larger than the weights as they were measured
    written = export(made("llama", {"quantize": {"bits": 5, "group_size": 32}}, tmp_path / "m"), "gguf", out, FIGURES)
    assert f"As GGUF, with everything that is needed to run it: {written.size_bytes / 1e6:,.1f} MB." in written.card


BOTH = {"gguf", "onnx"}
REFUSED = [("gemma3", BOTH), ("qwen3", BOTH), ("gpt2", BOTH), ("mixtral", BOTH), ("bert", BOTH), ("gemma", {"gguf"}),
           ("llama", set())]  # fmt: skip


@pytest.mark.parametrize(("family", "refused"), REFUSED)
def test_what_a_format_cannot_say_is_known_before_anything_is_computed(
    family: str, refused: set[str], tmp_path: Path
) -> None:
    folder = tiny_model_folder(family, tmp_path / "m")
    hub = json.loads((folder / "config.json").read_text())
    compressed, rounded = optlab.compress(str(folder), []), optlab.api.recipe_of({"quantize": {"method": "dynamic"}})
    for kind in FORMATS.values():
        (place := tmp_path / kind.name).mkdir()
        if kind.name in refused:
            with pytest.raises(ModelError) as before:
                kind.check("m", hub["model_type"], hub, Recipe())
            with pytest.raises(ModelError) as after:
                export(compressed, kind.name, place)
            assert before.value.message.template == after.value.message.template
        else:
            kind.check("m", hub["model_type"], hub, Recipe())
            export(compressed, kind.name, place)
    for kind in (FORMATS["gguf"], FORMATS["onnx"]):
        with pytest.raises(ModelError):
            kind.check("m", hub["model_type"], hub, rounded)
    FORMATS["safetensors"].check("m", hub["model_type"], hub, rounded)


def test_a_cancel_is_heard_while_a_file_is_packed_and_hashed(tmp_path: Path, out: Path) -> None:
    compressed = made("llama", ASYMMETRIC, tmp_path / "m")
    for when in (0.75, 0.95):

        def stop(fraction: float, message: str, partial: object = None, when: float = when) -> None:
            if fraction > when:
                raise Cancelled

        folder = out / str(when)
        folder.mkdir()
        with pytest.raises(Cancelled):
            export(compressed, "safetensors", folder, progress=stop)
