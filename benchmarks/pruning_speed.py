"""What each pattern of pruning does to bytes and to speed on this machine, timed in turns, in one run.

    python -m benchmarks.pruning_speed [--model smollm2-135m] [--share 0.25] [--rounds 5] [--only layers neurons]

Every recipe is written to disk, and the bytes are those of its file. Then every model is timed once per round: a prompt
of 512 tokens, then 64 tokens greedily, batch 1, bfloat16. Let nothing else run. The speedup's interval is that of
rounds that lie beside each other.
"""

from __future__ import annotations

import argparse
import tempfile
from typing import Any

from benchmarks.protocol import CALIBRATION, CALIBRATION_WINDOWS, CONTEXT, MODEL, machine
from optlab.compression import compress
from optlab.evaluation.latency import latency, speedup
from optlab.evaluation.size import weight_bytes
from optlab.kernels.artefact import save
from optlab.kernels.runtime import Runtime, runtime
from optlab.models import load
from optlab.progress import silent
from optlab.protocol import Protocol
from optlab.recipes import Recipe
from optlab.results.latency import TimedPair
from optlab.texts import calibration_windows


def recipes(share: float) -> dict[str, list[dict[str, Any]]]:
    """Name -> steps: half of the weights without and with a pattern, and a share of the units."""
    units = {
        f"{share:.0%} of {what}": [{"prune": {"method": "wanda", "pattern": what, "sparsity": share}}]
        for what in ("layers", "neurons")
    }
    return {
        "50% unstructured": [{"prune": {"method": "magnitude", "sparsity": 0.5}}],
        "50% as 2:4": [{"prune": {"method": "magnitude", "sparsity": 0.5, "pattern": "2:4"}}],
        **units,
        "33% of heads": [{"prune": {"method": "wanda", "pattern": "heads", "sparsity": 0.33}}],
    }


def main() -> None:
    """Print the table when all is timed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.pruning_speed")
    parser.add_argument("--model", default=MODEL)
    parser.add_argument("--share", type=float, default=0.25)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", nargs="*", default=[], help="words of the recipes to time; all when there are none")
    chosen = parser.parse_args()
    model = load(chosen.model, "float32")
    tokens = CALIBRATION_WINDOWS * CONTEXT
    protocol = Protocol(calibration=CALIBRATION, calibration_tokens=tokens, context=CONTEXT, dtype="bfloat16")
    sizes, runtimes = {"original": weight_bytes(model.folder)}, {"original": runtime(model, "bfloat16")}
    weights = {"original": model.description.parameters}
    for name, steps in recipes(chosen.share).items():
        if chosen.only and not any(word in name for word in chosen.only):
            continue
        compressed = compress(model, Recipe.from_dict({"steps": steps}), protocol)
        with tempfile.TemporaryDirectory() as folder:
            sizes[name] = save(compressed, folder, silent)
        weights[name] = sum(p.numel() for p in compressed.model.module.parameters())
        runtimes[name] = runtime(compressed, "bfloat16")
    ids = calibration_windows(CALIBRATION, model.tokenizer, CONTEXT, CONTEXT)[0]
    timed = latency(dict[str, Runtime](runtimes), ids, new_tokens=64, rounds=chosen.rounds)
    print(f"{machine()}\n")
    print("| recipe | MB | size | weights left | decode ms | decode times faster (95 %) | prompt tokens/s |")
    print("|---|---|---|---|---|---|---|")
    base = timed["original"]
    for name, one in timed.items():
        gain = speedup(TimedPair(base=base, candidate=one))
        low, high = gain.decode_speedup_ci95 or (1.0, 1.0)
        print(
            f"| {name} | {sizes[name] / 1e6:.1f} | {sizes[name] / sizes['original']:.3f} | "
            f"{weights[name] / weights['original']:.3f} | {one.decode_ms:.2f} | {gain.decode_speedup:.2f} "
            f"({low:.2f} to {high:.2f}) | {one.prefill_tokens_per_s:.0f} |"
        )


if __name__ == "__main__":
    main()
