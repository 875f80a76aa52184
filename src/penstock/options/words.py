"""Values of options, written as a command line has them."""

from __future__ import annotations

__all__ = ["as_text", "as_words"]


def as_words(flag: str, value: object, *, is_bare: bool = False, is_positional: bool = False) -> list[str]:
    """Return words that are read as a value, none for None; each item of a tuple of texts or paths is given alone."""
    if value is None or (is_bare and not value):
        return []
    if is_bare:
        return [flag]
    if is_positional:
        return [as_text(one) for one in value] if isinstance(value, tuple) else [as_text(value)]
    if isinstance(value, tuple) and not all(isinstance(one, int | float) for one in value):
        return [f"{flag}={as_text(one)}" for one in value]
    return [f"{flag}={as_text(value)}"] if value != () else []


def as_text(value: object) -> str:
    """Write a value as its reader takes it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return ",".join(map(as_text, value))
    return str(value)
