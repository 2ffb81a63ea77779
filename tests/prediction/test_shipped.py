"""The probes that OptLab brings along fit the code and the models that it brings along; the others are found by what
they were made of, and anyone's file is checked before it is believed."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save

from optlab import paths
from optlab.errors import ModelError
from optlab.models.catalog import catalog, ready_folder
from optlab.models.checkpoint import open_checkpoint
from optlab.models.fingerprint import compute
from optlab.prediction import state as states_module
from optlab.prediction.anchors import wanted_anchors
from optlab.prediction.levels import families
from optlab.prediction.predictor import Predictor
from optlab.prediction.searched import searched_anchors
from optlab.prediction.state import METADATA, State, known, place_of, read, shipped
from tests.prediction.states import state, uniform, with_anchors

FILES = sorted((paths.ASSETS / "probes").glob("*.safetensors"))


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("OPTLAB_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_shipped_probe_is_finished_and_of_this_version_of_the_probe(file: Path) -> None:
    found = State.load(file)
    card = next(card for card in catalog() if card.name == found.model)
    if found.rule != states_module.VERSION:
        pytest.skip(f"made by version {found.rule} of the probe, which is still read: run `make probes`")
    wanted = wanted_anchors(found, families([columns for _, columns in found.shapes])) + searched_anchors(found)
    assert found.done, "methods or levels were added: run `make probes`"
    assert {one.recipe.content_hash for one in found.anchors} == {one.content_hash for one in wanted}
    assert found.text == card.default_text
    assert file.name == f"{found.model}-{found.fingerprint[:16]}.safetensors"
    header, _ = read(file)
    assert file.name in (file.parent / "README.md").read_text() and header.made > 0


def test_nano_has_a_shipped_probe_of_exactly_its_weights() -> None:
    folder = ready_folder("nano")
    assert folder is not None
    fingerprint = compute(open_checkpoint(folder))
    file = shipped(fingerprint)
    assert file is not None, "nano was trained anew: run `make probes`"
    assert State.load(file).fingerprint == fingerprint
    assert known(fingerprint) == file, "a fresh home predicts with it"


def test_what_this_home_found_goes_before_what_was_brought_along() -> None:
    fingerprint = State.load(FILES[0]).fingerprint
    own = replace(with_anchors(state(), 1.0), fingerprint=fingerprint)
    own.save(place_of(fingerprint))
    assert known(fingerprint) == place_of(fingerprint)


def test_a_probe_that_is_written_and_read_again_predicts_the_same(tmp_path: Path) -> None:
    before = with_anchors(state(), 1.3)
    before.save(tmp_path / "probe.safetensors")
    after = State.load(tmp_path / "probe.safetensors")
    assert after.anchors == before.anchors and after.names == before.names
    for recipe in (uniform(3, 64), uniform(4, 32, 0.4)):
        one, other = Predictor(before).predict(recipe), Predictor(after).predict(recipe)
        assert (one.size_bytes, one.nll) == (other.size_bytes, pytest.approx(other.nll, rel=1e-5))


def test_a_probe_of_an_earlier_optlab_is_taken_over(home: Path) -> None:
    """Two files, of which one was plain JSON, until version 0.2."""
    found = with_anchors(state(), 1.3)
    header = json.loads(found.header().to_json())
    for name in ("version", "rule", "made", "made_with"):
        del header[name]
    header["timings"] = [{"decode_ms": 3.5}]
    header["anchors"] = [{"hash": "0", **one} for one in header["anchors"]]
    header["tables"] = {key: {"number": n, **one} for n, (key, one) in enumerate(header["tables"].items())}
    folder = home / "predict" / f"{found.fingerprint[:32]}-{states_module.WITHOUT_SLOPES}"
    folder.mkdir(parents=True)
    (folder / "state.json").write_text(json.dumps(header))
    arrays = {f"{n}.{name}": getattr(table, name) for n, table in enumerate(found.tables.values())
              for name in states_module.ARRAYS if name not in states_module.SIGNED}  # fmt: skip
    np.savez(folder / "tables.npz", quantiles=found.quantiles, energy=found.energy, **arrays)  # type: ignore[arg-type]
    taken = known(found.fingerprint)
    assert taken == place_of(found.fingerprint, states_module.WITHOUT_SLOPES)
    same_words = replace(found, rule=states_module.WITHOUT_SLOPES)
    assert Predictor(State.load(taken)).predict(uniform(3, 64)).nll == pytest.approx(
        Predictor(same_words).predict(uniform(3, 64)).nll, rel=1e-5
    )


def test_a_probe_whose_anchors_read_other_words_is_read_and_more_doubtful(home: Path) -> None:
    found = with_anchors(state(), 1.3)
    before = replace(found, rule=states_module.OTHER_WORDS)
    before.save(place_of(found.fingerprint, states_module.OTHER_WORDS))
    taken = known(found.fingerprint)
    assert taken == place_of(found.fingerprint, states_module.OTHER_WORDS)
    now, then = (Predictor(one).predict(uniform(3, 64)) for one in (found, State.load(taken)))
    assert now.nll_band90 is not None and then.nll_band90 is not None
    assert then.nll_band90[1] - then.nll_band90[0] > now.nll_band90[1] - now.nll_band90[0]


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:5_000])


def rewritten(change: Callable[[dict[str, Any], dict[str, Any]], None]) -> Callable[[Path], None]:
    """A file whose header and arrays were changed by hand."""

    def damage(file: Path) -> None:
        header, arrays = read(file)
        fields = json.loads(header.to_json())
        plain = {name: array.astype(np.float32) for name, array in arrays.items()}
        change(fields, plain)
        file.write_bytes(save(plain, {METADATA: json.dumps(fields)}))

    return damage


DAMAGES = {
    "no safetensors": lambda file: file.write_text("not a probe"),
    "cut off": cut,
    "weights of a model": lambda file: file.write_bytes(save({"weight": np.zeros(3, np.float32)})),
    "of a later version": rewritten(lambda header, arrays: header.update(version=99)),
    "of another rule": rewritten(lambda header, arrays: header.update(rule=1)),
    "no fingerprint": rewritten(lambda header, arrays: header.update(fingerprint="../../etc/passwd")),
    "fewer layers": rewritten(lambda header, arrays: header["names"].pop()),
    "a missing array": rewritten(lambda header, arrays: arrays.pop("energy")),
    "another shape": rewritten(lambda header, arrays: arrays.update(quantiles=np.zeros((1, 3), np.float32))),
    "negative damage": rewritten(lambda header, arrays: arrays.update({"0.damage": -arrays["0.damage"]})),
    "an anchor that is none": rewritten(lambda header, arrays: header["anchors"].append({"recipe": 3})),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=list(DAMAGES))
def test_a_file_that_is_no_probe_is_refused_in_one_sentence(damage: Callable[[Path], None], tmp_path: Path) -> None:
    file = tmp_path / "probe.safetensors"
    with_anchors(state(), 1.3).save(file)
    damage(file)
    with pytest.raises(ModelError, match=r"probe\.safetensors cannot be read") as error:
        State.load(file)
    assert "\n" not in str(error.value)


def test_no_shipped_probe_holds_anything_of_a_machine() -> None:
    for file in FILES:
        header, arrays = read(file)
        assert "timings" not in header.to_dict()
        assert str(Path.home()) not in header.to_json()
        assert set(arrays) >= {"quantiles", "energy"}
