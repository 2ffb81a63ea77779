"""A piece of JSON with a type and a version: written by one version of OptLab, read by the same or a later one.

What is kept says its version (`"version": 1`); what OptLab wrote before results had types says none and counts as 0.
An older document is upgraded by its type (`upgraded`) and may hold fields that are no more; a current one may not, so
that an invented key is found where it is written. A newer one is refused with a sentence.
"""

from __future__ import annotations

import json
from typing import Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from optlab.errors import OptLabError
from optlab.files import JsonObject
from optlab.results.fields import STORED

UNTYPED = 0
"""The version of documents that say none."""


class UnreadableError(OptLabError):
    """A document is not what it claims to be, or of a version that is not known here."""


class Part(BaseModel):
    """A frozen group of fields inside a document."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="constants")

    def to_dict(self) -> JsonObject:
        """Plain JSON: tuples as lists, numbers that JSON has no word for as they are."""
        return self.model_dump(mode="json")


class Document(Part):
    """A spec or a result as a whole. version: raised, with a step in `upgraded`, whenever a field moves or changes."""

    version: ClassVar[int] = 1

    def to_json(self) -> str:
        """ASCII JSON with the version in it; infinities and NaN are written as Python's `json` reads them."""
        fields = self.model_dump(mode="json", context=STORED)
        return json.dumps({"version": self.version, **fields}, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """What `to_json` wrote, here or in an earlier version. Raises UnreadableError."""
        try:
            data = json.loads(text)
        except (ValueError, RecursionError):
            raise UnreadableError("{name}: this is not JSON", name=cls.__name__) from None
        return cls.from_dict(data)

    @classmethod
    def from_dict(cls, data: Any) -> Self:
        """The document that `data`, parsed JSON, describes. Raises UnreadableError that names the first wrong field."""
        if not isinstance(data, dict):
            raise UnreadableError("{name} is a mapping, not {found}", name=cls.__name__, found=type(data).__name__)
        fields = dict(data)
        version = fields.pop("version", UNTYPED)
        if not isinstance(version, int) or isinstance(version, bool) or not UNTYPED <= version <= cls.version:
            raise UnreadableError(
                "{name} of version {version!r:.40}; this OptLab reads up to {readable}",
                name=cls.__name__,
                version=version,
                readable=cls.version,
            )
        current = version == cls.version
        try:
            fields = fields if current else cls.upgraded(fields, version)
            return cls.model_validate(fields, extra="forbid" if current else "ignore")
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            where = ".".join(map(str, first["loc"])) or "as a whole"
            raise UnreadableError(
                "{name} {where}: {msg}",
                name=cls.__name__,
                where=where[:200],
                msg=first["msg"][:400].lower(),
            ) from None

    @classmethod
    def upgraded(cls, fields: JsonObject, version: int) -> JsonObject:
        """The fields of an older document under the names that they have now."""
        return fields


class Nothing(Document):
    """What is known so far of a run that tells nothing before it is done."""
