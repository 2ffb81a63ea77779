"""The figures of a comparison against a run of one's choice, in the place of the original.

Every measurement is paired with the original: the same windows, the same rounds. So a quotient of two of them is a
quotient of paired ratios, and its interval adds the two in quadrature on a log scale, as if they were independent. Runs
that lose on the same windows are not, and then the true interval is narrower: what is told here is on the safe side.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from optlab.figures import speedup

if TYPE_CHECKING:
    from pandas import DataFrame, Series


def against(frame: DataFrame, base: Series) -> DataFrame:
    """`frames.with_original` with size_ratio, ppl_ratio, speedup, their intervals and speed against those of `base`, a
    row of the same columns."""
    from pandas import isna

    found = frame.copy()
    found["size_ratio"] = frame["size_bytes"] / base["size_bytes"]
    original = frame["run"].isna()
    timed = frame[["speedup", "speedup_low", "speedup_high"]].copy()
    timed.loc[original] = 1.0
    _divide(found, frame, base, ("ppl_ratio", "low", "high"))
    _divide(found, timed, base, ("speedup", "speedup_low", "speedup_high"))
    itself = frame["run"].eq(base["run"]).fillna(False)
    found.loc[itself, ["low", "high", "ppl_ratio"]] = 1.0
    found.loc[itself, ["speedup", "speedup_low", "speedup_high"]] = float("nan")
    gains = zip(found["speedup"], found["speedup_low"], found["speedup_high"], strict=True)
    found["speed"] = ["" if isna(gain) else speedup.in_words(gain, None if isna(low) else (low, high))
                      for gain, low, high in gains]  # fmt: skip
    return found


def _divide(found: DataFrame, frame: DataFrame, base: Series, names: tuple[str, str, str]) -> None:
    """Quotients of a ratio and its interval; no interval where one of the two has none."""
    import numpy as np

    middle, low, high = names
    log, centre = np.log(frame[list(names)].astype(float)), np.log(base[list(names)].astype(float))
    quotient = log[middle] - centre[middle]
    down = np.hypot(log[middle] - log[low], centre[high] - centre[middle])
    up = np.hypot(log[high] - log[middle], centre[middle] - centre[low])
    found[middle], found[low], found[high] = np.exp(quotient), np.exp(quotient - down), np.exp(quotient + up)
