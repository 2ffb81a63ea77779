"""Weights as small integers: the grid a weight is rounded to, how its codes are stored, and the methods that choose.

`grid` fits a scale and a zero to a range and rounds; `tensor` is the result (codes, scales, zeros); `packing` puts the
codes into words without a wasted bit; `layerwise` is what every method that treats one weight at a time starts from.
"""
