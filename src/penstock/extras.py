"""Libraries of extras: imported where they are the job, and told how to install where they are not there."""

from __future__ import annotations

import importlib
import importlib.util
from typing import Any

from penstock.errors import ConfigError

__all__ = ["how_to_install", "import_extra", "is_there", "lacking"]

_REASON_CHARACTERS = 200


def how_to_install(extra: str) -> str:
    """Return the command that installs an extra."""
    return f"pip install 'penstock[{extra}]'"


def is_there(module: str) -> bool:
    """Tell whether a module can be found; nothing is imported."""
    try:
        return importlib.util.find_spec(module) is not None
    except (ImportError, ValueError):  # what is half there, or was taken away
        return False


def import_extra(module: str, extra: str, *, what: str, instead: str = "", about: str = "") -> Any:
    """Import a module that an extra brings.

    Args:
        what: it is for, and the library's name: ``video is decoded by PyAV``.
        instead: what else to do than to install it.
        about: the object that it is for.

    Raises:
        ConfigError: it is not installed, or cannot be imported.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        found = is_there(module.partition(".")[0])
        reason = f"cannot be imported ({str(error)[:_REASON_CHARACTERS]})" if found else ""
        raise lacking(what, extra, instead=instead, about=about, reason=reason) from error


def lacking(what: str, extra: str, *, instead: str = "", about: str = "", reason: str = "") -> ConfigError:
    """Make the error of a library that is not there; ``reason`` where it is, and of no use."""
    return ConfigError(
        f"{what}, which {reason or 'is not installed'}",
        fix=f"{how_to_install(extra)}{instead and f', or {instead}'}",
        about=about,
    )
