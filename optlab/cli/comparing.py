"""The command that compares a file of another tool with its original; the comparison is a run, as a measurement is."""

from __future__ import annotations

from typing import Annotated

import typer

from optlab.cli.console import Json, Model, opened, reporter, show


def compare(
    base: Model,
    other: Annotated[str, typer.Argument(help="What is compared with it: a folder, a .gguf file, a hub id, a name.")],
    text: Annotated[str | None, typer.Option(help="Named text or path; default: the model's own.")] = None,
    tokens: Annotated[int, typer.Option(help="Tokens of evaluation text.")] = 8192,
    context: Annotated[int, typer.Option(help="Tokens per window.")] = 512,
    dtype: Annotated[str, typer.Option(help="float32, bfloat16, or auto: what is fastest here.")] = "auto",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, mps.")] = "auto",
    bos: Annotated[
        str, typer.Option(help="Windows begin with BOS: auto (as the model's tokenizer says), always, never.")
    ] = "auto",
    no_latency: Annotated[bool, typer.Option("--no-latency", help="Do not time decoding and prefill.")] = False,
    again: Annotated[bool, typer.Option("--again", help="Compare anew what is in the store already.")] = False,
    as_json: Json = False,
) -> None:
    """Compare OTHER, which any tool may have compressed, with BASE: perplexity, size, weights and latency."""
    from optlab import foreground
    from optlab.api import protocol_of
    from optlab.client.summary import comparison_in_words
    from optlab.jobs.comparison import COMPARISON

    protocol = protocol_of(
        {
            "text": text,
            "tokens": tokens,
            "context": context,
            "dtype": dtype,
            "device": device,
            "bos": bos,
            "latency": not no_latency,
        }
    )
    with opened() as client:
        run = foreground.compare(client, base, other, protocol, reporter(as_json), again)
    show(COMPARISON.result_of(run), as_json, comparison_in_words)
