"""Where a container of Azure Blob Storage is: checked, and its account found as Azure's own tools find it.

``az://container/prefix`` leaves the account to the environment; ``az://container@account.blob.core.windows.net/prefix``
and ``abfss://container@account.dfs.core.windows.net/prefix`` name it. Prefixes are taken exactly as written.
"""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from penstock.errors import ConfigError
from penstock.manifest import SourceSpec
from penstock.urls import check_endpoint

__all__ = ["CONNECTION", "AzurePlace", "account_of", "connection", "find_place", "read_connection", "split_az"]

CONNECTION = "AZURE_STORAGE_CONNECTION_STRING"
ACCOUNTS = ("AZURE_STORAGE_ACCOUNT", "AZURE_STORAGE_ACCOUNT_NAME")
ENDPOINT = "AZURE_STORAGE_ENDPOINT"
DEVELOPMENT_ACCOUNT = "devstoreaccount1"
DEVELOPMENT_ENDPOINT = "http://127.0.0.1:10000/devstoreaccount1"
DEVELOPMENT_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
"""Of Azurite and other emulators, as it is published (learn.microsoft.com/azure/storage/common/storage-use-azurite)."""
SUFFIX = "core.windows.net"

_CONTAINER = re.compile(r"(?!.*--)[a-z0-9][a-z0-9-]{1,61}[a-z0-9]|\$(?:root|web|logs)")
_ACCOUNT = re.compile(r"[a-z0-9]{3,24}(?:-secondary)?")
_HOST = re.compile(r"([a-z0-9-]+)\.(?:blob|dfs)\.([a-z0-9.-]+)")
_NO_PREFIX = re.compile(r"[\x00-\x08\x0a-\x1f\x7f\ud800-\udfff]")
_LIKE = "write it like az://container/prefix, or abfss://container@account.dfs.core.windows.net/prefix"


@dataclass(frozen=True, kw_only=True, slots=True)
class AzurePlace:
    """Where a source lies.

    Attributes:
        account: of the storage.
        prefix: without slashes around it.
        endpoint: of the account, without a slash at its end.
        anonymous: requests go without credentials.
    """

    account: str
    container: str
    prefix: str
    endpoint: str
    anonymous: bool = False


def split_az(uri: str) -> tuple[str, str, str]:
    """Return container, host (empty where the URI names none) and prefix (without slashes around it).

    Raises:
        ConfigError: it names no container that can be, or holds a control character.
    """
    authority, _, prefix = uri.partition("://")[2].partition("/")
    container, _, host = authority.partition("@")
    if not container:
        raise ConfigError(f"{uri!r} names no container", fix=_LIKE)
    if not _CONTAINER.fullmatch(container):
        fix = f"{_LIKE}: 3 to 63 lower-case letters, digits and single hyphens"
        raise ConfigError(f"{container!r} is no container's name ({uri})", fix=fix)
    if host and not _HOST.fullmatch(host.lower()):
        raise ConfigError(f"{uri!r} names no account after its @ ({host!r})", fix=_LIKE)
    if _NO_PREFIX.search(prefix):
        raise ConfigError(f"{uri!r} holds a control character", fix="write the prefix as it is in the container")
    return container, host.lower(), prefix.strip("/")


def connection() -> dict[str, str]:
    """Return the parts of the environment's connection string by their names in lower case; nothing where it has none.

    Raises:
        ConfigError: it is none; it is not shown.
    """
    return read_connection(os.environ.get(CONNECTION, ""), CONNECTION)


def read_connection(text: str, name: str) -> dict[str, str]:
    """Return the parts of a connection string by their names in lower case; nothing of an empty one.

    Args:
        name: of what holds it.

    Raises:
        ConfigError: it is none; it is not shown.
    """
    parts = [part.strip().partition("=") for part in text.strip().split(";") if part.strip()]
    if any(not name or not separator for name, separator, _ in parts):
        raise ConfigError(
            f"{name} is no connection string",
            fix="write it like AccountName=…;AccountKey=…",
        )
    found = {name.lower(): value for name, _, value in parts}
    if found.get("usedevelopmentstorage", "").lower() == "true":
        own = {"accountname": DEVELOPMENT_ACCOUNT, "accountkey": DEVELOPMENT_KEY, "blobendpoint": DEVELOPMENT_ENDPOINT}
        return own | found
    return found


def find_place(spec: SourceSpec) -> AzurePlace:
    """Return where a source lies; asks for nothing.

    Raises:
        ConfigError: the URI, an option or a setting is not one that can be used, or no account is known.
    """
    container, host, prefix = split_az(spec.uri)
    told = connection()
    named = _HOST.fullmatch(host)
    given = spec.text("endpoint_url")
    endpoint = check_endpoint(given, "--endpoint-url") if given else None
    if endpoint is None and named is None and os.environ.get(ENDPOINT):
        endpoint = check_endpoint(os.environ[ENDPOINT], ENDPOINT)
    environment = next((os.environ[name] for name in ACCOUNTS if os.environ.get(name)), "")
    of_uri = named[1] if named else ""
    account = of_uri or spec.text("account") or told.get("accountname") or account_of(endpoint) or environment
    account = account or account_of(told.get("blobendpoint"))
    if not account:
        raise ConfigError(
            f"no storage account is known for {spec.uri}",
            fix="write it like abfss://container@account.dfs.core.windows.net/prefix, or set AZURE_STORAGE_ACCOUNT",
        )
    if not _ACCOUNT.fullmatch(account):
        raise ConfigError(
            f"the storage account {account!r} cannot be", fix="it has 3 to 24 lower-case letters and digits"
        )
    if endpoint is None:
        suffix = named[2] if named else ""
        endpoint = _endpoint_of(account, suffix, told)
    elif ".dfs.core." in endpoint:  # of the same account, which lists and reads otherwise
        endpoint = endpoint.replace(".dfs.core.", ".blob.core.", 1)
    elif not urlsplit(endpoint).path and _names_no_account(urlsplit(endpoint).hostname or ""):
        endpoint = f"{endpoint}/{account}"
    return AzurePlace(
        account=account,
        container=container,
        prefix=prefix,
        endpoint=endpoint,
        anonymous=spec.flag("anonymous"),
    )


def _endpoint_of(account: str, suffix: str, told: Mapping[str, str]) -> str:
    """Return the endpoint of an account: that of its connection string, or Azure's own."""
    if told.get("blobendpoint") and account in (told.get("accountname"), account_of(told["blobendpoint"])):
        return check_endpoint(told["blobendpoint"].rstrip("/"), CONNECTION)
    protocol = told.get("defaultendpointsprotocol", "https").lower() if not suffix else "https"
    suffix = suffix or told.get("endpointsuffix") or SUFFIX
    return check_endpoint(f"{protocol}://{account}.blob.{suffix}", CONNECTION)


def account_of(endpoint: str | None) -> str:
    """Return the account that an endpoint is of, empty where it does not say."""
    if not endpoint:
        return ""
    try:
        parts = urlsplit(endpoint)
    except ValueError:  # what is none is refused where it is used
        return ""
    last = parts.path.strip("/").rpartition("/")[2]
    found = _HOST.fullmatch((parts.hostname or "").lower())
    return last or (found[1] if found else "")


def _names_no_account(host: str) -> bool:
    """Tell whether a server's accounts are told by path: an address, or a name without dots."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return "." not in host
    return True
