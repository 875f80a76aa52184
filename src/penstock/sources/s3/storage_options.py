"""Storage options as s3fs takes them."""

from __future__ import annotations

from penstock.sources.storage_options import GivenOptions, StorageOptions

__all__ = ["read_options"]

_KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN")
_OF_CLIENT = {"key": "aws_access_key_id", "secret": "aws_secret_access_key", "token": "aws_session_token"}


def read_options(given: GivenOptions) -> StorageOptions:
    """Return what options of s3fs mean.

    Raises:
        ConfigError: one cannot be used.
    """
    client = given.within("client_kwargs")
    key, secret, token = (_either(given, name, client, other) for name, other in _OF_CLIENT.items())
    endpoint = _either(given, "endpoint_url", client, "endpoint_url")
    region, profile = client.text("region_name"), given.text("profile")
    client.end("an S3 bucket")
    if (key is None) != (secret is None) or (token is not None and key is None):
        raise given.wrong("key" if key is None else "secret", "is missing", "give key and secret together")
    if key is not None and profile is not None:
        raise given.wrong("profile", "is given beside key and secret", "leave one of them out")
    environment: dict[str, str | None] = {}
    if key is not None or profile is not None:
        environment = dict.fromkeys((*_KEYS, "AWS_CREDENTIAL_EXPIRATION"))
        environment |= {"AWS_ACCESS_KEY_ID": key, "AWS_SECRET_ACCESS_KEY": secret, "AWS_SESSION_TOKEN": token}
    if profile is not None:
        environment |= {"AWS_PROFILE": profile, "AWS_DEFAULT_PROFILE": None}
    options: dict[str, str | bool] = {"anonymous": given.flag("anon"), "requester_pays": given.flag("requester_pays")}
    options |= {"endpoint_url": endpoint or "", "region": region or ""}
    return StorageOptions(options={name: value for name, value in options.items() if value}, environment=environment)


def _either(given: GivenOptions, name: str, client: GivenOptions, other: str) -> str | None:
    one, another = given.text(name), client.text(other)
    if one is not None and another is not None and one != another:
        raise given.wrong(name, f"is given in client_kwargs too, as {other}", "leave one of them out")
    return one if one is not None else another
