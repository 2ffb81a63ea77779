"""A newcomer: lands on Explore with a first recipe, learns what the model is, and finds others one click away."""

from __future__ import annotations

import json

import pytest

from optlab import paths
from optlab.client.client import Client
from optlab.models import shipped
from pages.components.explore import automatic
from tests.pages import samples
from tests.pages.conftest import open_page, parameter, standing, well, words


def test_the_root_is_explore_with_four_bits_in_a_group_that_fits(prepared: Client) -> None:
    app = open_page()
    assert app.title[0].value == "Explore"
    (step,) = json.loads(parameter(app, "recipe"))
    assert (step["quantize"]["bits"], step["quantize"]["group_size"]) == (4, 64)
    assert "What does compressing **nano** cost?" in words(app)


def test_a_model_that_is_read_for_the_first_time_opens_with_the_first_recipe_too(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shipped, "description", lambda model: None)
    app = open_page()
    assert "Preparing nano" in words(app) and "recipe" not in app.query_params
    samples.prepare(client)
    app = well(app.run())
    (step,) = json.loads(parameter(app, "recipe"))
    assert step["quantize"]["bits"] == 4
    assert "recipe" not in open_page("explore").query_params  # what a link names stays what it is


def test_what_a_newcomer_sees_first_is_measured_by_itself(prepared: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(automatic, "REST_S", 0.0)
    well(open_page().run())
    (run,) = prepared.store.list(kind="measure")
    assert samples.asked(run).recipe.steps[0].values["bits"] == 4


def test_the_root_keeps_the_recipe_of_a_link(prepared: Client) -> None:
    assert json.loads(parameter(open_page(recipe=samples.as_link(6)), "recipe"))[0]["quantize"]["bits"] == 6


def test_the_latest_measurement_is_shown(prepared: Client) -> None:
    samples.measured(prepared, 4)
    assert standing(open_page("explore", recipe=samples.as_link(4)))["tiles"][0]["headline"] == "10.0% worse"


def test_the_facts_of_the_model_are_those_of_its_description(prepared: Client) -> None:
    text = words(open_page())
    assert "Size on disk 20.0 MB" in text
    assert "Vocabulary 4,096" in text
    assert "Context 512" in text
    assert "Blocks 2" in text
    assert "Licence Apache-2.0" in text
    for heading in ("Quantize", "Prune", "Distill"):
        assert f"**{heading}**" in text


def test_another_model_and_ones_own_are_one_click_away(prepared: Client) -> None:
    app = open_page()
    well(app.button(key="models/own").click().run())
    assert app.text_input(key="models/name").label == "Folder, file or hub id"
    well(app.button(key="models/other").click().run())
    assert parameter(app, "model") == "smollm2-135m"


def test_a_model_that_was_mistyped_leaves_no_failed_run(prepared: Client) -> None:
    app = open_page("explore", model="nobody/nothing")
    (run,) = prepared.store.list(kind="prepare", status="queued")
    prepared.store.claim("worker-1-1")
    prepared.store.fail(run.id, "there is no such model", "worker-1-1")
    app = open_page("explore", model="nobody/nothing")
    assert "no such model" in app.error[0].value
    well(app.sidebar.selectbox(key="sidebar/model").set_value("nano").run())
    assert prepared.store.get(run.id) is None


def test_a_new_model_is_prepared_once_and_shows_progress(client: Client) -> None:
    open_page()
    app = open_page()
    (run,) = client.store.list(kind="prepare")
    assert samples.asked(run).model == "nano"
    assert "Preparing" in app.info[0].value
    client.store.claim("worker-1-1")
    client.store.report(run.id, 0.4, "converting layer 3 of 30")
    assert "Converting layer 3 of 30" in open_page().get("progress")[0].proto.text


def test_a_preparation_that_failed_waits_for_a_person(client: Client) -> None:
    open_page()
    (run,) = client.store.list(kind="prepare")
    client.store.claim("worker-1-1")
    client.store.fail(run.id, "the file is truncated; download it again", "worker-1-1")
    app = open_page()
    assert "truncated" in app.error[0].value
    assert client.store.get(run.id).status == "failed"
    well(app.button(key=f"prepare/{run.id}/retry").click().run())
    assert client.store.get(run.id).status == "queued"


@pytest.mark.parametrize("model", ["../../etc", "nano\x00", "/dev/null", "does-not-exist.gguf", "x" * 5000])
def test_a_model_that_cannot_be_is_one_sentence_and_no_run(client: Client, model: str) -> None:
    app = open_page(model=model)
    (error,) = app.error
    said = error.value.replace("\\", "")
    assert said.startswith("There is no model '" if len(model) < 100 else "'xxx")
    assert "; use smollm2-135m, nano, a folder with config.json" in said
    assert said.endswith(" or a hub id such as owner/name.")
    assert len(said) < 300
    assert not client.runs()


def test_an_address_without_a_model_shows_nano(client: Client) -> None:
    app = open_page(model="")
    assert not app.error
    assert [(run.kind, samples.asked(run).model) for run in client.runs()] == [("prepare", "nano")]


def test_nano_without_its_files_is_not_the_default(client: Client) -> None:
    (paths.ASSETS / "nano" / "config.json").unlink()
    assert "Nano has not been trained" in open_page().error[0].value


def test_picking_a_model_keeps_it_in_the_link(prepared: Client) -> None:
    app = open_page()
    well(app.sidebar.selectbox(key="sidebar/model").set_value("smollm2-135m").run())
    assert parameter(app, "model") == "smollm2-135m"


def test_the_sidebar_says_that_no_worker_runs(prepared: Client) -> None:
    assert any("no worker is running" in caption.value for caption in open_page().sidebar.caption)


def test_the_sidebar_counts_living_workers(prepared: Client) -> None:
    prepared.store.beat("worker-1-7", 7, None)
    assert any("1 worker ready" in caption.value for caption in open_page().sidebar.caption)
