"""How far a pass is inside one block: told before every batch of states and by the methods, so that a cancel is heard
within seconds however large the block is."""

from __future__ import annotations

from optlab.messages import Message
from optlab.progress import Progress, Rising


class Ticks:
    """One block. progress: takes 0 to 1 of it. message: what is done. share: of it that methods take, the rest is
    divided among so many batches."""

    def __init__(self, progress: Progress, message: Message, share: float, batches: int) -> None:
        self.progress, self.message = Rising(progress), message
        self.share, self.batches = share, max(batches, 1)
        self._read, self._applied = 0, 0.0
        self._tell()

    def batch(self) -> None:
        """Before one more batch. Raises what the progress raises."""
        self._tell()
        self._read += 1

    def method(self, number: int, count: int) -> Progress:
        """The progress of method `number` of `count`, which has words of its own."""

        def report(fraction: float, message: str, partial: object = None) -> None:
            self._applied = (number + min(max(fraction, 0.0), 1.0)) / count
            self.progress(self._done, message, partial)

        return report

    @property
    def _done(self) -> float:
        return self.share * self._applied + (1 - self.share) * min(self._read / self.batches, 1.0)

    def _tell(self) -> None:
        self.progress(self._done, self.message)
