"""Charts of the lessons about how a model computes: attention, stream, neurons, chances and surprise."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from optlab.figures import style
from optlab.i18n import _

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

Array = np.ndarray[Any, Any]
ROUND = [digit * 10**power for power in range(6) for digit in (1, 2, 5)]
"""Ticks of a logarithmic axis, in full: of its own plotly writes 50 as "5"."""
FAINT_TO_FULL = [[0, "rgba(31,134,196,0.04)"], [1, style.MEASURED]]


def attention(tokens: Sequence[str], weights: Array) -> Figure:
    """weights [T, T]: row t says where token t looks."""
    figure = style.figure(height=max(320, 26 * len(tokens) + 90))
    named = [f"{number + 1}. {token}" for number, token in enumerate(tokens)]
    seen = np.where(np.tril(np.ones_like(weights)) > 0, weights, np.nan)
    figure.add_heatmap(
        z=seen, x=named, y=named, colorscale=FAINT_TO_FULL, zmin=0, zmax=1, xgap=1, ygap=1, hoverongaps=False,
        colorbar={"thickness": 10, "outlinewidth": 0, "tickformat": style.PERCENT_TICKS},
        hovertemplate=_("{token} looks at {other}: {share}").format(token="%{y}", other="%{x}", share="%{z:.1%}")
        + "<extra></extra>",
    )  # fmt: skip
    figure.update_xaxes(showgrid=False, tickangle=-45, zeroline=False)
    figure.update_yaxes(showgrid=False, autorange="reversed", zeroline=False)
    return figure


def stream(size: Array, attention_step: Array, feed_forward_step: Array) -> Figure:
    """size [B + 1]: of the stream before, between and after B blocks; the others [B]: of what is added."""
    figure = style.figure(height=300, barmode="group")
    places = [_("block {block}").format(block=number + 1) for number in range(len(attention_step))]
    hover = "%{x}: %{y:.3f}<extra>%{fullData.name}</extra>"
    for values, name, colour in (
        (attention_step, _("attention adds"), style.category(0)),
        (feed_forward_step, _("feed-forward adds"), style.category(1)),
    ):
        figure.add_bar(x=places, y=values, name=name, marker_color=colour, hovertemplate=hover)
    figure.add_scatter(
        x=places, y=size[1:], name=_("the stream after it"), mode="lines+markers", line={"color": style.MEASURED},
        hovertemplate=hover,
    )  # fmt: skip
    figure.update_yaxes(title_text=_("size (root mean square)"), rangemode="tozero")
    return figure


def shares(tokens: Sequence[str], values: Array) -> Figure:
    """values [T], shares of one, a bar for each token in order, and their mean."""
    figure = style.figure(height=280, showlegend=False)
    named = [f"{number + 1}. {token}" for number, token in enumerate(tokens)]
    figure.add_bar(x=named, y=values, marker_color=style.MEASURED, hovertemplate="%{x}: %{y:.1%}<extra></extra>")
    figure.add_hline(y=float(values.mean()), line={"color": style.BASE, "dash": "dot", "width": 1.5})
    figure.update_yaxes(range=[0, 1], tickformat=style.PERCENT_TICKS)
    figure.update_xaxes(tickangle=-45)
    return figure


def neurons(values: Array) -> Figure:
    """values [F], drawn as they lie in the layer; the loudest stand out by themselves."""
    figure = style.figure(height=260, bargap=0)
    figure.add_bar(
        x=np.arange(len(values)), y=values, marker={"color": style.MEASURED, "line": {"width": 0}},
        hovertemplate=_("neuron {place}: {value}").format(place="%{x}", value="%{y:.3f}") + "<extra></extra>",
    )  # fmt: skip
    figure.update_xaxes(title_text=_("neuron"), showgrid=False)
    figure.update_yaxes(title_text=_("activation"))
    return figure


def choices(tokens: Sequence[str], logits: Array, probabilities: Array) -> Figure:
    """The likeliest tokens and their probabilities; the score on hover."""
    figure = style.figure(height=300)
    named = [f"{number + 1}. {token}" for number, token in enumerate(tokens)]
    figure.add_bar(
        x=named, y=probabilities, customdata=logits, marker_color=style.MEASURED, text=probabilities,
        texttemplate="%{text:.1%}", textposition="outside", cliponaxis=False,
        hovertemplate=_("score {score}, probability {chance}").format(score="%{customdata:.2f}", chance="%{y:.2%}")
        + "<extra>%{x}</extra>",
    )  # fmt: skip
    figure.update_yaxes(tickformat=style.PERCENT_TICKS, title_text=_("probability"))
    figure.update_xaxes(tickangle=-45)
    return figure


def surprise(probability: float) -> Figure:
    """-ln p over p, and where the chosen token stands on it."""
    figure = style.figure(height=240, showlegend=False)
    p = np.geomspace(min(1e-3, probability / 2), 1, 300)
    hover = _("probability {chance}: loss {loss}").format(chance="%{x:.2%}", loss="%{y:.3f}") + "<extra></extra>"
    figure.add_scatter(x=p, y=-np.log(p), mode="lines", line={"color": style.BASE}, hovertemplate=hover)
    figure.add_scatter(
        x=[probability], y=[-np.log(probability)], mode="markers", marker={"color": style.MEASURED, "size": 13},
        hovertemplate=hover,
    )  # fmt: skip
    figure.update_xaxes(tickformat=style.PERCENT_TICKS, title_text=_("probability of the right token"))
    figure.update_yaxes(title_text=_("loss"))
    return figure


def reading(tokens: Sequence[str], nll: Array, running: Array) -> Figure:
    """tokens [T], of which all but the first were guessed at a loss nll [T - 1]; running [T - 1]: perplexity so far."""
    figure = style.figure(height=340)
    named = [f"{number + 2}. {token}" for number, token in enumerate(tokens[1:])]
    figure.add_bar(
        x=named, y=nll, name=_("loss of the token"), marker_color=style.MEASURED,
        hovertemplate="%{x}: %{y:.2f}<extra>%{fullData.name}</extra>",
    )  # fmt: skip
    figure.add_scatter(
        x=named, y=running, name=_("perplexity so far"), yaxis="y2", mode="lines+markers",
        line={"color": style.BASE}, hovertemplate="%{x}: %{y:.1f}<extra>%{fullData.name}</extra>",
    )  # fmt: skip
    figure.update_layout(
        yaxis2={"overlaying": "y", "side": "right", "title": {"text": _("perplexity so far")}, "type": "log",
                "showgrid": False, "automargin": True, "tickvals": ROUND},
    )  # fmt: skip
    figure.update_yaxes(title_text=_("loss"), selector={"overlaying": None}, rangemode="tozero")
    figure.update_xaxes(tickangle=-45, showgrid=False)
    return figure
