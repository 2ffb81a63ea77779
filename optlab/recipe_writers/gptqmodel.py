"""A quantize_config.json of GPTQModel (`QuantizeConfig.from_pretrained(folder)`, then `model.quantize`).

Layers that are treated otherwise stand under `dynamic`: "+:" and a regular expression with other settings, "-:" for
those that stay as they are; both match from the start of a name.
"""

from __future__ import annotations

import json

from optlab.errors import RecipeError
from optlab.files import JsonObject
from optlab.recipe_readers.words import all_but
from optlab.recipe_writers.tool import Names, Tool, group_size_of
from optlab.recipes import Recipe, Step

LABEL = "GPTQModel"
AWQ_BITS = 4
MSE = 2.4
"""The power of the error that its search for ranges sums up, as in the code of the GPTQ paper; 0 is no search."""


def write(recipe: Recipe, names: Names) -> str:
    """The JSON. Raises RecipeError."""
    first, *others = recipe.steps
    if {step.method for step in others} - {first.method}:
        raise RecipeError("{tool} quantizes a model by one method", tool=LABEL)
    config: JsonObject = {"method": first.method, "quant_method": first.method}
    config |= _grid(first) | {"desc_act": False, "lm_head": any(step.matches("lm_head") for step in recipe.steps)}
    if first.method == "gptq":
        values = first.values
        # groups in the order of their inputs, columns by energy within them (arXiv 2505.14638), as here
        config |= {"format": "gptq", "checkpoint_format": "gptq", "act_group_aware": values["act_order"]}
        config |= {"damp_percent": values["damping"], "mse": MSE if values["clip"] == "mse" else 0.0}
    else:
        if any(step.values["bits"] != AWQ_BITS for step in recipe.steps):
            raise RecipeError("{tool} writes AWQ in 4 bits only", tool=LABEL)
        config |= {"format": "gemm", "checkpoint_format": "gemm"}
    if first.layers is not None:
        _check_no_embedding(recipe)
        dynamic: JsonObject = {f"+:{step.layers}": _grid(step) for step in recipe.steps}
        config["dynamic"] = {**dynamic, f"-:{all_but([str(step.layers) for step in recipe.steps])}": {}}
    return json.dumps(config, indent=2) + "\n"


def _grid(step: Step) -> JsonObject:
    return {
        "bits": step.values["bits"], "group_size": group_size_of(step), "sym": step.values["symmetric"],
    }  # fmt: skip


def _check_no_embedding(recipe: Recipe) -> None:
    if any(step.matches("model.embed_tokens") for step in recipe.steps):
        raise RecipeError("{tool} does not quantize embeddings; name other layers", tool=LABEL)


GPTQMODEL = Tool("gptqmodel", LABEL, "quantize_config.json", "json", {"quantize": ("gptq", "awq")}, write)
