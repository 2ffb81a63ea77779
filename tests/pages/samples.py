"""A store as it looks after a day of work: a prepared model, finished measurements, and one run of every other status.

Results are made by their types, and their figures are chosen so that what a page must show can be worked out by hand.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import sqlalchemy

from optlab.client.client import Client
from optlab.jobs.measured import MeasuredRun
from optlab.jobs.registry import KINDS
from optlab.models.describe import Description, LayerInfo
from optlab.protocol import Protocol
from optlab.recipes import Recipe, Step
from optlab.results.comparison import ComparedLayer, Comparison, ComparisonSpec
from optlab.results.divergence import Details, Divergence, Estimate, ProbabilityChange, Quantiles
from optlab.results.environment import Environment
from optlab.results.latency import Latency, TimedPair
from optlab.results.measurement import (
    Delta,
    LayerReport,
    Measurement,
    MeasurementSoFar,
    MeasureSpec,
    QualitySoFar,
    Seconds,
    Side,
)
from optlab.store.run import Run, Status
from optlab.store.schema import runs_table

WIDTH, HIDDEN, BLOCKS, VOCABULARY = 192, 576, 2, 4096
BASE_BYTES = 20_000_000


def description(model: str = "nano") -> Description:
    """A model of two blocks whose layer widths share the groups 32, 64, 96 and 192."""
    layers = [_layer("model.embed_tokens", "embedding", (VOCABULARY, WIDTH), None)]
    for block in range(BLOCKS):
        at = f"model.layers.{block}."
        layers += [_layer(f"{at}self_attn.{n}_proj", f"attention.{n}", (WIDTH, WIDTH), block) for n in "qkvo"]
        layers += [_layer(f"{at}mlp.{n}_proj", f"mlp.{n}", (HIDDEN, WIDTH), block) for n in ("gate", "up")]
        layers += [_layer(f"{at}mlp.down_proj", "mlp.down", (WIDTH, HIDDEN), block)]
        layers += [_layer(f"{at}input_layernorm", "norm", (WIDTH,), block)]
    layers.append(_layer("model.norm", "norm", (WIDTH,), None))
    return Description(
        model=model, title=model, family="llama", objective="causal", fingerprint="f" * 64,
        parameters=sum(layer.parameters for layer in layers), size_bytes=BASE_BYTES, dtype="F32", vocabulary=VOCABULARY,
        context_length=512, blocks=BLOCKS, tied=True, checkpoint_note=None, default_text="shakespeare", layers=layers,
    )  # fmt: skip


def _layer(name: str, kind: str, shape: tuple[int, ...], block: int | None) -> LayerInfo:
    count = shape[0] * (shape[1] if len(shape) > 1 else 1)
    return LayerInfo(name, kind, shape, count, count * 4, block)


def quantized(bits: int, group_size: int | None = 64) -> Recipe:
    return Recipe.of(Step("quantize", "rtn", {"bits": bits, "group_size": group_size}))


def measurement(
    ratio: float, size: int, decode_ms: float | None, recipe: Recipe, model: str = "nano",
    speedup: tuple[float, float, float] | None = None,
) -> Measurement:  # fmt: skip
    """Base perplexity 20, 2 ms per token; the interval is 1 % of the ratio to either side.

    speedup: with its interval; of constant rounds unless given. None of both is timed without `decode_ms`.
    """
    if decode_ms is not None and speedup is None:
        speedup = (2.0 / decode_ms,) * 3
    layers = tuple(
        LayerReport(name=name, bits_per_weight=4.5, sparsity=0.02, output_error=0.01 * (index + 1))
        for index, (name, _) in enumerate(description(model).linears)
    )
    return Measurement(
        model=model, recipe=recipe, text="shakespeare", tokens=8192, context=512, device="cpu", dtype="bfloat16",
        versions={"torch": "2.13.0"}, baseline=_side(20.0, BASE_BYTES, 2.0),
        compressed=_side(20.0 * ratio, size, decode_ms),
        delta=Delta(
            nll=0.1, nll_ci95=(0.09, 0.11), ppl_ratio=ratio, ppl_ratio_ci95=(ratio * 0.99, ratio * 1.01), kl_mean=0.05,
            kl_p99=0.6, top1_agreement=0.91, decode_speedup=speedup[0] if speedup else None,
            decode_speedup_ci95=speedup[1:] if speedup else None,
        ),
        layers=layers, seconds=Seconds(compress=0.5, evaluate=3.0, latency=4.0), details=_details(ratio),
        latency=None if decode_ms is None else TimedPair(base=_timed(2.0), candidate=_timed(decode_ms)),
        environment=Environment(processor="a processor", cores=2), windows=16,
    )  # fmt: skip


def comparison(asked: ComparisonSpec) -> Comparison:
    """A file of half the size and 5 % more perplexity, whose layers differ more the later they come."""
    found = measurement(1.05, BASE_BYTES // 2, None, quantized(4))
    layers = [
        ComparedLayer(name=name, bits_base=32.0, bits_other=4.5, weight_error=0.01 * (index + 1))
        for index, (name, _) in enumerate(description().linears)
    ]
    return Comparison(
        model=asked.model, other=asked.other, text=found.text, tokens=found.tokens, context=found.context, device="cpu",
        dtype="bfloat16", vocabulary=VOCABULARY, baseline=found.baseline, compressed=found.compressed,
        delta=found.delta.model_copy(update={"kl_mean": 0.01234}), layers=tuple(layers), details=found.details,
        windows=found.windows, notes=("A note about the file.",),
    )  # fmt: skip


def _side(ppl: float, size: int, decode_ms: float | None) -> Side:
    return Side(ppl=ppl, bits_per_byte=1.9, size_bytes=size, decode_ms_per_token=decode_ms, prefill_tokens_per_s=900.0,
                peak_rss_bytes=400_000_000)  # fmt: skip


def _timed(ms: float) -> Latency:
    return Latency(decode_ms=ms, decode_ms_p5=ms * 0.9, decode_ms_p95=ms * 1.2, prefill_tokens_per_s=900.0, path="int4",
                   decode_ms_by_round=(ms,) * 3)  # fmt: skip


def _details(ratio: float) -> Details:
    """What llama-perplexity prints, of tokens that are all alike."""
    order = dict.fromkeys(Quantiles.model_fields, 0.05)
    return Details(
        tokens=8176, ppl_base=Estimate(value=20.0, error=0.4), ppl_candidate=Estimate(value=20.0 * ratio, error=0.4),
        correlation=None, ln_ppl_ratio=Estimate(value=0.1, error=0.01), ppl_ratio=Estimate(value=ratio, error=0.01),
        ppl_difference=Estimate(value=20.0 * (ratio - 1), error=0.2),
        kl=Divergence(mean=Estimate(value=0.05, error=0.001), **order),
        delta_p=ProbabilityChange(mean=Estimate(value=-0.2, error=0.05), rms=Estimate(value=4.0, error=0.1), **order),
        same_top=Estimate(value=91.0, error=0.3),
    )  # fmt: skip


def finish(client: Client, run: Run, outcome: Any) -> None:
    """Let a worker of the sample do `run`."""
    taken = client.store.claim("worker-1-1")
    assert taken is not None
    assert taken.id == run.id
    client.store.log(run.id, "attempt 1 by worker-1-1")
    assert client.store.finish(run.id, outcome, "worker-1-1")


def prepare(client: Client, model: str = "nano") -> None:
    finish(client, client.submit_prepare(model), description(model))


MEASURED = {4: (1.10, 5_000_000, 1.0), 8: (1.002, 8_000_000, 1.6), 2: (45.0, 4_000_000, None)}
"""bits -> (perplexity ratio, bytes, ms per token) of the finished measurements."""


def measured(client: Client, bits: int, protocol: Protocol | None = None) -> Run:
    recipe = quantized(bits)
    run = client.submit_measure("nano", recipe, protocol or Protocol())
    finish(client, run, measurement(*MEASURED[bits], recipe))
    return client.store.get(run.id)  # type: ignore[return-value]


def measured_run(number: int, ratio: float, size: int) -> MeasuredRun:
    """A finished measurement that lies in no store."""
    recipe = quantized(4)
    spec = MeasureSpec(model="nano", recipe=recipe, protocol=Protocol())
    result = measurement(ratio, size, None, recipe)
    run = Run(number, f"key {number}", "measure", Status.DONE, spec.to_json(), "", 0.0, result_json=result.to_json())
    return MeasuredRun(run, spec, result.headline)


DAMAGE: list[dict[str, str]] = [
    {"result_json": "{"},
    {"result_json": '{"version":1,"model":"nano"}'},
    {"result_json": '{"version":99}'},
    {"spec_json": "[]"},
    {"spec_json": '{"version":1,"model":4}'},
]
"""Ways in which a row may not be what it claims to be."""


def damaged(run: Run, **columns: str) -> Run:
    """The run as it would be with other text in these columns."""
    return replace(run, **columns)  # type: ignore[arg-type]


def damage(client: Client, run: Run, **columns: str) -> None:
    """Write other text into the columns of the run's row."""
    engine = sqlalchemy.create_engine(client.store.url)
    with engine.begin() as connection:
        connection.execute(runs_table.update().where(runs_table.c.id == run.id).values(
            {name.removesuffix("_json"): text for name, text in columns.items()}))  # fmt: skip
    engine.dispose()


def failed(client: Client) -> Run:
    run = client.submit_measure("nano", quantized(3), Protocol())
    client.store.claim("worker-1-1")
    client.store.fail(run.id, "the text has 100 tokens, 8192 were asked for; ask for fewer", "worker-1-1")
    return run


def interrupted(client: Client) -> Run:
    run = client.submit_measure("nano", quantized(5), Protocol())
    client.store.claim("worker-1-1")
    client.store.interrupt(run.id)
    return run


def running(client: Client, bits: int = 6) -> Run:
    """A measurement halfway: a perplexity so far, no latency yet."""
    run = client.submit_measure("nano", quantized(bits), Protocol())
    client.store.claim("worker-1-1")
    quality = QualitySoFar(
        windows_done=8, windows=16, ppl_base=20.0, ppl_candidate=21.0, nll_delta=0.05, nll_ci95=(0.02, 0.08),
        ppl_ratio=1.05, ppl_ratio_ci95=(1.02, 1.08), kl_mean=0.03, top1_agreement=0.93,
    )  # fmt: skip
    client.store.report(run.id, 0.5, "window 8 of 16", MeasurementSoFar(quality=quality))
    return run


def asked(run: Run) -> Any:
    """What the run was asked, as the type of its kind."""
    return KINDS[run.kind].spec_of(run)


def as_link(bits: int) -> str:
    """The recipe of `quantized` as a page's address holds it."""
    return json.dumps(quantized(bits).to_dict()["steps"])
