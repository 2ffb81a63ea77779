"""From what the store holds to tidy tables: one row per bar, point or line, names as the charts expect them.

Columns are plain (no index that matters), so that a page can also offer any of these tables as CSV.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from optlab.figures import speedup
from optlab.i18n import said
from optlab.models.describe import Description
from optlab.recipes import Recipe
from optlab.results.divergence import Estimate
from optlab.results.document import Part
from optlab.results.measurement import LayerReport, Measurement

if TYPE_CHECKING:
    from pandas import DataFrame

COMPONENTS = ("embedding", "attention", "mlp", "norm", "head", "other")
"""Parts of a model, in the order in which data flows through them."""


def component(kind: str) -> str:
    """The part a layer belongs to: 'attention.q' is attention, a bias or anything unknown is other."""
    part = kind.split(".")[0]
    return part if part in COMPONENTS else "other"


def bytes_of(description: Description) -> DataFrame:
    """component, block (None outside the blocks), bytes, parameters, layers: one row per component and block."""
    from pandas import DataFrame

    columns = ["component", "block", "bytes", "parameters", "layers"]
    rows = [(component(layer.kind), layer.block, layer.bytes, layer.parameters, 1) for layer in description.layers]
    frame = DataFrame(rows, columns=columns)
    return frame.groupby(["component", "block"], dropna=False, sort=False, as_index=False).sum()


def layers_of(result: Measurement, legend: str = "") -> DataFrame:
    """name, short, block, kind, bits_per_weight, sparsity, output_error, run: one row per treated layer.

    run: `legend`, the name of the run where several are laid over each other.
    """
    from pandas import DataFrame

    columns = list(LayerReport.model_fields)
    frame = DataFrame([layer.to_dict() for layer in result.layers], columns=columns)
    if frame.empty:
        return DataFrame(columns=[*columns, "short", "block", "kind", "run"])
    frame["block"] = frame["name"].str.extract(r"\.(\d+)\.", expand=False)
    frame["kind"] = frame["name"].str.split(".").str[-1]
    frame["short"] = (frame["block"].fillna("") + " " + frame["kind"]).str.strip()
    frame["run"] = legend
    return frame


def overlay(results: Sequence[tuple[str, Measurement]]) -> DataFrame:
    """`layers_of` several (legend, result) under each other."""
    from pandas import concat

    return concat([layers_of(result, legend) for legend, result in results], ignore_index=True)


def tradeoffs(records: Sequence[Mapping[str, Any]]) -> DataFrame:
    """The columns of the scatter and the table from `Client.records()`; rows without a perplexity are left out.

    run, starred, name, note (what people wrote on it), model, recipe, text, base_bytes, base_ppl, base_decode_ms (of
    the original), size_bytes, size_ratio, ppl_ratio, low, high (95% interval),
    ppl, decode_ms (None when not timed), speedup with speedup_low and speedup_high (95 % interval), speed (the same in
    words), finished.
    """
    from pandas import DataFrame, isna, to_datetime, to_numeric

    names = {
        "run": "run", "starred": "starred", "name": "name", "note": "note", "model": "model", "recipe": "recipe",
        "text": "text", "tokens": "tokens", "dtype": "dtype", "baseline_size_bytes": "base_bytes",
        "baseline_ppl": "base_ppl", "baseline_decode_ms_per_token": "base_decode_ms",
        "compressed_size_bytes": "size_bytes", "size_ratio": "size_ratio",
        "delta_ppl_ratio": "ppl_ratio",
        "delta_ppl_ratio_ci95_low": "low", "delta_ppl_ratio_ci95_high": "high", "compressed_ppl": "ppl",
        "delta_kl_mean": "kl", "delta_top1_agreement": "agreement",
        "compressed_decode_ms_per_token": "decode_ms", "delta_decode_speedup": "speedup",
        "delta_decode_speedup_ci95_low": "speedup_low", "delta_decode_speedup_ci95_high": "speedup_high",
        "finished": "finished",
    }  # fmt: skip
    rows = [{new: record.get(old) for old, new in names.items()} for record in records]
    frame = DataFrame(rows, columns=[*names.values()])
    words = {"run", "starred", "name", "note", "model", "recipe", "text", "dtype"}
    for column in frame.columns.difference(words):
        frame[column] = to_numeric(frame[column], errors="coerce")
    gains = zip(frame["speedup"], frame["speedup_low"], frame["speedup_high"], strict=True)
    frame["speed"] = ["" if isna(gain) else speedup.in_words(gain, None if isna(low) else (low, high))
                      for gain, low, high in gains]  # fmt: skip
    frame["finished"] = to_datetime(frame["finished"], unit="s", utc=True, errors="coerce")
    return frame.dropna(subset=["ppl_ratio", "size_bytes"]).reset_index(drop=True)


def with_original(frame: DataFrame) -> DataFrame:
    """`tradeoffs` of one model and one text below the original as the newest of them found it; its `run` is <NA>."""
    from pandas import DataFrame, concat

    if frame.empty:
        return frame
    newest = frame.iloc[0]
    original = DataFrame([{
        "run": None, "starred": False, "name": "", "note": "", "model": newest["model"], "text": newest["text"],
        "recipe": said(Recipe().describe()), "base_bytes": newest["base_bytes"], "size_bytes": newest["base_bytes"],
        "size_ratio": 1.0, "ppl_ratio": 1.0, "low": 1.0, "high": 1.0, "ppl": newest["base_ppl"], "kl": 0.0,
        "base_ppl": newest["base_ppl"], "base_decode_ms": newest["base_decode_ms"],
        "decode_ms": newest["base_decode_ms"], "agreement": 1.0, "tokens": newest["tokens"], "dtype": newest["dtype"],
        "speed": "",
    }])  # fmt: skip
    both = concat([original.reindex(columns=frame.columns).astype(frame.dtypes.drop("run")), frame], ignore_index=True)
    both["run"] = both["run"].astype("Int64")
    return both


def figures_of(result: Measurement) -> DataFrame:
    """figure, original, compressed: every number of a measurement with all its digits, as text.

    What concerns the difference of the two stands in the last column.
    """
    from pandas import DataFrame

    rows = list(_beside(result.baseline, result.compressed))
    for section, part in (("delta", result.delta), ("details", result.details), ("seconds", result.seconds)):
        if part is not None:
            rows += [(f"{section}: {name}", "", shown) for name, shown in _flat(part)]
    if result.latency is not None:
        sides = _beside(result.latency.base, result.latency.candidate)
        rows += [(f"latency: {name}", old, new) for name, old, new in sides if old or new]
    return DataFrame(rows, columns=["figure", "original", "compressed"])


def _beside(base: Part, candidate: Part) -> Iterator[tuple[str, str, str]]:
    """Name and both texts of every figure of two parts of one type; groups of figures are left out."""
    for name, value in base:
        if not isinstance(value, Part):
            yield name, _shown(value), _shown(getattr(candidate, name))


def _flat(figures: Part) -> Iterator[tuple[str, str]]:
    """Name and text of every figure; an estimate with its standard error is one, a group gives its name to its own."""
    for name, value in figures:
        if isinstance(value, Estimate):
            error = "" if value.error is None else f" \N{PLUS-MINUS SIGN} {_shown(value.error)}"
            yield name, _shown(value.value) + error
        elif isinstance(value, Part):
            yield from ((f"{name} {inner}", shown) for inner, shown in _flat(value))
        else:
            yield name, _shown(value)


def _shown(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return said(value)
    if isinstance(value, bool) or not isinstance(value, int | float | tuple):
        return str(value)
    if isinstance(value, tuple):
        return " to ".join(_shown(item) for item in value) if len(value) == 2 else ", ".join(map(_shown, value))
    return f"{value:,}" if isinstance(value, int) else f"{value:.6g}"
