"""The file of a compressed model: exact, atomic, readable by transformers where it says so, and never half trusted."""

import errno
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file

from optlab.compression import Compressed, apply, compress, report_layers
from optlab.errors import MeasurementError, ModelError, OptLabError
from optlab.evaluation.size import weight_bytes
from optlab.kernels import artefact
from optlab.kernels.artefact import load_artefact, save
from optlab.models import load
from optlab.protocol import Protocol
from optlab.recipes import Recipe
from tests.compressing import calibration_file, compressed, prune, quantize, tiny
from tests.tiny import FAMILIES

DISTILL = {"distill": {"steps": 2, "window": 16, "batch": 2, "student_layers": 1}}
RECIPES: dict[str, tuple[dict[str, Any], ...]] = {
    "nothing": (),
    "codes": (quantize(bits=4),),
    "per channel": (quantize(bits=3, group_size=None, symmetric=True),),
    "float zero": (quantize(bits=5, zero_point="float"),),
    "bitmask": (prune(sparsity=0.5),),
    "rows": (prune(sparsity=0.95),),
    "dense zeros": (prune(sparsity=0.02),),
    "pruned codes": (prune(sparsity=0.5), quantize(bits=4)),
    "places of codes": (prune(sparsity=0.5, pattern="2:4"), quantize(bits=8)),
    "rows of codes": (quantize(bits=8), prune(sparsity=0.95)),
    "places of floats": (prune(sparsity=0.5, pattern="4:8"), {"quantize": {"method": "fp8"}}),
    "all matrices": (quantize(".*", bits=8),),
}


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPTLAB_HOME", str(tmp_path / "home"))


@pytest.fixture
def quantized(tmp_path: Path) -> Compressed:
    return compressed(tiny("llama", tmp_path), tmp_path, quantize(bits=4))


def weights_of(result: Compressed) -> dict[str, torch.Tensor]:
    return {name: parameter.detach() for name, parameter in result.model.module.named_parameters()}


def weights_file(folder: Path) -> Path:
    (file,) = folder.glob("*.safetensors")
    return file


@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize("family", FAMILIES)
def test_the_same_weights_come_back(family, recipe, tmp_path):
    before = compressed(tiny(family, tmp_path), tmp_path, *RECIPES[recipe])
    size = save(before, tmp_path / "out")
    assert size == weights_file(tmp_path / "out").stat().st_size
    after = load_artefact(tmp_path / "out", device="cpu")
    mine, theirs = weights_of(before), weights_of(after)
    assert mine.keys() == theirs.keys()
    assert all(torch.equal(mine[name], theirs[name]) for name in mine)
    assert list(after.stored) == list(before.stored)
    for name, stored in before.stored.items():
        assert type(after.stored[name]) is type(stored)
        assert after.stored[name].stored_bits() == stored.stored_bits()
    assert (after.layers, after.recipe, after.notes) == (before.layers, before.recipe, before.notes)
    assert after.model.fingerprint == before.model.fingerprint
    ids = torch.arange(4, 24).unsqueeze(0)
    with torch.no_grad():
        assert torch.equal(after.model.logits(ids), before.model.logits(ids))


def test_a_student_with_fewer_blocks_comes_back(tmp_path):
    before = compressed(tiny("llama", tmp_path), tmp_path, DISTILL, quantize(bits=4))
    save(before, tmp_path / "out")
    after = load_artefact(tmp_path / "out", device="cpu")
    assert len(after.model.blocks()) == 1
    assert all(torch.equal(a, b) for a, b in zip(weights_of(after).values(), weights_of(before).values(), strict=True))


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("recipe", ["codes", "pruned codes", "dense zeros"])
def test_an_artefact_that_was_read_is_written_again_byte_for_byte(recipe, dtype, tmp_path):
    save(compressed(tiny("gpt2", tmp_path), tmp_path, *RECIPES[recipe]), tmp_path / "one")
    save(load_artefact(tmp_path / "one", dtype, "cpu"), tmp_path / "two")
    one, two = weights_file(tmp_path / "one"), weights_file(tmp_path / "two")
    assert one.read_bytes() == two.read_bytes()


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
def test_untouched_tensors_keep_their_numbers_and_dtype(dtype, tmp_path):
    model = tiny("llama", tmp_path, dtype)
    save(compressed(model, tmp_path, quantize(bits=4)), tmp_path / "out")
    original, written = load_file(model.folder / "model.safetensors"), load_file(weights_file(tmp_path / "out"))
    untouched = {name for name in original if not any(name == f"{linear}.weight" for linear in model.linear_names())}
    assert untouched == {name for name in written if name in original}
    for name in untouched:
        assert written[name].dtype == original[name].dtype
        assert torch.equal(written[name], original[name])


def test_a_tied_head_is_written_once(tmp_path):
    save(compressed(tiny("qwen2", tmp_path), tmp_path, quantize(bits=4)), tmp_path / "out")
    with safe_open(weights_file(tmp_path / "out"), "pt") as opened:
        assert "model.embed_tokens.weight" in opened.keys()  # noqa: SIM118  not a dict
        assert "lm_head.weight" not in opened.keys()  # noqa: SIM118


def test_bits_save_bytes(tmp_path):
    model = tiny("llama", tmp_path)
    sizes = [save(compressed(model, tmp_path, quantize(bits=bits)), tmp_path / f"{bits}") for bits in range(2, 9)]
    assert sizes == sorted(sizes)
    codes = sum(model.weight(name).numel() for name in model.linear_names())
    # A zero point per 16 codes; the headers are equally long but for the digits of the offsets.
    assert sizes[-1] - sizes[0] == pytest.approx(codes * (1 + 1 / 16) * 6 / 8, abs=100)


@pytest.mark.parametrize(
    "steps",
    [
        (quantize(bits=4),),
        (quantize(bits=3),),
        (quantize(bits=8, group_size=None),),
        (quantize(bits=4, symmetric=True),),
        (quantize(".*(mlp|fc)", bits=4, symmetric=True), quantize(".*attn", bits=8, group_size=None, symmetric=True)),
        (prune(sparsity=0.02),),
    ],
    ids=["4 bits", "3 bits", "8 bits per channel", "symmetric", "two formats", "dense zeros"],
)
@pytest.mark.parametrize("family", ["llama", "opt"])
def test_transformers_loads_it_and_gives_the_same_logits(family, steps, tmp_path):
    pytest.importorskip("compressed_tensors")
    ours = compressed(tiny(family, tmp_path), tmp_path, *steps)
    save(ours, tmp_path / "out")
    theirs = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "out", dtype=torch.float32)
    ids = torch.arange(4, 36).unsqueeze(0)
    with torch.no_grad():
        expected, logits = ours.model.logits(ids), theirs(ids).logits
        assert (logits - expected).abs().max() < 5e-3 * expected.abs().max()
        # It multiplies code and scale in float16 where it loads all layers of one format at once.
        for name, stored in ours.stored.items():
            W = theirs.get_submodule(name).weight
            assert torch.equal(W, stored.dequantize()) or torch.equal(W, stored.dequantize().half().float()), name


@pytest.mark.parametrize(
    "steps",
    [
        (prune(sparsity=0.5),),
        (prune(sparsity=0.5), quantize(bits=4)),
        (quantize(bits=4, zero_point="float"),),
        (quantize(".*mlp", bits=4), quantize(".*attn", bits=8)),
    ],
    ids=["bitmask", "pruned codes", "float zero", "two formats"],
)
def test_what_transformers_cannot_read_it_refuses_instead_of_guessing(steps, tmp_path):
    save(compressed(tiny("llama", tmp_path), tmp_path, *steps), tmp_path / "out")
    assert json.loads((tmp_path / "out/optlab.json").read_text())["artefact"]["only_optlab_reads_it"]
    with pytest.raises(OSError, match=r"no file named model\.safetensors"):
        transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "out")


def test_a_saved_folder_is_a_model_of_its_own(quantized, tmp_path):
    save(quantized, tmp_path / "out")
    again = load(str(tmp_path / "out"))
    for name in quantized.stored:
        torch.testing.assert_close(again.weight(name), quantized.model.weight(name), rtol=2**-10, atol=2**-14)


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        SafetensorError("I/O error: No space left on device (os error 28)"),
    ],
    ids=["python", "safetensors"],
)
@pytest.mark.parametrize("older", [False, True])
def test_a_full_disk_is_one_sentence_and_leaves_nothing_behind(error, older, quantized, tmp_path, monkeypatch):
    target = tmp_path / "results" / "out"
    target.parent.mkdir()
    if older:
        save(quantized, target)
    before = {file: file.read_bytes() for file in target.parent.rglob("*") if file.is_file()}

    def full(tensors: dict[str, torch.Tensor], file: Path, metadata: dict[str, str]) -> None:
        Path(file).write_bytes(b"half")
        raise error

    monkeypatch.setattr(artefact, "save_file", full)
    with pytest.raises(MeasurementError, match=r"cannot be written to .*: the disk is full"):
        save(quantized, target)
    assert {file: file.read_bytes() for file in target.parent.rglob("*") if file.is_file()} == before


def test_an_older_artefact_is_replaced_and_nothing_else_is(quantized, tmp_path):
    out = tmp_path / "out"
    save(quantized, out)
    old = weights_file(out).read_bytes()
    save(compressed(tiny("llama", tmp_path), tmp_path, prune(sparsity=0.5)), out)
    assert weights_file(out).read_bytes() != old
    (out / "thesis.tex").write_text("years of work")
    base = quantized.model.folder
    (tmp_path / "file").write_text("")
    (tmp_path / "link").symlink_to(out)
    for target in (out, base, tmp_path / "file", tmp_path / "link"):
        with pytest.raises(MeasurementError):
            save(quantized, target)
    assert (out / "thesis.tex").read_text() == "years of work"
    assert (base / "model.safetensors").is_file()


def test_an_empty_folder_is_used(quantized, tmp_path):
    (tmp_path / "out").mkdir()
    save(quantized, tmp_path / "out")
    assert load_artefact(tmp_path / "out").stored.keys() == quantized.stored.keys()
    assert sorted(tmp_path.glob(".out*")) == []


def _change(folder: Path, **values: Any) -> None:
    notice = json.loads((folder / "optlab.json").read_text())
    notice["artefact"] |= values
    (folder / "optlab.json").write_text(json.dumps(notice))


def _without(folder: Path, name: str) -> None:
    tensors = load_file(folder / "model.safetensors")
    del tensors[name]
    save_file(tensors, folder / "model.safetensors")


LAYER = "model.layers.0.self_attn.q_proj"
META = {"kind": "quantized", "form": "codes", "bits": 4, "group_size": 16, "pruned": False, "shape": [32, 32]}
DAMAGE = {
    "truncated": lambda out: (out / "model.safetensors").write_bytes((out / "model.safetensors").read_bytes()[:-9]),
    "a pickle": lambda out: torch.save({"x": torch.zeros(3)}, out / "model.safetensors"),
    "no weights": lambda out: (out / "model.safetensors").unlink(),
    "no config": lambda out: (out / "config.json").unlink(),
    "no tokenizer": lambda out: (out / "tokenizer.json").unlink(),
    "broken notice": lambda out: (out / "optlab.json").write_text("{"),
    "not a mapping": lambda out: (out / "optlab.json").write_text('{"artefact": 3}'),
    "another format": lambda out: _change(out, format=99),
    "a part is missing": lambda out: _without(out, f"{LAYER}.weight_scale"),
    "a norm is missing": lambda out: _without(out, "model.norm.weight"),
    "an unknown layer": lambda out: _change(out, stored={"../../etc/passwd": META}),
    "a huge shape": lambda out: _change(out, stored={LAYER: META | {"shape": [1 << 40, 1 << 40]}}),
    "another shape": lambda out: _change(out, stored={LAYER: META | {"shape": [64, 16]}}),
    "an unknown kind": lambda out: _change(out, stored={LAYER: META | {"kind": "pickle"}}),
    "a bad recipe": lambda out: _change(out, recipe={"steps": [{"quantize": {"bits": 99}}]}),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_artefact_is_one_sentence(damage, quantized, tmp_path):
    out = tmp_path / "out"
    save(quantized, out)
    DAMAGE[damage](out)
    with pytest.raises(OptLabError) as raised:
        load_artefact(out, device="cpu")
    message = str(raised.value)
    assert "\n" not in message
    assert 20 < len(message) < 400


def test_a_folder_that_is_no_artefact_says_so(quantized, tmp_path):
    for folder in (quantized.model.folder, tmp_path / "nowhere"):
        with pytest.raises(ModelError, match="is not a model that OptLab compressed"):
            load_artefact(folder)


def test_an_artefact_needs_nothing_but_its_folder(quantized, tmp_path):
    save(quantized, tmp_path / "out")
    shutil.rmtree(quantized.model.folder)
    again = load_artefact(tmp_path / "out", device="cpu")
    assert again.model.tokenizer.encode("the dog") == quantized.model.tokenizer.encode("the dog")


@pytest.mark.slow
def test_transformers_gives_the_same_logits_for_smollm2_in_4_bits(tmp_path):
    pytest.importorskip("compressed_tensors")
    model = load("smollm2-135m", "float32", "cpu")
    ours = compressed(model, tmp_path, quantize(bits=4, group_size=64))
    assert save(ours, tmp_path / "out") < 0.45 * model.description.size_bytes
    theirs = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "out", dtype=torch.float32)
    ids = torch.tensor([model.tokenizer.encode("The capital of France is Paris, and the capital of Spain is")])
    with torch.no_grad():
        expected, logits = ours.model.logits(ids).log_softmax(-1), theirs(ids).logits.log_softmax(-1)
    # It multiplies code and scale in float16.
    assert (expected.exp() * (expected - logits)).sum(-1).mean() < 1e-4


@pytest.mark.parametrize(
    "steps",
    [
        (quantize(bits=3),),
        ({"quantize": {"method": "awq", "bits": 3, "group_size": 16}},),  # scales columns of one layer into another
        (prune(method="wanda", pattern="neurons", sparsity=0.5), quantize(bits=4)),
        (prune(method="wanda", pattern="layers", sparsity=0.5),),
    ],
)
def test_a_report_on_layers_that_comes_later_from_the_file_says_the_same(steps, tmp_path):
    model = tiny("llama", tmp_path)
    protocol = Protocol(calibration=calibration_file(tmp_path), calibration_tokens=512, context=32)
    recipe = Recipe.from_dict({"steps": list(steps)})
    at_once = compress(model, recipe, protocol)
    assert all(layer.output_error is not None for layer in at_once.layers if layer.name in at_once.stored)

    folder = tmp_path / "saved"
    size = save(apply(model, recipe, protocol), folder)
    read = load_artefact(folder)
    assert (read.layers, weight_bytes(folder)) == ([], size)
    report_layers(read, model, protocol)
    assert read.layers == at_once.layers

    artefact.note_layers(read, folder)
    again = load_artefact(folder)
    assert (again.layers, again.notes, again.origin) == (at_once.layers, at_once.notes, None)
    assert not (folder / artefact.ORIGIN).exists()
