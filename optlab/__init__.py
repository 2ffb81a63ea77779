"""OptLab: compress a language model, and measure what it cost and what it saved.

The package reads like a chapter: `recipes` says what to do, `models` to whom, `texts` on which words, `calibrate` what
the model does to its inputs, `quantize`, `prune` and `distill` how, `compress` applies a recipe, `kernels` runs the
result, `evaluate` measures it, `runs` remembers it. Importing this package does not import torch, so that the
dashboard opens at once; whatever needs torch imports it when it is called.
"""

__version__ = "0.2.0"
