"""A random model larger than memory, compressed and measured in one pass: peak memory and seconds.

    python -m benchmarks.streaming --shape 7b --method rtn --tokens 2048

builds the model once (14 GB in bfloat16 for 7b) in `--folder`, and measures it in a process of its own, because a peak
belongs to a process. The peak is the kernel's (VmHWM): it counts every page that was resident, mapped files too.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

SHAPES = {
    "tiny": {"hidden_size": 64, "intermediate_size": 176, "num_hidden_layers": 2, "num_attention_heads": 4,
             "num_key_value_heads": 4},
    "0.1b": {"hidden_size": 1024, "intermediate_size": 2816, "num_hidden_layers": 4, "num_attention_heads": 16,
             "num_key_value_heads": 16},
    "0.3b": {"hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 16, "num_attention_heads": 16,
             "num_key_value_heads": 4},
    "0.6b": {"hidden_size": 1536, "intermediate_size": 6144, "num_hidden_layers": 16, "num_attention_heads": 16,
             "num_key_value_heads": 4},
    "1b": {"hidden_size": 2048, "intermediate_size": 8192, "num_hidden_layers": 16, "num_attention_heads": 32,
           "num_key_value_heads": 8},
    "7b": {"hidden_size": 4096, "intermediate_size": 11008, "num_hidden_layers": 32, "num_attention_heads": 32,
           "num_key_value_heads": 32},
}  # fmt: skip
"""Three in between, Llama 3.2 1B and Llama 2 7B, with the tokenizer of `TOKENIZER`."""
TOKENIZER = "nano"
BLOCKS_A_SHARD = 2


def build(shape: str, folder: Path) -> None:
    """A Llama with random weights, bfloat16, in shards; drawn so that its states neither vanish nor explode."""
    import torch
    from safetensors.torch import save_file

    from optlab.models.catalog import resolve
    from optlab.models.checkpoint import read_json
    from optlab.models.fingerprint import TEXT_FILES

    folder.mkdir(parents=True)
    source = resolve(TOKENIZER)
    for file in source.iterdir():
        if file.name in TEXT_FILES or file.name.startswith("tokenizer"):
            shutil.copyfile(file, folder / file.name)
    vocabulary = int(read_json(source / "config.json")["vocab_size"])
    vocabulary = max(vocabulary, 32_000 if shape != "tiny" else 0)
    config = {
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": vocabulary,
        "max_position_embeddings": 4096, "rms_norm_eps": 1e-5, "tie_word_embeddings": False, "torch_dtype": "bfloat16",
        "hidden_act": "silu", "rope_theta": 10_000.0, **SHAPES[shape],
    }  # fmt: skip
    (folder / "config.json").write_text(json.dumps(config))
    width, inner = int(SHAPES[shape]["hidden_size"]), int(SHAPES[shape]["intermediate_size"])
    head = width // int(SHAPES[shape]["num_attention_heads"])
    narrow = head * int(SHAPES[shape]["num_key_value_heads"])
    generator = torch.Generator().manual_seed(0)

    def drawn(*size: int) -> torch.Tensor:
        return torch.empty(size, dtype=torch.bfloat16).normal_(0.0, size[-1] ** -0.5, generator=generator)

    ends = {"model.embed_tokens.weight": drawn(vocabulary, width), "lm_head.weight": drawn(vocabulary, width),
            "model.norm.weight": torch.ones(width, dtype=torch.bfloat16)}  # fmt: skip
    parts, blocks = [ends], int(SHAPES[shape]["num_hidden_layers"])
    count = 1 + -(-blocks // BLOCKS_A_SHARD)
    places: dict[str, str] = {}
    for number in range(count):
        tensors = parts[0] if number == 0 else {}
        for block in range((number - 1) * BLOCKS_A_SHARD, min(number * BLOCKS_A_SHARD, blocks)) if number else ():
            sizes = {"self_attn.q_proj": (width, width), "self_attn.k_proj": (narrow, width),
                     "self_attn.v_proj": (narrow, width), "self_attn.o_proj": (width, width),
                     "mlp.gate_proj": (inner, width), "mlp.up_proj": (inner, width),
                     "mlp.down_proj": (width, inner)}  # fmt: skip
            tensors |= {f"model.layers.{block}.{name}.weight": drawn(*size) for name, size in sizes.items()}
            for name in ("input_layernorm", "post_attention_layernorm"):
                tensors[f"model.layers.{block}.{name}.weight"] = torch.ones(width, dtype=torch.bfloat16)
        name = f"model-{number + 1:05d}-of-{count:05d}.safetensors"
        save_file(tensors, folder / name, metadata={"format": "pt"})
        places |= dict.fromkeys(tensors, name)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": places}))


def measure(folder: Path, method: str, tokens: int, report: bool, target: Path) -> dict[str, float]:
    """Seconds, perplexities, and the peak resident bytes of this process."""
    from optlab.jobs.resolution import settled
    from optlab.progress import silent
    from optlab.protocol import Protocol
    from optlab.recipes import Recipe
    from optlab.streaming import stream

    recipe = Recipe.from_dict({"steps": [{"quantize": {"method": method, "bits": 4, "group_size": 64}}]})
    if folder.name.startswith("tiny"):
        recipe = Recipe.from_dict({"steps": [{"quantize": {"method": method, "bits": 4, "group_size": 16}}]})
    protocol = settled(str(folder), Protocol(tokens=tokens, calibration_tokens=max(512, tokens), device="cpu"))
    target.mkdir(parents=True)
    began = time.perf_counter()
    found = stream(str(folder), recipe, protocol, target, silent, report)
    size = sum(file.stat().st_size for file in target.glob("*.safetensors"))
    return {
        "seconds": time.perf_counter() - began, "compress_s": found.compress_seconds,
        "evaluate_s": found.evaluate_seconds, "ppl_base": found.quality.base.ppl,
        "ppl_candidate": found.quality.candidate.ppl, "kl": found.quality.kl_mean, "file_gb": size / 1e9,
        "peak_gib": peak() / 2**30,
    }  # fmt: skip


def load_packed(target: Path) -> dict[str, float]:
    """The artefact read back with its codes, none of its layers expanded: seconds, and the peak of this process."""
    from optlab.kernels.artefact import load_artefact

    began = time.perf_counter()
    loaded = load_artefact(target, "bfloat16", "cpu", hollow=True)
    return {"layers": len(loaded.stored), "seconds": time.perf_counter() - began, "peak_gib": peak() / 2**30}


def peak() -> int:
    """Largest resident bytes that this process has had."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) << 10
    return 0


def main() -> None:
    """Build the model where it is not there, then measure it, and print one table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shape", choices=SHAPES, default="1b")
    parser.add_argument("--method", default="rtn")
    parser.add_argument("--tokens", type=int, default=2048)
    parser.add_argument("--report", action="store_true", help="tell what happened to every layer too")
    parser.add_argument("--folder", type=Path, default=Path("streaming-benchmark"))
    parser.add_argument("--part", choices=("all", "build", "measure", "load"), default="all")
    asked = parser.parse_args()
    model, target = asked.folder / asked.shape, asked.folder / f"{asked.shape}-{asked.method}"
    if asked.part == "build":
        build(asked.shape, model)
    elif asked.part == "measure":
        print(json.dumps(measure(model, asked.method, asked.tokens, asked.report, target)))
    elif asked.part == "load":
        print(json.dumps(load_packed(target)))
    else:
        table = {}
        if not model.is_dir():
            _part("build")
        shutil.rmtree(target, ignore_errors=True)
        for part in ("measure", "load"):
            table[part] = json.loads(_part(part))
        print(f"{asked.shape}, {asked.method}, {asked.tokens} tokens")
        for part, figures in table.items():
            print(f"{part:8}", "  ".join(f"{name} {value:.4g}" for name, value in figures.items()))


def _part(part: str) -> str:
    command = [sys.executable, "-m", "benchmarks.streaming", *sys.argv[1:], "--part", part]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


if __name__ == "__main__":
    main()
