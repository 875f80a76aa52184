"""Options of formats, which come from Python or, as JSON, from a command line: checked and told of by their names."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from penstock.errors import ConfigError
from penstock.units import MIB, format_bytes, parse_bytes

__all__ = ["block_of", "check_by", "column_of", "flag_of", "names_of", "packed_endings", "size_of"]

MOST_BLOCK_BYTES = 256 * MIB

_SHOWN = 80


def check_by(value: Any, kinds: Sequence[str]) -> None:
    """Refuse an option ``by`` that is none of what a sample can be.

    Raises:
        ConfigError: it is none.
    """
    if value not in kinds:
        raise ConfigError(f"by {_shown(value)}", fix=f"choose one of: {', '.join(kinds)}")


def names_of(option: str, value: Any) -> tuple[str, ...] | None:
    """Return names of one or of several; None stands for all.

    Raises:
        ConfigError: it is none, or empty.
    """
    if value is None:
        return None
    names = (value,) if isinstance(value, str) else tuple(value) if isinstance(value, Iterable) else ()
    if not names or not all(isinstance(name, str) and name for name in names):
        raise ConfigError(
            f"{option} {_shown(value)}", fix='give a list of names like ["a", "b"], or leave it out for all'
        )
    return names


def size_of(option: str, value: Any) -> int:
    """Return bytes of a number of them, or of text like ``2Gi``.

    Raises:
        ConfigError: it is neither.
    """
    fix = 'give bytes as a whole number of at least 1, or text like "2Gi"'
    if isinstance(value, str):
        try:
            return parse_bytes(value)
        except ConfigError as error:
            raise ConfigError(f"{option} {error.what}", fix=fix) from None
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ConfigError(f"{option} {_shown(value)}", fix=fix)
    return value


def block_of(value: Any) -> int:
    """Return how many bytes are fetched and decoded as one.

    Raises:
        ConfigError: they are too many, or no number.
    """
    block = size_of("block", value)
    if block > MOST_BLOCK_BYTES:
        raise ConfigError(
            f"block {format_bytes(block)}, which is held in memory", fix=f"give {MOST_BLOCK_BYTES // MIB}Mi or less"
        )
    return block


def column_of(option: str, value: Any) -> None:
    """Check the name of a column; None names none.

    Raises:
        ConfigError: it is no name.
    """
    if value is not None and (not isinstance(value, str) or not value):
        raise ConfigError(f"{option} {_shown(value)}", fix="give the name of a column")


def flag_of(option: str, value: Any) -> bool:
    """Return a truth value.

    Raises:
        ConfigError: it is none.
    """
    if not isinstance(value, bool):
        raise ConfigError(f"{option} {_shown(value)}", fix="give true or false")
    return value


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def packed_endings(*endings: str) -> tuple[str, ...]:
    """Return endings of names, with those of files that are packed by gzip or Zstandard."""
    return tuple(f"{ending}{packed}" for packed in ("", ".gz", ".zst") for ending in endings)
