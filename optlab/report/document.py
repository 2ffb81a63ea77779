"""A comparison as one HTML file that opens anywhere, today and in ten years, without a network.

Plotly is inside once; the page asks its browser to load nothing else (Content-Security-Policy). The data are inside as
JSON too (`<script id="optlab-report">`), so that a program can read what a person sees.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from urllib.parse import quote

from optlab.advice.recommendation import Recommendation, recommend
from optlab.client import records
from optlab.figures import bars, curve_assets, format, frames, layer_strip, layers, pairs, task_tables, tradeoff
from optlab.figures.curve import Curve
from optlab.i18n import _, language, plural, said
from optlab.jobs.measured import MeasuredRun
from optlab.jobs.resolution import title
from optlab.models.catalog import card
from optlab.report import ahead, candidates, decision, words
from optlab.report.comparison import Comparison, recipe_yaml, reproduced
from optlab.report.markup import Markup, element, joined, table
from optlab.report.style import CSS

if TYPE_CHECKING:
    from pandas import DataFrame
    from plotly.graph_objects import Figure

POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:; font-src data:"
)
FIT = "for (const one of document.querySelectorAll('.js-plotly-plot')) Plotly.Plots.resize(one);"
"""Charts are drawn while the page is still being read; once it is whole they take the width they were given."""
OVERLAID = 4
"""Runs whose layers are laid over each other; more lines cannot be told apart."""
CHART = {"displaylogo": False, "displayModeBar": False, "responsive": True, "plotlyServerURL": ""}


def html(comparison: Comparison, around: Curve | None = None) -> str:
    """The report, complete. around: what is predicted of recipes beside the measured ones, for a last chapter of its
    own whose knobs move."""
    from plotly.offline import get_plotlyjs

    known = card(comparison.model)
    name = known.title if known else title(comparison.model)
    heading = _("{model}: compression report").format(model=name)
    data = json.dumps(comparison.to_dict(), indent=1, allow_nan=False).replace("<", "\\u003c")
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=POLICY),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        Markup(f"<title>{joined([heading])}</title>"),
        element("style", Markup(CSS + (curve_assets.style() if around else ""))),
        element("script", Markup(get_plotlyjs())),
    )
    body = element(
        "body",
        element("main", *_sections(comparison, heading, around)),
        element("script", Markup(data), type="application/json", id="optlab-report"),
        element("script", Markup(FIT)),
        *(ahead.scripts(around) if around else []),
    )
    return f'<!doctype html>\n<html lang="{language()}">{head}{body}</html>\n'


def _sections(comparison: Comparison, heading: str, around: Curve | None) -> list[Markup]:
    runs = comparison.measured
    decided, frame = recommend(runs), frames.tradeoffs([records.row(run) for run in runs])
    parts = [
        element("h1", heading),
        element("p", words.introduction(comparison, around is not None), class_="muted"),
        *[element("p", said(why), class_="muted") for why in comparison.unread],
        decision.html(decided),
        _chart(tradeoff.scatter(frame, _number(decided), 330), "tradeoff"),
        element("p", words.chart(decided), class_="muted"),
        element("h2", _("Original and candidates")),
        candidates.html(runs, _number(decided)),
        element("h2", _("Evidence")),
        element("p", words.strip(), class_="muted lead"),
    ]
    for run in runs:
        parts.append(_run(comparison, run))
    parts += _real_work(comparison)
    overlaid = frames.overlay([(f"#{run.id} {said(run.title)}", run.result) for run in runs[:OVERLAID]])
    shown = [one for one in layers.QUANTITIES if len(overlaid) and overlaid[one].notna().any()]
    if shown:
        parts += [element("h2", _("Layer by layer")), *_layers(overlaid, shown)]
    told = _("Orange is predicted and its band holds 90% of the outcomes; blue is measured. {record}")
    if around:
        parts += [
            element("h2", _("What other recipes would cost")),
            element("p", told.format(record=around.record), class_="muted"),
            Markup(curve_assets.markup()),
        ]
    parts += [
        element("h2", _("What the figures mean")), element("dl", *_meanings(), class_="columns"),
        element("h2", _("Where it was measured")), element("p", words.environment(runs[0].result), class_="muted"),
    ]  # fmt: skip
    return parts


def _real_work(comparison: Comparison) -> list[Markup]:
    """The tasks that were asked of these runs; nothing where none was."""
    columns = {f"#{run.id} {said(run.title)}": comparison.asked.get(run.id, {}) for run in comparison.measured}
    if not any(columns.values()):
        return []
    told = task_tables.side_by_side({name: asked for name, asked in columns.items() if asked})
    meaning = _("Compressed minus original on the same questions, with its 95% interval. Many rows are looked at: of "
                "twenty equal models one differs by chance.")  # fmt: skip
    return [
        element("h2", _("Real work")), element("p", meaning, class_="muted"),
        table(list(told), list(zip(*told.values(), strict=True))),
    ]  # fmt: skip


def _number(decided: Recommendation) -> int | None:
    return None if decided.chosen is None else decided.chosen.run


def _layers(frame: DataFrame, shown: list[str]) -> list[Markup]:
    return [
        element("section", element("h3", layers.short(quantity)),
                _chart(layers.per_layer(frame, quantity, height=230), f"layers-{quantity}"),
                class_=None if quantity == layers.QUANTITIES[0] else "screen")
        for quantity in shown
    ]  # fmt: skip


def _run(comparison: Comparison, run: MeasuredRun) -> Markup:
    """Everything about one run: its figures, its recipe, and how to see it again."""
    cards = [element("div", *_pair(pair), class_="card") for pair in pairs.of(run.result)]
    figures = [list(row) for row in frames.figures_of(run.result).itertuples(index=False)]
    parts = [
        element("h3", f"#{run.id} {said(run.title)}", id=f"run-{run.id}"),
        element("p", words.made(run), class_="muted"),
        element("div", *cards, class_="cards"),
        element("div", Markup(layer_strip.of_layers(run.result.layers)), class_="strip"),
        *[element("p", note, class_="muted") for note in words.notes(run.result)],
        element("details", element("summary", _("All figures")),
                table([_("figure"), _("original"), _("compressed")], figures)),
    ]  # fmt: skip
    yaml, line, address = recipe_yaml(run), reproduced(run), comparison.address(run)
    if yaml:
        file = f"recipe-{run.id}.yaml"
        link = element(
            "a", _("Save as {file}").format(file=file), href=f"data:application/yaml,{quote(yaml)}", download=file
        )
        again = [element("h4", _("From the command line")), element("pre", line, class_="command")] if line else []
        parts.append(
            element("details", element("summary", _("Recipe")), element("pre", yaml), element("p", link), *again)
        )
    if address:
        words_of = _("Open this view in a running dashboard")
        parts.append(element("p", element("a", words_of, href=address, rel="noreferrer")))
    return element("section", *parts)


def _pair(pair: pairs.Pair) -> list[Markup]:
    parts = [element("div", pair.name, class_="muted", title=pair.help)]
    if not pair.complete:
        return [*parts, element("div", format.not_measured(), class_="headline muted")]
    return [
        *parts,
        element("div", pair.headline, class_="headline"),
        Markup(bars.html(pair)),
        element("div", f"{pair.base_text} \N{RIGHTWARDS ARROW} {pair.candidate_text}"),
        element("div", pair.interval, class_="muted"),
    ]


def _chart(figure: Figure, key: str) -> Markup:
    """A chart inside the page; its height is fixed so that nothing shifts when it is drawn."""
    figure.update_layout(font={"family": "inherit"})
    inside = figure.to_html(full_html=False, include_plotlyjs=False, div_id=key, config=CHART, default_width="100%")
    return element("div", Markup(inside), class_="chart", style=f"min-height:{figure.layout.height or 320}px")


def _meanings() -> list[Markup]:
    return [part for name, meaning in words.meanings() for part in (element("dt", name), element("dd", meaning))]


def summary(comparison: Comparison) -> str:
    """One sentence about a report, for the command line."""
    runs = plural("{count} measurement", "{count} measurements", len(comparison.measured))
    return _("{runs} of {model} on {text}").format(
        runs=runs, model=title(comparison.model), text=title(comparison.text)
    )
