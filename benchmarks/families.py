"""How fast the C++ loop decodes a model that is not a Llama, beside transformers, in turns, in one run.

    python -m benchmarks.families [--rounds 5] [--new 32]

A Gemma 3 of 270M parameters with random weights: 18 blocks of width 640, 4 heads of 256 on one key-value head, windows
of 512 tokens in all blocks but every sixth, 262144 tokens of vocabulary in a tied embedding. Both in bfloat16 with the
same weights, batch 1, greedily after a prompt of 64 tokens; transformers runs eagerly with its own cache, which is how
people run it. Speed does not depend on what the weights are.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.protocol import machine
from optlab.kernels.native.llama import NativeLlama
from optlab.kernels.runtime import runtime
from optlab.models import load

PROMPT = 64
SHAPE: dict[str, Any] = {
    "vocab_size": 262144, "hidden_size": 640, "num_hidden_layers": 18, "num_attention_heads": 4,
    "num_key_value_heads": 1, "head_dim": 256, "intermediate_size": 2048, "max_position_embeddings": 32768,
    "sliding_window": 512, "query_pre_attn_scalar": 256,
}  # fmt: skip


def write(folder: Path) -> None:
    """A model of SHAPE with random weights and a tokenizer of one word, in hub layout."""
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from transformers import Gemma3ForCausalLM, Gemma3TextConfig

    torch.manual_seed(0)
    made = Gemma3ForCausalLM(Gemma3TextConfig(**SHAPE)).bfloat16()
    made.save_pretrained(folder)
    Tokenizer(WordLevel({"word": 0}, unk_token="word")).save(str(folder / "tokenizer.json"))


def main() -> None:
    """Print milliseconds per token of both, and the ratio of each round."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.families")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--new", type=int, default=32)
    chosen = parser.parse_args()
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    ids = torch.randint(SHAPE["vocab_size"], (PROMPT,), generator=torch.Generator().manual_seed(1)).tolist()
    with tempfile.TemporaryDirectory() as place:
        write(Path(place))
        ours = runtime(load(place, "bfloat16", "cpu"), "bfloat16", PROMPT + chosen.new)
        assert isinstance(ours, NativeLlama), ours.notes
        theirs = _transformers(Path(place))
        times: dict[str, list[float]] = {"C++ loop": [], "transformers": []}
        for number in range(chosen.rounds + 1):
            for name, one in (("C++ loop", _ours(ours, ids, chosen.new)), ("transformers", theirs(ids, chosen.new))):
                if number:  # the first round warms up
                    times[name].append(one)
            print(f"round {number} of {chosen.rounds}", file=sys.stderr, flush=True)
    found = {name: np.array(all_of) for name, all_of in times.items()}
    ratios = found["transformers"] / found["C++ loop"]
    print(f"{machine()}, torch {torch.__version__}, {torch.get_num_threads()} threads\n")
    for name, each in found.items():
        print(f"{name}: {1000 * np.median(each):.1f} ms per token ({', '.join(f'{1000 * one:.1f}' for one in each)})")
    print(f"{np.median(ratios):.2f} times as fast ({', '.join(f'{one:.2f}' for one in ratios)})")
    print(f"{ours.bytes_per_token / 1e6:.0f} MB of weights per token")


def _ours(model: NativeLlama, ids: list[int], new: int) -> float:
    """Median seconds per token."""
    model.reset()
    token, times = int(model.prefill(ids).argmax()), []
    for _ in range(new):
        began = time.perf_counter()
        token = int(model.decode(token).argmax())
        times.append(time.perf_counter() - began)
    return float(np.median(times))


def _transformers(folder: Path) -> Any:
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.bfloat16, attn_implementation="eager").eval()

    @torch.inference_mode()
    def run(ids: list[int], new: int) -> float:
        out = model(input_ids=torch.tensor([ids]), use_cache=True)
        times = []
        for _ in range(new):
            began = time.perf_counter()
            token = out.logits[:, -1].argmax(-1, keepdim=True)
            out = model(input_ids=token, past_key_values=out.past_key_values, use_cache=True)
            times.append(time.perf_counter() - began)
        return float(np.median(times))

    return run


if __name__ == "__main__":
    main()
