"""The commands that predict; a model is probed first, as a run like any other, where nobody has yet."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from optlab.cli.console import Json, Model, opened, reporter, show
from optlab.errors import OptLabError

PredictedText = Annotated[
    str | None,
    typer.Option(
        "--text", help="Named text or path it is predicted for; default: the model's own, which is installed."
    ),
]


def predict(
    model: Model,
    recipe: Annotated[Path, typer.Option(help="Recipe file (YAML).")],
    text: PredictedText = None,
    as_json: Json = False,
) -> None:
    """What a recipe would cost and save, with 90 % bands; the model is probed first, which takes minutes once."""
    from optlab import foreground
    from optlab.client.summary import prediction_in_words
    from optlab.recipes import Recipe
    from optlab.results.prediction import PredictedWithRecord

    chosen = Recipe.from_file(recipe)
    with opened() as client:
        predictor = foreground.predictor(client, model, reporter(as_json), text)
        if (description := client.description(model)) is not None:
            chosen.check_fits(description.linears, description.matrices)
        claimed, record = predictor.predict(chosen).document(), client.ledger(model).document()
    found = PredictedWithRecord(**dict(claimed) | {"model": model, "ledger": record})
    show(found, as_json, prediction_in_words)


def frontier(
    model: Model,
    max_bytes: Annotated[int | None, typer.Option(help="The best recipe whose weights file is at most this.")] = None,
    max_ppl_ratio: Annotated[
        float | None, typer.Option(help="The smallest recipe whose predicted perplexity ratio is at most this.")
    ] = None,
    min_tokens_per_s: Annotated[
        float | None, typer.Option(help="The best recipe that is predicted to decode at least this fast.")
    ] = None,
    method: Annotated[
        list[str] | None, typer.Option(help="Quantization method to choose from; repeat it. Default: all probed.")
    ] = None,
    prune: Annotated[list[str] | None, typer.Option(help="Pruning method to combine them with; repeat it.")] = None,
    text: PredictedText = None,
    count: Annotated[int, typer.Option(min=2, max=1000, help="Points to list.")] = 40,
    as_json: Json = False,
) -> None:
    """The least damage for every size, predicted, over separate choices for each layer; or the answer to one limit."""
    from optlab import foreground
    from optlab.client.summary import frontier_in_words
    from optlab.prediction.frontier import Frontier
    from optlab.results.prediction import FrontierPoints

    limits = {"--max-bytes": max_bytes, "--max-ppl-ratio": max_ppl_ratio, "--min-tokens-per-s": min_tokens_per_s}
    given = [name for name, value in limits.items() if value is not None]
    if len(given) > 1:
        raise OptLabError(f"{' and '.join(given)} ask two questions; give one of them")
    with opened() as client:
        predictor = foreground.predictor(client, model, reporter(as_json), text)
    found = Frontier(predictor, tuple(method) if method else None, tuple(prune or ()))
    if max_bytes is not None:
        points = [found.at_most_bytes(max_bytes)]
    elif max_ppl_ratio is not None:
        points = [found.at_most_ratio(max_ppl_ratio)]
    elif min_tokens_per_s is not None:
        points = [found.at_least_speed(min_tokens_per_s)]
    else:
        points = found.points(count)
    answer = FrontierPoints(model=model, points=tuple(point.document() for point in points))
    show(answer, as_json, frontier_in_words)
