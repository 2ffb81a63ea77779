"""What a person must know of a recipe on a mixture of experts: what it left alone, and what it hardly knows."""

from __future__ import annotations

from collections.abc import Callable

from optlab.calibrate.statistics import Statistics
from optlab.messages import say
from optlab.models.language_model import LanguageModel


def expert_notes(model: LanguageModel, statistics: Callable[[], Statistics] | None) -> list[str]:
    """Sentences about routers and experts; none for a model without them.

    statistics: gives what the recipe's methods learned from; only asked where there are experts, because finding it
    reads the calibration text; None where they needed nothing. An expert knows little when it
    read fewer tokens than it has inputs: its second moments then leave directions open.
    """
    if "router" not in model.structure.kinds.values():
        return []
    notes: list[str] = [say("routers, which choose the experts of a token, stay as they are")]
    experts = [name for name in model.linear_names() if ".experts." in name and name.endswith(".up_proj")]
    if statistics is None or not experts:
        return notes
    known = statistics()
    seen = {name: known.seen(name) for name in experts if name in known}
    few = [name for name, tokens in seen.items() if tokens < model.weight(name).shape[1]]
    if few:
        notes.append(
            say(
                "{few} of {all} experts read fewer calibration tokens than they have inputs, {none} of them none; what "
                "is fitted to so little may fit badly, so calibrate with more tokens",
                few=len(few),
                all=len(seen),
                none=sum(seen[name] == 0 for name in few),
            )
        )
    return notes
