"""Access tokens as google-auth finds them, shared by all requests of a source and renewed before they end.

A token that is given (``GOOGLE_OAUTH_ACCESS_TOKEN``, ``CLOUDSDK_AUTH_ACCESS_TOKEN``) is taken as it is, and so are
credentials in ``GOOGLE_APPLICATION_CREDENTIALS_JSON``. Else every way of Google's own clients is used
(cloud.google.com/docs/authentication/application-default-credentials): the file that ``GOOGLE_APPLICATION_CREDENTIALS``
names (a service account, a workload identity federation, a user), that of ``gcloud auth application-default login``,
the metadata service of a machine or pod. They are looked for anew each time.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC
from typing import Any

import msgspec

from penstock.errors import AccessDenied, PenstockError, SourceUnavailable
from penstock.secrets import redact
from penstock.sources.http.json import read_json
from penstock.sources.stores.lending import Lent, NoLender, ask_lender
from penstock.sources.stores.renewing import Renewed

__all__ = ["Token", "find_token", "tokens_for"]

SCOPE = "https://www.googleapis.com/auth/devstorage.read_write"
FILE = "GOOGLE_APPLICATION_CREDENTIALS"
INLINE = "GOOGLE_APPLICATION_CREDENTIALS_JSON"
"""What such a file has, itself."""
GIVEN = ("GOOGLE_OAUTH_ACCESS_TOKEN", "CLOUDSDK_AUTH_ACCESS_TOKEN")
PROJECTS = ("GOOGLE_CLOUD_QUOTA_PROJECT", "GOOGLE_CLOUD_PROJECT", "GCLOUD_PROJECT")
REASON_CHARACTERS = 300
TIMEOUT_SECONDS = 20
_PROJECTS_API = "https://cloudresourcemanager.googleapis.com/"
"""Where google-auth asks which project a federation is of: nobody needs to know, and not each network leads there."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Token:
    """What requests are sent with.

    Attributes:
        project: that is billed where the reader pays; None where none is known.
        expires_at_seconds: since 1970, None where it is not known to end.
    """

    value: str = field(repr=False)
    project: str | None = None
    expires_at_seconds: float | None = None

    def signs_otherwise_than(self, other: Token) -> bool:
        """Tell whether a store sees other credentials, whenever they are said to end."""
        return replace(self, expires_at_seconds=None) != replace(other, expires_at_seconds=None)


def tokens_for(about: str) -> Renewed[Token]:
    """Return the tokens for a source or place; nothing is asked for yet."""
    return Renewed(lambda: _checked(find_token(about), about), about=about, told_as=_told_as)


def find_token(about: str) -> Token:
    """Return a token that is good now; may take long.

    Raises:
        AccessDenied: there are no credentials.
        Exception: of google-auth.
    """
    project = next((os.environ[name] for name in PROJECTS if os.environ.get(name)), None)
    for name in GIVEN:
        if given := os.environ.get(name):
            return Token(value=given, project=project)
    # Here: 0.2 s to import, and what is public is read without.
    import google.auth
    from google.auth.exceptions import DefaultCredentialsError

    logging.getLogger("google.auth._default").setLevel(logging.ERROR)  # its advice is for its own callers
    ask: Any = _ask
    try:
        if inline := os.environ.get(INLINE):
            found, of_project = _of_text(inline, ask)
        else:
            found, of_project = google.auth.default(scopes=[SCOPE], request=ask)
    except DefaultCredentialsError as error:
        reason = " ".join(redact(str(error)).split())[:REASON_CHARACTERS]
        is_none = "credentials were not found" in reason
        raise AccessDenied(
            f"no Google credentials were found for {about}" if is_none else f"credentials for {about}: {reason}",
            fix="run `gcloud auth application-default login`, name a file of a service account in "
            "GOOGLE_APPLICATION_CREDENTIALS, or pass --anonymous for a public bucket",
            about=about,
        ) from error
    credentials: Any = found
    if not credentials.valid:
        credentials.refresh(ask)
    expiry = credentials.expiry
    return Token(
        value=credentials.token or "",
        project=project or getattr(credentials, "quota_project_id", None) or of_project,
        expires_at_seconds=None if expiry is None else expiry.replace(tzinfo=UTC).timestamp(),
    )


def _of_text(text: str, ask: Any) -> tuple[Any, str | None]:
    """Return credentials of what their file has.

    Raises:
        DefaultCredentialsError: it is none; it is not shown.
    """
    import google.auth
    from google.auth.exceptions import DefaultCredentialsError

    make: Any = DefaultCredentialsError
    try:
        told = read_json(text, dict[str, Any])
    except msgspec.MsgspecError:
        raise make(f"{INLINE} is no JSON of a credentials file") from None
    load: Any = google.auth.load_credentials_from_dict
    loaded: tuple[Any, str | None] = load(told, scopes=[SCOPE], request=ask)
    return loaded


def _ask(
    url: str,
    method: str = "GET",
    body: bytes | str | None = None,
    headers: Mapping[str, str] | None = None,
    timeout: float | None = None,
    **_: object,
) -> Lent:
    """Ask a service for google-auth, as a transport of its own does (``google.auth.transport.Request``)."""
    from google.auth.exceptions import TransportError

    if url.startswith(_PROJECTS_API):
        return Lent(status=404, headers={}, data=b"{}")
    data = body.encode() if isinstance(body, str) else body
    try:
        return ask_lender(url, method=method, body=data, headers=headers, timeout_seconds=timeout or TIMEOUT_SECONDS)
    except NoLender as error:
        make: Any = TransportError
        raise make(str(error)) from error


def _checked(token: Token, about: str) -> Token:
    """Refuse what no request can carry; it is not shown."""
    if not token.value or not token.value.isascii() or not token.value.isprintable() or " " in token.value:
        raise AccessDenied(
            f"the token found for {about} is empty, or holds a space or what is no plain text",
            fix=f"look at {' and '.join(GIVEN)}, or at the file that it comes from",
            about=about,
        )
    return token


def _told_as(error: Exception, about: str, had_before: bool) -> PenstockError:
    """Return the error of the tree for a token that could not be had: one that may pass, or one that stays."""
    if isinstance(error, PenstockError) and not had_before:
        return error
    from google.auth.exceptions import GoogleAuthError, TransportError

    reason = " ".join(redact(str(error)).split())[:REASON_CHARACTERS]
    what = f"a token for {about} could not be had ({type(error).__name__}: {reason})"
    may_pass = isinstance(error, TransportError) or (isinstance(error, GoogleAuthError) and error.retryable)
    if had_before or may_pass:
        fix = "look at the service that gives it (oauth2.googleapis.com, the metadata service), then run it again"
        return SourceUnavailable(what, fix=fix, about=about)
    fix = "check the credentials: `gcloud auth application-default print-access-token` finds them likewise"
    return AccessDenied(what, fix=fix, about=about)
