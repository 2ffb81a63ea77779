"""Lesson 11: how quantization, pruning and distillation differ, and how they combine."""

from __future__ import annotations

import streamlit as st

from optlab.figures import format, lessons_weights
from optlab.i18n import _
from optlab.lessons import combination, weights
from optlab.lessons.combination import FLOAT_BITS, Outcome
from pages.components.learn.parts import Question, chart, formula, keep

TEXT = (
    "To be, or not to be, that is the question:\nWhether 'tis nobler in the mind to suffer\n"
    "The slings and arrows of outrageous fortune,\nOr to take arms against a sea of troubles"
)


def title() -> str:
    return _("Three ways to be smaller, and all together")


def promise() -> str:
    return _("Set bits, zeros and blocks of one model, and see what each costs alone and what they cost together.")


def show() -> None:
    st.markdown(
        _("**Quantization** stores every weight with fewer bits. **Pruning** removes weights, or whole blocks. "
          "**Distillation** removes nothing: it trains a model that the others have made smaller to predict like the "
          "original again. They work on different things, so they combine.")
    )  # fmt: skip
    model = weights.load()
    one, two, three = st.columns(3)
    bits = one.select_slider(_("Bits"), [2, 3, 4, 6, 8, FLOAT_BITS], 4, key="learn/combination/bits")
    share = two.slider(_("Zeros"), 0, 90, 30, 10, format="%d%%", key="learn/combination/share") / 100
    dropped = three.slider(_("Blocks removed"), 0, model.blocks - 1, 1, key="learn/combination/dropped")
    settings = {
        _("original"): (FLOAT_BITS, 0.0, 0),
        _("bits alone"): (bits, 0.0, 0),
        _("zeros alone"): (FLOAT_BITS, share, 0),
        _("blocks alone"): (FLOAT_BITS, 0.0, dropped),
        _("all together"): (bits, share, dropped),
    }
    found = {name: _outcome(*values) for name, values in settings.items()}
    original, together = found[_("original")], found[_("all together")]
    chart(lessons_weights.bars({name: one.perplexity for name, one in found.items()}, _("perplexity of the passage"),
                               _("all together"), ".1f"), "combination/quality")  # fmt: skip
    st.dataframe(
        [{"name": name, "bytes": one.bytes / original.bytes, "products": one.products / original.products,
          "perplexity": one.perplexity} for name, one in found.items()],
        hide_index=True, height="content",
        column_config={
            "name": st.column_config.TextColumn(_("What was done")),
            "bytes": st.column_config.NumberColumn(_("Bytes"), format="percent"),
            "products": st.column_config.NumberColumn(_("Multiplications"), format="percent"),
            "perplexity": st.column_config.NumberColumn(_("Perplexity"), format="%.1f"),
        },
    )  # fmt: skip
    st.markdown(
        _("Together: {smaller}, and perplexity {before} becomes {after} on this passage, before any "
          "distillation. Only removed blocks make fewer multiplications.").format(
            smaller=format.smaller(together.bytes / original.bytes), before=f"{original.perplexity:.1f}",
            after=f"{together.perplexity:.1f}")
    )  # fmt: skip
    formula(
        rf"\text{{{_('bytes')}}}\approx\frac{{L\,n}}{{8}}\Big(\underbrace{{(1-s)\,b}}_{{\text{{{_('numbers')}}}}}+"
        rf"\underbrace{{1}}_{{\text{{{_('mask')}}}}}+\underbrace{{\tfrac{{24}}{{g}}}}_{{\text{{{_('scales')}}}}}\Big)",
        {"L": _("blocks that are left"), "n": _("weights per block"), "s": _("share of zeros"), "b": _("bits"),
         "g": _("weights per group")},
    )  # fmt: skip
    keep(_("Fewer bits first: they cost least for what they save. Then blocks for speed, zeros for the file, and "
           "distillation to repair the damage."))  # fmt: skip
    with st.expander(_("For experts")):
        st.markdown(
            _("One short passage is an example, not a measurement; *Explore* measures any such recipe with an "
              "interval. Blocks go from the middle outwards and weights by magnitude, the simplest choices. Order "
              "matters: prune before rounding, so that zeros stay exact, and distil before rounding, because training "
              "leaves the grid (Han et al. 2016, arXiv 1510.00149).")
        )  # fmt: skip


@st.cache_data(show_spinner=False, max_entries=256)
def _outcome(bits: int, share: float, dropped: int) -> Outcome:
    return combination.outcome(weights.load(), TEXT, bits, share, dropped)


def questions() -> list[Question]:
    return [
        Question(
            _("Which of the three needs training?"),
            (_("Quantization"), _("Pruning"), _("Distillation")), 2,
            _("The others can be done in seconds without; training heals what they damaged."),
        ),
        Question(
            _("A model is too slow, but its file is small enough. What helps for certain?"),
            (_("Removing blocks or rows"), _("Setting weights to zero"), _("Another tokenizer")), 0,
            _("A model with less in it computes less, on every machine. Fewer bits help where a kernel reads them."),
        ),
        Question(
            _("Half of the weights are zero and 4 bits are used. Why is the file larger than a quarter of half?"),
            (_("The mask and the scales need room too"), _("Zeros need more bits"), _("It is exactly that")), 0,
            _("One bit per place says where zeros are, and every group stores its scale and zero point."),
        ),
    ]  # fmt: skip
