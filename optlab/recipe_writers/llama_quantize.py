"""A command line of llama.cpp's llama-quantize, with a `--tensor-type` for whatever is not of the main type.

Its plain types round to nearest in blocks of 32: Q4_0 and Q5_0 and Q8_0 without, Q4_1 and Q5_1 with a minimum. The
embedding and the head, which a recipe leaves as they are unless it names them, are kept in float16.
"""

from __future__ import annotations

from collections import Counter

from optlab.errors import RecipeError
from optlab.models.gguf.architectures import OUTER
from optlab.models.gguf.families.llama import BLOCK
from optlab.recipe_writers.tool import Names, Tool, group_size_of
from optlab.recipes import Recipe, Step

LABEL = "llama-quantize"
BLOCK_SIZE = 32
TYPES = {(4, True): "q4_0", (4, False): "q4_1", (5, True): "q5_0", (5, False): "q5_1", (8, True): "q8_0"}
"""(bits, symmetric) -> llama.cpp's type."""
KEPT = "f16"
INNER = {hub: own for own, hub in BLOCK.items()}
EMBEDDING, HEAD = "model.embed_tokens", "lm_head"
assert {EMBEDDING, HEAD} <= set(OUTER.values())


def write(recipe: Recipe, names: Names) -> str:
    """The command. Raises RecipeError."""
    types = [_type(step) for step in recipe.steps]
    if recipe.steps[0].layers is None:
        kept: list[str] = []
        main = types[0]
    else:
        chosen = _chosen(recipe, types, names)
        main = Counter(one for one in chosen.values() if one != KEPT).most_common(1)[0][0]
        kept = [f"--tensor-type '{_pattern(name)}={one}'" for name, one in chosen.items() if one != main]
    outer = {
        option: next((one for step, one in zip(recipe.steps, types, strict=True) if step.matches(name)), KEPT)
        for option, name in (("--token-embedding-type", EMBEDDING), ("--output-tensor-type", HEAD))
    }
    lines = ["llama-quantize", *(f"{option} {one}" for option, one in outer.items()), *kept,
             f"model-f16.gguf model-{main}.gguf {main.upper()}"]  # fmt: skip
    return " \\\n  ".join(lines) + "\n"


def _type(step: Step) -> str:
    values = step.values
    if values["clip"] != "minmax":
        raise RecipeError("{tool} covers every weight of a block; use clip: minmax", tool=LABEL)
    if group_size_of(step) != BLOCK_SIZE:
        raise RecipeError("{tool} rounds in blocks of 32; use group_size: 32", tool=LABEL)
    found = TYPES.get((int(values["bits"] or 0), bool(values["symmetric"])))
    if found is None:
        raise RecipeError(
            "{tool} has no plain type of {bits} bits, symmetric {symmetric}; use 4 or 5 bits, or 8 symmetric",
            tool=LABEL, bits=values["bits"], symmetric=str(values["symmetric"]).lower(),
        )  # fmt: skip
    return found


def _chosen(recipe: Recipe, types: list[str], names: Names) -> dict[str, str]:
    """llama.cpp's type of every layer of the blocks."""
    if not names:
        raise RecipeError("{tool} names each tensor by its block; say which model this recipe is for", tool=LABEL)
    chosen = dict.fromkeys(names, KEPT)
    for step, one in zip(recipe.steps, types, strict=True):
        chosen |= {name: one for name in names if step.matches(name)}
    if set(chosen.values()) == {KEPT}:
        raise RecipeError("this recipe names no layer of the blocks, and {tool} needs one", tool=LABEL)
    return chosen


def _pattern(name: str) -> str:
    """An expression for a layer's tensor: model.layers.3.self_attn.q_proj -> blk\\.3\\.attn_q\\.weight."""
    parts = name.split(".", 3)
    if len(parts) < 4 or parts[3] not in INNER:
        raise RecipeError("llama.cpp's name of {name} is not known here", name=name)
    return rf"blk\.{parts[2]}\.{INNER[parts[3]]}\.weight"


LLAMA_QUANTIZE = Tool("llama-quantize", LABEL, "quantize.sh", "bash", {"quantize": ("rtn",)}, write)
