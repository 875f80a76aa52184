"""JSON of servers, of whatever kind it is said to be."""

from __future__ import annotations

from typing import TypeVar

import msgspec

__all__ = ["read_json"]

T = TypeVar("T")


def read_json(body: bytes | str, kind: type[T]) -> T:
    """Return what a body holds.

    Raises:
        msgspec.MsgspecError: it is no JSON, or of another kind, or nested so deeply that nobody means it.
    """
    try:
        return msgspec.json.decode(body, type=kind)
    except RecursionError:
        raise msgspec.DecodeError("it is nested too deeply") from None
    except UnicodeDecodeError as error:
        raise msgspec.DecodeError(f"it holds what is no text ({error.reason})") from error
