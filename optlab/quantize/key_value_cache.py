"""Keys and values with few bits: the memory that grows with the length of the text, and what saving it costs.

Weights stay as they are, so nothing changes in the file; perplexity at a long context says what the rounding does
(`optlab.models.key_values`, which every evaluation and every written text goes through). Keys per channel lose less
than keys per token, because the large channels of the keys are the same in every token.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from optlab.errors import RecipeError
from optlab.messages import Joined, say
from optlab.methods import Method, Parameter, Value

if TYPE_CHECKING:
    from optlab.context import Context


class KeyValueCache(Method):
    """Rounding of keys and values in every block, or in those that the step's expression names a layer of."""

    kind: ClassVar[str] = "cache"
    name: ClassVar[str] = "kv"
    title: ClassVar[str] = "Keys and values"
    summary: ClassVar[str] = (
        "Keeps the keys and values of earlier tokens with few bits while the model reads and writes."
    )
    source: ClassVar[str] = "Liu et al. 2024, KIVI, arXiv 2402.02750"
    parameters: ClassVar[tuple[Parameter, ...]] = (
        Parameter(
            "bits", int, 8, "Bits per number", "How many bits each number of a key or value keeps.",
            minimum=2, maximum=8, step=1, unit="bits",
        ),
        Parameter(
            "keys", str, "channel", "Ranges of the keys",
            "'channel': each channel of a head over a group of tokens, which stay exact until the group is full; "
            "'token': each token of a head, at once.",
            choices=("channel", "token"),
        ),
        Parameter(
            "group", int, 64, "Tokens per group", "How many tokens share the range of a key channel.",
            minimum=2, maximum=1024, step=32, unit="tokens", advanced=True,
        ),
    )  # fmt: skip

    @classmethod
    def describe(cls, values: Mapping[str, Value]) -> str:
        keys = say("keys per channel") if values["keys"] == "channel" else say("keys per token")
        return Joined(", ", [say("cache {bits} bits", bits=values["bits"]), keys])

    def apply(self, context: Context) -> None:
        """Let the model's attention round. Raises RecipeError when the model keeps no keys and values."""
        from optlab.models.key_values import KeyValueFormat, round_key_values

        model = context.model
        if model.objective != "causal":
            raise RecipeError(
                "{name} reads all its words at once and keeps no keys and values; leave cache out",
                name=model.name,
            )
        chosen = KeyValueFormat(int(self.values["bits"]), str(self.values["keys"]), int(self.values["group"]))
        for number, (block, _) in enumerate(model.blocks()):
            context.progress(number / len(model.blocks()), say("rounding keys and values in {block}", block=block))
            if any(name.startswith(f"{block}.") for name in context.names):
                round_key_values(model, block, chosen)
