"""Which real matrix a lesson looks at: a model that is ready on this machine, and a layer of it."""

from __future__ import annotations

import streamlit as st

from optlab.errors import OptLabError
from optlab.i18n import _
from optlab.lessons import weights
from optlab.lessons.weights import Weights
from optlab.models.catalog import catalog, ready_folder


def model(key: str) -> Weights:
    """The model that the reader picks; only the one there is when there is no choice."""
    cards = {card.name: card for card in catalog() if _ready(card.name)}
    if len(cards) < 2:
        return weights.load()
    chosen = st.segmented_control(
        _("Model"), list(cards), default=weights.NAME, format_func=lambda name: cards[name].title, key=f"{key}/model",
    )  # fmt: skip
    return weights.load(chosen or weights.NAME)


def layer(shown: Weights, key: str, part: str = "self_attn.q_proj", multiple: int = 1) -> str:
    """The name of a layer of `shown` whose inputs are a multiple of `multiple`; `part` of block 3 first."""
    names = [name for name in shown.linear_names() if shown[name].shape[1] % multiple == 0]
    return st.selectbox(
        _("Layer"), names, index=names.index(f"model.layers.2.{part}"), format_func=spoken, key=f"{key}/layer",
    )  # fmt: skip


def spoken(name: str) -> str:
    """'model.layers.2.self_attn.q_proj' as a person would say it."""
    parts = {
        "q_proj": _("query"), "k_proj": _("key"), "v_proj": _("value"), "o_proj": _("attention output"),
        "gate_proj": _("feed-forward gate"), "up_proj": _("feed-forward up"), "down_proj": _("feed-forward down"),
    }  # fmt: skip
    pieces = name.split(".")
    return _("Block {block}, {part}").format(block=int(pieces[2]) + 1, part=parts[pieces[-1]])


def _ready(name: str) -> bool:
    try:
        return ready_folder(name) is not None
    except OptLabError:
        return False
