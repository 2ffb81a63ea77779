"""Decoding on a graphics card: packed weights that Triton kernels multiply, and one CUDA graph for a whole token.

At batch 1 a card waits for its host: a token of SmolLM2 is a thousand small kernels, each launched for longer than it
runs. Here it is five kernels a block, recorded once and replayed with one call. Every kernel also runs on a processor
through Triton's interpreter (TRITON_INTERPRET=1), which is how they are tested without a card.
"""
