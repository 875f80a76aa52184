"""What a child tells the process that started it, a datagram a message."""

from __future__ import annotations

import traceback

import msgspec

from penstock.errors import PenstockError, error_from_fields
from penstock.secrets import redact

__all__ = ["MOST_BYTES", "Begun", "Done", "Failed", "Faulty", "Message", "decode_message", "encode_message"]

MOST_BYTES = 65_536
"""Of a message: a socket's buffer holds several, so that a child never waits for who should read them."""
_MOST_CHARACTERS = 1_500
"""Of each text of an error, one of which may take 12 bytes."""
_MOST_OF_TRACEBACK = 3_500
"""Characters of a traceback, of its end: what is told with it fits ``MOST_BYTES`` as well."""


class Begun(msgspec.Struct, frozen=True, tag=True):
    """It is at work: what others can see of that is its own from now on."""


class Done(msgspec.Struct, frozen=True, tag=True):
    """It has done all that it was started for."""


class Failed(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """It ends with an error, which another one like it would meet as well.

    Attributes:
        error: class of the error.
        what: what was wrong, without secrets.
        fix: what to do about it.
        about: the object, sample or file that it is about.
    """

    error: str
    what: str
    fix: str
    about: str | None

    @classmethod
    def of(cls, error: PenstockError) -> Failed:
        """Return the message of an error; texts that nobody would read to their end are cut short."""
        what, fix, about = _text(error.what), _text(error.fix), error.about
        return cls(error=type(error).__name__, what=what, fix=fix, about=about if about is None else _text(about))

    def to_error(self) -> PenstockError:
        """Return the error."""
        return error_from_fields(self.error, self.what, self.fix, self.about)


class Faulty(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """It ends with a fault of the code, which another one like it would meet as well.

    Attributes:
        what: where it was met, and what it was.
        traceback: its end, without secrets; empty where it is not told.
    """

    what: str
    traceback: str = ""

    @classmethod
    def of(cls, error: Exception) -> Faulty:
        """Return the message of what no step raises for a user."""
        at = traceback.extract_tb(error.__traceback__)[-1:]
        where = "".join(f" in {each.name} ({each.filename}, line {each.lineno})" for each in at)
        told = _whole(redact("".join(traceback.format_exception(error)).rstrip()))
        cut = told if len(told) <= _MOST_OF_TRACEBACK else f"…{told[1 - _MOST_OF_TRACEBACK :]}"
        return cls(what=_text(redact(f"failed{where}: {type(error).__name__}: {error}")), traceback=cut)


Message = Begun | Done | Failed | Faulty


def encode_message(message: Message) -> bytes:
    """Return a message's bytes."""
    return msgspec.json.encode(message)


def decode_message(data: bytes) -> Message | None:
    """Return a message of its bytes, None where they are none: a child of another release may tell more."""
    try:
        message: Message = msgspec.json.decode(data, type=Message)
    except (msgspec.MsgspecError, UnicodeError):
        return None
    return message


def _whole(text: str) -> str:
    return text.encode(errors="backslashreplace").decode()  # names of files may hold what is no text


def _text(text: str) -> str:
    whole = _whole(text)
    return whole if len(whole) <= _MOST_CHARACTERS else f"{whole[: _MOST_CHARACTERS - 1]}…"
