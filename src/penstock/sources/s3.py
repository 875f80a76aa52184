"""S3 stores of obstore, with boto3's credentials and bounded time."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from obstore.store import S3Store

from penstock.errors import AccessDenied, ConfigError
from penstock.records import SourceSpec
from penstock.units import KIB

if TYPE_CHECKING:
    from boto3 import Session
    from obstore.store import ClientConfig, RetryConfig, S3Credential

__all__ = ["Boto3Credentials", "ClientLimits", "S3Address", "open_s3", "s3_address"]


@dataclass(frozen=True, kw_only=True, slots=True)
class ClientLimits:
    """How long a request may take and how often it is tried.

    Attributes:
        connect_timeout_seconds: to make a connection.
        request_timeout_seconds: of one request, its body included; where the body goes straight to its place,
            for which no byte came.
        max_retries: tries after the first, with growing pauses (0.1 s, doubled, at most 15 s).
        retry_seconds: after which no new try is made.
        direct_tls_bytes: encrypted ranges of at most that size are received straight to their place too, 0 for none.
            That takes less than half of obstore's CPU; but one thread decrypts, where obstore has several, which is
            what counts for large ranges.
    """

    connect_timeout_seconds: float = 10
    request_timeout_seconds: float = 60
    max_retries: int = 8
    retry_seconds: float = 120
    direct_tls_bytes: int = 128 * KIB


@dataclass(frozen=True, kw_only=True, slots=True)
class S3Address:
    """Where a source lies in S3.

    Attributes:
        endpoint: that was given, None for AWS itself.
        virtual_hosted: the bucket is named in the host, not in the path.
    """

    bucket: str
    prefix: str
    endpoint: str | None
    region: str
    virtual_hosted: bool
    requester_pays: bool

    @property
    def url(self) -> str:
        """Give the server's URL, the bucket in its host where it is virtual-hosted."""
        if self.endpoint:
            return self.endpoint
        bucket = f"{self.bucket}." if self.virtual_hosted else ""
        return f"https://{bucket}s3.{self.region}.amazonaws.com"


def s3_address(spec: SourceSpec, *, bucket: str, prefix: str) -> S3Address:
    """Give where a source lies, as its spec and the environment say.

    Raises:
        ConfigError: options that exclude each other.
    """
    if spec.anonymous and spec.requester_pays:
        raise ConfigError(
            "--requester-pays needs signed requests, and --anonymous sends unsigned ones", fix="leave one of them out"
        )
    endpoint = spec.endpoint_url or os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or None
    return S3Address(
        bucket=bucket,
        prefix=prefix,
        endpoint=endpoint,
        region=spec.region or os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or "us-east-1",
        virtual_hosted=endpoint is None and "." not in bucket,
        requester_pays=spec.requester_pays,
    )


def open_s3(place: S3Address, *, limits: ClientLimits, provider: Boto3Credentials | None) -> S3Store:
    """Open the part of a bucket under a prefix; nothing is requested yet.

    Args:
        place: of the source.
        limits: of requests.
        provider: of credentials, None for unsigned requests.
    """
    client: ClientConfig = {
        "connect_timeout": timedelta(seconds=limits.connect_timeout_seconds),
        "timeout": timedelta(seconds=limits.request_timeout_seconds),
        "allow_http": bool(place.endpoint and place.endpoint.startswith("http://")),
    }
    retry: RetryConfig = {"max_retries": limits.max_retries, "retry_timeout": timedelta(seconds=limits.retry_seconds)}
    options: dict[str, Any] = {
        "prefix": place.prefix or None,
        "region": place.region,
        "client_options": client,
        "retry_config": retry,
        "virtual_hosted_style_request": place.virtual_hosted,
    }
    if place.endpoint:
        options["endpoint"] = place.endpoint
    if provider is None:
        options["skip_signature"] = True
    else:
        options["credential_provider"] = provider
    if place.requester_pays:
        options["request_payer"] = True
    return S3Store(place.bucket, **options)


class Boto3Credentials:
    """Credentials as boto3 finds them (environment, profile, web identity, node role), refreshed as they expire."""

    def __init__(self, spec: SourceSpec) -> None:
        self._spec = spec
        self._session: Session | None = None

    def __call__(self) -> S3Credential:
        """Give credentials; may ask over the network.

        Raises:
            AccessDenied: there are none.
        """
        given = _given_by_environment()
        if given is not None:
            return given
        if self._session is None:
            import boto3  # here: 0.3 s to import, and most reads do without

            self._session = boto3.Session()
        found = self._session.get_credentials()
        if found is None:
            raise AccessDenied(
                f"no AWS credentials were found for {self._spec.uri}",
                fix="set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AWS_PROFILE or a role, or pass --anonymous",
                about=self._spec.uri,
            )
        frozen = found.get_frozen_credentials()
        assert frozen.access_key is not None
        assert frozen.secret_key is not None
        expiry: datetime | None = getattr(found, "_expiry_time", None)
        return {
            "access_key_id": frozen.access_key,
            "secret_access_key": frozen.secret_key,
            "token": frozen.token,
            "expires_at": expiry,
        }


def _given_by_environment() -> S3Credential | None:
    """Give what boto3 would find first: whole credentials in the environment, unless it says when they expire."""
    key, secret = os.environ.get("AWS_ACCESS_KEY_ID"), os.environ.get("AWS_SECRET_ACCESS_KEY")
    if not key or not secret or "AWS_CREDENTIAL_EXPIRATION" in os.environ:
        return None
    token = os.environ.get("AWS_SECURITY_TOKEN") or os.environ.get("AWS_SESSION_TOKEN") or None
    return {"access_key_id": key, "secret_access_key": secret, "token": token, "expires_at": None}
