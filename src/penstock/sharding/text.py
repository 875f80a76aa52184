"""Text that can be written as UTF-8."""

from __future__ import annotations

from penstock.errors import ConfigError

__all__ = ["str_of"]


def str_of(value: str, field: str, name: str) -> str:
    """Return text.

    Raises:
        ConfigError: it has half of a pair of surrogates, as JSON may have it, and so is none that UTF-8 has.
    """
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise ConfigError(
            f"{field!r} of {name} is text with {error.object[error.start]!r}, which UTF-8 does not have",
            fix="mend the dataset, or choose other columns",
        ) from error
    return str(value)
