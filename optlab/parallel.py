"""Layers side by side, each on cores of its own, instead of all cores taking turns at one layer.

What quantizes a layer is often thousands of small operations. Split over the cores, each of them waits for the slowest
share, and waiting asleep (`optlab.machine.threads`) takes as long as the work: GPTQ then uses one core of two. Layers
that do not depend on each other need not wait for anything.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    import torch

Item = TypeVar("Item")
Result = TypeVar("Result")

MOST = 8
"""Layers at once, at most: each has its own copies in memory."""
AHEAD = 2
"""Results per thread that may wait to be taken."""


@contextmanager
def in_parallel(
    work: Callable[[Item], Result], items: Iterable[Item], device: torch.device, most: int = MOST
) -> Iterator[Iterator[Result]]:
    """work(item) of every item, in order, without gradients; on the processor up to `most` at a time, in threads.

    Several may read the same thing, but not change it. With `most` 1 an item is begun when its result is asked for.
    Leaving the context early drops what has not begun.
    """
    with closing(_results(work, items, most if device.type == "cpu" else 1)) as results:
        yield results


def _results(work: Callable[[Item], Result], items: Iterable[Item], most: int) -> Generator[Result, None, None]:
    import torch  # whoever only asks how many layers are worked on at once needs none

    # read once, and here: a neighbour that comes or goes changes it between the call and the first result
    threads = torch.get_num_threads()
    at_once = min(threads, most)
    if at_once == 1:
        for item in items:
            with torch.no_grad():
                result = work(item)
            yield result
        return

    @torch.no_grad()
    def one(item: Item) -> Result:
        return work(item)

    running: deque[Future[Result]] = deque()
    pool = ThreadPoolExecutor(at_once, "layers", torch.set_num_threads, (threads // at_once,))
    try:
        for item in items:
            running.append(pool.submit(one, item))
            if len(running) > AHEAD * at_once:
                yield running.popleft().result()
        while running:
            yield running.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
        # Torch gives threads that begin later the number that was set last, wherever that was.
        torch.set_num_threads(threads)
