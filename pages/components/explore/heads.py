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
        st.caption(_("Which heads matter? One backward pass over a few pages scores them all."))
        services.action(
            measuring.label_of("importance", shown.model, _("Score all heads")), "heads/judge", ":material/grid_on:",
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
        alt=_("Attention heads, a column for each block, coloured by how much the loss depends on them"),
    )  # fmt: skip
    st.caption(
        _(
            "Green: removing it hardly changes the loss. Pink: removing it changes the loss most. The scale is "
            "logarithmic."
        )
    )
    if gone is None:
        st.caption(_("This recipe prunes differently. Switch Prune off to remove heads by clicking here."))
        return None
    _say(len(gone), result.shared)
    clicked = figure.clicked(event)
    return toggled(shown.recipe, clicked) if clicked else None


def _say(count: int, shared: int) -> None:
    if count:
        st.markdown(plural("{count} head is removed.", "{count} heads are removed.", count) + " "
                    + _("Click a cross to restore its head."))  # fmt: skip
    else:
        st.markdown(_("Click a head to remove it."))
    st.caption(
        _("Heads removed in only some blocks are set to zero, which saves no time. Remove the same number in every "
          "block and the matrices shrink, which is faster.")
    )  # fmt: skip
    if shared > 1:
        st.caption(
            _("Every {shared} neighbouring heads share keys and values; only whole groups can be removed.").format(
                shared=shared)
        )  # fmt: skip
