"""The command line keeps its contract: JSON on standard output and nothing else, exit codes, sentences."""

import json
import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from optlab.cli.console import show
from optlab.cli.main import main
from optlab.client.client import Client
from optlab.paths import ASSETS
from optlab.recipes import Recipe
from optlab.store.store import Store
from tests.tiny import FAMILIES, tiny_model_folder

ROOT = Path(__file__).resolve().parents[2]
RECIPE = "steps: [{prune: {sparsity: 0.3}}, {quantize: {bits: 4, group_size: 64}}]"
QUICK = ("--tokens", "1024", "--context", "256", "--calibration-tokens", "1024", "--no-latency", "--dtype", "float32")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


def optlab(home: Path, *arguments: str, check: int = 0) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "OPTLAB_HOME": str(home), "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "optlab", *arguments], capture_output=True, text=True, cwd=ROOT, env=environment
    )
    assert done.returncode == check, done.stderr
    assert "Traceback" not in done.stderr
    return done


def records(home: Path) -> list[dict[str, Any]]:
    """The rows of the page Compare for the store in `home`."""
    store = Store(f"sqlite:///{home / 'optlab.db'}")
    found = Client(store).records()
    store.close()
    return found


@pytest.fixture(scope="module")
def measured(home: Path) -> tuple[dict[str, Any], Path]:
    recipe = home / "recipe.yaml"
    recipe.write_text(RECIPE)
    saved = home / "saved"
    done = optlab(home, "measure", "nano", "--recipe", str(recipe), "--save", str(saved), "--json", *QUICK)
    return json.loads(done.stdout), saved


def test_a_number_that_is_not_finite_is_null_in_json(capsys: pytest.CaptureFixture[str]) -> None:
    show({"ppl": math.inf, "interval": [0.5, math.nan], "tokens": 3}, True, str)
    assert json.loads(capsys.readouterr().out) == {"ppl": None, "interval": [0.5, None], "tokens": 3}


def test_measure_prints_the_contract(measured: tuple[dict[str, Any], Path]) -> None:
    result, _ = measured
    assert set(result) >= {
        "model", "recipe", "text", "tokens", "context", "device", "dtype", "seed", "versions", "baseline", "compressed",
        "delta", "layers", "seconds",
    }  # fmt: skip
    sides = {"ppl", "bits_per_byte", "size_bytes", "decode_ms_per_token", "prefill_tokens_per_s", "peak_rss_bytes"}
    assert set(result["baseline"]) >= sides
    assert set(result["compressed"]) >= sides
    assert set(result["delta"]) >= {
        "nll", "nll_ci95", "ppl_ratio", "ppl_ratio_ci95", "kl_mean", "kl_p99", "top1_agreement",
    }  # fmt: skip
    assert set(result["seconds"]) == {"compress", "evaluate", "latency"}
    assert (result["text"], result["tokens"], result["context"]) == ("shakespeare", 1024, 256)


def test_figures_of_one_result_agree_with_each_other(measured: tuple[dict[str, Any], Path]) -> None:
    result, _ = measured
    delta = result["delta"]
    assert delta["ppl_ratio"] == pytest.approx(result["compressed"]["ppl"] / result["baseline"]["ppl"])
    assert delta["ppl_ratio"] == pytest.approx(math.exp(delta["nll"]))
    low, high = delta["nll_ci95"]
    assert low < delta["nll"] < high
    assert 1.0 < delta["ppl_ratio"] < 1.5
    assert len(result["layers"]) == 42
    for layer in result["layers"]:
        assert layer["sparsity"] == pytest.approx(0.3, abs=0.15)
        assert 3.5 < layer["bits_per_weight"] < 4.5
        assert 0.02 < layer["output_error"] < 0.5


def test_size_is_that_of_the_files_written(measured: tuple[dict[str, Any], Path]) -> None:
    result, saved = measured
    assert result["compressed"]["size_bytes"] == sum(file.stat().st_size for file in saved.glob("*.safetensors"))
    assert result["baseline"]["size_bytes"] == (ASSETS / "nano" / "model.safetensors").stat().st_size


def test_a_saved_folder_is_a_model_with_the_same_perplexity(measured: tuple[dict[str, Any], Path], home: Path) -> None:
    from optlab.evaluation.perplexity import perplexity
    from optlab.kernels.artefact import load_artefact
    from optlab.texts import evaluation_passage

    result, saved = measured
    model = load_artefact(saved, "float32").model
    again = perplexity(model, evaluation_passage("shakespeare", model.tokenizer, 1024, 256), 256)
    assert again.ppl == pytest.approx(result["compressed"]["ppl"], rel=1e-6)


def test_what_was_measured_is_a_run_and_is_not_measured_twice(
    measured: tuple[dict[str, Any], Path], home: Path
) -> None:
    result, saved = measured
    command = ("measure", "nano", "--recipe", str(home / "recipe.yaml"), "--json", *QUICK)
    again = json.loads(optlab(home, *command).stdout)
    assert again == result | {"artefact": again["artefact"]}
    assert Path(again["artefact"]).is_dir() and again["artefact"] != result["artefact"] == str(saved)
    recipes = [row["recipe"] for row in records(home)]
    assert recipes.count(Recipe.from_dict(result["recipe"]).describe()) == 1, "it is in Compare once"


def test_measured_again_it_is_another_run_with_the_same_numbers(
    measured: tuple[dict[str, Any], Path], home: Path
) -> None:
    result, _ = measured
    before = records(home)
    command = ("measure", "nano", "--recipe", str(home / "recipe.yaml"), "--again", "--json", *QUICK)
    again = json.loads(optlab(home, *command).stdout)
    assert again["delta"] == result["delta"]
    assert again["compressed"]["size_bytes"] == result["compressed"]["size_bytes"]
    after = records(home)
    assert len(after) == len(before)
    assert max(row["run"] for row in after) > max(row["run"] for row in before)


def test_without_json_the_result_is_in_words(home: Path) -> None:
    done = optlab(home, "measure", "nano", *QUICK)
    assert "perplexity ratio 1.0000" in done.stdout
    assert "not measured" in done.stdout, "no latency was asked for, and none may be shown"


def test_a_file_is_compared_with_its_original(home: Path) -> None:
    """The floats of nano under another name: nothing differs, and the second time nothing is computed."""
    command = ("compare", "nano", str(ASSETS / "nano"), "--tokens", "1024", "--context", "256", "--no-latency")
    found = json.loads(optlab(home, *command, "--json").stdout)
    assert (found["model"], found["other"]) == ("nano", str(ASSETS / "nano"))
    assert found["delta"]["ppl_ratio"] == 1.0
    assert "weights differ most in" in optlab(home, *command).stdout
    assert "there is no model" in optlab(home, "compare", "nano", str(home / "nothing"), check=2).stderr


@pytest.mark.slow
def test_latency_is_a_grid_of_prompts_and_texts(home: Path) -> None:
    sizes = ("--prompt", "32", "--prompt", "8", "--batch", "2", "--batch", "1", "--dtype", "float32")
    found = json.loads(optlab(home, "latency", "nano", *sizes, "--json").stdout)
    assert [(c["prompt_tokens"], c["batch"]) for c in found["cells"]["base"]] == [(8, 1), (8, 2), (32, 1), (32, 2)]
    assert min(c["step_ms"] for c in found["cells"]["base"]) > 0
    assert "no prompt of 9000 tokens" in optlab(home, "latency", "nano", "--prompt", "9000", check=1).stderr


def test_models_lists_the_catalog(home: Path) -> None:
    cards = json.loads(optlab(home, "models", "--json").stdout)
    assert {"nano", "smollm2-135m"} <= {card["name"] for card in cards}


@pytest.mark.parametrize("family", FAMILIES)
def test_inspect_works_on_every_family(
    family: str, home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tiny_model_folder(family, home / family)
    monkeypatch.setenv("OPTLAB_HOME", str(home))
    monkeypatch.setattr("sys.argv", ["optlab", "inspect", str(folder), "--json"])
    capsys.readouterr()  # what making the folder said
    assert main() == 0
    found = json.loads(capsys.readouterr().out)
    assert found["parameters"] == sum(layer["parameters"] for layer in found["layers"]) > 0
    assert found["size_bytes"] == (folder / "model.safetensors").stat().st_size
    assert {"embedding", "attention.o"} <= {layer["kind"] for layer in found["layers"]}


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("measure", "no-such-model"), "no-such-model"),
        (("measure", "nano", "--recipe", "missing.yaml"), "cannot read the recipe missing.yaml"),
        (("measure", "nano", "--text", "no-such-text"), "there is no text 'no-such-text'"),
        (("measure", "nano", "--tokens", "1"), "--tokens 1"),
        (("measure", "nano", "--dtype", "int3"), "--dtype 'int3'"),
        (("measure", "nano", "--context", "4096"), "use a context of 512 or less"),
        (("measure", "nano", "--tokens", "9000000"), "8,999,936 are needed"),
        (("measure", "../../etc/passwd"), "passwd"),
        (("inspect",), "Missing argument"),
        (("squeeze", "nano"), "No such command"),
    ],
)
def test_wrong_input_ends_with_2_and_a_sentence(arguments: tuple[str, ...], says: str, home: Path) -> None:
    done = optlab(home, *arguments, check=2)
    assert says in done.stderr
    assert done.stdout == ""


def test_a_group_that_does_not_fit_names_those_that_do(home: Path) -> None:
    recipe = home / "wrong.yaml"
    recipe.write_text("steps: [{quantize: {bits: 4, group_size: 48}}]")
    done = optlab(home, "measure", "nano", "--recipe", str(recipe), check=2)
    assert "group_size 48 does not divide 256; use 32, 64, 128 or 256" in done.stderr


def test_a_pickle_in_disguise_is_never_opened(home: Path, tmp_path: Path) -> None:
    import pickle

    folder = tiny_model_folder("llama", tmp_path / "model")
    (folder / "model.safetensors").write_bytes(pickle.dumps({"weight": [1.0] * 1000}))
    done = optlab(home, "inspect", str(folder), check=2)
    assert "safetensors" in done.stderr


def test_methods_lists_every_registered_one_with_its_parameters(home: Path) -> None:
    from optlab.methods import REGISTRY, method

    found = json.loads(optlab(home, "methods", "--json").stdout)
    assert {(row["kind"], row["name"]) for row in found} == {(k, n) for k in REGISTRY for n in REGISTRY[k]}
    for row in found:
        declared = method(row["kind"], row["name"]).parameters
        assert [p["name"] for p in row["parameters"]] == [p.name for p in declared]
