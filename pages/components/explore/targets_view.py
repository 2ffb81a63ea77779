"""Other devices: whether the model with this recipe fits one, and about how fast it would decode there; estimated."""

from __future__ import annotations

import streamlit as st

from optlab.client.client import Client
from optlab.client.targets import of_targets
from optlab.errors import OptLabError
from optlab.figures import format
from optlab.i18n import _, said
from optlab.models.describe import Description
from optlab.results.estimate import TargetEstimate, TargetEstimates, TokenRate
from optlab.targets.devices import DEVICES, Device, own
from pages.components.shared import services
from pages.components.shared.view import View

OWN = "own"
CONTEXTS = (512, 2048, 4096, 8192, 32_768, 131_072)
USUAL = 4096


def show(client: Client, shown: View, description: Description) -> None:
    """Draw it, for a causal model that is prepared."""
    with st.expander(_("On another device"), icon=":material/devices:"):
        device, context = _ask(description)
        try:
            found = of_targets(client, description, shown.recipe, context, [device])
        except OptLabError as error:
            st.caption(services.escaped(said(error.message)))
            return
        _answer(found, found.targets[0])


def _ask(description: Description) -> tuple[Device, int]:
    listed = {one.name: one for one in DEVICES}
    lengths = [length for length in CONTEXTS if length <= description.context_length] or [description.context_length]
    usual = max((length for length in lengths if length <= USUAL), default=lengths[0])
    with st.container(horizontal=True, vertical_alignment="bottom"):
        name = st.selectbox(
            _("Device"), [*listed, OWN], key="targets/device", width=320,
            format_func=lambda one: said(listed[one].title) if one in listed else _("your own numbers"),
        )  # fmt: skip
        context = st.selectbox(
            _("Length of the text"), lengths, lengths.index(usual), width=170,
            key=f"targets/context/{description.context_length}",  # another model offers other lengths
            format_func=lambda count: _("{count} tokens").format(count=f"{count:,}"),
            help=_("Keys and values of so many tokens are kept and read besides the weights."),
        )  # fmt: skip
        if name in listed:
            return listed[name], context
        memory = st.number_input(_("Memory, GB"), 0.1, 10_000.0, 8.0, key="targets/memory", width=140)
        bandwidth = st.number_input(_("Bandwidth, GB/s"), 0.1, 100_000.0, 100.0, key="targets/bandwidth", width=160)
    return own(memory, bandwidth), context


def _answer(found: TargetEstimates, one: TargetEstimate) -> None:
    needs = _("Weights {weights}, keys and values {cache}, of {memory}").format(
        weights=format.megabytes(found.weight_bytes), cache=format.megabytes(found.cache_bytes),
        memory=format.megabytes(one.memory_bytes),
    )  # fmt: skip
    if not one.fits:
        st.markdown(_("**Too large** by {size}.").format(size=format.megabytes(-one.left_bytes)))
        st.caption(needs)
        return
    st.markdown(_("**It fits**; {size} are left for programs and the system.").format(
        size=format.megabytes(one.left_bytes)))  # fmt: skip
    st.caption(needs)
    if one.tokens is None:
        st.caption(_("Tokens would come faster than any that was timed, so their speed is not estimated."))
        return
    low, high = one.tokens.band
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(_("about **{speed} tokens per second**, {low} to {high}").format(
            speed=format.significant(one.tokens.per_s), low=format.significant(low),
            high=format.significant(high)), width="content")  # fmt: skip
        st.badge(_("estimated"), color="gray", icon=":material/calculate:", help=_source(one, one.tokens))


def _source(one: TargetEstimate, tokens: TokenRate) -> str:
    return _(
        "Worked out, neither measured nor predicted: memory bandwidth ({source}) over what a token reads, times the "
        "share of it that decoding reached in {timings} timings on {machines} machines."
    ).format(source=said(one.source), timings=tokens.timings, machines=tokens.machines)
