"""Compress and measure a model that is larger than memory, in one pass over its weights: one block at a time.

The hidden states of all windows, of the original and of the compressed model, lie on disk between two blocks. A block
is read, its methods are applied, it is written, and both its versions move their states on; then it is let go.
"""

from optlab.streaming.run import Streamed as Streamed
from optlab.streaming.run import stream as stream
