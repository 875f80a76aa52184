"""Where a bucket is: checked, and found as botocore finds it (arguments, environment, profile).

One function for all that is read and written. Whatever reaches a client went through it, so that no client meets a
bucket, region or endpoint that cannot be.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from penstock.errors import ConfigError
from penstock.manifest import SourceSpec
from penstock.sources.s3.addressing import Addressing, bucket_url, is_in_host, read_addressing
from penstock.sources.s3.uris import split_s3
from penstock.urls import check_endpoint, expand_home

__all__ = ["S3Address", "s3_place", "source_place"]

DEFAULT_REGION = "us-east-1"

_REGION = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,62}[A-Za-z0-9])?")
_BUCKET = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,253}[A-Za-z0-9])?")
_AWS_ENDPOINT = re.compile(r"https://s3(?!-accelerate\b)(?:[.-][a-z0-9-]+)?\.amazonaws\.com(?:\.cn)?")
_NO_PREFIX = re.compile(r"[\x00-\x08\x0a-\x1f\x7f\ud800-\udfff]")


@dataclass(frozen=True, kw_only=True, slots=True)
class S3Address:
    """Where a source lies in S3.

    Attributes:
        prefix: without a slash at its end.
        endpoint: that was given, without a slash at its end; None for AWS itself.
        addressing: how buckets are to be named.
        virtual_hosted: the bucket is named in the host, not in the path.
        ca_file: of the authorities that its server's certificate is checked by, None for the system's.
    """

    bucket: str
    prefix: str
    endpoint: str | None
    region: str
    addressing: Addressing
    virtual_hosted: bool
    requester_pays: bool
    ca_file: Path | None = None

    @property
    def url(self) -> str:
        """Return the server's URL, the bucket in its host where it is virtual-hosted."""
        if self.endpoint:
            return bucket_url(self.endpoint, self.bucket) if self.virtual_hosted else self.endpoint
        bucket = f"{self.bucket}." if self.virtual_hosted else ""
        return f"https://{bucket}s3.{self.region}.amazonaws.com{'.cn' if self.region.startswith('cn-') else ''}"

    def in_region(self, region: str) -> S3Address:
        """Return the same place, with requests signed for another region, and sent to its host where that is AWS's."""
        is_aws = self.endpoint is not None and _AWS_ENDPOINT.fullmatch(self.endpoint) is not None
        endpoint = None if is_aws else self.endpoint
        in_host = self.virtual_hosted or is_in_host(self.bucket, endpoint, self.addressing)
        return replace(self, region=region, endpoint=endpoint, virtual_hosted=in_host)

    def in_host(self) -> S3Address:
        """Return the same place with the bucket in the host, as a store wants it; itself where that cannot be."""
        try:
            return replace(self, virtual_hosted=is_in_host(self.bucket, self.endpoint, "virtual"))
        except ConfigError:
            return self


def source_place(spec: SourceSpec) -> S3Address | None:
    """Return where a source lies, None where that is not S3; asks for nothing.

    Raises:
        ConfigError: the URI, an option or a setting is not one that can be used, or options exclude each other.
    """
    pays = spec.flag("requester_pays")
    if spec.flag("anonymous") and pays:
        raise ConfigError(
            "--requester-pays needs signed requests, and --anonymous sends unsigned ones", fix="leave one of them out"
        )
    return s3_place(
        spec.uri,
        endpoint_url=spec.text("endpoint_url"),
        region=spec.text("region"),
        addressing=spec.text("addressing"),
        requester_pays=pays,
    )


def s3_place(
    uri: str,
    *,
    endpoint_url: str | None,
    region: str | None,
    addressing: str | None = None,
    requester_pays: bool = False,
) -> S3Address | None:
    """Return where an ``s3://`` URI lies, None where it is none; asks for nothing.

    Raises:
        ConfigError: the URI, an option or a setting is not one that can be used.
    """
    found = split_s3(uri)
    if found is None:
        return None
    bucket, prefix = found
    if not _BUCKET.fullmatch(bucket) or ".." in bucket:
        raise ConfigError(
            f"s3://{bucket} names a bucket that cannot be",
            fix="write it like s3://bucket/prefix: letters, digits, dots and hyphens"
            + (" (access points are not supported)" if bucket.startswith("arn:") else ""),
        )
    if _NO_PREFIX.search(prefix):
        raise ConfigError(f"{uri!r} holds a control character", fix="write the prefix as it is in the bucket")
    settings = _settings()
    region = _region(region, settings)
    endpoint = _endpoint(endpoint_url, settings)
    way = _addressing(addressing, settings)
    return S3Address(
        bucket=bucket,
        prefix=prefix,
        endpoint=endpoint,
        region=region,
        addressing=way,
        virtual_hosted=is_in_host(bucket, endpoint, way),
        requester_pays=requester_pays,
        ca_file=_ca_file(settings),
    )


def _region(given: str | None, settings: Mapping[str, str]) -> str:
    named = [
        ("--region", given),
        ("AWS_REGION", os.environ.get("AWS_REGION")),
        ("AWS_DEFAULT_REGION", os.environ.get("AWS_DEFAULT_REGION")),
        ("the profile's region", settings.get("region")),
    ]
    name, region = next(((name, value) for name, value in named if value), ("", DEFAULT_REGION))
    if not _REGION.fullmatch(region):
        raise ConfigError(f"{name} {region!r} is no region", fix="write it like us-east-2")
    return region


def _endpoint(given: str | None, settings: Mapping[str, str]) -> str | None:
    """Return the endpoint; those of environment and profile are left where ``AWS_IGNORE_CONFIGURED_ENDPOINT_URLS``."""
    if given:
        return check_endpoint(given, "--endpoint-url")
    ignored = os.environ.get("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS") or settings.get("ignore_configured_endpoint_urls")
    if ignored and ignored.lower() == "true":
        return None
    named = [
        ("AWS_ENDPOINT_URL_S3", os.environ.get("AWS_ENDPOINT_URL_S3")),
        ("AWS_ENDPOINT_URL", os.environ.get("AWS_ENDPOINT_URL")),
        ("the profile's endpoint_url", settings.get("s3_endpoint_url") or settings.get("endpoint_url")),
    ]
    return next((check_endpoint(url, name) for name, url in named if url), None)


def _addressing(given: str | None, settings: Mapping[str, str]) -> Addressing:
    """Return how buckets are named: as it is given, or by the profile's ``s3`` settings."""
    if given:
        return read_addressing(given, "addressing")
    told = settings.get("s3_addressing_style")
    return read_addressing(told, "the profile's addressing_style") if told else "auto"


def _ca_file(settings: Mapping[str, str]) -> Path | None:
    """Return certificates that are to be trusted, as botocore finds them; OpenSSL reads ``SSL_CERT_FILE`` itself."""
    named = [
        ("AWS_CA_BUNDLE", os.environ.get("AWS_CA_BUNDLE")),
        ("the profile's ca_bundle", settings.get("ca_bundle")),
        ("REQUESTS_CA_BUNDLE", os.environ.get("REQUESTS_CA_BUNDLE")),
    ]
    name, path = next(((name, Path(expand_home(value, name))) for name, value in named if value), ("", None))
    if path is not None and not path.exists():
        raise ConfigError(f"{name} names {path}, which does not exist", fix="name a file of certificates (PEM)")
    return path


def _settings() -> dict[str, str]:
    """Read the profile of the AWS files; what it says of S3 as ``s3_…``. Nothing where there are no files.

    Raises:
        ConfigError: the files cannot be read, or have no such profile.
    """
    profile = os.environ.get("AWS_DEFAULT_PROFILE") or os.environ.get("AWS_PROFILE")
    files = _files()
    look = f"check {' and '.join(map(str, files)) or 'AWS_CONFIG_FILE'}"
    if not profile and not any(file.exists() for file in files):
        return {}
    import botocore.session  # here: 0.1 s to import, and a pod has no such files
    from botocore.exceptions import BotoCoreError

    session = botocore.session.Session()
    try:
        scoped: dict[str, Any] = session.get_scoped_config()
        sections: dict[str, Any] = session.full_config.get("services", {})
    except BotoCoreError as error:
        raise ConfigError(f"the AWS profile cannot be used ({error})", fix=f"{look}, and AWS_PROFILE") from error
    own = {name: value for name, value in scoped.items() if isinstance(value, str)}
    of_s3 = scoped.get("s3")
    style = of_s3.get("addressing_style") if isinstance(of_s3, dict) else None
    nested = {"s3_addressing_style": style} if isinstance(style, str) else {}
    return own | nested | _services(scoped.get("services"), sections, look)


def _files() -> list[Path]:
    """Return where the AWS files are, be they there or not; a user without a home folder has none by default."""
    files = []
    for name, default in (("AWS_CONFIG_FILE", "config"), ("AWS_SHARED_CREDENTIALS_FILE", "credentials")):
        if given := os.environ.get(name):
            files.append(Path(expand_home(given, name)))
        else:
            with contextlib.suppress(ConfigError):
                files.append(Path(expand_home(f"~/.aws/{default}", name)))
    return files


def _services(name: Any, sections: Mapping[str, Any], fix: str) -> dict[str, str]:
    """Return what the services section that a profile names has for S3, each setting as ``s3_…``."""
    if not name:
        return {}
    if not isinstance(name, str):
        raise ConfigError("the AWS profile's services names no section", fix=f"{fix}: write services = NAME")
    if not sections.get(name):
        raise ConfigError(f"the AWS profile names the services section {name!r}, which does not exist", fix=fix)
    found = sections[name].get("s3", {}) if isinstance(sections[name], dict) else None
    if not isinstance(found, dict):
        raise ConfigError(
            f"the services section {name!r} of the AWS files has no settings for s3",
            fix=f"{fix}: write s3 =, and below it its settings, indented",
        )
    return {f"s3_{key}": value for key, value in found.items() if isinstance(value, str)}
