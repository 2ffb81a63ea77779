"""Every preset is a recipe that works on every family it is offered for, and does what its name orders it to."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest

from optlab.compression import compress
from optlab.kernels.artefact import save
from optlab.models import load
from optlab.models.describe import describe
from optlab.models.language_model import LanguageModel
from optlab.presets import PRESETS, Preset, offered
from optlab.protocol import Protocol
from optlab.recipes import Recipe
from tests.compressing import calibration_file
from tests.tiny import FAMILIES, MASKED, tiny_model_folder

CLAIMED = [(preset, family) for preset in PRESETS for family in FAMILIES if family not in MASKED
           or "masked" in preset.objectives]  # fmt: skip


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory):  # type: ignore[no-untyped-def]
    @cache
    def loaded(family: str) -> LanguageModel:
        return load(str(tiny_model_folder(family, tmp_path_factory.mktemp(family), "float16")))

    return loaded


@pytest.mark.parametrize(("preset", "family"), CLAIMED, ids=lambda value: getattr(value, "name", value))
def test_a_preset_makes_every_claimed_family_smaller(preset: Preset, family: str, model, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    original = model(family)
    assert preset in offered(original.description)
    recipe = preset.recipe(original.description)
    recipe.check_fits(original.description.linears, original.description.matrices)
    protocol = Protocol(calibration=calibration_file(tmp_path), calibration_tokens=512, context=32)
    made = compress(original, recipe, protocol)
    assert {layer.name for layer in made.layers} >= set(original.linear_names())
    written = save(made, tmp_path / "made")
    assert written < original.description.size_bytes


def test_goals_are_ordered_by_bits(model) -> None:  # type: ignore[no-untyped-def]
    description = model("llama").description
    bits = [preset.recipe(description).steps[0].values["bits"] for preset in PRESETS]
    assert bits == sorted(bits, reverse=True)
    assert len(set(bits)) == len(PRESETS)


def test_a_preset_survives_its_file_and_has_a_group_that_fits() -> None:
    description = describe("nano")
    for preset in PRESETS:
        recipe = preset.recipe(description)
        assert Recipe.from_yaml(recipe.to_yaml()).content_hash == recipe.content_hash
        for step in recipe.steps:
            group = step.values["group_size"]
            assert isinstance(group, int)
            assert all(inputs % group == 0 for _, (_, inputs) in description.linears)


def test_what_a_method_does_not_know_is_refused() -> None:
    from optlab.errors import RecipeError
    from optlab.presets import Part

    wrong = Preset("wrong", "Wrong", "", "close", (Part("quantize", "rtn", {"bitz": 4}),))
    with pytest.raises(RecipeError, match="bitz"):
        wrong.recipe(describe("nano"))
