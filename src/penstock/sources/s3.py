"""Where a bucket is, and who asks: boto3's credentials."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from penstock.errors import AccessDenied, ConfigError
from penstock.records import SourceSpec

if TYPE_CHECKING:
    from boto3 import Session
    from obstore.store import S3Credential

__all__ = ["Boto3Credentials", "S3Address", "s3_address"]


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
