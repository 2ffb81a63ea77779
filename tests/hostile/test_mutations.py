"""What is sound with something wrong in one to three places: the same verdicts as on the corpus.

`OPTLAB_HOSTILE_EXAMPLES=400` tries more of them (`make hostile` does); each door then takes some ten seconds.
"""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.hostile.mutations import of_bytes, of_json
from tests.hostile.room import attempts
from tests.hostile.test_corpus import base, judge, sound  # noqa: F401  fixtures

EXAMPLES = int(os.environ.get("OPTLAB_HOSTILE_EXAMPLES", "50"))
BATCH = 20
"""Inputs that one process is given: the example that hypothesis makes smaller is a list of so many at most."""
JSON = ("config", "tokenizer", "tokenizer_settings")
HEADERS = {"gguf": 3000, "project": 4000}
"""Doors whose first bytes say how the rest is read."""

Strategy = st.SearchStrategy[bytes]


def of_safetensors(seed: bytes) -> Strategy:
    """Mutations of the header alone, with a length that fits it, beside those of any byte."""
    (length,) = struct.unpack("<Q", seed[:8])
    header = of_json(json.loads(seed[8 : 8 + length]))
    return header.map(lambda text: struct.pack("<Q", len(text)) + text + seed[8 + length :]) | of_bytes(seed, 2000)


STRATEGIES: dict[str, Callable[[bytes], Strategy]] = {
    **dict.fromkeys(("link", "protocol"), lambda seed: of_json(json.loads(seed))),
    **dict.fromkeys(JSON, lambda seed: of_json(json.loads(seed)) | of_bytes(seed)),
    **{door: lambda seed, within=within: of_bytes(seed, within) for door, within in HEADERS.items()},
    **dict.fromkeys(("recipe", "request", "template", "text"), of_bytes),
    "safetensors": of_safetensors,
}  # fmt: skip


@pytest.mark.parametrize("door", STRATEGIES)
def test_what_was_changed_by_chance_ends_in_a_sentence(
    door: str,
    base: Path,  # noqa: F811
    sound: dict[str, bytes],  # noqa: F811
    record_property: Callable[[str, object], None],
) -> None:
    @settings(
        max_examples=max(EXAMPLES // BATCH, 1), deadline=None, suppress_health_check=list(HealthCheck),
        phases=[Phase.generate, Phase.shrink],
    )  # fmt: skip
    @given(st.lists(STRATEGIES[door](sound[door]), min_size=1, max_size=BATCH))
    def search(changed: list[bytes]) -> None:
        inputs = [(f"mutation {number}", data) for number, data in enumerate(changed)]
        judge(attempts(door, inputs, base), record_property)

    search()
