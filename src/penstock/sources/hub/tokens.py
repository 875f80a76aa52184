"""The Hub's token, found where its own tools look for it; it never leaves the process but to the Hub."""

from __future__ import annotations

import os
from pathlib import Path

from penstock.errors import ConfigError
from penstock.urls import expand_home

__all__ = ["find_token"]

_VARIABLES = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")


def find_token() -> str | None:
    """Return the token of the environment, else that of the file that a log-in writes, None where there is none.

    Raises:
        ConfigError: what is there can be no token; it is not shown.
    """
    for name in _VARIABLES:
        if token := os.environ.get(name, "").strip():
            return _checked(token, name)
    if os.environ.get("HF_HUB_DISABLE_IMPLICIT_TOKEN", "").upper() in ("1", "ON", "YES", "TRUE"):
        return None
    path = _file()
    try:
        token = path.read_text(encoding="utf-8", errors="replace").strip() if path is not None else ""
    except OSError:
        return None
    return _checked(token, str(path)) if token else None


def _file() -> Path | None:
    if path := os.environ.get("HF_TOKEN_PATH"):
        return Path(expand_home(path, "HF_TOKEN_PATH"))
    if home := os.environ.get("HF_HOME"):
        return Path(expand_home(home, "HF_HOME"), "token")
    cache = os.environ.get("XDG_CACHE_HOME", "~/.cache")
    try:
        return Path(expand_home(cache, "XDG_CACHE_HOME"), "huggingface", "token")
    except ConfigError:  # a user without a home folder has no such file
        return None


def _checked(token: str, name: str) -> str:
    if not token.isascii() or not token.isprintable() or " " in token:
        raise ConfigError(f"{name} holds no token of the Hub", fix="write the token alone, as in hf_…")
    return token
