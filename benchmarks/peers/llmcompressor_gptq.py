"""llm-compressor's GPTQ in one shot: its defaults (activation order "static", damping 0.01), block by block."""

from importlib.metadata import version
from typing import Any

import torch
from _common import linears, run


def quantize(model: Any, windows: list[list[int]], bits: int, group: int) -> Any:
    """`oneshot` with `GPTQModifier` on the calibration windows; what it leaves in the weights is already rounded."""
    from compressed_tensors.quantization import QuantizationArgs, QuantizationScheme
    from compressed_tensors.quantization.lifecycle.forward import fake_quantize
    from datasets import Dataset
    from llmcompressor import oneshot
    from llmcompressor.modifiers.gptq import GPTQModifier

    weights = QuantizationArgs(num_bits=bits, type="int", symmetric=False, strategy="group", group_size=group)
    scheme = QuantizationScheme(targets=["Linear"], weights=weights)
    text = Dataset.from_dict({"input_ids": windows, "attention_mask": [[1] * len(window) for window in windows]})
    oneshot(
        model=model,
        dataset=text,
        recipe=GPTQModifier(config_groups={"group_0": scheme}, ignore=["lm_head"]),
        max_seq_length=len(windows[0]),
        num_calibration_samples=len(windows),
        output_dir=None,
    )
    with torch.no_grad():
        for module in linears(model).values():
            # Again onto the grid that it stores, with the scales as the file would hold them.
            scale, zero = module.weight_scale.half().float(), module.weight_zero_point
            module.weight.copy_(fake_quantize(module.weight, scale, zero, module.quantization_scheme.weights))
    plain = type(model)(model.config)
    plain.load_state_dict({name: value for name, value in model.state_dict().items() if "weight_" not in name})
    return plain.eval()


if __name__ == "__main__":
    run(f"llmcompressor {version('llmcompressor')} GPTQ", None, quantize)
