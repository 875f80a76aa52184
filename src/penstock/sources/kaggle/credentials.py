"""Kaggle's credentials, found where its own tools look for them; they never leave the process but to Kaggle.

Variables go before files, and among each the access token before user name and key.
"""

from __future__ import annotations

import base64
import logging
import os
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from penstock.errors import ConfigError
from penstock.urls import expand_home

__all__ = ["Credentials", "find_credentials"]

_FOLDER = "~/.kaggle"

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class Credentials:
    """What is sent to Kaggle.

    Attributes:
        authorization: the header's value.
        where: it was found, for messages.
        secret: that nothing but the header may hold.
    """

    authorization: str = field(repr=False)
    where: str
    secret: str = field(repr=False)


class _File(msgspec.Struct):
    username: str
    key: str


def find_credentials() -> Credentials | None:
    """Return the credentials of the environment or of the files that Kaggle's tools read; None where there are none.

    Raises:
        ConfigError: what is there cannot be used; it is not shown.
    """
    return _of_variables() or _of_token_files() or _of_key_file()


def _of_variables() -> Credentials | None:
    if told := os.environ.get("KAGGLE_API_TOKEN", "").strip():
        if _is_file(told):
            return _of_token(_read(Path(told)), f"KAGGLE_API_TOKEN ({told})")
        return _of_token(told, "KAGGLE_API_TOKEN")
    user, key = (os.environ.get(name, "").strip() for name in ("KAGGLE_USERNAME", "KAGGLE_KEY"))
    if bool(user) != bool(key):
        here, lacks = ("KAGGLE_USERNAME", "KAGGLE_KEY") if user else ("KAGGLE_KEY", "KAGGLE_USERNAME")
        raise ConfigError(f"{here} is set, and {lacks} is not", fix="set both, or neither, or KAGGLE_API_TOKEN alone")
    return _of_key(user, key, "KAGGLE_USERNAME and KAGGLE_KEY") if user else None


def _is_file(path: str) -> bool:
    try:
        return Path(path).is_file()
    except (OSError, ValueError):  # too long for a name, as tokens may be
        return False


def _of_token_files() -> Credentials | None:
    told = [os.environ["KAGGLE_API_V1_TOKEN"]] if os.environ.get("KAGGLE_API_V1_TOKEN") else []
    for name in (*told, f"{_FOLDER}/access_token", f"{_FOLDER}/access_token.txt"):
        path = _expanded(name, "KAGGLE_API_V1_TOKEN")
        if path is not None and path.is_file() and (token := _read(path)):
            _warn(path)
            return _of_token(token, str(path))
    return None


def _of_key_file() -> Credentials | None:
    folder = _expanded(os.environ.get("KAGGLE_CONFIG_DIR") or _FOLDER, "KAGGLE_CONFIG_DIR")
    path = folder / "kaggle.json" if folder is not None else None
    if path is None or not path.is_file():
        return None
    try:
        found = msgspec.json.decode(_read(path), type=_File)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):  # whose words may show what stands there
        raise ConfigError(
            f"{path} holds no credentials of Kaggle", fix='it is to hold {"username": …, "key": …}: download it anew'
        ) from None
    _warn(path)
    return _of_key(found.username.strip(), found.key.strip(), str(path))


def _expanded(path: str, name: str) -> Path | None:
    try:
        return Path(expand_home(path, name))
    except ConfigError:
        if path.startswith(_FOLDER):  # a user without a home folder has no such file
            return None
        raise


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError as error:
        raise ConfigError(f"cannot read {path} ({error.strerror})", fix="check its mode, or remove it") from error


def _warn(path: Path) -> None:
    if (mode := path.stat().st_mode & 0o777) & 0o077:
        _log.warning("kaggle.readable path=%s mode=%o: others may read it; chmod 600 it", path, mode)


def _of_token(token: str, where: str) -> Credentials:
    _check(token, where)
    return Credentials(authorization=f"Bearer {token}", where=where, secret=token)


def _of_key(user: str, key: str, where: str) -> Credentials:
    _check(user, where)
    _check(key, where)
    if ":" in user:
        raise ConfigError(f"{where} holds no user name of Kaggle", fix="give the name and the key apart")
    told = base64.b64encode(f"{user}:{key}".encode()).decode()
    return Credentials(authorization=f"Basic {told}", where=where, secret=key)


def _check(text: str, where: str) -> None:
    if not text or not text.isascii() or not text.isprintable() or " " in text:
        raise ConfigError(
            f"{where} holds no credentials of Kaggle", fix="take them anew from your settings there (API)"
        )
