"""What requests to a storage account are sent with, found as Azure's own tools find it, and renewed before it ends.

The first of these that is there: the connection string; an account's key; a shared access signature (SAS); a token
of Entra ID: of a client's secret, of a federated token (workload identity), of a managed identity, of ``az login``
(learn.microsoft.com/azure/storage/blobs/authorize-data-operations-cli). They are looked for anew each time.
"""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Literal
from urllib.parse import parse_qsl

from penstock.errors import AccessDenied, PenstockError, SourceUnavailable
from penstock.secrets import redact
from penstock.sources.azure.entra import Busy, NoToken, find_token
from penstock.sources.azure.place import ACCOUNTS, AzurePlace, connection
from penstock.sources.stores.lending import NoLender
from penstock.sources.stores.renewing import Renewed

__all__ = ["Key", "find_key", "keys_for"]

KEYS = ("AZURE_STORAGE_KEY", "AZURE_STORAGE_ACCOUNT_KEY", "AZURE_STORAGE_ACCESS_KEY")
SIGNATURES = ("AZURE_STORAGE_SAS_TOKEN", "AZURE_STORAGE_SAS_KEY")
TOKENS = ("AZURE_STORAGE_TOKEN",)
REASON_CHARACTERS = 300


@dataclass(frozen=True, kw_only=True, slots=True)
class Key:
    """What requests are sent with.

    Attributes:
        kind: an account's key, in base64; a shared access signature, as a query; a token.
        expires_at_seconds: since 1970, None where it is not known to end.
    """

    kind: Literal["key", "signature", "token"]
    value: str = field(repr=False)
    expires_at_seconds: float | None = None

    def signs_otherwise_than(self, other: Key) -> bool:
        """Tell whether a store sees other credentials, whenever they are said to end."""
        return replace(self, expires_at_seconds=None) != replace(other, expires_at_seconds=None)


def keys_for(place: AzurePlace, about: str) -> Renewed[Key]:
    """Return the credentials for a source or place; nothing is asked for yet."""
    return Renewed(lambda: find_key(place, about), about=about, told_as=_told_as)


def find_key(place: AzurePlace, about: str) -> Key:
    """Return credentials that are good now; may take long.

    Raises:
        AccessDenied: there are none, or they are none that a request can be sent with.
        NoLender, Busy: the service that gives them did not answer.
        NoToken: it gave none.
    """
    told = connection()
    if told.get("accountname", place.account) == place.account:
        if told.get("accountkey"):
            return _account_key(told["accountkey"], "AccountKey of the connection string", about)
        if told.get("sharedaccesssignature"):
            return _signature(told["sharedaccesssignature"], "SharedAccessSignature of the connection string", about)
    environment = next((os.environ[name] for name in ACCOUNTS if os.environ.get(name)), place.account)
    if environment == place.account:  # what is of another account is not sent to this one
        if found := _given(KEYS):
            return _account_key(found[1], found[0], about)
        if found := _given(SIGNATURES):
            return _signature(found[1], found[0], about)
    if found := _given(TOKENS):
        return _token(found[1], None, found[0], about)
    token = find_token()
    if token is None:
        raise AccessDenied(
            f"no Azure credentials were found for {about}",
            fix="set AZURE_STORAGE_KEY, AZURE_STORAGE_SAS_TOKEN or AZURE_STORAGE_CONNECTION_STRING, run `az login`, or "
            "pass --anonymous for a public container",
            about=about,
        )
    return _token(token.value, token.expires_at_seconds, "Entra ID", about)


def _given(names: tuple[str, ...], environ: Mapping[str, str] = os.environ) -> tuple[str, str] | None:
    return next(((name, environ[name]) for name in names if environ.get(name)), None)


def _account_key(text: str, name: str, about: str) -> Key:
    try:
        base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise _wrong(name, "is no key of a storage account (base64)", about) from None
    return Key(kind="key", value=text)


def _signature(text: str, name: str, about: str) -> Key:
    query = text.strip().removeprefix("?")
    fields = dict(parse_qsl(query))
    if not fields.get("sig") or not query.isascii() or not query.isprintable() or " " in query or "#" in query:
        raise _wrong(name, "is no shared access signature (…&sig=…)", about)
    ends = None
    if expiry := fields.get("se"):
        try:
            at = datetime.fromisoformat(expiry)
        except ValueError:
            raise _wrong(name, f"has an end (se={expiry[:40]}) that is no date", about) from None
        ends = (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()
    return Key(kind="signature", value=query, expires_at_seconds=ends)


def _token(text: str, ends: float | None, name: str, about: str) -> Key:
    if not text or not text.isascii() or not text.isprintable() or " " in text:
        raise _wrong(name, "gives a token that is empty, or holds a space or what is no plain text", about)
    return Key(kind="token", value=text, expires_at_seconds=ends)


def _wrong(name: str, what: str, about: str) -> AccessDenied:
    return AccessDenied(
        f"{name}, found for {about}, {what}", fix="copy it anew, as the portal or az shows it", about=about
    )


def _told_as(error: Exception, about: str, had_before: bool) -> PenstockError:
    """Return the error of the tree for credentials that could not be had: one that may pass, or one that stays."""
    if isinstance(error, PenstockError) and not had_before:
        return error
    reason = " ".join(redact(str(error)).split())[:REASON_CHARACTERS]
    what = f"credentials for {about} could not be had ({reason})"
    if had_before or isinstance(error, NoLender | Busy):
        fix = "look at the service that gives them (Entra ID, the managed identity), then run it again"
        return SourceUnavailable(what, fix=fix, about=about)
    if isinstance(error, NoToken):
        return AccessDenied(what, fix="check the client, tenant and role that are asked for", about=about)
    return AccessDenied(f"{what}: {type(error).__name__}", fix="check what gives them", about=about)
