"""SparseGPT: weights are zeroed column by column, and the columns still open take back what the zeros have lost.

Which weights go is decided a few columns at a time, from weights that already carry the corrections of all columns
before: those go whose loss costs the output least, w^2 / [H^-1]_jj of the inputs still open (Frantar and Alistarh,
arXiv 2301.00774, eq. 5 and algorithm 1). The walk is GPTQ's (`optlab.quantize.hessian`), with another rule for what a
column becomes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from optlab.methods import Parameter
from optlab.prune.pattern import FINE
from optlab.prune.scored import PATTERN, SEQUENTIAL, SPARSITY, ScoredPruning

if TYPE_CHECKING:
    from torch import Tensor

    from optlab.compress import Context
    from optlab.prune.inputs import Inputs
