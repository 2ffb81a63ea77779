"""The commands that measure. What they measured is in the store, where the pages find it, and is not measured twice."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from optlab.cli.console import Json, Model, opened, reporter, show
from optlab.errors import OptLabError
from optlab.progress import span


def measure(
    model: Model,
    recipe: Annotated[Path | None, typer.Option(help="Recipe file (YAML); none measures the original.")] = None,
    text: Annotated[str | None, typer.Option(help="Named text or path; default: the model's own.")] = None,
    tokens: Annotated[int, typer.Option(help="Tokens of evaluation text.")] = 8192,
    context: Annotated[int, typer.Option(help="Tokens per window.")] = 512,
    calibration: Annotated[
        str | None, typer.Option(help="Calibration text; default: the other side of a named text.")
    ] = None,
    calibration_tokens: Annotated[int, typer.Option(help="Tokens of calibration text.")] = 16_384,
    dtype: Annotated[str, typer.Option(help="float32, bfloat16, or auto: what is fastest here.")] = "auto",
    decode_dtype: Annotated[
        str, typer.Option(help="What is timed: float32, bfloat16, or same as --dtype. With auto: what is fastest here.")
    ] = "same",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, mps.")] = "auto",
    seed: Annotated[int, typer.Option(help="Seed of every random choice.")] = 0,
    stop_below_percent: Annotated[
        float | None, typer.Option(help="Stop when the ratio's 95% interval is narrower than this, in percent.")
    ] = None,
    bos: Annotated[
        str, typer.Option(help="Windows begin with BOS: auto (as the model's tokenizer says), always, never.")
    ] = "auto",
    no_latency: Annotated[bool, typer.Option("--no-latency", help="Do not time decoding and prefill.")] = False,
    save: Annotated[Path | None, typer.Option(help="Write the compressed model into this folder too.")] = None,
    again: Annotated[bool, typer.Option("--again", help="Measure anew what is in the store already.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what it would take of memory, disk and time; measure nothing.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Compress MODEL by a recipe and measure perplexity, size and latency beside the original."""
    from pydantic import ValidationError

    from optlab.protocol import Protocol
    from optlab.recipes import Recipe

    chosen = Recipe.from_file(recipe) if recipe else Recipe()
    try:
        protocol = Protocol.model_validate(
            {
                "text": text,
                "tokens": tokens,
                "context": context,
                "calibration": calibration,
                "calibration_tokens": calibration_tokens,
                "dtype": dtype,
                "decode_dtype": decode_dtype,
                "device": device,
                "seed": seed,
                "latency": not no_latency,
                "stop_below_percent": stop_below_percent,
                "bos": bos,
            }
        )
    except ValidationError as error:
        first = error.errors()[0]
        option = "--" + str(first["loc"][0]).replace("_", "-")
        raise OptLabError(f"{option} {first['input']!r}: {first['msg'].lower()}") from None
    from optlab import foreground
    from optlab.client import expectations
    from optlab.client.summary import forecast_in_line, forecast_in_words, in_words
    from optlab.jobs.measure import MEASURE

    report = reporter(as_json)
    with opened() as client:
        end = 1.0 if save is None else 0.95
        foreground.prepare(client, model, span(report, 0.0, 0.05))
        if dry_run:
            show(expectations.forecast(client, model, chosen, protocol), as_json, forecast_in_words)
            return
        told = expectations.of_measurement(client, model, chosen, protocol)
        if told is not None:
            print(f"optlab: {forecast_in_line(told)}", file=sys.stderr)
        run = foreground.measure(client, model, chosen, protocol, span(report, 0.0, end), again)
    result = MEASURE.result_of(run)
    if save is not None and result is not None:
        from optlab.jobs.compressed_cache import write

        write(MEASURE.spec_of(run), save, span(report, end, 1.0))
        result = result.model_copy(update={"artefact": str(save)})
    show(result, as_json, in_words)


def latency(
    model: Model,
    recipe: Annotated[Path | None, typer.Option(help="Recipe file (YAML); none times the original alone.")] = None,
    prompt: Annotated[list[int] | None, typer.Option(help="Tokens of the prompt; repeat it. Default: several.")] = None,
    batch: Annotated[list[int] | None, typer.Option(help="Texts at once; repeat it. Default: several.")] = None,
    dtype: Annotated[str, typer.Option(help="float32, bfloat16, or auto: what is fastest here.")] = "auto",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, mps.")] = "auto",
    as_json: Json = False,
) -> None:
    """Time MODEL, and a recipe on it, at several prompt lengths and with several texts at once."""
    from optlab import foreground
    from optlab.client.summary import latency_grid_in_words
    from optlab.jobs.latency_grid import LATENCY_GRID
    from optlab.protocol import Protocol
    from optlab.recipes import Recipe

    if dtype not in ("auto", "float32", "bfloat16"):
        raise OptLabError(f"--dtype {dtype!r} is none of auto, float32, bfloat16")
    protocol = Protocol.model_validate({"dtype": dtype, "device": device})
    chosen = Recipe.from_file(recipe) if recipe else Recipe()
    report = reporter(as_json)
    with opened() as client:
        foreground.prepare(client, model, span(report, 0.0, 0.05))
        run = client.submit_latency_grid(model, chosen, protocol, prompt, batch)
        found = LATENCY_GRID.result_of(foreground.complete(client, run, span(report, 0.05, 1.0)))
    show(found, as_json, latency_grid_in_words)
