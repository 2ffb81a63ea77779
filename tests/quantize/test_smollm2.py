"""Quality on the real model, by the protocol of the benchmarks: what the tables in docs/benchmarks.md promise.

Perplexities of the libraries are those that were measured with the same text and calibration.
"""

from pathlib import Path

import pytest
import torch

from benchmarks.protocol import CONTEXT, TEXT, Bench
from optlab.kernels.artefact import save
from optlab.recipes import Recipe

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not TEXT.is_file(), reason=f"the WikiText-2 test file is not at {TEXT}"),
]


@pytest.fixture(scope="module")
def bench() -> Bench:
    return Bench()


def recipe(method: str, bits: int, **values: object) -> Recipe:
    return Recipe.from_dict({"steps": [{"quantize": {"method": method, "bits": bits, "group_size": 64, **values}}]})


def test_the_protocol_gives_the_known_perplexity_of_the_original(bench):
    assert bench.ppl(bench.model) == pytest.approx(32.33, abs=0.02)


@pytest.mark.parametrize(
    ("method", "bits", "llmcompressor"),
    [("gptq", 4, 38.95), ("gptq", 3, 75.61), ("gptq", 2, 8743.0), ("awq", 3, 75.61), ("awq", 2, 8743.0)],
)
def test_gptq_is_below_llmcompressors_and_so_is_awq_at_few_bits(method, bits, llmcompressor, bench):
    row, _ = bench.measure(recipe(method, bits))
    assert row.ppl <= llmcompressor


def test_learned_rounding_at_three_bits_is_below_auto_rounds(bench):
    row, _ = bench.measure(recipe("signround", 3))
    assert row.ppl <= 54.70


@pytest.mark.parametrize("bits", [4, 3])
def test_plain_transformers_reads_a_saved_gptq_folder_and_is_as_good(bits, bench, tmp_path: Path):
    transformers = pytest.importorskip("transformers")
    pytest.importorskip("compressed_tensors")
    row, found = bench.measure(recipe("gptq", bits))
    size = save(found, tmp_path / "saved")
    assert size == sum(file.stat().st_size for file in (tmp_path / "saved").glob("*.safetensors"))
    theirs = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "saved", dtype=torch.float32)
    windows = torch.tensor(bench.ids).view(-1, CONTEXT)
    with torch.no_grad():
        loss = sum(float(theirs(window[None], labels=window[None]).loss) for window in windows) / len(windows)
    assert torch.tensor(loss).exp().item() == pytest.approx(row.ppl, rel=0.005)
