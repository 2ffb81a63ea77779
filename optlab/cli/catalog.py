"""The commands that say what there is: models, methods, and the layers of one model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from optlab.cli.console import Json, Model, reporter, show
from optlab.files import JsonObject

if TYPE_CHECKING:
    from optlab.models.describe import Description


def models(as_json: Json = False) -> None:
    """List the catalog."""
    from dataclasses import asdict

    from optlab.models.catalog import catalog

    show(
        [asdict(card) for card in catalog()],
        as_json,
        lambda cards: "\n".join(f"{card['name']:14} {card['title']}: {card['summary']}" for card in cards),
    )


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

    def words(rows: list[JsonObject]) -> str:
        lines = []
        for row in rows:
            lines.append(f"{row['kind']} {row['name']}: {row['summary']} ({row['source']})")
            lines += [
                f"    {p['name']:16} default {p['default']}; {p['allowed']}. {p['help']}" for p in row["parameters"]
            ]
        return "\n".join(lines)

    show(found, as_json, words)


def inspect(model: Model, as_json: Json = False) -> None:
    """Layers, parameters, and bytes by component."""
    from optlab.models.describe import describe

    found = describe(model, progress=reporter(as_json))
    show(found.to_dict(), as_json, lambda _: _layers(found))


def _layers(found: Description) -> str:
    """A description as a table, one layer a row."""
    rows = [
        f"{layer.name:52} {layer.kind:16} {'x'.join(map(str, layer.shape)):>14} "
        f"{layer.parameters:>12,} {layer.bytes:>13,}"
        for layer in found.layers
    ]
    head = (
        f"{found.title}: {found.family} family, {found.parameters:,} parameters, "
        f"{found.size_bytes:,} bytes, fingerprint {found.fingerprint[:12]}"
    )
    note = [found.checkpoint_note] if found.checkpoint_note else []
    titles = f"{'name':52} {'kind':16} {'shape':>14} {'parameters':>12} {'bytes':>13}"
    return "\n".join([head, *note, titles, *rows])
