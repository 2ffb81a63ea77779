"""The examples of CONTRIBUTING.md do what they say: with one registry line each, everything else follows."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch

from optlab import texts
from optlab.evaluation import metrics, tasks
from optlab.evaluation.compare import compare
from optlab.i18n import said
from optlab.jobs import registry
from optlab.jobs.tasks import TASKS
from optlab.methods import REGISTRY, method
from optlab.models import load
from optlab.models.architectures import ARCHITECTURES
from optlab.progress import silent
from optlab.recipes import Recipe
from optlab.runtimes import ENGINES, Engine, open_runtime
from optlab.store.store import Store
from optlab.workers.worker import WorkerLoop
from tests.compressing import compressed, tiny
from tests.evaluation.fakes import random_ids, random_model
from tests.tiny import tiny_model_folder

CONTRIBUTING = Path(__file__).resolve().parents[1] / "CONTRIBUTING.md"
EXAMPLES = re.findall(r"```python\n(.*?)```", CONTRIBUTING.read_text("utf-8"), re.DOTALL)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPTLAB_HOME", str(tmp_path / "home"))


@pytest.fixture
def example(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The example that holds the marked word, as a module of that name."""
    word, name = request.param
    (code,) = (one for one in EXAMPLES if word in one)
    made = ModuleType(name)
    monkeypatch.setitem(sys.modules, name, made)
    exec(compile(code, "CONTRIBUTING.md", "exec"), made.__dict__)
    return made


@pytest.mark.parametrize("example", [("class Halved", "halved")], indirect=True)
def test_a_method(example: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(REGISTRY["quantize"], "halved", "halved:Halved")
    step = {"quantize": {"method": "halved", "bits": 8, "group_size": 16}}
    model = tiny("llama", tmp_path)
    made = compressed(model, tmp_path, step)
    name = made.layers[0].name
    assert made.model.weight(name).abs().max() < 0.6 * model.weight(name).abs().max()
    assert Recipe.from_dict({"steps": [step]}).describe() == "halved 8 bits, group 16"
    method.cache_clear()


@pytest.mark.parametrize("example", [("TWIN", "twin")], indirect=True)
def test_a_family(example: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    from optlab.models.config import Config

    hub = {
        "model_type": "twin", "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "vocab_size": 48,
        "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 64, "rms_norm_eps": 1e-5,
        "hidden_act": "silu",
    }  # fmt: skip
    monkeypatch.setitem(ARCHITECTURES, "twin", example.TWIN)
    assert Config.from_hub(hub).width == Config.from_hub({**hub, "model_type": "llama"}).width == 32


@pytest.mark.parametrize("example", [("def fables", "fables")], indirect=True)
def test_a_text(example: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    cards = sys.modules["optlab.texts.names"]  # `optlab.texts.names` itself is the function
    monkeypatch.setattr(cards, "CARDS", (*cards.CARDS, example.CARD))
    found = texts.load("fables")
    assert (len(found.calibration), len(found.evaluation), found.licence) == (20, 20, "public domain")
    assert not set(found.calibration) & set(found.evaluation)


@pytest.mark.parametrize("example", [("class Surprise", "surprise")], indirect=True)
def test_a_metric(example: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(metrics.REGISTRY, "surprise", "surprise:Surprise")
    found = compare(random_model(0), random_model(1), random_ids(64), 16, cache=None)
    assert next(one for one in found.metrics if one.name == "surprise").mean > found.kl_mean


@pytest.mark.parametrize("example", [("class Parameters", "counting")], indirect=True)
def test_a_kind_of_run(example: ModuleType, tmp_path: Path) -> None:
    kind, kinds = example.COUNTING, registry.table([*registry.KINDS.values(), example.COUNTING])
    spec = kind.spec(model=str(tiny_model_folder("llama", tmp_path / "tiny")))
    store = Store("sqlite://")
    run = store.submit(kind.name, spec, kind.key(spec, "weights"), kind.title(spec), kind.priority)
    assert WorkerLoop(store, "tested", kinds).step()
    done = store.get(run.id)
    assert done is not None and done.done, done
    assert kind.result_of(done).count == sum(one.numel() for one in load(spec.model).module.parameters())
    store.close()


@pytest.mark.parametrize("example", [("class CountingOn", "counting_on")], indirect=True)
def test_a_task(example: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(tasks.REGISTRY, "counting_on", "counting_on:CountingOn")
    spec = TASKS.spec(model=str(tiny_model_folder("llama", tmp_path / "tiny")), task="counting_on")
    assert said(TASKS.title(spec)) == "tiny: Counting on, original"
    found = TASKS.execute(spec, silent, print)
    assert (found.questions, found.base, found.delta.lost) == (20, found.candidate, 0)
    tasks.task.cache_clear()


@pytest.mark.parametrize("example", [("class Echo", "echo")], indirect=True)
def test_a_backend(example: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("optlab.runtimes.ENGINES", (*ENGINES, Engine("echo", "echo:Echo", ".echo", "echo")))
    (tmp_path / "model.echo").write_text("")
    assert torch.argmax(open_runtime(tmp_path / "model.echo").prefill([1, 5])) == 5


def test_every_example_is_run_by_a_test() -> None:
    assert len(EXAMPLES) == 7
