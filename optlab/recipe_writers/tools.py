"""Every tool that a recipe can be written for. A new one is one file and one line here."""

from __future__ import annotations

from optlab.errors import OptLabError
from optlab.recipe_writers.auto_round import AUTO_ROUND
from optlab.recipe_writers.gptqmodel import GPTQMODEL
from optlab.recipe_writers.llama_quantize import LLAMA_QUANTIZE
from optlab.recipe_writers.llm_compressor import LLM_COMPRESSOR
from optlab.recipe_writers.tool import Tool

TOOLS = {tool.name: tool for tool in (LLM_COMPRESSOR, GPTQMODEL, AUTO_ROUND, LLAMA_QUANTIZE)}


def tool_of(name: str) -> Tool:
    """The tool of that name. Raises OptLabError when there is none."""
    if name not in TOOLS:
        raise OptLabError("no recipe is written for {name!r}; use {known}", name=name, known=", ".join(TOOLS))
    return TOOLS[name]
