"""Secrets taken out of text that people will read: log lines, errors, records, reports.

Known are the values of environment variables whose names say that they hold one, wherever they stand (as they are or
percent-encoded); what a URL carries (user information, signatures, tokens); headers; words such as ``password=``; and
keys and tokens by their form. Other secrets are not recognised; do not log them.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

__all__ = ["REDACTED", "SECRET_VARIABLES", "redact", "redact_values"]

REDACTED = "[redacted]"

SECRET_VARIABLES = (
    "AWS_CONTAINER_AUTHORIZATION_TOKEN",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SECURITY_TOKEN",
    "AWS_SESSION_TOKEN",
    "AZURE_STORAGE_CONNECTION_STRING",
    "GOOGLE_APPLICATION_CREDENTIALS_JSON",
    "HF_TOKEN",
    "HUGGING_FACE_HUB_TOKEN",
    "KAGGLE_API_TOKEN",
    "KAGGLE_KEY",
    "WANDB_API_KEY",
)
"""Those that are known by name; others are known by the end of theirs."""

_SECRET_NAME = re.compile(r"(?:SECRET|TOKEN|PASSWORD|PASSWD|PASSPHRASE|_KEY|APIKEY)\Z", re.I)
_SHORTEST_SECRET = 8
"""Shorter values are left alone: no service gives such, and words of the text would be taken out."""

_QUERY = (
    r"X-(?:Amz|Goog)-(?:Signature|Security-Token|Credential)|Signature|AWSAccessKeyId|GoogleAccessId|sig|token|"
    r"access_token|auth|api[-_]?key|key|secret|password"
)
_NAMES = (
    r"x-amz-(?:security-token|signature|credential|server-side-encryption-customer-key)|"
    r"(?:secret[-_]?)?access[-_]?key(?![-_]?id)|secret[-_]?key|(?:session|security|access|refresh|auth|id|api)[-_]?token|"
    r"(?:api|account|private|kaggle)[-_]?key|client[-_]?secret|shared[-_]?access[-_]?signature|password|passwd"
)
_AT = "(?:@|%(?:25)*40)"
_PLAIN_USER = r"(?:(?<!\baz://)(?<!\babfs://)(?<!\babfss://)|(?![a-z0-9$-]{1,63}@))"
"""None before a container's name, which stands there in URIs of Azure's."""
_USERINFO = re.compile(
    rf"(?<=://)(?:[^/\s@:'\"]*:[^\s'\"]*@|[^/\s@:'\"]*%(?:25)*3[aA][^\s'\"]*{_AT}|{_PLAIN_USER}[^/\s?#@'\"]+{_AT})"
    r"|(?<=[A-Za-z0-9+.-]:/)(?!/)[^/\s@:'\"]*:[^\s'\"]*@"
)
"""Percent-encoded too, and after one slash, as people mistype it; there only with a colon, for paths hold ``@``."""
_IN_QUERY = re.compile(rf"((?:[?&]|%3F|%26)(?:{_QUERY})(?:=|%3D))(?!\[redacted\])[^&\s'\"<>]+", re.I)
_NAMED = re.compile(
    rf"(\b(?:[a-z]+_)*(?:{_NAMES})[\"']?(?:\s*[:=]\s*|%3D|>)[\"']?)(?!\[redacted\])[^\s&'\"<>,;]+", re.I
)
_AUTHORIZATION = re.compile(r"(\bauthorization[\"']?\s*[:=]\s*[\"']?)(?!\[redacted\])[^\r\n'\"]+", re.I)
_BEARER = re.compile(r"(\bbearer\s+)(?=\S*[\d._~+/=-])[A-Za-z0-9._~+/=-]{8,}", re.I)
_BY_FORM = re.compile(
    r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b|\b(?:IQoJb3JpZ2lu|F[wQ]oGZXIvYXdz)[\w+/=%-]{16,}|\bhf_[A-Za-z0-9]{20,}|"
    r"\bgh[pousr]_[A-Za-z0-9]{30,}|\bgithub_pat_\w{30,}|\bKGAT_\w{16,}|\bxox[abprs]-[\w-]{10,}|"
    r"\bya29\.[\w.-]{8,}|\beyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]*"
)


def redact(text: str, environment: Mapping[str, str] | None = None) -> str:
    """Return ``text`` without the secrets of ``environment`` (None: this process's) and of URLs in it."""
    variables = os.environ if environment is None else environment
    values = {value for name, value in variables.items() if len(value) >= _SHORTEST_SECRET and _holds_secret(name)}
    for value in sorted(values, key=len, reverse=True):
        for form in (value, quote(value, safe=""), quote(value)):
            text = text.replace(form, REDACTED)
    text = _USERINFO.sub(f"{REDACTED}@", text)
    for pattern in (_IN_QUERY, _AUTHORIZATION, _BEARER, _NAMED):
        text = pattern.sub(rf"\1{REDACTED}", text)
    return _BY_FORM.sub(REDACTED, text)


def redact_values(value: Any) -> Any:
    """Return a value as JSON has them, all of whose texts are without secrets, but for names."""
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, dict):
        return {name: redact_values(each) for name, each in value.items()}
    return [redact_values(each) for each in value] if isinstance(value, list | tuple) else value


def _holds_secret(name: str) -> bool:
    return name in SECRET_VARIABLES or _SECRET_NAME.search(name) is not None
