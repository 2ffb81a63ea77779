"""The card of a model that is taken home: README.md as the Hub reads it, with what was done, measured and allowed.

English whatever the reader's language, because the file goes where nobody knows the reader.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from optlab.bounded_yaml import read_yaml
from optlab.errors import RecipeError
from optlab.exports.export_format import ExportFormat, Written
from optlab.models.catalog import HUB_ID, card
from optlab.results.export import Figures

if TYPE_CHECKING:
    from optlab.compression import Compressed

TASKS = {"causal": "text-generation", "masked": "fill-mask"}
"""The Hub's word for what a model of each objective does."""
LONGEST = 1 << 16
"""Bytes of an original's card that are looked at."""


def text(
    compressed: Compressed, kind: ExportFormat, written: Written, figures: Figures | None, title: str, size: int
) -> str:
    """The whole card, markdown with a YAML header. title: of the model. size: bytes of its files."""
    licence = licence_of(compressed.model.name, compressed.model.folder)
    name = public_name(compressed.model.name)
    header: dict[str, object] = {"license": licence} if licence else {}
    if HUB_ID.fullmatch(name):
        header |= {"base_model": name, "base_model_relation": "quantized"}
    header |= {
        "library_name": kind.library,
        "pipeline_tag": TASKS[compressed.model.objective],
        "tags": ["optlab", kind.name],
    }
    parts = [
        f"---\n{yaml.safe_dump(header, sort_keys=False)}---",
        f"# {title}",
        f"{title} is {name} after this recipe, written as {kind.label} by OptLab.",
        f"```yaml\n{compressed.recipe.to_yaml()}```",
        "## What it costs and saves",
        *((_table(figures), same_weights(kind, written)) if figures else ("Not measured.",)),
        f"As {kind.label}, with everything that is needed to run it: {_bytes(size)}.",
        *(f"Note: {note}." for note in compressed.notes),
        "## How to load it",
        written.usage,
        "## Licence",
        _licence(name, licence),
    ]
    return "\n\n".join(parts) + "\n"


def public_name(model: str) -> str:
    """What a stranger may know an original by: of a folder its name, not where it lies on somebody's disk."""
    return model if HUB_ID.fullmatch(model) else Path(model).name


def same_weights(kind: ExportFormat, written: Written) -> str:
    """Whether the figures are those of this very file."""
    if written.exact:
        return "The file holds the very weights that were measured."
    return (
        f"The file was made from the weights that were measured; {kind.label} stores some of their numbers in 16 bits, "
        f"which changes them by {written.rounding:.2g} of their size (root mean square)."
    )


def licence_of(model: str, folder: Path) -> str | None:
    """The licence of an original, as the Hub spells it: what the catalog says, or the card in its folder; None where
    neither says so."""
    known = card(model)
    if known is not None:
        return known.licence.lower()
    try:
        with (folder / "README.md").open(encoding="utf-8") as file:
            head = file.read(LONGEST)
        _, header, _ = head.split("---\n", 2)
        found = read_yaml(header)
    except (OSError, ValueError, RecipeError):  # no card, or one without a header that can be read
        return None
    licence = found.get("license") if isinstance(found, dict) else None
    return licence if isinstance(licence, str) else None


def _licence(name: str, licence: str | None) -> str:
    if licence is None:
        return f"The licence of {name} is not known here: look it up before you pass this file on. It holds here too."
    return f"That of the original, {name}: {licence}."


def _table(figures: Figures) -> str:
    rows = [
        ("Perplexity", f"{figures.ppl_original:.4g}", f"{figures.ppl:.4g}", _ratio(figures)),
        ("Weights", _bytes(figures.size_original), _bytes(figures.size_bytes), _smaller(figures)),
        ("KL divergence", "", f"{figures.kl_mean:.4g} nats", "from the original, mean"),
        ("Top-1 agreement", "", f"{figures.top1_agreement:.1%}", "with the original"),
    ]
    if figures.decode_speedup is not None:
        between = _interval(figures.decode_speedup_ci95)
        rows.append(("Decoding", "", f"{figures.decode_speedup:.3g} times as fast", f"{between} {figures.processor}"))
    lines = ["| | original | compressed | |", "|---|---|---|---|"]
    lines += [f"| {' | '.join(cell.replace('|', ' ').strip() for cell in row)} |" for row in rows]
    how = (
        f"Measured by OptLab on {figures.tokens:,} tokens of {Path(figures.text).name} in windows of "
        f"{figures.context}, computed in {figures.dtype}. Both models read the same tokens; intervals are of paired "
        "differences. The size is that of the weights as OptLab packs them."
    )
    return "\n".join(lines) + f"\n\n{how}"


def _ratio(figures: Figures) -> str:
    return f"ratio {figures.ppl_ratio:.4f} {_interval(figures.ppl_ratio_ci95)}"


def _smaller(figures: Figures) -> str:
    return f"{figures.size_original / figures.size_bytes:.2f} times smaller" if figures.size_bytes else ""


def _interval(found: tuple[float, float] | None) -> str:
    return f"(95% interval {found[0]:.4f} to {found[1]:.4f})" if found else ""


def _bytes(count: int) -> str:
    return f"{count / 1e6:,.1f} MB"
