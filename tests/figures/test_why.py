"""The sentences name the layers that carry the error, and do not when it is spread evenly."""

from __future__ import annotations

from optlab.figures.why import sentences
from optlab.results.measurement import LayerReport, Measurement
from tests.pages import samples


def result(errors: list[float | None]) -> Measurement:
    """Of layers with these errors; 91% of the likeliest next words are the original's."""
    layers = tuple(LayerReport(name=f"model.layers.{i}.mlp", output_error=error) for i, error in enumerate(errors))
    return samples.measurement(1.1, 5_000_000, 1.0, samples.quantized(4)).model_copy(update={"layers": layers})


def test_few_layers_that_carry_the_error_are_named_with_their_share() -> None:
    said = sentences(result([0.5, 0.4, 0.3] + [0.05] * 17))
    assert "5.0%" in said[0] or "5.00%" in said[0]
    assert "50" in said[0]
    assert "`model.layers.0.mlp`, `model.layers.1.mlp`, `model.layers.2.mlp`" in said[1]
    assert "92" in said[1]  # (0.25 + 0.16 + 0.09) / (0.5 + 17 * 0.0025) = 92.2%
    assert "91" in said[2]


def test_an_even_error_names_nobody() -> None:
    said = sentences(result([0.1] * 20))
    assert "spread evenly" in said[1]
    assert "`" not in "".join(said)


def test_nothing_known_nothing_said() -> None:
    assert sentences(result([None, None])) == []
    assert sentences(result([0.0, 0.0])) == []
    assert sentences(result([])) == []
