"""Small whole things (checkpoints, records) read and written by name, locally or in S3.

Used by trainers, which fork workers: so S3 goes through boto3 here, never through obstore.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from penstock.errors import (
    AccessDenied,
    BucketNotFound,
    ConfigError,
    ObjectNotFound,
    OutputError,
    OutputUnwritable,
    PenstockError,
    SourceUnavailable,
    map_os_error,
)
from penstock.files import atomic_write
from penstock.observe import redact
from penstock.sources.uris import local_folder, split_s3

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

__all__ = ["Blobs", "open_blobs"]

_NO_BUCKET = frozenset({"NoSuchBucket", "InvalidBucketName", "ParamValidationError"})
_DENIED = frozenset(
    {
        "403",
        "AccessDenied",
        "ExpiredToken",
        "InvalidAccessKeyId",
        "InvalidToken",
        "NoCredentialsError",
        "PartialCredentialsError",
        "SignatureDoesNotMatch",
    }
)


class Blobs(Protocol):
    """A flat folder of blobs."""

    def read(self, name: str) -> bytes:
        """Give a blob's bytes.

        Raises:
            ObjectNotFound: there is none of that name.
            SourceError: it could not be read.
        """
        ...

    def write(self, name: str, data: bytes) -> None:
        """Put a blob in its place, all of it or nothing.

        Raises:
            OutputError: it could not be written.
        """
        ...

    def delete(self, name: str) -> None:
        """Remove a blob; nothing happens where there is none."""
        ...

    def locate(self, name: str) -> str:
        """Give the path or URI of a blob."""
        ...


def open_blobs(root: str, *, endpoint_url: str | None = None, region: str | None = None) -> Blobs:
    """Open a local folder or an ``s3://bucket/prefix``; nothing is requested yet.

    Raises:
        ConfigError: ``root`` is a URI of another kind, or names no bucket.
    """
    if found := split_s3(root):
        bucket, prefix = found
        return _S3Blobs(bucket, prefix, endpoint_url=endpoint_url, region=region)
    return _LocalBlobs(local_folder(root) if "://" in root else Path(root))


class _LocalBlobs:
    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def read(self, name: str) -> bytes:
        try:
            return (self._folder / name).read_bytes()
        except (FileNotFoundError, NotADirectoryError) as error:
            raise _not_found(self.locate(name)) from error
        except OSError as error:
            where = self.locate(name)
            raise AccessDenied(f"cannot read {where} ({error.strerror})", fix="check its owner", about=where) from error

    def write(self, name: str, data: bytes) -> None:
        atomic_write(self._folder / name, data)

    def delete(self, name: str) -> None:
        try:
            (self._folder / name).unlink(missing_ok=True)
        except OSError as error:
            raise map_os_error(error, self.locate(name)) from error

    def locate(self, name: str) -> str:
        return str(self._folder / name)


class _S3Blobs:
    def __init__(self, bucket: str, prefix: str, *, endpoint_url: str | None, region: str | None) -> None:
        self._bucket, self._prefix = bucket, prefix
        self._endpoint_url, self._region = endpoint_url, region
        self._opened: S3Client | None = None

    def read(self, name: str) -> bytes:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            return self._client().get_object(Bucket=self._bucket, Key=self._key(name))["Body"].read()
        except (BotoCoreError, ClientError) as error:
            raise self._map(error, name, writing=False) from error

    def write(self, name: str, data: bytes) -> None:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            self._client().put_object(Bucket=self._bucket, Key=self._key(name), Body=data)
        except (BotoCoreError, ClientError) as error:
            raise self._map(error, name, writing=True) from error

    def delete(self, name: str) -> None:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            self._client().delete_object(Bucket=self._bucket, Key=self._key(name))
        except (BotoCoreError, ClientError) as error:
            raise self._map(error, name, writing=True) from error

    def locate(self, name: str) -> str:
        return f"s3://{self._bucket}/{self._key(name)}"

    def _key(self, name: str) -> str:
        return f"{self._prefix}/{name}" if self._prefix else name

    def _client(self) -> S3Client:
        if self._opened is None:
            import boto3

            try:
                self._opened = boto3.Session().client("s3", endpoint_url=self._endpoint_url, region_name=self._region)
            except ValueError as error:  # what boto3 raises for a URL or region that is none
                raise ConfigError(
                    f"cannot reach s3://{self._bucket} ({redact(str(error))})",
                    fix="write the URL like https://host:port",
                ) from error
        return self._opened

    def _map(self, error: Exception, name: str, *, writing: bool) -> PenstockError:
        from botocore.exceptions import ClientError

        where = self.locate(name)
        response = error.response if isinstance(error, ClientError) else {}
        code = response.get("Error", {}).get("Code", type(error).__name__)
        if writing:
            kind = OutputUnwritable if code in _NO_BUCKET or code in _DENIED else OutputError
            return kind(f"cannot write {where} ({code})", fix="check the bucket and s3:PutObject on it", about=where)
        if code in ("NoSuchKey", "404"):
            return _not_found(where)
        if code in _NO_BUCKET:
            return BucketNotFound(f"the bucket of {where} does not exist", fix="check its name and the endpoint")
        if code in _DENIED:
            return AccessDenied(f"cannot read {where} ({code})", fix="check s3:GetObject on it", about=where)
        return SourceUnavailable(f"cannot read {where} ({code})", fix="check the endpoint and try again", about=where)


def _not_found(where: str) -> ObjectNotFound:
    return ObjectNotFound(f"there is no {where}", fix="check the path", about=where)
