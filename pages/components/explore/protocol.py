"""How it is measured: the text, how much of it, the precision. The defaults are fine, and the choice is in the link."""

from __future__ import annotations

from typing import Any

import streamlit as st
from pydantic import ValidationError

from optlab.errors import OptLabError
from optlab.i18n import _
from optlab.machine.identity import decoding_dtype, reading_dtype
from optlab.models.describe import Description
from optlab.protocol import Protocol
from optlab.texts.names import names
from pages.components.shared import own_text, widgets

PREFIX = "protocol/"
SHOWN_FOR = "protocols/shown for"
TOKENS = (512, 1024, 2048, 4096, 8192, 16_384, 32_768, 65_536)
CONTEXTS = (64, 128, 256, 512, 1024, 2048, 4096, 8192)
STOPS = (None, 10.0, 5.0, 2.0, 1.0, 0.5)


def settings(protocol: Protocol, description: Description) -> Protocol:
    """Draw the settings and return what they are set to. Raises OptLabError for an impossible combination."""
    if st.session_state.get(SHOWN_FOR) != (description.model, protocol):
        widgets.forget(PREFIX)
    texts = {card.name: card for card in names()}
    default = _("{name} (default of this model)").format(name=description.default_text)
    with st.expander(_("How it is measured"), icon=":material/science:"):
        text = widgets.choice(
            _("Text"), _with([None, *texts], protocol.text, own_text.latest()), protocol.text, f"{PREFIX}text",
            lambda name: default if name is None else texts[name].title if name in texts else own_text.title(name),
            _("The text to evaluate on: a named text, or the path of a text file. Calibration never sees the "
              "evaluation text."), free=True,
        )  # fmt: skip
        if text in texts:
            st.caption(_(texts[text].summary))
        elif text:
            own_text.show(text)
        own_text.bring(f"{PREFIX}text")
        left, right = st.columns(2)
        with left:
            tokens = widgets.choice(
                _("Tokens"), _with(TOKENS, protocol.tokens), protocol.tokens, f"{PREFIX}tokens",
                lambda count: f"{count:,}", _("More tokens take longer and narrow the interval."),
            )  # fmt: skip
            dtype = widgets.choice(
                _("Precision"), ["auto", "bfloat16", "float32"], protocol.dtype, f"{PREFIX}dtype",
                str,
                _("Number format used for computing, not for storage. On this machine, auto reads texts in {reading} "
                  "and is timed in {decoding}.")
                .format(reading=reading_dtype(), decoding=decoding_dtype()),
            )  # fmt: skip
        with right:
            contexts = [size for size in CONTEXTS if size <= description.context_length]
            context = widgets.choice(
                _("Context"), _with(contexts, protocol.context), protocol.context, f"{PREFIX}context",
                lambda count: f"{count:,}", _("Tokens per window; the model sees nothing before it."),
            )  # fmt: skip
            stop = widgets.choice(
                _("Stop early"), _with(STOPS, protocol.stop_below_percent), protocol.stop_below_percent,
                f"{PREFIX}stop",
                lambda width: _("never") if width is None else _("at {width:g}%").format(width=width),
                _("Stop as soon as the 95% interval of the perplexity ratio is narrower than this."),
            )  # fmt: skip
        bos = widgets.choice(
            _("BOS token"), ["auto", "always", "never"], protocol.bos, f"{PREFIX}bos", begin_in_words,
            _("Many models expect a token that marks the beginning of a text (BOS) at the start of every window. It "
              "is context and is not scored."),
        )  # fmt: skip
        latency = st.toggle(
            _("Time both models"),
            key=widgets.keyed(f"{PREFIX}latency", protocol.latency),
            help=_("Batch 1, both models in turns, with nothing else running: other runs wait."),
        )
    chosen = _checked(
        protocol, text=text or None, tokens=tokens, context=context, dtype=dtype, stop_below_percent=stop,
        latency=latency, bos=bos,
    )  # fmt: skip
    st.session_state[SHOWN_FOR] = (description.model, chosen)
    return chosen


def begin_in_words(bos: str) -> str:
    """A rule for BOS as a person says it."""
    return {"auto": _("as the tokenizer does"), "always": _("always"), "never": _("never")}[bos]


def _checked(protocol: Protocol, **changes: Any) -> Protocol:
    try:
        return Protocol.model_validate({**protocol.model_dump(), **changes})
    except ValidationError as error:
        first = error.errors()[0]
        raise OptLabError("{loc}: {msg}", loc=first["loc"][0], msg=first["msg"]) from None


def _with(options: Any, *values: Any) -> list[Any]:
    """`options` with `values` among them, which a link or a person may have brought."""
    return list(dict.fromkeys([*options, *values]))
