"""The Hub's token, found where its own tools look for it; it never leaves the process but to the Hub."""

from __future__ import annotations

import os
from pathlib import Path

from penstock.errors import ConfigError
from penstock.urls import expand_home

__all__ = ["find_token", "refuse_offline"]

_VARIABLES = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")
_YES = ("1", "ON", "YES", "TRUE")


def refuse_offline(uri: str) -> None:
    """See that the Hub may be asked.

    Raises:
        ConfigError: HF_HUB_OFFLINE or TRANSFORMERS_OFFLINE says that it may not.
    """
    name = "HF_HUB_OFFLINE" if os.environ.get("HF_HUB_OFFLINE") else "TRANSFORMERS_OFFLINE"
    if os.environ.get(name, "").upper() in _YES:
        raise ConfigError(
            f"{uri} cannot be read: {name} is set, by which nothing is asked of the Hub",
            fix="take it out of the environment, or give a local folder that holds a copy",
        )


def find_token() -> str | None:
    """Return the token of the environment, else that of the file that a log-in writes, None where there is none.

    Raises:
        ConfigError: what is there can be no token; it is not shown.
    """
    for name in _VARIABLES:
        if token := os.environ.get(name, "").strip():
            return _checked(token, name)
    if os.environ.get("HF_HUB_DISABLE_IMPLICIT_TOKEN", "").upper() in _YES:
        return None
    path = _file()
    try:
        token = path.read_text(encoding="utf-8", errors="replace").strip() if path is not None else ""
    except OSError:
        return None
    return _checked(token, str(path)) if token else None


def _file() -> Path | None:
    if path := os.environ.get("HF_TOKEN_PATH"):
        return Path(expand_home(os.path.expandvars(path), "HF_TOKEN_PATH"))
    if home := os.environ.get("HF_HOME"):
        return Path(expand_home(os.path.expandvars(home), "HF_HOME"), "token")
    cache = os.environ.get("XDG_CACHE_HOME", "~/.cache")
    try:
        return Path(expand_home(cache, "XDG_CACHE_HOME"), "huggingface", "token")
    except ConfigError:  # a user without a home folder has no such file
        return None


def _checked(token: str, name: str) -> str:
    if not token.isascii() or not token.isprintable() or " " in token:
        raise ConfigError(f"{name} holds no token of the Hub", fix="write the token alone, as in hf_…")
    return token
