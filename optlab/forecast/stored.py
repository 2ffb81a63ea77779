"""The bytes of every layer once a recipe is applied, from shapes and declarations alone: no probe, no weights.

`optlab.prediction.size` knows the file to the byte, where a model was probed. Here a model need only be described, so
that 70B can be planned on a machine that could never hold it.
"""

from __future__ import annotations

from math import prod

from optlab.errors import RecipeError
from optlab.formats.dtypes import BYTES
from optlab.formats.stored_form import StoredForm, nbytes
from optlab.models.describe import Description, LayerInfo
from optlab.prune.pattern import UNITS
from optlab.prune.sparsegpt_gptq import SparseGPTQ
from optlab.quantize.layerwise import LayerwiseQuantizer
from optlab.recipes import Recipe


def layer_bytes(description: Description, recipe: Recipe) -> dict[str, int]:
    """Bytes of each parameter tensor of `description` as the recipe's file stores it, headers of files left out.

    Exact for whatever rounds. Pruned layers count with the share of zeros that was asked for, all other weights as not
    zero. Raises RecipeError where the shapes, or the shares of zeros, are known only once it was applied.
    """
    treated: dict[str, tuple[StoredForm | None, float, str]] = {}
    matrices, inside = dict(description.matrices), {name for name, _ in description.linears}
    for step in recipe.steps:
        method, values = step.instance(), step.values
        if method.changes_shape or values.get("pattern") in UNITS or values.get("scope", "layer") != "layer":
            raise RecipeError(
                "{step} decides how much of each layer is left, so its size is known once it is measured",
                step=step.describe(),
            )
        for name, shape in matrices.items():
            if name not in inside if step.layers is None else not step.matches(name):
                continue
            form, sparsity, pattern = treated.get(name, (None, 0.0, ""))
            if isinstance(method, LayerwiseQuantizer | SparseGPTQ):
                form = method.stored_form(shape)
            if step.kind == "prune":
                sparsity, pattern = float(values.get("sparsity") or 0.0), str(values.get("pattern") or "")
            treated[name] = form, sparsity, pattern
    found: dict[str, int] = {}
    for layer in description.layers:
        if layer.name in treated and len(layer.shape) == 2:
            found[layer.name] = _bytes(layer, description.dtype, *treated[layer.name])
        else:
            found[layer.name] = layer.bytes
    return found


def _bytes(layer: LayerInfo, dtype: str, form: StoredForm | None, sparsity: float, pattern: str) -> int:
    if form is None and sparsity <= 0:
        return layer.bytes
    shape = (layer.shape[0], layer.shape[1])
    usual = next((name for name, size in BYTES.items() if size * prod(shape) == layer.bytes), dtype)
    kept = round((1 - sparsity) * prod(shape)) if sparsity > 0 else None
    return nbytes((form or StoredForm(None, usual)).parts(shape, kept, pattern))
