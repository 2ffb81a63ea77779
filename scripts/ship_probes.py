"""Make the probes and descriptions of the catalog's models that every installation finds: `make probes`.

    python -m scripts.ship_probes [MODEL ...]

Their anchors read every window of a default measurement, where a probe that somebody waits for reads a quarter of them.
A probe that this home holds is finished and not made again; delete it there to have it made anew. Raise
`optlab.prediction.state.VERSION` and run this whenever a probe would find other numbers than before;
`tests/prediction/test_shipped.py` fails until then.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from optlab import files, paths
from optlab.machine.identity import machine
from optlab.models import load, shipped
from optlab.models.catalog import catalog, locate
from optlab.models.describe import describe
from optlab.prediction.build import build
from optlab.prediction.state import State, read

FOLDER = paths.ASSETS / "probes"
README = FOLDER / "README.md"
HEAD = """# Probes of the catalog's models

Made by `make probes` (`scripts/ship_probes.py`); do not edit them by hand. Each file holds what `optlab.prediction`
learned from one look at a model: how sensitive every layer is, what each method does to it, and what a few measured
recipes did. It is named by the model and the fingerprint of its weights, and holds no weights and nothing of a machine:
speed is timed where it is predicted.

| file | text | recipes measured | version of the probe | made | with |
|---|---|---|---|---|---|
"""


def main(names: list[str]) -> None:
    """Make those of `names`, all of the catalog without any."""
    FOLDER.mkdir(exist_ok=True)
    for name in names or [card.name for card in catalog()]:
        began = time.perf_counter()
        model = load(name, "float32", "cpu")
        state = build(model, progress, anchor_count=None)
        print(f"\r\033[K{name}: {len(state.anchors)} recipes, {time.perf_counter() - began:.0f} s on {machine()}")
        ship(state)
        ship_description(name)
    write_readme()


def progress(fraction: float, message: str, partial: object = None) -> None:
    """One line that is kept up to date."""
    print(f"\r\033[K{fraction:4.0%} {message}", end="", flush=True)


def ship(state: State) -> Path:
    """Put a finished probe in place of an older one of the same model."""
    assert state.done, "an unfinished probe is not shipped"
    for old in FOLDER.glob(f"{state.model}-*.safetensors"):
        old.unlink()
    target = FOLDER / f"{state.model}-{state.fingerprint[:16]}.safetensors"
    state.save(target)
    return target


def ship_description(name: str) -> Path:
    """Keep what a catalog model consists of."""
    source = locate(name)
    assert source is not None, "models of the catalog are on this disk"
    target = shipped.place_of(name)
    target.parent.mkdir(exist_ok=True)
    files.write_text(target, shipped.document(describe(name), source))
    return target


def write_readme() -> None:
    """List the files that are there, from what they say of themselves."""
    rows = []
    for file in sorted(FOLDER.glob("*.safetensors")):
        header, _ = read(file)
        made = time.strftime("%d %B %Y", time.gmtime(header.made))
        rows.append(
            f"| `{file.name}` | {header.text} | {len(header.anchors)} | {header.rule} | {made} | {header.made_with} |"
        )
    files.write_text(README, HEAD + "\n".join(rows) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
