"""Lesson 9: sparse formats and where each begins to pay."""

from __future__ import annotations

import numpy as np
import streamlit as st

from optlab.figures import format, lessons_weights
from optlab.formats.sparse import sizes
from optlab.i18n import _
from pages.components.learn.parts import Question, chart, formula, keep

SHAPES = {"256 × 256": (256, 256), "576 × 1536": (576, 1536), "4096 × 4096": (4096, 4096)}
SHARES = np.linspace(0.0, 0.99, 100)


def title() -> str:
    return _("Storing a matrix without its zeros")


def promise() -> str:
    return _("Find the share of zeros at which a bitmask, a list of positions or a 2:4 pattern begins to pay.")


def show() -> None:
    st.markdown(
        _("A pruned matrix only gets smaller if the zeros are left out of the file, and then the file must say where "
          "they "
          "were. A **bitmask** spends one bit on every place. **CSR** lists the column of every number that is left. "
          "**2:4** fixes that two of every four neighbours stay, so that few bits say which.")
    )  # fmt: skip
    left, middle, right = st.columns(3)
    shape = SHAPES[left.selectbox(_("Matrix"), list(SHAPES), index=1, key="learn/formats/shape")]
    bits = middle.segmented_control(_("Bits per number"), [32, 16, 8, 4], default=16, key="learn/formats/bits") or 16
    share = right.slider(_("Zeros"), 0, 95, 50, 5, format="%d%%", key="learn/formats/share") / 100
    names = {"dense": _("dense"), "bitmask": _("bitmask"), "csr": "CSR", "2:4": "2:4"}
    dense = sizes.sizes(shape, 0.0, bits)["dense"]
    lines = {
        names[form]: np.asarray([sizes.sizes(shape, float(s), bits).get(form, np.nan) for s in SHARES]) / dense
        for form in ("dense", "bitmask", "csr", "2:4")
    }
    found = {form: sizes.break_even(shape, form, bits=bits) for form in ("bitmask", "csr")}
    points = [
        (at, 1.0, _("{form} pays from {share} zeros").format(form=names[form], share=format.percent(at)))
        for form, at in found.items() if at < 1
    ]  # fmt: skip
    chart(lessons_weights.curves(SHARES, lines, _("zeros"), _("size, dense = 100%"), share, (".0%", ".0%"),
                                 points=points), "formats/curve")  # fmt: skip
    now = sizes.sizes(shape, share, bits)
    best = min((form for form in names if form in now), key=lambda form: now[form])
    stored = [(names[form], now[form]) for form in names if form in now]
    if "2:4" in now:
        stored.append((_("2:4 as hardware reads it"), sizes.hardware_bytes(shape, bits)))
    st.dataframe(
        [{"form": name, "bytes": size, "share": size / dense} for name, size in stored],
        hide_index=True, height="content",
        column_config={
            "form": st.column_config.TextColumn(_("Stored as")),
            "bytes": st.column_config.NumberColumn(_("Bytes"), format="localized"),
            "share": st.column_config.NumberColumn(_("Of dense"), format="percent"),
        },
    )  # fmt: skip
    st.markdown(
        _("At {share} zeros the smallest is **{form}**. The bitmask pays from {mask} zeros on, CSR from {csr}.").format(
            share=format.percent(share), form=names[best], mask=format.percent(found["bitmask"]),
            csr=format.percent(found["csr"]))
    )  # fmt: skip
    formula(
        rf"\underbrace{{n b}}_{{\text{{{names['dense']}}}}}\qquad"
        rf"\underbrace{{n+k b}}_{{\text{{{names['bitmask']}}}}}\qquad"
        r"\underbrace{32(r+1)+k(16+b)}_{\text{CSR}}\qquad\underbrace{\tfrac{n}{2}b+\tfrac{n}{4}\log_2 6}_{2:4}",
        {"n": _("all weights"), "k": _("those that are not zero"), "b": _("bits per number"), "r": _("rows")},
    )  # fmt: skip
    formula(
        rf"\text{{{_('the bitmask pays when')} }} 1-\tfrac{{k}}{{n}}>\frac1b,\qquad "
        rf"\text{{{_('CSR beats the bitmask when')} }} \tfrac{{k}}{{n}}<\frac1{{16}}",
        {r"\tfrac{k}{n}": _("the share that is left; for CSR leaving out the 32 bits per row")},
    )  # fmt: skip
    formula(
        rf"\underbrace{{\tfrac{{n}}{{2}}b+\tfrac{{n}}{{2}}\cdot 2}}_{{\text{{{_('2:4 as hardware reads it')}}}}}",
        {r"\tfrac{n}{2}\cdot 2": _("an index of 2 bits for each number that stays")},
    )  # fmt: skip
    keep(_("At 16 bits one zero in 16 pays for a bitmask; at 4 bits it takes one in four. The smaller the numbers, "
           "the more "
           "zeros it takes to save anything."))  # fmt: skip
    with st.expander(_("For experts")):
        st.markdown(
            _("A 2:4 group has 6 possible choices, 2.585 bits; OptLab packs them as digits in 64-bit words, 2.67 bits "
              "per group. Sparse tensor cores want an index of 2 bits per number that stays, 4 bits per group: a "
              "little larger, and read without unpacking (Mishra et al. 2021, arXiv 2104.08378). OptLab always writes "
              "the smallest form. Codes of quantized weights are stored the same way, with their scales on top.")
        )  # fmt: skip


def questions() -> list[Question]:
    return [
        Question(
            _("Numbers have 8 bits. From which share of zeros does a bitmask pay?"),
            (_("12.5%"), _("50%"), _("6.25%")), 0,
            _("One bit per place costs an eighth of the numbers, so more than one in eight must be gone."),
        ),
        Question(
            _("Half of the weights of a 16-bit matrix are zero. How large is it with a bitmask?"),
            (_("50%"), _("56%"), _("75%")), 1,
            _("Half of the numbers, and one bit in 16 for the mask: 50% + 6.25%."),
        ),
        Question(
            _("Why is CSR poor at 50% zeros?"),
            (_("Each number that stays needs a position of 16 bits"), _("It keeps the zeros"),
             _("It can only store rows")), 0,
            _("A 16-bit number with a 16-bit position costs 32 bits, so half of them cost as much as all of them "
              "dense."),
        ),
    ]  # fmt: skip
