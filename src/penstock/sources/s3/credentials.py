"""Credentials as botocore finds them, shared by all requests of a source and asked for again before they end.

Every way that botocore knows is used (environment, profile, process, web identity, assumed role, single sign-on,
container, instance): by a new session each time, so that what changed since (a rotated file, a renewed token) is seen,
and so that botocore's own waiting periods do not count (it asks for credentials of less than ten minutes anew each
time, and takes an instance's for longer-lived than they are).
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime

from penstock.errors import AccessDenied, PenstockError, SourceUnavailable
from penstock.sources.stores.renewing import FIND_SECONDS, Renewed

__all__ = ["Credentials", "Keys", "credentials_for", "find_keys"]

REASON_CHARACTERS = 300

_PLAIN = re.compile(r"[!-~]+")


@dataclass(frozen=True, kw_only=True, slots=True)
class Keys:
    """What requests are signed with.

    Attributes:
        expires_at_seconds: since 1970, None where it is not known to end.
    """

    access_key_id: str
    secret_access_key: str = field(repr=False)
    token: str | None = field(default=None, repr=False)
    expires_at_seconds: float | None = None

    def signs_otherwise_than(self, other: Keys) -> bool:
        """Tell whether a store sees other credentials, whenever they are said to end."""
        return replace(self, expires_at_seconds=None) != replace(other, expires_at_seconds=None)


class Credentials(Renewed[Keys]):
    """The present credentials, for any number of requests, event loops and threads.

    Args:
        find: asks for credentials; may take long, and runs in a thread.
        about: what they are for, as messages name it.
        clock: gives seconds since 1970.
        find_seconds: that a request waits for credentials at most.
    """

    def __init__(
        self,
        find: Callable[[], Keys],
        *,
        about: str,
        clock: Callable[[], float] = time.time,
        find_seconds: float = FIND_SECONDS,
    ) -> None:
        super().__init__(find, about=about, told_as=_told_as, clock=clock, find_seconds=find_seconds)


def find_keys(region: str) -> Keys | None:
    """Ask for credentials as botocore does, in a new session; None where there are none.

    Args:
        region: of the service that gives them, where neither environment nor profile names one.

    Raises:
        Exception: of botocore, or of a credential process.
    """
    given = _given_by_environment()
    if given is not None:
        return given
    import botocore.session  # here: 0.15 s to import, and most reads do without

    session = botocore.session.Session()
    if session.get_config_variable("region") is None:
        session.set_config_variable("region", os.environ.get("AWS_REGION") or region)
    found = session.get_credentials()
    if found is None:
        return None
    frozen = found.get_frozen_credentials()
    expiry: datetime | None = getattr(found, "_expiry_time", None)
    return Keys(
        access_key_id=frozen.access_key or "",
        secret_access_key=frozen.secret_key or "",
        token=frozen.token or None,
        expires_at_seconds=None if expiry is None else expiry.timestamp(),
    )


def credentials_for(about: str, region: str) -> Credentials:
    """Return the credentials for a source or place, as botocore finds them; nothing is asked for yet."""

    def find() -> Keys:
        keys = find_keys(region)
        if keys is None or not keys.access_key_id or not keys.secret_access_key:
            raise AccessDenied(
                f"no AWS credentials were found for {about}",
                fix="give credentials (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY; AWS_PROFILE; a role) or --anonymous",
                about=about,
            )
        _check(keys, about)
        return keys

    return Credentials(find, about=about)


def _check(keys: Keys, about: str) -> None:
    """Refuse what no request can carry, or none is signed with as was meant, such as a file's last line break.

    Raises:
        AccessDenied: it names what is wrong, and no value.
    """
    given = {"access key id": keys.access_key_id, "session token": keys.token or "-"}
    wrong = [name for name, value in given.items() if not isinstance(value, str) or not _PLAIN.fullmatch(value)]
    secret = keys.secret_access_key
    if not isinstance(secret, str) or secret != secret.strip():
        wrong.append("secret access key")
    if wrong:
        raise AccessDenied(
            f"the {' and the '.join(wrong)} found for {about} holds a space, a line break or what is no plain text",
            fix="look at the environment, file, process or secret that it comes from: echo adds a line break, "
            "printf %s does not",
            about=about,
        )


def _told_as(error: Exception, about: str, had_before: bool) -> PenstockError:
    """Return the error of the tree for credentials that could not be had: one that may pass, or one that stays."""
    if isinstance(error, PenstockError) and not had_before:
        return error
    reason = " ".join(str(error).split())[:REASON_CHARACTERS]
    what = f"credentials for {about} could not be had ({type(error).__name__}: {reason})"
    if had_before or _may_pass(error):
        fix = "look at the process, role or service that gives them, then run it again"
        return SourceUnavailable(what, fix=fix, about=about)
    fix = "check the profile, role, process or token that gives them: `aws sts get-caller-identity` finds them likewise"
    if isinstance(error, EOFError):
        what = f"credentials for {about} could not be had: the profile asks for an MFA code, and there is no terminal"
        fix = "get credentials of a session with `aws sts get-session-token`, and give those"
    if "still expired" in reason:
        fix = "check this machine's clock, and what gives the credentials"
    return AccessDenied(what, fix=fix, about=about)


def _may_pass(error: Exception) -> bool:
    """Tell whether what kept credentials away may be over soon: a network or a busy service."""
    from botocore.exceptions import (
        ClientError,
        CredentialRetrievalError,
        HTTPClientError,
        MetadataRetrievalError,
    )

    if isinstance(error, ClientError):
        status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
        code = str(error.response.get("Error", {}).get("Code", ""))
        return status >= 500 or "Thrott" in code or "IDPCommunication" in code
    if isinstance(error, CredentialRetrievalError):
        return error.kwargs.get("provider") in ("container-role", "iam-role")
    return isinstance(error, HTTPClientError | MetadataRetrievalError | TimeoutError)


def _given_by_environment() -> Keys | None:
    """Return what botocore would find first: whole credentials in the environment, unless it says when they expire."""
    key, secret = os.environ.get("AWS_ACCESS_KEY_ID"), os.environ.get("AWS_SECRET_ACCESS_KEY")
    if not key or not secret or "AWS_CREDENTIAL_EXPIRATION" in os.environ:
        return None
    token = os.environ.get("AWS_SECURITY_TOKEN") or os.environ.get("AWS_SESSION_TOKEN") or None
    return Keys(access_key_id=key, secret_access_key=secret, token=token)
