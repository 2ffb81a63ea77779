"""Lesson 14: whom compression hurts, by kind of token and text."""

from __future__ import annotations

import math

import streamlit as st

from optlab.figures import format, lessons_whom
from optlab.i18n import _, said
from optlab.lessons import whom
from optlab.lessons.whom import Change, Group, Tried
from optlab.recipes import Recipe
from pages.components.learn.parts import Question, chart, formula, keep


def title() -> str:
    return _("Whom compression hurts")


def promise() -> str:
    return _("One number says how much worse a model got; see which words, places and texts really paid for it.")


def show() -> None:
    st.markdown(
        _("\"3% worse\" is a mean over thousands of tokens. Some of them did not change at all, others paid for all. "
          "Here nano and its compressed copies read the same plays of Shakespeare that nano was never trained on, the "
          "Bible, and news; every predicted token is sorted into groups, and each group has its own change.")
    )  # fmt: skip
    found = whom.load()
    kinds = {"frequency": _("How often it was met in training"), "place": _("Place in the window"),
             "sort": _("Kind of token"), "text": _("Text")}  # fmt: skip
    recipes = [_recipe(one) for one in found.recipes]
    left, right = st.columns([2, 3])
    number = left.selectbox(_("Recipe"), range(len(recipes)), index=2, format_func=recipes.__getitem__,
                            key="learn/whom/recipe")  # fmt: skip
    kind = right.pills(_("Grouped by"), list(kinds), default="frequency", format_func=kinds.__getitem__, wrap=True,
                       key="learn/whom/kind") or "frequency"  # fmt: skip
    groups = {_name(group): group for group in found.of(kind)}
    mean = found.of("text")[0].changes[number].nats
    changes = {name: group.changes[number] for name, group in groups.items()}
    chart(lessons_whom.changes(changes, mean), "whom/changes")
    st.caption(_("Bars: perplexity of the group against the original's. Whiskers: 95% interval over windows of text. "
                 "Dotted: all tokens of the plays."))  # fmt: skip
    _told(changes)
    _table(groups, number)
    formula(
        r"\Delta_g=\frac1{|g|}\sum_{t\in g}\big(\ln p(x_t)-\ln q(x_t)\big),\qquad\text{%}=e^{\Delta_g}-1"
        .replace(r"\text{%}", r"\text{" + _("worse") + "}"),
        {"g": _("the tokens of a group"), "p": _("the original's probability of the token that stands there"),
         "q": _("that of the compressed model")},
    )  # fmt: skip
    keep(_("A mean over a text hides who pays for it. Before a model ships, measure it on the words and texts that its "
           "users bring, and look at the interval: small groups have wide ones."))  # fmt: skip
    with st.expander(_("For experts")):
        st.markdown(
            _("The losses come from the library's own measurement, {tokens} predicted tokens of the plays; "
              "`python -m scripts.whom` reads them again. Windows hang together, so the interval is that of a ratio of "
              "two means over windows. On news nano is so wrong that a damaged copy, less sure of itself, may even be "
              "better: a falling loss is no proof that nothing was lost. What is compared is chosen by the token "
              "and its "
              "place, never by the loss itself, because groups chosen by a loss move towards the mean on their own. "
              "Hooker et al. 2019 (arXiv 1911.05248) found that pruned image classifiers forget rare kinds of images "
              "first.").format(tokens=format.amount(found.of("text")[0].tokens))
        )  # fmt: skip


def _told(changes: dict[str, Change]) -> None:
    """The two ends, and whether they can be told apart at all."""
    most = max(changes, key=lambda name: changes[name].nats)
    least = min(changes, key=lambda name: changes[name].nats)
    high, low = changes[most], changes[least]
    apart = high.ci95 is None or low.ci95 is None or high.ci95[0] > low.ci95[1]
    words = (
        _("**{most}** pays most ({high}), **{least}** least ({low}).")
        if apart
        else _("Most: **{most}** ({high}), least: **{least}** ({low}), but their intervals overlap.")
    )
    st.markdown(words.format(most=most, high=format.change(math.exp(high.nats)), least=least,
                             low=format.change(math.exp(low.nats))))  # fmt: skip


def _table(groups: dict[str, Group], number: int) -> None:
    st.dataframe(
        [{"group": name, "tokens": group.tokens, "before": math.exp(group.loss),
          "after": math.exp(group.loss + group.changes[number].nats)} for name, group in groups.items()],
        hide_index=True, height="content",
        column_config={
            "group": st.column_config.TextColumn(_("Group")),
            "tokens": st.column_config.NumberColumn(_("Tokens"), format="localized"),
            "before": st.column_config.NumberColumn(_("Perplexity of the original"), format="%.1f"),
            "after": st.column_config.NumberColumn(_("Perplexity, compressed"), format="%.1f"),
        },
    )  # fmt: skip


def _recipe(one: Tried) -> str:
    return said(one.recipe.describe()) if isinstance(one.recipe, Recipe) else one.name


def _name(group: Group) -> str:
    names = {
        "under-100": _("under 100 times"), "under-1000": _("100 to 1,000"), "under-10000": _("1,000 to 10,000"),
        "more": _("more often"),
        "first-16": _("tokens 2 to 16"), "first-64": _("17 to 64"), "later": _("65 to 256"),
        "word": _("begins a word"), "inside": _("inside a word"), "punctuation": _("punctuation"),
        "line": _("new line"), "capitals": _("in capitals (who speaks)"),
        "shakespeare": _("Shakespeare, unseen plays"), "web-bible": _("Bible"), "business": _("news: business"),
        "entertainment": _("news: entertainment"), "politics": _("news: politics"), "sport": _("news: sport"),
        "technology": _("news: technology"),
    }  # fmt: skip
    return names[group.name]


def questions() -> list[Question]:
    return [
        Question(
            _("A model is 1% worse on average. What do you know of its worst group of tokens?"),
            (_("It is 1% worse too"), _("Nothing yet"), _("It is at most 2% worse")), 1,
            _("A mean says nothing of its parts: one group may lose 10% while a larger one loses nothing."),
        ),
        Question(
            _("Why does each bar have whiskers?"),
            (_("Another text would give somewhat other numbers"), _("The model answers at random"),
             _("They show the original")), 0,
            _("The windows are a sample of all texts; fewer tokens in a group mean a wider interval."),
        ),
        Question(
            _("On a text that nano never learnt, the compressed copy has a lower loss. What does that mean?"),
            (_("Compression made it wiser"), _("A model that is wrong may gain by being less sure"),
             _("The measurement failed")), 1,
            _("Where the original was sure of wrong tokens, noise spreads its probability; that is no knowledge."),
        ),
    ]  # fmt: skip
