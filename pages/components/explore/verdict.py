"""Three badges for a knob: smaller or not, faster here or not, and where it is faster; all from measurements."""

from __future__ import annotations

import streamlit as st

from optlab.client.client import Client
from optlab.client.verdicts import Gain, Verdict, verdict
from optlab.figures import format, speedup
from optlab.i18n import _
from optlab.machine.identity import processor
from optlab.recipes import Recipe, Step
from pages.components.shared import facts, measuring, services
from pages.components.shared.view import View


def show(client: Client, shown: View, step: Step) -> None:
    """Draw them below the knob of `step`, or the button that measures this knob alone."""
    if step.kind == "distill":
        return  # training alone changes neither the bytes nor the time; its gain is the perplexity beside it
    found = verdict(client.measurements(), shown.model, step, processor())
    if found is None:
        _offer(client, shown, step)
        return
    source = _("measured {when}: {recipe}").format(
        when=format.moment(found.run.finished), recipe=services.escaped(facts.words(found.run))
    )
    with st.container(horizontal=True, gap="xsmall"):
        badges: list[tuple[str, bool | None]] = [(smaller(found), found.smaller), (faster(found), bool(found.faster))]
        for text, good in [*badges, *((text, None) for text in where(found))]:
            icon = ":material/check:" if good else ":material/close:" if good is False else ":material/speed:"
            st.badge(services.escaped(text), icon=icon, color="green" if good else "gray", help=source)


def smaller(found: Verdict) -> str:
    """Whether the file shrank, and to which share."""
    if found.smaller:
        return _("{share} of the original file").format(share=f"{found.size:.0%}")
    return _("Not smaller")


def faster(found: Verdict) -> str:
    """Whether new words come faster on this machine, and how many times."""
    if found.speedup is None:
        return _("Speed not timed")
    if not speedup.beyond_chance(found.speedup_ci95):
        return _("Not measurably faster here")
    answer = _("Faster here: {speed}") if found.faster else _("Not faster here: {speed}")
    return answer.format(speed=speedup.in_words(found.speedup, found.speedup_ci95))


def where(found: Verdict) -> list[str]:
    """Every place and kind of work in which any measurement found it faster, a badge each."""
    return [_gain(gain) for gain in found.gains] or [_("No speed-up found yet")]


def _gain(gain: Gain) -> str:
    said = _("Faster at: generating") if gain.work == "decode" else _("Faster at: reading prompts")
    if gain.speedup is not None:
        said += f", {speedup.in_words(gain.speedup, None)}"
    return said if gain.machine in ("", processor()) else f"{said} ({gain.machine})"


def _offer(client: Client, shown: View, step: Step) -> None:
    recipe = Recipe.of(step)
    run = client.find(shown.model, recipe, shown.protocol)
    if recipe == shown.recipe or (run is not None and run.live):
        st.caption(_("Measure to see whether it is smaller or faster."))
        return
    services.action(
        measuring.label(client, shown, _("Measure this knob alone"), recipe),
        f"verdict/{step.kind}", ":material/speed:",
        client.submit_measure, shown.model, recipe, shown.protocol,
    )  # fmt: skip
