"""Options of fsspec's file systems: as ``storage_options``, and in the environment as fsspec itself reads them.

``FSSPEC_FTP_PASSWORD=…`` is a text, ``FSSPEC_FTP={"port": 2121}`` holds anything that JSON does (fsspec.config). They
may be secrets, so they go to processes by their environment alone, and into no manifest.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any

from penstock.errors import ConfigError
from penstock.sources.storage_options import GivenOptions, StorageOptions, kind_of

__all__ = ["OWN", "from_environment", "read_options"]

OWN: Mapping[str, type[str] | type[bool]] = {"unversioned": bool}
"""Options that are Penstock's."""
_NOT_OURS = frozenset({"skip_instance_cache", "use_listings_cache", "asynchronous", "loop"})


def from_environment(name: str, environment: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Return what the environment says of the file system of a scheme.

    Raises:
        ConfigError: a variable is no JSON of options; its value is not shown.
    """
    given = os.environ if environment is None else environment
    whole = f"FSSPEC_{name.upper()}"
    found: dict[str, Any] = {}
    if (text := given.get(whole)) is not None:
        try:
            told = json.loads(text)
        except (ValueError, RecursionError):
            told = None
        if not isinstance(told, dict):
            raise ConfigError(f"{whole} is no dictionary of options in JSON", fix='write it like {"port": 2121}')
        found |= {key: tuple(value) if isinstance(value, list) else value for key, value in told.items()}
    for key, value in given.items():
        if key.startswith(f"{whole}_") and len(key) > len(whole) + 1:
            found[key[len(whole) + 1 :].lower()] = value
    return {key: value for key, value in found.items() if key not in _NOT_OURS}


def read_options(name: str, given: GivenOptions) -> StorageOptions:
    """Return what storage options of a file system mean.

    Raises:
        ConfigError: one cannot be given to another process.
    """
    unversioned = given.flag("unversioned")
    environment: dict[str, str | None] = {}
    others: dict[str, Any] = {}
    for key, value in given.others().items():
        if key in _NOT_OURS:
            raise given.wrong(key, "is set by Penstock itself", "leave it out")
        if isinstance(value, str) and key == key.lower() and "\0" not in value:
            environment[f"FSSPEC_{name.upper()}_{key.upper()}"] = value
        else:
            others[key] = value
    if others:
        try:
            environment[f"FSSPEC_{name.upper()}"] = json.dumps(others)
        except (TypeError, ValueError) as error:
            told = ", ".join(map(_shown, others.items()))
            raise ConfigError(
                f"storage_options hold what cannot be told to another process ({told})",
                fix="give texts, numbers, and lists and dictionaries of them",
            ) from error
    return StorageOptions(options={"unversioned": True} if unversioned else {}, environment=environment)


def _shown(item: tuple[str, Any]) -> str:
    return f"{item[0]} is {kind_of(item[1])}"
