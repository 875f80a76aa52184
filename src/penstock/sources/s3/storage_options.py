"""Storage options as s3fs takes them."""

from __future__ import annotations

from penstock.sources.s3.addressing import ADDRESSINGS
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
    config, sent = given.within("config_kwargs"), given.within("s3_additional_kwargs")
    addressing = _addressing(given, config)
    is_unsigned, pays = _is_unsigned(config), _pays(sent)
    config.end("an S3 bucket")
    sent.end("what is read of an S3 bucket")
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
    options: dict[str, str | bool] = {
        "anonymous": given.flag("anon") or is_unsigned,
        "requester_pays": given.flag("requester_pays") or pays,
        "endpoint_url": endpoint or "",
        "region": region or "",
        "addressing": addressing or "",
    }
    return StorageOptions(options={name: value for name, value in options.items() if value}, environment=environment)


def _addressing(given: GivenOptions, config: GivenOptions) -> str | None:
    """Return how buckets are named: by our own name, or as botocore's configuration has it."""
    of_s3 = config.within("s3")
    own, theirs = given.text("addressing"), of_s3.text("addressing_style")
    of_s3.end("an S3 bucket")
    for name, where, value in (("addressing", given, own), ("addressing_style", of_s3, theirs)):
        if value is not None and value.lower() not in ADDRESSINGS:
            raise where.wrong(name, "is no way to name a bucket", f"give one of {', '.join(ADDRESSINGS)}")
    if own is not None and theirs is not None and own != theirs:
        raise given.wrong("addressing", "is given in config_kwargs too", "leave one of them out")
    return own if own is not None else theirs


def _is_unsigned(config: GivenOptions) -> bool:
    """Tell whether botocore's configuration leaves requests unsigned; there is one way to sign them."""
    version = config.any("signature_version")
    if version is None or version in ("s3v4", "v4"):
        return False
    if type(version).__name__ == "UNSIGNED":  # botocore.UNSIGNED, without importing that
        return True
    raise config.wrong("signature_version", "is none that Penstock knows", 'give "s3v4", or botocore.UNSIGNED')


def _pays(sent: GivenOptions) -> bool:
    payer = sent.text("RequestPayer")
    if payer is not None and payer != "requester":
        raise sent.wrong("RequestPayer", "is not requester", 'give "requester", or leave it out')
    return payer is not None


def _either(given: GivenOptions, name: str, client: GivenOptions, other: str) -> str | None:
    one, another = given.text(name), client.text(other)
    if one is not None and another is not None and one != another:
        raise given.wrong(name, f"is given in client_kwargs too, as {other}", "leave one of them out")
    return one if one is not None else another
