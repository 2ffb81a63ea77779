"""What a run is about, resolved once: which model, with every default decided, and what identifies its weights."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from optlab.jobs.resolution import located, settled, unread_identity
from optlab.protocol import Protocol


@dataclass(frozen=True)
class Subject:
    """What was true at one moment. model: a name of the catalog or the hub, or an absolute path. protocol: nothing in
    it is left to a default.

    fingerprint: of the weights, None until a `prepare` run has read them.
    """

    model: str
    protocol: Protocol
    fingerprint: str | None

    @classmethod
    def of(cls, model: str, protocol: Protocol, fingerprint: str | None) -> Subject:
        """Raises ModelError when there is no such model on this disk and the name cannot be one of the hub."""
        model = located(model)
        return cls(model, settled(model, protocol), fingerprint)

    @cached_property
    def unread(self) -> str:
        """Identifies the weights before they were read: by name, size and time of change of their files."""
        return unread_identity(self.model)

    @property
    def weights(self) -> tuple[str, ...]:
        """Everything that may identify the weights in a key, the best first: a run that was asked for before the
        preparation is still found after it."""
        return (self.unread,) if self.fingerprint is None else (self.fingerprint, self.unread)
