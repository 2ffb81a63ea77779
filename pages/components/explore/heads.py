"""The map of attention heads: what the loss would feel without each, and a click that removes it from the recipe."""

from __future__ import annotations

import streamlit as st

from optlab.client.client import Client
from optlab.figures import heads as figure
from optlab.i18n import _, plural
from optlab.jobs.importance import IMPORTANCE
from optlab.prune.chosen_heads import removed, toggled
from optlab.recipes import Recipe
from pages.components.shared import measuring, services, watching
from pages.components.shared.view import View


def show(client: Client, shown: View) -> Recipe | None:
    """Draw the map, or the button that has it made; the recipe that a click asks for, None without one."""
    run = client.find_importance(shown.model, shown.protocol)
    if run is None:
        st.caption(_("Which heads matter? One backward pass over a few pages tells for all of them."))
        services.action(
            measuring.label_of("importance", shown.model, _("Judge every head")), "heads/judge", ":material/grid_on:",
            client.submit_importance, shown.model, shown.protocol,
        )  # fmt: skip
        return None
    if not run.done:
        watching.watch(run, "heads")
        return None
    gone, result = removed(shown.recipe), IMPORTANCE.result_of(run)
    assert result is not None, "it is done"
    event = st.plotly_chart(
        figure.chart(result.heads, gone or set()), key=f"heads/map/{shown.recipe.content_hash}",
        config={"displayModeBar": False}, on_select="rerun", selection_mode="points",
        alt=_("Attention heads, a column for each block, coloured by what the loss would feel without them"),
    )  # fmt: skip
    st.caption(_("Green: the loss would hardly feel it. Pink: it would feel it most. The scale is logarithmic."))
    if gone is None:
        st.caption(_("This recipe prunes in another way. Switch Prune off, and a click here removes a head."))
        return None
    _say(len(gone), result.shared)
    clicked = figure.clicked(event)
    return toggled(shown.recipe, clicked) if clicked else None


def _say(count: int, shared: int) -> None:
    if count:
        st.markdown(plural("{count} head is removed.", "{count} heads are removed.", count) + " "
                    + _("Click on a cross to have its head back."))  # fmt: skip
    else:
        st.markdown(_("Click a head to remove it."))
    st.caption(
        _("Heads that go in some blocks only are silenced: zeros in the file, no time saved. Take as many in every "
          "block, and the matrices shrink: that is faster.")
    )  # fmt: skip
    if shared > 1:
        st.caption(
            _("Neighbours in groups of {shared} share keys and values; only whole groups can be cut out.").format(
                shared=shared)
        )  # fmt: skip
