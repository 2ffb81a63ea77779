"""A token's way through nano as one picture that is walked stop by stop, or played (`assets/journey`)."""

from __future__ import annotations

from optlab.files import JsonObject
from optlab.i18n import _
from optlab.lessons.journey import Answer, Journey, Stop
from pages.components.learn import mounting

DIGITS = 4
"""Of numbers that are drawn as colours and lengths."""

_mounted = mounting.mounted("journey")


def show(found: Journey) -> None:
    """Draw it. The browser chooses token, head and stop by itself; Python hears nothing of that."""
    _mounted(key="learn/journey", data=data(found))


def data(found: Journey) -> JsonObject:
    """What the script draws: numbers as they are, every sentence in the language of the reader."""
    return {
        "tokens": found.tokens,
        "stops": [_stop(one) for one in found.stops],
        "attention": found.attention.round(DIGITS).tolist(),
        "answers": [_answer(one) for one in found.answers],
        "kinds": {kind: dict(zip(("short", "title", "told", "formula", "note"), words, strict=True))
                  for kind, words in _kinds().items()},
        "words": _words(),
    }  # fmt: skip


def _stop(one: Stop) -> JsonObject:
    return {"kind": one.kind, "block": one.block, "rows": one.rows.round(DIGITS).tolist(),
            "sizes": one.sizes.round(DIGITS).tolist()}  # fmt: skip


def _answer(one: Answer) -> JsonObject:
    return {"best": [list(row) for row in one.best], "right": list(one.right) if one.right else None, "loss": one.loss}


def _words() -> dict[str, str]:
    return {
        "first": _("To the beginning"), "back": _("One step back"), "play": _("Play"), "pause": _("Pause"),
        "on": _("One step on"), "way": _("The way of the token"), "token": _("Token that is followed"),
        "head": _("Head"), "block": _("Block {block}"),
        "right": _("The token that came next, {token}, had a chance of {share}."),
        "last": _("Nothing comes after the last token, so nothing can be compared. Follow an earlier one."),
    }  # fmt: skip


def _kinds() -> dict[str, tuple[str, str, str, str, str]]:
    """For each kind of stop: in short, its title, what happens, the formula, and what the picture shows."""
    rows = _("Each line is a token, each square one of its first 32 numbers: blue above 0, orange below. At the right "
             "the size of the whole row (root mean square).")  # fmt: skip
    return {
        "embedding": (
            _("Embedding"), _("The token becomes a row of numbers"),
            _("{token} is looked up in a table: one learnt row for every token of the vocabulary. From here on it is "
              "this row that travels."), "x = E[{token}]", rows,
        ),
        "attention": (
            "A", _("Block {block}: attention"),
            _("{token} asks the tokens before it, and itself. Each head asks something else; what fits counts more."),
            "out = ", _("The shares of one head sum to 100%. Point at a word: its share and its term light up. What "
                        "the heads give is put side by side and multiplied by one more matrix."),
        ),
        "attended": (
            "+", _("Block {block}: what was collected is added"),
            _("What attention has brought is added to the row of {token}; nothing is replaced."),
            "x′ = x + attention(norm(x))", rows,
        ),
        "neurons": (
            "F", _("Block {block}: feed-forward"),
            _("Now {token} is alone: its row is multiplied into many neurons, of which few become large."),
            "h = silu(W_gate·norm(x′)) ⊙ W_up·norm(x′)", rows,
        ),
        "after": (
            "+", _("Block {block}: that is added, too"),
            _("The neurons are brought back to the width of the row and added to it. This goes to the next block."),
            "x″ = x′ + W_down·h", rows,
        ),
        "norm": (
            _("Last norm"), _("All blocks are behind it"),
            _("The row of {token} has grown at every block; the last norm brings it to one size for reading."),
            "n = g ⊙ x / √(mean(x²) + ε)", rows,
        ),
        "scores": (
            _("Scores"), _("A score for every token that could follow"),
            _("The row is multiplied with the row of every token of the vocabulary. These fit best."),
            "z = E·n", _("Orange is what came next in your sentence."),
        ),
        "chances": (
            _("Softmax"), _("Scores become chances"),
            _("Softmax makes all scores positive and lets them sum to 100%. A score that is larger by 1 counts 2.7 "
              "times as much."), "p = exp(z) / Σ exp(z)", _("Orange is what came next in your sentence."),
        ),
        "loss": (
            _("Loss"), _("How surprised the model is"),
            _("Cross-entropy looks at one chance only: that of the token which came next. Its average over a text, as "
              "a power of e, is the perplexity."), "loss = −ln p(next)", "",
        ),
    }  # fmt: skip
