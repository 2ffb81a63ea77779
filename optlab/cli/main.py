"""`python -m optlab ...`: everything the pages can do, scriptable.

With `--json` the result, and nothing else, goes to standard output; progress and messages go to standard error.
Exit codes: 0 done, 1 the run failed, 2 wrong input, 130 interrupted. Torch is imported by the commands that need it,
so that `--help` answers at once.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from optlab.cli import report
from optlab.cli.console import Json, Model, reporter, show
from optlab.errors import OptLabError
from optlab.progress import span

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Compress a language model, and measure what it cost and what it saved.",
)


@app.command()
def models(as_json: Json = False) -> None:
    """List the catalog."""
    from dataclasses import asdict

    from optlab.models.catalog import catalog

    show(
        [asdict(card) for card in catalog()],
        as_json,
        lambda cards: "\n".join(f"{card['name']:14} {card['title']}: {card['summary']}" for card in cards),
    )


@app.command()
def methods(as_json: Json = False) -> None:
    """List compression methods and what they can be told."""
    from optlab.methods import REGISTRY, method

    found = [
        {
            "kind": kind,
            "name": name,
            "summary": method(kind, name).summary,
            "source": method(kind, name).source,
            "parameters": [
                {"name": p.name, "default": p.default, "allowed": p.allowed(), "unit": p.unit, "help": p.help}
                for p in method(kind, name).parameters
            ],
        }
        for kind in REGISTRY
        for name in REGISTRY[kind]
    ]

    def words(rows: list[dict[str, Any]]) -> str:
        lines = []
        for row in rows:
            lines.append(f"{row['kind']} {row['name']}: {row['summary']} ({row['source']})")
            lines += [
                f"    {p['name']:16} default {p['default']}; {p['allowed']}. {p['help']}" for p in row["parameters"]
            ]
        return "\n".join(lines)

    show(found, as_json, words)


@app.command()
def inspect(model: Model, as_json: Json = False) -> None:
    """Layers, parameters, and bytes by component."""
    from optlab.models.describe import describe

    def table(found: dict[str, Any]) -> str:
        rows = [
            f"{layer['name']:52} {layer['kind']:16} {'x'.join(map(str, layer['shape'])):>14} "
            f"{layer['parameters']:>12,} {layer['bytes']:>13,}"
            for layer in found["layers"]
        ]
        head = (
            f"{found['title']}: {found['family']} family, {found['parameters']:,} parameters, "
            f"{found['size_bytes']:,} bytes, fingerprint {found['fingerprint'][:12]}"
        )
        note = [found["checkpoint_note"]] if found.get("checkpoint_note") else []
        titles = f"{'name':52} {'kind':16} {'shape':>14} {'parameters':>12} {'bytes':>13}"
        return "\n".join([head, *note, titles, *rows])

    show(describe(model, progress=reporter(as_json)).to_dict(), as_json, table)


@app.command()
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
    dtype: Annotated[str, typer.Option(help="float32, bfloat16, or auto: bfloat16 where it is fast.")] = "auto",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, mps.")] = "auto",
    seed: Annotated[int, typer.Option(help="Seed of every random choice.")] = 0,
    stop_below_percent: Annotated[
        float | None, typer.Option(help="Stop when the ratio's 95% interval is narrower than this, in percent.")
    ] = None,
    no_latency: Annotated[bool, typer.Option("--no-latency", help="Do not time decoding and prefill.")] = False,
    save: Annotated[Path | None, typer.Option(help="Write the compressed model into this folder.")] = None,
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
                "device": device,
                "seed": seed,
                "latency": not no_latency,
                "stop_below_percent": stop_below_percent,
            }
        )
    except ValidationError as error:
        first = error.errors()[0]
        option = "--" + str(first["loc"][0]).replace("_", "-")
        raise OptLabError(f"{option} {first['input']!r}: {first['msg'].lower()}") from None
    from optlab.client.summary import in_words
    from optlab.jobs.measure import measure as run

    show(run(model, chosen, protocol, reporter(as_json), save), as_json, in_words)


@app.command()
def latency(
    model: Model,
    recipe: Annotated[Path | None, typer.Option(help="Recipe file (YAML); none times the original alone.")] = None,
    prompt: Annotated[list[int] | None, typer.Option(help="Tokens of the prompt; repeat it. Default: several.")] = None,
    batch: Annotated[list[int] | None, typer.Option(help="Texts at once; repeat it. Default: several.")] = None,
    dtype: Annotated[str, typer.Option(help="float32, bfloat16, or auto: bfloat16 where it is fast.")] = "auto",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, mps.")] = "auto",
    as_json: Json = False,
) -> None:
    """Time MODEL, and a recipe on it, at several prompt lengths and with several texts at once."""
    from optlab.client.summary import latency_grid_in_words
    from optlab.jobs.latency_grid import time_grid
    from optlab.protocol import Protocol
    from optlab.recipes import Recipe

    if dtype not in ("auto", "float32", "bfloat16"):
        raise OptLabError(f"--dtype {dtype!r} is none of auto, float32, bfloat16")
    protocol = Protocol.model_validate({"dtype": dtype, "device": device})
    chosen = Recipe.from_file(recipe) if recipe else Recipe()
    show(time_grid(model, chosen, protocol, prompt, batch, reporter(as_json)), as_json, latency_grid_in_words)


@app.command()
def export(
    model: Model,
    out: Annotated[Path, typer.Argument(help="The .gguf (llama.cpp) or .onnx (ONNX Runtime, OpenVINO) file to write.")],
    recipe: Annotated[Path | None, typer.Option(help="Recipe file (YAML); none exports the original.")] = None,
    calibration: Annotated[str | None, typer.Option(help="Calibration text; default: the model's own.")] = None,
    calibration_tokens: Annotated[int, typer.Option(help="Tokens of calibration text.")] = 16_384,
    as_json: Json = False,
) -> None:
    """Compress MODEL by a recipe and write it for another program: GGUF for llama.cpp, ONNX for ONNX Runtime."""
    from optlab.compress import compress
    from optlab.kernels import gguf_export, onnx_export
    from optlab.models import load
    from optlab.protocol import Protocol
    from optlab.recipes import Recipe

    writers = {".gguf": gguf_export.export, ".onnx": onnx_export.export}
    if out.suffix not in writers:
        raise OptLabError(f"{out.name} ends neither in .gguf (llama.cpp) nor in .onnx (ONNX Runtime, OpenVINO)")
    report = reporter(as_json)
    protocol = Protocol(calibration=calibration, calibration_tokens=calibration_tokens)
    chosen = Recipe.from_file(recipe) if recipe else Recipe()
    made = compress(load(model, "float32", "cpu", span(report, 0.0, 0.1)), chosen, protocol, span(report, 0.1, 0.9))
    types = writers[out.suffix](made, out, span(report, 0.9, 1.0))
    found = {"file": str(out), "bytes": out.stat().st_size, "types": types}
    listed = ", ".join(f"{count} {kind}" for kind, count in types.items())
    show(found, as_json, lambda one: f"{one['file']}: {one['bytes']:,} bytes; tensors: {listed}")


@app.command()
def predict(
    model: Model,
    recipe: Annotated[Path, typer.Option(help="Recipe file (YAML).")],
    as_json: Json = False,
) -> None:
    """What a recipe would cost and save, with 90 % bands; the model is probed first, which takes minutes once."""
    from optlab.client.client import Client
    from optlab.client.probing import ensured
    from optlab.client.summary import prediction_in_words
    from optlab.recipes import Recipe
    from optlab.store.store import Store

    chosen = Recipe.from_file(recipe)
    found = ensured(model, reporter(as_json)).predict(chosen).to_dict() | {"model": model}
    store = Store()
    try:
        found["ledger"] = Client(store).ledger(model).to_dict()
    finally:
        store.close()
    show(found, as_json, prediction_in_words)


@app.command()
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
    count: Annotated[int, typer.Option(min=2, max=1000, help="Points to list.")] = 40,
    as_json: Json = False,
) -> None:
    """The least damage for every size, predicted, over separate choices for each layer; or the answer to one limit."""
    from optlab.client.probing import ensured
    from optlab.client.summary import frontier_in_words
    from optlab.predict.frontier import Frontier

    limits = {"--max-bytes": max_bytes, "--max-ppl-ratio": max_ppl_ratio, "--min-tokens-per-s": min_tokens_per_s}
    given = [name for name, value in limits.items() if value is not None]
    if len(given) > 1:
        raise OptLabError(f"{' and '.join(given)} ask two questions; give one of them")
    found = Frontier(ensured(model, reporter(as_json)), tuple(method) if method else None, tuple(prune or ()))
    if max_bytes is not None:
        points = [found.at_most_bytes(max_bytes)]
    elif max_ppl_ratio is not None:
        points = [found.at_most_ratio(max_ppl_ratio)]
    elif min_tokens_per_s is not None:
        points = [found.at_least_speed(min_tokens_per_s)]
    else:
        points = found.points(count)
    show({"model": model, "points": [point.to_dict() for point in points]}, as_json, frontier_in_words)


app.command()(report.report)
app.command()(report.archive)
app.command(name="import")(report.import_archive)
app.command(name="take-in", hidden=True)(report.import_archive)  # its name until 0.1


def main() -> int:
    """Run the command line; returns the exit code."""
    try:
        app(standalone_mode=False)
    except OptLabError as error:
        print(f"optlab: {error}", file=sys.stderr)
        return error.exit_code
    except typer.Exit as stop:
        return stop.exit_code
    except (KeyboardInterrupt, typer.Abort):
        print("optlab: interrupted", file=sys.stderr)
        return 130
    except Exception as error:
        # typer vendors click's UsageError and does not export it; its show() names the wrong option.
        if hasattr(error, "show") and hasattr(error, "exit_code"):
            error.show()
            return int(error.exit_code)
        raise
    return 0
