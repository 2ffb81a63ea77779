"""What a reader who only decides should do: one recipe of those that were measured, and why none of the others.

The rule is a wish (`optlab.advice.wish`): the smallest model whose perplexity is surely at most 5% worse. Whoever asks
for something else finds every figure in the evidence, and other limits on the page of questions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from optlab.advice.candidate import Candidate, measured, original_of, tried
from optlab.advice.wish import Wish, answer, breaks, reasons
from optlab.figures import format
from optlab.i18n import _, plural
from optlab.jobs.measured import MeasuredRun

RULE = Wish(worse_percent=5.0)
"""Below the step from 4 to 3 bits of a good method, above what a few thousand tokens can tell apart."""


@dataclass(frozen=True)
class Recommendation:
    """chosen: to ship; None means the original as it is. original: what it is compared with. reasons: one sentence for
    each figure of what was chosen, or why nothing was. others: every other candidate and why it was not chosen."""

    chosen: Candidate | None
    original: Candidate | None
    reasons: tuple[str, ...]
    others: tuple[tuple[Candidate, str], ...]

    @property
    def headline(self) -> str:
        """The decision in one sentence."""
        if self.chosen is None:
            return _("Keep the original for now")
        return _("Ship {recipe}").format(recipe=f"#{self.chosen.run} {self.chosen.title}")


def recommend(runs: Sequence[MeasuredRun]) -> Recommendation:
    """Of measurements of one model on one text. Times and memory count only where they are of this machine."""
    candidates = measured(runs)
    original = original_of(candidates)
    best = answer(RULE, candidates).best
    chosen = None if best is None or best.is_original else best
    others = tuple((one, _why_not(one, chosen)) for one in tried(candidates) if one is not chosen)
    why = tuple(reasons(Wish(), chosen, original)) if chosen is not None else _nothing(others)
    return Recommendation(chosen, original, why, others)


def rule() -> str:
    """How it was chosen, as a sentence."""
    limit = f"{RULE.worse_percent:g}"
    return _(
        "Chosen by this rule: the smallest model measured here whose perplexity is at most {limit}% worse, also at the "
        "unfavourable end of its 95% interval."
    ).format(limit=limit)


def _nothing(others: Sequence[tuple[Candidate, str]]) -> tuple[str, ...]:
    if not others:
        return (_("nothing but the original was measured"),)
    return (
        plural("the one recipe that was measured may cost more than that", "none of {count} recipes keeps that limit",
               len(others)),
        _("more tokens narrow the intervals; more bits or fewer zeros narrow the loss"),
    )  # fmt: skip


def _why_not(one: Candidate, chosen: Candidate | None) -> str:
    """`one` broke the limit, or another that keeps it is smaller."""
    if "quality" not in breaks(RULE, one) and chosen is not None:
        if one.size_bytes == chosen.size_bytes:
            return _("as small, and not better")
        return _("keeps the limit, but is {bytes} larger").format(
            bytes=format.megabytes(one.size_bytes - chosen.size_bytes)
        )
    if one.ratio is None:
        return _("its perplexity is not known")
    if one.high is None:
        return _("{loss}, with no interval").format(loss=format.worse(one.ratio))
    return _("{loss}, perhaps {most}").format(loss=format.worse(one.ratio), most=format.change(one.high))
