"""What all ways to write a shard refuse: text that is none of UTF-8, samples that have nothing."""

from __future__ import annotations

from penstock.errors import ConfigError

__all__ = ["nothing_there", "str_of"]


def nothing_there(name: str) -> ConfigError:
    """Make the error of samples without a field."""
    return ConfigError(f"{name} has nothing to be written", fix="choose other columns or members")


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
