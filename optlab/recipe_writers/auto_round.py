"""Arguments of auto-round: `AutoRound(model, tokenizer, **json.load(open("autoround.json")))`.

`iters` steps of signed descent per block, as `signround` here; none is rounding to nearest, and `disable_opt_rtn` keeps
its range that of the weights.
"""

from __future__ import annotations

import json

from optlab.errors import RecipeError
from optlab.files import JsonObject
from optlab.recipe_readers.words import all_but
from optlab.recipe_writers.tool import Names, Tool, group_size_of
from optlab.recipes import Recipe, Step

LABEL = "auto-round"
MOST_BITS, UNTOUCHED = 8, 16


def write(recipe: Recipe, names: Names) -> str:
    """The JSON. Raises RecipeError."""
    first = recipe.steps[0]
    if len({(step.method, step.values.get("steps")) for step in recipe.steps}) > 1:
        raise RecipeError("{tool} rounds a model by one method with one number of steps", tool=LABEL)
    for step in recipe.steps:
        if step.values.get("start") == "gptq":
            raise RecipeError("{tool} starts from the nearest values; use start: range", tool=LABEL)
        if step.values["bits"] == MOST_BITS and not step.values["symmetric"]:
            raise RecipeError("{tool} stores 8 bits without zero points only; use symmetric: true", tool=LABEL)
        if step.values.get("clip") == "mse":
            raise RecipeError("{tool} rounds to nearest within the whole range; use clip: minmax", tool=LABEL)
    settings: JsonObject = {"scheme": _scheme(first)}
    settings |= {"iters": first.values["steps"]} if first.method == "signround" else {}
    settings |= {"iters": 0, "disable_opt_rtn": True} if first.method == "rtn" else {}
    if first.layers is not None:
        each: JsonObject = {f"^(?:{step.layers})": _scheme(step) for step in recipe.steps}
        others = all_but([str(step.layers) for step in recipe.steps])
        settings["layer_config"] = {**each, f"{others}.*": {"bits": UNTOUCHED}}
    return json.dumps(settings, indent=2) + "\n"


def _scheme(step: Step) -> JsonObject:
    return {
        "bits": step.values["bits"], "group_size": group_size_of(step), "sym": step.values["symmetric"],
        "data_type": "int",
    }  # fmt: skip


AUTO_ROUND = Tool("auto-round", LABEL, "autoround.json", "json", {"quantize": ("signround", "rtn")}, write)
