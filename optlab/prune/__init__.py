"""Weights that are left out: which ones a method chooses, and what leaving them out really saves in a file.

`selection` finds the smallest numbers of several tensors exactly; `tensor` stores zeros without storing numbers for
them, where that is cheaper than storing the numbers.
"""
