"""Our pruning methods beside llm-compressor's: perplexity, bits per weight, seconds; same text, same calibration.

    python -m benchmarks.pruning [--patterns unstructured 2:4] [--methods wanda sparsegpt ...] [--peer /venv/bin/python]

Half of the weights go. The peer runs in the Python environment it is given, writes the weights it chose as a folder in
hub layout, and is evaluated by us like everything else. Without an environment it is skipped, and the table says so.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
from pathlib import Path

from benchmarks.protocol import HEAD, Bench, Row, machine
from optlab.models import load
from optlab.recipes import Recipe

PEER = Path(__file__).parent / "peers_pruning" / "llmcompressor_pruning.py"
PATTERNS = ("unstructured", "2:4")
METHODS = (
    "random",
    "magnitude",
    "magnitude scope=global",
    "taylor",
    "wanda no-refit",
    "wanda sequential no-refit",
    "wanda",
    "wanda allocation=owl",
    "wanda sequential",
    "sparsegpt sequential no-refit",
    "sparsegpt",
    "sparsegpt sequential",
    "sparsegpt sequential allocation=owl",
)


def recipe(method: str, pattern: str) -> Recipe:
    """`method` is a registered name, and after it words that change a default: `name`, `no-name` or `name=value`."""
    name, *words = method.split()
    values: dict[str, object] = {"method": name, "sparsity": 0.5, "pattern": pattern}
    for word in words:
        key, _, value = word.partition("=")
        values[key.removeprefix("no-")] = value or not key.startswith("no-")
    return Recipe.from_dict({"steps": [{"prune": values}]})


def peer(python: str, method: str, pattern: str, bench: Bench) -> Row:
    """Run the peer in its own environment. Raises CalledProcessError when it fails."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        (place / "calibration.json").write_text(json.dumps(bench.calibration()))
        command = [python, str(PEER), str(bench.model.folder), str(place / "calibration.json"), method, pattern]
        done = subprocess.run([*command, str(place / "out")], check=True, stdout=subprocess.PIPE, text=True)
        said = json.loads(done.stdout.splitlines()[-1])
        ppl = bench.ppl(load(str(place / "out"), "float32"))
    # Its sparse file format was removed, so its zeros are stored as 16-bit numbers.
    return Row(f"{said['version']}, {pattern}", ppl, 16.0, said["seconds"], said["cpu_s"])


def main() -> None:
    """Print the table, a line as soon as it is known."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.pruning")
    parser.add_argument("--patterns", nargs="+", default=list(PATTERNS))
    parser.add_argument("--methods", nargs="*", default=list(METHODS))
    parser.add_argument("--peer", metavar="PYTHON", help="interpreter of an environment that has llmcompressor")
    chosen = parser.parse_args()
    bench = Bench()
    print(f"{machine()}\n\noriginal: perplexity {bench.ppl(bench.model):.3f}\n\n{HEAD}", flush=True)
    for pattern in chosen.patterns:
        for method in chosen.methods:
            if "=" not in method or pattern == "unstructured":  # scope and allocation share out what 2:4 fixes
                row, _ = bench.measure(recipe(method, pattern), f"{method}, {pattern}")
                print(row, flush=True)
        for method in ("wanda", "sparsegpt") if chosen.peer else ():
            print(peer(chosen.peer, method, pattern, bench), flush=True)
    if not chosen.peer:
        print("skipped llmcompressor: no --peer PYTHON names an environment that has it")


if __name__ == "__main__":
    main()
