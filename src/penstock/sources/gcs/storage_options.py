"""Storage options as gcsfs takes them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from penstock.errors import ConfigError
from penstock.sources.gcs.tokens import FILE, GIVEN, INLINE
from penstock.sources.storage_options import GivenOptions, StorageOptions, kind_of
from penstock.urls import local_path

__all__ = ["read_options"]

_FOUND = ("google_default", "cloud")
"""Tokens that are looked for as they are without any."""
_FOR_PEOPLE = ("browser", "cache")


def read_options(given: GivenOptions) -> StorageOptions:
    """Return what options of gcsfs mean.

    Raises:
        ConfigError: one cannot be used.
    """
    token, project, endpoint = given.any("token"), given.text("project"), given.text("endpoint_url")
    pays = given.any("requester_pays")
    is_project = isinstance(pays, str) and bool(pays)
    if pays is not None and not isinstance(pays, bool) and not is_project:
        raise given.wrong("requester_pays", "is neither True nor False, nor a project", "give one of them")
    options: dict[str, str | bool] = {
        "anonymous": token == "anon",  # noqa: S105 - a word of gcsfs
        "requester_pays": bool(pays),
        "project": pays if is_project else project or "",
        "endpoint_url": endpoint or "",
    }
    environment = {} if token is None or token == "anon" or token in _FOUND else _environment(given, token)  # noqa: S105
    return StorageOptions(options={name: value for name, value in options.items() if value}, environment=environment)


def _environment(given: GivenOptions, token: Any) -> dict[str, str | None]:
    """Return the variables that stand for a token: a file's path, what such a file holds, or the token itself."""
    clean: dict[str, str | None] = dict.fromkeys((*GIVEN, FILE, INLINE))
    if isinstance(token, Mapping):
        try:
            return {**clean, INLINE: msgspec.json.encode(token).decode()}
        except (TypeError, ValueError) as error:
            raise given.wrong(
                "token", "is no dictionary of what JSON has", "give what the account's file has"
            ) from error
    if not isinstance(token, str) or not token:
        fix = 'give a token, the path of a credentials file, what such a file has as a dictionary, or "anon"'
        raise given.wrong("token", f"is {kind_of(token)}", fix)
    if token in _FOR_PEOPLE:
        raise given.wrong("token", f"is {token!r}, which needs a person", "run `gcloud auth application-default login`")
    try:
        path = Path(local_path(token, "token"))
        is_file = path.is_file()
    except (ConfigError, OSError, ValueError):
        is_file = False
    if is_file:
        return {**clean, FILE: str(path.absolute())}
    if token.endswith(".json"):
        raise given.wrong("token", f"names {token!r}, which does not exist", "give the path of a credentials file")
    return {**clean, GIVEN[0]: token}
