"""The architectures that are read, by llama.cpp's names. A new one is an entry in a file here."""

from __future__ import annotations

from optlab.errors import ModelError
from optlab.models.gguf.architectures import Architecture
from optlab.models.gguf.families import gemma, gpt, gpt_oss, llama, olmo, parallel, phi, qwen, recurrent
from optlab.models.gguf.file import GGUFFile

ARCHITECTURES: dict[str, Architecture] = {
    **llama.ARCHITECTURES,
    **qwen.ARCHITECTURES,
    **gemma.ARCHITECTURES,
    **phi.ARCHITECTURES,
    **olmo.ARCHITECTURES,
    **gpt.ARCHITECTURES,
    **gpt_oss.ARCHITECTURES,
    **parallel.ARCHITECTURES,
    **recurrent.ARCHITECTURES,
}
VARIANTS = {"mixtral", "falcon-two-norms"}
"""What a file calls by another name, told apart by what is in it."""
NO_TOKENS = (
    "bert", "nomic-bert", "nomic-bert-moe", "jina-bert-v2", "jina-bert-v3", "neo-bert", "eurobert", "modern-bert",
    "gemma-embedding", "t5encoder", "clip", "wavtokenizer-dec",
)  # fmt: skip
"""Encoders: their GGUF files hold no head, so they predict no tokens."""


def find(file: GGUFFile) -> Architecture:
    """The entry of a file's architecture. Raises ModelError when there is none."""
    name = file.architecture
    if name == "llama" and file.own("expert_count"):
        name = "mixtral"
    if name == "falcon" and "blk.0.attn_norm_2.weight" in file.tensors:
        name = "falcon-two-norms"
    if name in ARCHITECTURES:
        return ARCHITECTURES[name]
    if name in NO_TOKENS:
        raise ModelError(
            "{file} is an encoder ({architecture}) without a head, so it predicts no tokens",
            file=file.path.name,
            architecture=name,
        )
    known = ", ".join(sorted(set(ARCHITECTURES) - VARIANTS))
    raise ModelError(
        "{file} is a GGUF of architecture {architecture!r}, which is not read; these are: {known}",
        file=file.path.name,
        architecture=name,
        known=known,
    )
