"""What the lessons of the page *Learn* compute: each step of a small real model, in numpy, while a person types.

numpy and not torch, because a page answers a moved knob at once and pages never load torch. What the library computes
elsewhere is not taken for granted here: a lesson shows every step in between, and its tests compare the end of the
steps with the library's own result (`optlab.models`, `optlab.quantize`, `optlab.prune`, `optlab.distill`).
"""
