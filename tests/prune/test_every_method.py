"""Every pruning method in every pattern on a tiny model of every family: it works as it says, or says why it cannot.

The walk is over the registry, so a new method is held to it by being registered.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from optlab.errors import RecipeError
from optlab.methods import method, names
from optlab.models.language_model import LanguageModel
from optlab.prune.pattern import FINE, PATTERNS, UNITS, UNSTRUCTURED
from tests.compressing import compressed, prune, tiny
from tests.tiny import FAMILIES

SHORT = {"steps": 4, "window": 16, "batch": 2}
"""For the methods that train."""
REFUSALS = (
    (
        "heads", "*", "derives the size of a head from the width",
        {"gpt2", "opt", "neox", "bert", "roberta", "distilbert"},
    ),
    ("heads", "*", "keeps queries, keys and values in one matrix", {"phi3"}),
    ("heads", "*", "normalizes queries over all heads together", {"olmo2"}),
    ("neurons", "*", "keep gate and up in one matrix", {"phi3"}),
    ("layers", "magnitude", "cannot tell which blocks matter", set(FAMILIES)),
)  # fmt: skip
"""(pattern, method or *, what the refusal says, for which families there is one). All else must work."""


WALKED = [name for name in names("prune") if name != "chosen_heads"]
"""All that take a share; heads that are named one by one have tests of their own."""


def offered(name: str) -> tuple[str, ...]:
    """The patterns that a method declares; one that declares none zeroes anywhere."""
    found = [p.choices for p in method("prune", name).parameters if p.name == "pattern"]
    return tuple(str(choice) for choice in found[0] or ()) if found else (UNSTRUCTURED,)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder whose calibration is computed once for all methods."""
    folder = tmp_path_factory.mktemp("every")
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("OPTLAB_HOME", str(folder / "home"))
        yield folder


@pytest.fixture(scope="module")
def models(place: Path) -> dict[str, LanguageModel]:
    return {family: tiny(family, place) for family in FAMILIES}


def test_every_scored_method_offers_every_pattern() -> None:
    scored = [name for name in names("prune") if len(offered(name)) > 1]
    assert len(scored) >= 6
    fine_only = (UNSTRUCTURED, *FINE)  # a walk that also rounds has nothing to remove
    assert all(offered(name) == (fine_only if name == "sparsegpt_gptq" else PATTERNS) for name in scored)


@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize("name", WALKED)
@pytest.mark.parametrize("family", FAMILIES)
def test_works_as_the_pattern_says_or_says_why_not(family, name, pattern, models, place):
    if pattern not in offered(name):
        with pytest.raises(RecipeError, match=r"has no parameter 'pattern'|is not offered"):
            method("prune", name).check({"pattern": pattern})
        return
    model = models[family]
    values: dict[str, object] = {"pattern": pattern} if len(offered(name)) > 1 else dict(SHORT)
    if any(p.name == "group_size" for p in method("prune", name).parameters):
        values["group_size"] = 16
    step = prune(method=name, sparsity=0.5, **values)
    for where, who, says, refused in REFUSALS:
        if where == pattern and who in ("*", name) and family in refused:
            with pytest.raises(RecipeError, match=says):
                compressed(model, place, step)
            return
    result = compressed(model, place, step).model
    before, after = (sum(p.numel() for p in one.module.parameters()) for one in (model, result))
    if pattern in UNITS:
        assert after < before
        return
    assert after == before
    for linear in model.linear_names():
        W = result.weight(linear)
        assert float((W == 0).float().mean()) == pytest.approx(0.5, abs=0.03)
        if pattern in FINE:
            kept, of = FINE[pattern]
            assert int((W.reshape(-1, of) != 0).sum(1).amax()) <= kept
