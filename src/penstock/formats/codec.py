"""Codecs: what a decoder has to know of an object, as the text that a manifest holds once for all its extents."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, ClassVar, Self

import msgspec

from penstock.errors import DataError

__all__ = ["STORED", "Codec", "original_codec"]

STORED = "penstock.stored.1:"
"""How the codec of an extent begins that was decoded and stored (``penstock.tasks.stored``); ``how:`` and the one that
it had come behind it."""


def original_codec(text: str) -> str:
    """Return the codec that an extent had before it was stored, if it was."""
    return text.removeprefix(STORED).partition(":")[2] if text.startswith(STORED) else text


class Codec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A codec that is written as JSON.

    Attributes:
        kind: what it is of, for messages.
    """

    kind: ClassVar[str]

    def encode(self) -> str:
        """Return the text that a manifest holds."""
        return msgspec.json.encode(self).decode()

    @classmethod
    def read(cls, text: str) -> Self:
        """Return what a manifest's text holds.

        Raises:
            DataError: it holds something else.
        """
        found: Self = _read(cls, original_codec(text))
        return found


@lru_cache(maxsize=64)
def _read(cls: type[Codec], text: str) -> Any:
    try:
        return msgspec.json.decode(text, type=cls)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise DataError(
            f"the manifest's codec {text[:80]!r} is none of {cls.kind} ({error})", fix="list the dataset again"
        ) from error
