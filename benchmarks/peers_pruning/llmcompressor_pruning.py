"""llm-compressor's SparseGPT and Wanda in one shot, block by block, with its own defaults.

    python llmcompressor_pruning.py MODEL_FOLDER CALIBRATION.json METHOD PATTERN OUT

Runs in the peer's own environment, so it imports nothing of ours. METHOD: sparsegpt or wanda; PATTERN: unstructured
(half of the weights) or 2:4. Prints one line of JSON.
"""

import json
import resource
import sys
import time
from importlib.metadata import version
from pathlib import Path

import torch
from datasets import Dataset
from llmcompressor import oneshot
from llmcompressor.modifiers.pruning import WandaPruningModifier
from transformers import AutoModelForCausalLM, AutoTokenizer

try:
    from llmcompressor.modifiers.pruning import SparseGPTModifier
except ImportError:
    from llmcompressor.modifiers.obcq import SparseGPTModifier


def cpu_s() -> float:
    """Seconds of all threads so far."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def main() -> None:
    """Prune and write the weights."""
    folder, calibration, method, pattern, out = sys.argv[1:]
    windows = json.loads(Path(calibration).read_text())
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    modifier = {"sparsegpt": SparseGPTModifier, "wanda": WandaPruningModifier}[method]
    mask = "0:0" if pattern == "unstructured" else pattern
    text = Dataset.from_dict({"input_ids": windows, "attention_mask": [[1] * len(window) for window in windows]})
    began, cpu = time.perf_counter(), cpu_s()
    oneshot(
        model=model,
        dataset=text,
        recipe=modifier(sparsity=0.5, mask_structure=mask, ignore=["re:.*lm_head.*"]),
        max_seq_length=len(windows[0]),
        num_calibration_samples=len(windows),
        output_dir=None,
    )
    seconds, cpu = time.perf_counter() - began, cpu_s() - cpu
    plain = type(model)(model.config)
    plain.load_state_dict(model.state_dict())
    plain.save_pretrained(out)
    AutoTokenizer.from_pretrained(folder).save_pretrained(out)
    said = {"version": f"llmcompressor {version('llmcompressor')} {method}", "seconds": seconds, "cpu_s": cpu}
    print(json.dumps(said))


if __name__ == "__main__":
    main()
