"""What a graphics card is needed for, in one table: decoding, GPTQ and quality, on random models made where it runs.

    python -m benchmarks.gpu [--device cuda] [--shapes smollm2 1b 8b] [--solve smollm2 1b] [--minutes 8]

Speed does not depend on what the weights are, so shapes are enough, and nothing has to be carried to the card. Every
part is begun only while minutes are left; a part that was left out says so. On a processor, with the shape "tiny", it
runs through Triton's interpreter where TRITON_INTERPRET is 1.
"""

from __future__ import annotations

import argparse
import gc
import json
import shutil
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import torch
from safetensors.torch import save_file

import optlab
from optlab import paths
from optlab.formats.integer_grid import in_groups, minmax
from optlab.formats.integer_tensor import QuantizedTensor
from optlab.kernels.generate import choices
from optlab.kernels.gpu.llama import GraphLlama
from optlab.kernels.limits import card_bandwidth
from optlab.kernels.llama import LlamaRuntime
from optlab.models.config import Config
from optlab.models.device import choose_device
from optlab.models.structure import analyse, linear_weight
from optlab.models.transformer import Rotary, Transformer
from optlab.protocol import Protocol
from optlab.recipes import Recipe, Step

SHAPES = {
    "tiny": Config(4096, 64, 2, 4, 2, 16, 128, 512),
    "smollm2": Config(49152, 576, 30, 9, 3, 64, 1536, 2048),
    "1b": Config(128256, 2048, 16, 32, 8, 64, 8192, 2048),
    "8b": Config(128256, 4096, 32, 32, 8, 128, 14336, 2048, tied=False),
}
"""SmolLM2-135M, Llama-3.2-1B and Llama-3.1-8B; the last with the longest text of the others."""
SECONDS = {"tiny": 1.0, "smollm2": 20.0, "1b": 30.0, "8b": 60.0}
"""What a part takes at most on a card, to begin none that cannot end in time."""
GROUP, TEXT = 64, "shakespeare"
RECIPES = {
    "gptq": Recipe.of(Step("quantize", "gptq", {"bits": 4})),
    "sparsegpt": Recipe.of(Step("prune", "sparsegpt", {"sparsity": 0.5})),
}
"""Compressed on the card and on the processor, to compare what comes out."""


def made(config: Config, device: torch.device) -> Transformer:
    """A random model in bfloat16, drawn on `device`."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.bfloat16)
    try:
        with device:
            module = Transformer(config).eval()
    finally:
        torch.set_default_dtype(before)
    module.rotary = Rotary(config)
    module.rotaries = {"global": module.rotary}
    module.initialize()
    return module.requires_grad_(False)


def rounded(module: Transformer, bits: int) -> dict[str, QuantizedTensor]:
    """All layers of the blocks rounded to `bits` in groups of 64 with integer zero points."""
    found = {}
    for name in analyse(module).linears:
        W = linear_weight(module.get_submodule(name)).detach().float()
        found[name] = QuantizedTensor.of(W, minmax(in_groups(W, GROUP), bits, "integer"), GROUP)
    return found


def decoding(runs: LlamaRuntime, prompt: int, new: int) -> float:
    """Median milliseconds of a token, its choice included, batch 1."""
    ids = torch.randint(runs.config.vocabulary, (prompt,), generator=torch.Generator().manual_seed(0)).tolist()
    times: list[float] = []
    for _ in range(2):  # the first round compiles and records
        runs.reset()
        times.clear()
        token = int(runs.prefill(ids).argmax())
        for _ in range(new):
            began = time.perf_counter()
            token = int(runs.decode(token).argmax())
            times.append(1000 * (time.perf_counter() - began))
    return statistics.median(times)


class Report:
    """Lines as they come, and whether minutes are left."""

    def __init__(self, minutes: float) -> None:
        self.ends = time.monotonic() + 60 * minutes

    def line(self, what: str, value: str) -> None:
        print(f"| {what} | {value} |", flush=True)

    def left(self, what: str, seconds: float) -> bool:
        """Whether `what`, which takes about `seconds`, still fits."""
        fits = time.monotonic() + seconds < self.ends
        if not fits:
            self.line(what, "left out: no minutes left")
        return fits


def peak(device: torch.device) -> str:
    return f"{torch.cuda.max_memory_allocated(device) / 1e9:.2f} GB" if device.type == "cuda" else "not counted"


@contextmanager
def fresh(device: torch.device) -> Iterator[None]:
    """With nothing left over on the device, and its peak counted from here."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)
    yield


def decode(shape: str, device: torch.device, report: Report, bandwidth: float | None, prompt: int, new: int) -> None:
    """Milliseconds launch by launch, as one graph, and with 4-bit weights; what share of the bandwidth that is."""
    config = SHAPES[shape]
    with fresh(device):
        module = made(config, device)
        for name, kind, stored in (
            ("launch by launch", LlamaRuntime, {}),
            ("one graph", GraphLlama, {}),
            ("one graph, 8 bits", GraphLlama, 8),
            ("one graph, 4 bits", GraphLlama, 4),
        ):
            weights = rounded(module, stored) if isinstance(stored, int) else stored
            runs = kind(module, weights, torch.bfloat16, prompt + new, [])
            del weights
            ms = decoding(runs, prompt, new)
            share = ""
            if bandwidth is not None and isinstance(runs, GraphLlama) and runs.bytes_per_token is not None:
                of_bandwidth = runs.bytes_per_token / (ms / 1000) / bandwidth
                share = f", {runs.bytes_per_token / 1e9:.3f} GB a token, {of_bandwidth:.0%} of the bandwidth"
            report.line(f"{shape}, {name}", f"{ms:.3f} ms{share}")
            del runs
        report.line(f"{shape}, peak device memory while decoding", peak(device))


def write(shape: str, folder: Path, device: torch.device) -> None:
    """A random model of a shape with nano's tokenizer, in hub layout."""
    config = SHAPES[shape]
    module = made(config, device)
    weights = {
        name: one.cpu() for name, one in module.state_dict().items() if name != "lm_head.weight" or not config.tied
    }
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    said = {
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "torch_dtype": "bfloat16",
        "hidden_act": config.activation, "hidden_size": config.width, "intermediate_size": config.mlp_width,
        "num_hidden_layers": config.blocks, "num_attention_heads": config.heads,
        "num_key_value_heads": config.kv_heads, "head_dim": config.head_dim, "vocab_size": config.vocabulary,
        "max_position_embeddings": config.context_length, "rms_norm_eps": config.norm_eps,
        "rope_theta": config.rope_theta, "tie_word_embeddings": config.tied,
    }  # fmt: skip
    (folder / "config.json").write_text(json.dumps(said), encoding="utf-8")
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(paths.ASSETS / "nano" / name, folder / name)


def solving(shape: str, method: str, device: torch.device, report: Report) -> None:
    """Seconds of reading the calibration text, and of GPTQ or SparseGPT after it."""
    from optlab.calibrate.statistics import statistics as moments
    from optlab.compression import apply

    recipe, protocol = RECIPES[method], Protocol(calibration=TEXT)
    with fresh(device), tempfile.TemporaryDirectory() as place:
        write(shape, Path(place), device)
        model = optlab.load(place, "float32", str(device))
        with fresh(device):
            began = time.perf_counter()
            length = min(protocol.context, model.description.context_length)
            moments(model, TEXT, protocol.calibration_tokens, length, protocol.seed)
            read = time.perf_counter() - began
            began = time.perf_counter()
            apply(model, recipe, protocol)
            report.line(
                f"{shape}, {method}", f"{time.perf_counter() - began:.2f} s, and {read:.2f} s for reading the text"
            )
            report.line(f"{shape}, {method}, peak device memory", peak(device))


def quality(device: torch.device, report: Report) -> None:
    """Perplexity of nano, compressed on the card and on the processor, both measured on the processor in float32."""
    for method, recipe in RECIPES.items():
        found = {}
        for where in (str(device), "cpu"):
            compressed = optlab.compress("nano", recipe, device=where)
            found[where] = optlab.evaluate(
                compressed.model.to(device="cpu"), text=TEXT, tokens=4096, dtype="float32"
            ).ppl
        there, here = found[str(device)], found["cpu"]
        report.line(
            f"nano, {method}, perplexity when made on {device} and on the processor",
            f"{there:.4f} and {here:.4f} ({100 * (there / here - 1):+.3f} %)",
        )


def same_text(device: torch.device, report: Report, tokens: int) -> None:
    """Whether nano writes the same greedy text as a graph and launch by launch, and how far its logits are apart."""
    module = optlab.load("nano", "float32", str(device)).module
    assert isinstance(module, Transformer)
    for what, stored in (("float32", {}), ("4 bits", rounded(module, 4))):
        texts, logits = [], []
        for kind in (LlamaRuntime, GraphLlama):
            runs = kind(module, stored, torch.float32, 32 + tokens, [])
            written = list(choices(runs, list(range(20, 52)), tokens))
            texts.append([token for token, _ in written])
            logits.append(torch.stack([one for _, one in written]).double())
        apart = float((logits[0] - logits[1]).norm() / logits[0].norm())
        same = "the same" if texts[0] == texts[1] else "ANOTHER"
        report.line(f"nano in {what}, greedy text of {tokens} tokens", f"{same}, logits {apart:.1e} apart")


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--shapes", nargs="*", default=["smollm2", "1b", "8b"], choices=SHAPES)
    parser.add_argument("--solve", nargs="*", default=["smollm2", "1b"], choices=SHAPES)
    parser.add_argument("--methods", nargs="*", default=["gptq", "sparsegpt"], choices=RECIPES)
    parser.add_argument("--prompt", type=int, default=128)
    parser.add_argument("--new", type=int, default=64)
    parser.add_argument("--quality", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--minutes", type=float, default=8.0)
    chosen = parser.parse_args()
    device, report = choose_device(chosen.device), Report(chosen.minutes)
    on_card = device.type == "cuda"
    name = torch.cuda.get_device_name(device) if on_card else "a processor"
    print(
        f"{name}, torch {torch.__version__}, {date.today().isoformat()}, prompt {chosen.prompt}, batch 1\n", flush=True
    )
    print("| | |\n|---|---|", flush=True)
    bandwidth = card_bandwidth(device) if on_card else None
    if bandwidth is not None:
        report.line("measured read bandwidth", f"{bandwidth / 1e12:.2f} TB/s")
    same_text(device, report, chosen.new)
    for shape in chosen.shapes:
        if report.left(f"{shape}, decoding", SECONDS.get(shape, 20.0)):
            decode(shape, device, report, bandwidth, chosen.prompt, chosen.new)
    for method in chosen.methods:
        for shape in chosen.solve:
            if report.left(f"{shape}, {method}", 2 * SECONDS.get(shape, 20.0)):
                solving(shape, method, device, report)
    if chosen.quality and report.left("nano, quality", 60.0):
        quality(device, report)


if __name__ == "__main__":
    main()
