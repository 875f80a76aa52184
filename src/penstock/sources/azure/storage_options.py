"""Storage options as adlfs takes them."""

from __future__ import annotations

from penstock.sources.azure.keys import KEYS, SIGNATURES, TOKENS
from penstock.sources.azure.place import CONNECTION, account_of, read_connection
from penstock.sources.storage_options import GivenOptions, StorageOptions, kind_of

__all__ = ["read_options"]

_CLIENT = {"client_id": "AZURE_CLIENT_ID", "tenant_id": "AZURE_TENANT_ID", "client_secret": "AZURE_CLIENT_SECRET"}


def read_options(given: GivenOptions) -> StorageOptions:
    """Return what options of adlfs mean.

    Raises:
        ConfigError: one cannot be used.
    """
    account, host, endpoint = given.text("account_name"), given.text("account_host"), given.text("endpoint_url")
    key, signature, connection = given.text("account_key"), given.text("sas_token"), given.text("connection_string")
    client = {variable: given.text(name) for name, variable in _CLIENT.items()}
    is_anonymous = given.flag("anon")
    credential = given.any("credential")
    if credential is not None:
        if not isinstance(credential, str) or not credential:
            fix = "give an account's key or a signature as text, or have the environment name the identity"
            raise given.wrong("credential", f"is {kind_of(credential)}, which no other process can be given", fix)
        is_signature = "sig=" in credential
        signature, key = (credential, key) if is_signature else (signature, credential)
    secrets = {KEYS[0]: key, SIGNATURES[0]: signature, CONNECTION: connection}
    if sum(value is not None for value in (*secrets.values(), client["AZURE_CLIENT_SECRET"])) > 1:
        raise given.wrong("credential", "and its like are given more than once", "give one of them")
    if connection is not None:
        told = read_connection(connection, "storage_options['connection_string']")
        endpoint = endpoint or told.get("blobendpoint", "").rstrip("/")
        account = account or told.get("accountname") or account_of(endpoint)
    elif host is not None and endpoint is None:
        endpoint = host if "://" in host else f"https://{host}"
    options: dict[str, str | bool] = {
        "account": account or "",
        "endpoint_url": endpoint or "",
        "anonymous": is_anonymous,
    }
    environment: dict[str, str | None] = {}
    if any(secrets.values()) or any(client.values()):
        environment = dict.fromkeys((*KEYS, *SIGNATURES, *TOKENS, CONNECTION, "AZURE_FEDERATED_TOKEN_FILE"))
        environment |= {name: value for name, value in {**secrets, **client}.items() if value is not None}
        if account and (key or signature):
            environment["AZURE_STORAGE_ACCOUNT"] = account
    return StorageOptions(options={name: value for name, value in options.items() if value}, environment=environment)
