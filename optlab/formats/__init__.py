"""How numbers are stored: integer grids, codebooks, floats, sparse forms, and how codes are packed into words.

A format knows its bytes on disk and the exact weights it stands for; which codes are best is a method's business
(`optlab.quantize`, `optlab.prune`). Sizes and break-evens (`formats.sparse`) are torch-free, because pages ask for
them.
"""
