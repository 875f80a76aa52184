"""Secrets taken out of text that people will read: log lines, errors, reports.

Two kinds are known: the values of the environment variables in ``SECRET_VARIABLES``, wherever they stand
(as they are or percent-encoded), and what a URL carries (user information, signatures, tokens). Other
secrets are not recognised; do not log them.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from urllib.parse import quote

__all__ = ["REDACTED", "SECRET_VARIABLES", "redact"]

REDACTED = "[redacted]"

SECRET_VARIABLES = (
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "HF_TOKEN",
    "HUGGING_FACE_HUB_TOKEN",
    "KAGGLE_KEY",
    "WANDB_API_KEY",
)

_SHORTEST_SECRET = 8
"""Shorter values are left alone: no service gives such, and words of the text would be taken out."""

_USERINFO = re.compile(r"(?<=://)[^/\s?#@'\"]+@")
_SIGNED = re.compile(
    r"(?i)(X-Amz-(?:Signature|Security-Token|Credential)(?:=|%3D)|[?&](?:Signature|sig|access_token|token|api_key)=)"
    r"[^&\s'\"<>]+"
)


def redact(text: str, environment: Mapping[str, str] | None = None) -> str:
    """Give ``text`` without the secrets of ``environment`` (None: this process's) and of URLs in it."""
    variables = os.environ if environment is None else environment
    values = {variables.get(name, "") for name in SECRET_VARIABLES}
    for value in sorted((v for v in values if len(v) >= _SHORTEST_SECRET), key=len, reverse=True):
        for form in (value, quote(value, safe=""), quote(value)):
            text = text.replace(form, REDACTED)
    text = _USERINFO.sub(f"{REDACTED}@", text)
    return _SIGNED.sub(rf"\1{REDACTED}", text)
