"""A wish as the question that a person would ask aloud, and the rule by which it is answered."""

from __future__ import annotations

from optlab.advice.wish import Wish
from optlab.figures import format
from optlab.i18n import _


def in_words(wish: Wish) -> str:
    """'Which is the smallest that is surely at most 5% worse and needs at most 500 MB?'"""
    asked = {
        "small": (_("Which is the smallest?"), _("Which is the smallest that {limits}?")),
        "fast": (_("Which is the fastest?"), _("Which is the fastest that {limits}?")),
        "close": (_("Which is the closest to the original?"), _("Which is the closest to the original that {limits}?")),
    }
    alone, limited = asked[wish.prefer]
    limits = _limits(wish)
    return limited.format(limits=_(" and ").join(limits)) if limits else alone


def rule(wish: Wish) -> str:
    """How the answer is chosen, as a sentence or two."""
    preferred = {
        "small": _("Of all that keep every limit, the one with the fewest bytes."),
        "fast": _("Of all that keep every limit, the one that writes fastest on this machine."),
        "close": _("Of all that keep every limit, the one with the lowest perplexity."),
    }
    told = [preferred[wish.prefer]]
    if wish.worse_percent is not None:
        told.append(_('"Surely" means that the worse end of the interval keeps the limit too.'))
    told.append(_("A prediction wins only while it beats everything measured."))
    return _(" ").join(told)


def _limits(wish: Wish) -> list[str]:
    found = []
    if wish.worse_percent is not None:
        found.append(_("is surely at most {n}% worse").format(n=f"{wish.worse_percent:g}"))
    if wish.memory_bytes is not None:
        found.append(_("needs at most {size}").format(size=format.megabytes(wish.memory_bytes)))
    if wish.tokens_per_s is not None:
        found.append(_("writes at least {n} tokens per second").format(n=f"{wish.tokens_per_s:g}"))
    return found
