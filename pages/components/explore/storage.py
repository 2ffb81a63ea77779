"""What zeros save: the bytes of every form of storage against the share of zeros, with the file that was written."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from optlab.figures import storage
from optlab.i18n import _
from optlab.models.describe import Description
from optlab.recipes import Recipe
from optlab.results.measurement import LayerReport


def show(recipe: Recipe, description: Description, layers: Sequence[LayerReport]) -> None:
    """Draw the chart for the layers that the pruning of `recipe` treats."""
    step = storage.pruning(recipe)
    if step is None:
        return
    if step.values.get("pattern") in storage.UNITS:
        st.caption(_("Removed units leave smaller matrices: there are no zeros to store, and the file shrinks too."))
        return
    shapes = storage.treated(step, description)
    choices = storage.offered_bits(recipe, description)
    bits = st.segmented_control(
        _("Bits per remaining weight"), choices, default=choices[-1], key=f"storage/bits/{choices}",
        format_func=lambda count: _("{bits} bits").format(bits=count),
    ) or choices[-1]  # fmt: skip
    measured = storage.written(layers, shapes) if bits == choices[-1] else None
    st.plotly_chart(
        storage.chart(list(shapes.values()), bits, measured), key="storage/chart", config={"displayModeBar": False},
        alt=_("Bytes of every form of storage against the share of zeros"),
    )  # fmt: skip
    st.caption(" · ".join(storage.meetings(list(shapes.values()), bits)))
    st.caption(
        _("Every matrix is written in whichever form is smallest. Zeros save nothing before the first break-even, and "
          "a smaller file is not yet a faster model.")
    )  # fmt: skip
