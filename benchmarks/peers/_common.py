"""What every peer's script does around its library: read the arguments, time the work, write the weights it chose.

    python NAME.py MODEL_FOLDER CALIBRATION.json BITS GROUP OUT

Runs in the peer's own environment, so it imports nothing of ours. Weights are written dequantized in float32, so that
rounding after the codes cannot blur the comparison.
"""

import json
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

Quantize = Callable[[Any, list[list[int]], int, int], Any]
"""(transformers model in float32, calibration windows, bits, group size) -> the model with dequantized weights."""


def linears(model: Any) -> dict[str, torch.nn.Linear]:
    """The linear layers of the decoder blocks by name: everything but the head."""
    return {
        name: module
        for name, module in model.named_modules()
        if isinstance(module, torch.nn.Linear) and name != "lm_head"
    }


def run(version: str, zero_bits: int | None, quantize: Quantize) -> None:
    """Do the work and print one line of JSON. zero_bits: of a stored zero point; None = as many as a code has."""
    folder, calibration, bits, group, out = sys.argv[1:]
    windows = json.loads(Path(calibration).read_text())
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    began, cpu = time.perf_counter(), _cpu_s()
    model = quantize(model, windows, int(bits), int(group))
    seconds, cpu = time.perf_counter() - began, _cpu_s() - cpu
    model.save_pretrained(out)
    AutoTokenizer.from_pretrained(folder).save_pretrained(out)
    stored = int(bits) + (16 + (int(bits) if zero_bits is None else zero_bits)) / int(group)
    print(json.dumps({"version": version, "bits_per_weight": stored, "seconds": seconds, "cpu_s": cpu}))


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime
