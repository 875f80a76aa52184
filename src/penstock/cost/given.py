"""What callers of the public functions give: of the right type, and a value that can be reckoned with."""

from __future__ import annotations

import math
from collections.abc import Collection
from datetime import date, datetime
from decimal import Decimal

from penstock.errors import ConfigError
from penstock.texts import did_you_mean, printable

__all__ = ["MOST", "check_day", "check_kind", "check_number", "check_one_of", "check_text", "check_texts"]

MOST = 10**15
"""That sums can be made of, to the last digit."""
_SHOWN = 80


def check_number(value: object, name: str, *, most: float = MOST) -> None:
    """Refuse what is no number from 0 on.

    Args:
        most: that it may be.

    Raises:
        ConfigError: it is none.
    """
    is_number = isinstance(value, int | float | Decimal) and not isinstance(value, bool)
    if not is_number or math.isnan(value) or not 0 <= value <= most:  # type: ignore[arg-type, operator]
        end = f", of at most {most:,}" if math.isfinite(most) else ""
        raise ConfigError(f"{name} is {_shown(value)}", fix=f"give a number that is not negative{end}")


def check_text(value: object, name: str, *, may_lack: bool = False) -> None:
    """Refuse what is no text.

    Args:
        may_lack: it may be None.

    Raises:
        ConfigError: it is none.
    """
    if not isinstance(value, str) and not (may_lack and value is None):
        raise ConfigError(f"{name} is {_shown(value)}", fix=f"give a text{', or None' if may_lack else ''}")


def check_texts(**named: object) -> None:
    """Refuse what is no text, of several.

    Raises:
        ConfigError: one is none.
    """
    for name, value in named.items():
        check_text(value, name)


def check_one_of(value: object, name: str, known: Collection[str]) -> None:
    """Refuse what is none of some words.

    Raises:
        ConfigError: it is none.
    """
    if not isinstance(value, str) or value not in known:
        meant = did_you_mean(value, known, quoted=False) if isinstance(value, str) else ""
        raise ConfigError(f"{name} is {_shown(value)}", fix=f"{meant}give one of: {', '.join(known)}")


def check_day(value: object, name: str) -> None:
    """Refuse what is no day; a moment is none.

    Raises:
        ConfigError: it is none.
    """
    if not isinstance(value, date) or isinstance(value, datetime):
        raise ConfigError(f"{name} is {_shown(value)}", fix="give a day, like datetime.date(2026, 11, 28)")


def check_kind(value: object, kind: type, name: str) -> None:
    """Refuse what is not of a class.

    Raises:
        ConfigError: it is of another.
    """
    if not isinstance(value, kind):
        raise ConfigError(f"{name} is {_shown(value)}", fix=f"give a {kind.__name__}")


def _shown(value: object) -> str:
    text = printable(repr(value))
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
