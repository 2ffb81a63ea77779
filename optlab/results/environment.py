"""On which machine, and with which versions, a figure was measured."""

from __future__ import annotations

from pydantic import Field

from optlab.results.document import Part
from optlab.results.fields import Count, Number, Word


class Environment(Part):
    """instructions: processor flags that decide how fast weights of few bits multiply. threads: of torch, None where it
    was not loaded. load: processes that wanted a core in the last minute, None where the system does not count.
    read_bytes_per_s: what the memory gave just then, None where that was not measured."""

    processor: Word = ""
    cores: Count | None = None
    instructions: tuple[Word, ...] = ()
    memory_bytes: Count | None = None
    system: Word = ""
    threads: Count | None = None
    load: Number | None = None
    versions: dict[Word, Word] = Field(default_factory=dict)
    read_bytes_per_s: Number | None = None
