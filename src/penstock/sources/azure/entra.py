"""Tokens of Entra ID: of a client's secret or a federated token, a managed identity, or ``az login``.

learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow, …/managed-identities-azure-resources/
how-to-use-vm-token, learn.microsoft.com/azure/app-service/overview-managed-identity#rest-endpoint-reference.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlencode

import msgspec

from penstock.sources.http.json import read_json
from penstock.sources.stores.lending import Lent, NoLender, ask_lender
from penstock.urls import check_endpoint

__all__ = ["Busy", "EntraToken", "NoToken", "find_token"]

RESOURCE = "https://storage.azure.com/"
AUTHORITY = "https://login.microsoftonline.com"
MACHINE = "http://169.254.169.254"
MACHINE_SECONDS = 2.0
"""For the metadata service of a machine, which is near or not there."""
CLI_SECONDS = 30.0
MESSAGE_CHARACTERS = 200
_BUSY = frozenset({408, 410, 429})


class NoToken(Exception):
    """A service that refuses to give a token."""


class Busy(Exception):
    """A service that gives no token now."""


@dataclass(frozen=True, kw_only=True, slots=True)
class EntraToken:
    """A token, and when it ends, since 1970."""

    value: str = field(repr=False)
    expires_at_seconds: float


class _Told(msgspec.Struct):
    access_token: str = ""
    expires_in: int | str = 0
    expires_on: int | str = 0


class _OfCli(msgspec.Struct, rename="camel"):
    access_token: str
    expires_on: int = msgspec.field(name="expires_on", default=0)


class _Refused(msgspec.Struct):
    error: str = ""
    error_description: str = ""


def find_token() -> EntraToken | None:
    """Return a token for storage, None where nothing is there that gives one.

    Raises:
        NoToken: what is there refuses to.
        NoLender, Busy: it does not answer, or not now.
    """
    client, tenant = os.environ.get("AZURE_CLIENT_ID", ""), os.environ.get("AZURE_TENANT_ID", "")
    secret, file = os.environ.get("AZURE_CLIENT_SECRET"), os.environ.get("AZURE_FEDERATED_TOKEN_FILE")
    if client and tenant and (secret or file):
        return _of_client(client, tenant, {"client_secret": secret} if secret else _assertion(file or ""))
    if (url := os.environ.get("IDENTITY_ENDPOINT")) and (header := os.environ.get("IDENTITY_HEADER")):
        query = {"api-version": "2019-08-01", "resource": RESOURCE} | ({"client_id": client} if client else {})
        return _read(ask_lender(f"{url}?{urlencode(query)}", headers={"X-IDENTITY-HEADER": header}))
    return _of_machine(client) or _of_cli()


def _of_client(client: str, tenant: str, proof: Mapping[str, str]) -> EntraToken:
    authority = check_endpoint(os.environ.get("AZURE_AUTHORITY_HOST") or AUTHORITY, "AZURE_AUTHORITY_HOST")
    form = {"grant_type": "client_credentials", "client_id": client, "scope": f"{RESOURCE}.default", **proof}
    return _read(
        ask_lender(
            f"{authority}/{tenant}/oauth2/v2.0/token",
            method="POST",
            body=urlencode(form).encode(),
            headers={"Content-Type": "application/x-www-form-urlencoded"},
        )
    )


def _assertion(file: str) -> dict[str, str]:
    try:
        text = Path(file).read_text(encoding="utf-8").strip()
    except (OSError, ValueError) as error:
        raise NoToken(f"AZURE_FEDERATED_TOKEN_FILE {file!r} cannot be read: {error}") from error
    kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
    return {"client_assertion_type": kind, "client_assertion": text}


def _of_machine(client: str) -> EntraToken | None:
    """Return the token of a machine's managed identity, None where the machine is not Azure's or has none."""
    host = os.environ.get("AZURE_POD_IDENTITY_AUTHORITY_HOST", MACHINE).rstrip("/")
    query = {"api-version": "2018-02-01", "resource": RESOURCE} | ({"client_id": client} if client else {})
    url = f"{host}/metadata/identity/oauth2/token?{urlencode(query)}"
    try:
        lent = ask_lender(url, headers={"Metadata": "true"}, timeout_seconds=MACHINE_SECONDS)
    except NoLender:
        return None
    is_refused = 400 <= lent.status < 500 and lent.status not in _BUSY
    if is_refused and (not client or not _refusal(lent).error):  # it has no identity, or is another cloud's
        return None
    return _read(lent)


def _of_cli() -> EntraToken | None:
    """Return the token of ``az login``, None where nobody is signed in."""
    program = shutil.which("az")
    if program is None:
        return None
    words = [program, "account", "get-access-token", "--resource", RESOURCE, "--output", "json"]
    try:
        done = subprocess.run(words, capture_output=True, timeout=CLI_SECONDS, check=False)  # noqa: S603 - fixed words
        told = read_json(done.stdout, _OfCli) if done.returncode == 0 else None
    except (OSError, subprocess.TimeoutExpired, msgspec.MsgspecError):
        return None
    if told is None:
        return None
    return EntraToken(value=told.access_token, expires_at_seconds=told.expires_on or time.time() + 300)


def _read(lent: Lent) -> EntraToken:
    if lent.status in _BUSY or lent.status >= 500:
        raise Busy(f"HTTP {lent.status}")
    try:
        if lent.status != 200:
            told = _refusal(lent)
            raise NoToken(f"HTTP {lent.status} {told.error}: {told.error_description[:MESSAGE_CHARACTERS]}")
        found = read_json(lent.data, _Told)
        ends = float(found.expires_on) if found.expires_on else time.time() + float(found.expires_in or 300)
    except (msgspec.MsgspecError, ValueError) as error:
        raise NoToken(f"HTTP {lent.status}, and no token") from error
    return EntraToken(value=found.access_token, expires_at_seconds=ends)


def _refusal(lent: Lent) -> _Refused:
    try:
        return read_json(lent.data, _Refused)
    except msgspec.MsgspecError:
        return _Refused()
