"""Where requests name a bucket: in the path (``https://store/bucket/key``), or in the host (``https://bucket.store/key``).

By botocore's names. ``auto`` names it in AWS's hosts, and in the path where an endpoint was given, until
the store says that it takes that for no bucket (docs.aws.amazon.com/AmazonS3/latest/userguide/VirtualHosting.html).
AWS's certificates cover no bucket with a dot, and its accelerated endpoint knows no bucket in the path.
"""

from __future__ import annotations

import ipaddress
import re
from typing import Final, Literal, get_args
from urllib.parse import urlsplit

from penstock.errors import ConfigError

__all__ = ["ADDRESSINGS", "Addressing", "bucket_url", "is_in_host", "read_addressing"]

Addressing = Literal["auto", "path", "virtual"]
ADDRESSINGS: Final[tuple[Addressing, ...]] = get_args(Addressing)

_LABEL = re.compile(r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]")
_PART = "[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_LABELS = re.compile(rf"{_PART}(?:\.{_PART})*")
_OF_AWS = re.compile(r"https://(?:[a-z0-9-]+\.)*amazonaws\.com(?:\.cn)?")
_ACCELERATED = re.compile(r"https?://s3-accelerate(?:\.dualstack)?\.amazonaws\.com")
MOST_HOST_CHARACTERS = 253


def read_addressing(text: str, name: str) -> Addressing:
    """Return a way to name buckets.

    Args:
        text: that was given.
        name: of the option or setting that gave it.

    Raises:
        ConfigError: it is none.
    """
    for each in ADDRESSINGS:
        if text.lower() == each:
            return each
    raise ConfigError(f"{name} {text!r} is no way to name a bucket", fix=f"write one of {', '.join(ADDRESSINGS)}")


def is_in_host(bucket: str, endpoint: str | None, addressing: Addressing) -> bool:
    """Tell whether requests name a bucket in their host.

    Args:
        endpoint: that was given, None for AWS's own.

    Raises:
        ConfigError: it is to be named there, and cannot be.
    """
    if addressing != "virtual":
        is_wanted = addressing == "auto" and (endpoint is None or _ACCELERATED.fullmatch(endpoint) is not None)
        return is_wanted and _LABEL.fullmatch(bucket) is not None
    host = (urlsplit(endpoint).hostname or "") if endpoint else ""
    if _is_number(host):
        raise ConfigError(
            f"addressing=virtual names the bucket in the host, and the endpoint's is a number ({host})",
            fix="give the endpoint by its name, or addressing=path",
        )
    if "." in bucket and (endpoint is None or _OF_AWS.fullmatch(endpoint)):
        raise ConfigError(
            f"addressing=virtual names the bucket in the host, and AWS's certificates cover no bucket with a dot "
            f"({bucket!r})",
            fix="give addressing=path",
        )
    if not _LABELS.fullmatch(bucket) or len(bucket) + len(host) >= MOST_HOST_CHARACTERS:
        raise ConfigError(
            f"addressing=virtual names the bucket in the host, where {bucket!r} cannot stand",
            fix="give addressing=path",
        )
    return True


def bucket_url(endpoint: str, bucket: str) -> str:
    """Return an endpoint's URL with a bucket in its host."""
    scheme, _, rest = endpoint.partition("://")
    return f"{scheme}://{bucket}.{rest}"


def _is_number(host: str) -> bool:
    try:
        ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True
