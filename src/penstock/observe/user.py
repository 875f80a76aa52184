"""Who runs this: so that bills can be told apart by it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from penstock.texts import printable

__all__ = ["USER", "this_user"]

USER = "PENSTOCK_USER"
"""Variable that says it."""
_NAMESPACE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
_LONGEST = 128


def this_user(environ: Mapping[str, str] = os.environ, *, namespace: Path = _NAMESPACE) -> str | None:
    """Return who runs this, None where that is not known.

    The variable comes first; then, in a pod, its namespace, which is the user's profile in Kubeflow; else the operating
    system's user. A pod's own user is the image's, and nobody's name.
    """
    if said := environ.get(USER, "").strip():
        return printable(said)[:_LONGEST]
    name = _text_of(namespace) if "KUBERNETES_SERVICE_HOST" in environ else _os_user()
    return printable(name)[:_LONGEST] or None


def _text_of(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return ""


def _os_user() -> str:
    try:
        import pwd  # here: Windows has none

        return pwd.getpwuid(os.getuid()).pw_name
    except (ImportError, KeyError):
        return ""
