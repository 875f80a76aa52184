"""S3 buckets and local folders through obstore.

A read names the ETag and size it expects: the request carries If-Match and the answer is compared, so a
part of a changed object is never returned. obstore must not be used in a process and then in its forked
child, so sources are opened where they are used and never handed over.
"""

from __future__ import annotations

import os
import re
from collections.abc import AsyncIterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

import obstore
from obstore.exceptions import BaseError, PermissionDeniedError, PreconditionError, UnauthenticatedError
from obstore.store import LocalStore, S3Store

from penstock.errors import (
    AccessDenied,
    BucketNotFound,
    ConfigError,
    EmptyListing,
    ObjectNotFound,
    PenstockError,
    SourceChanged,
    SourceError,
    SourceUnavailable,
    TruncatedObject,
)
from penstock.records import SourceSpec
from penstock.sources.protocols import ObjectInfo, RequestMeter

if TYPE_CHECKING:
    from obstore.store import ClientConfig, RetryConfig, S3Credential

__all__ = ["ObjectSource", "open_source"]

LIST_PAGE = 1000
NEIGHBOURS_SHOWN = 8
CONNECT_TIMEOUT_SECONDS = 10
REQUEST_TIMEOUT_SECONDS = 60
RETRY_SECONDS = 120
MAX_RETRIES = 8

_STATUS = re.compile(r"status code: (\d{3})")


class ObjectSource:
    """Objects under one prefix of one store."""

    def __init__(self, spec: SourceSpec, store: S3Store | LocalStore) -> None:
        self.spec = spec
        self.meter = RequestMeter()
        self._store = store

    async def list_objects(self, prefix: str = "") -> AsyncIterator[Sequence[ObjectInfo]]:
        """Give the objects under ``prefix`` in pages of at most 1000, in the store's order.

        Raises:
            BucketNotFound, AccessDenied, SourceUnavailable: it could not be listed.
        """
        stream = obstore.list(self._store, prefix or None, chunk_size=LIST_PAGE)
        try:
            async for page in stream:
                self.meter.list_requests += 1
                yield [_info(cast("dict[str, Any]", meta)) for meta in page]
        except (BaseError, OSError) as error:
            self.meter.failed_requests += 1
            raise map_source_error(error, self.spec, prefix) from error

    async def list_all(self, prefix: str = "") -> list[ObjectInfo]:
        """Give all objects under ``prefix``, sorted by key.

        Raises:
            EmptyListing: there are none; the message names what lies beside the prefix.
            SourceError: it could not be listed.
        """
        found = [info async for page in self.list_objects(prefix) for info in page]
        if not found:
            raise await self._empty(prefix)
        return sorted(found, key=lambda info: info.key)

    async def get_range(self, info: ObjectInfo, offset: int, length_bytes: int) -> memoryview:
        """Give ``length_bytes`` bytes from ``offset`` of the version of the object that ``info`` names.

        Raises:
            SourceChanged: its ETag or size is another by now.
            TruncatedObject: it ends before the range does.
            ObjectNotFound, AccessDenied, SourceUnavailable: it could not be read.
        """
        if offset + length_bytes > info.size_bytes:
            raise TruncatedObject(
                f"{info.key} has {info.size_bytes} bytes, {offset + length_bytes} are needed",
                fix="the object was cut off: upload it again, or leave it out",
                about=info.key,
            )
        if length_bytes == 0:
            return memoryview(b"")
        try:
            options = {"range": (offset, offset + length_bytes)} | ({"if_match": info.etag} if info.etag else {})
            result = await obstore.get_async(self._store, info.key, options=cast("Any", options))
            meta, body = result.meta, memoryview(await result.bytes_async())
        except (BaseError, OSError) as error:
            self.meter.failed_requests += 1
            raise map_source_error(error, self.spec, info.key) from error
        self.meter.get_requests += 1
        self.meter.bytes_downloaded += len(body)
        if meta["size"] != info.size_bytes or (info.etag and (meta["e_tag"] or "") != info.etag):
            raise _changed(self.spec, info.key)
        if len(body) != length_bytes:
            raise SourceUnavailable(
                f"{self.spec.uri} gave {len(body)} of {length_bytes} bytes of {info.key}",
                fix="run it again; if it stays, the server ends bodies early",
                about=info.key,
            )
        return body

    async def get(self, info: ObjectInfo) -> bytes:
        """Give a whole (small) object."""
        return bytes(await self.get_range(info, 0, info.size_bytes))

    async def _empty(self, prefix: str) -> EmptyListing:
        asked = f"{self.spec.uri.rstrip('/')}/{prefix}" if prefix else self.spec.uri
        beside = await self._beside()
        lies = f"; beside it lie: {beside}" if beside else "; the bucket or folder holds nothing"
        return EmptyListing(
            f"nothing lies under {asked}{lies}",
            fix="check the prefix (it is taken exactly as written, case included)",
            about=asked,
        )

    async def _beside(self) -> str:
        """Name what lies under the nearest parent of the prefix that holds anything."""
        base, parts = _split_uri(self.spec)
        for depth in range(len(parts) - 1, -1, -1):
            parent = "/".join(parts[:depth])
            spec = SourceSpec(**{**_fields(self.spec), "uri": f"{base}/{parent}" if parent else base})
            try:
                store = _open_store(spec)
                self.meter.list_requests += 1
                listing = await obstore.list_with_delimiter_async(store)
            except (BaseError, OSError, PenstockError):
                continue
            names = [f"{name.rstrip('/').rsplit('/', 1)[-1]}/" for name in listing["common_prefixes"]]
            names += [meta["path"].rsplit("/", 1)[-1] for meta in listing["objects"]]
            if names:
                more = f" and {len(names) - NEIGHBOURS_SHOWN} more" if len(names) > NEIGHBOURS_SHOWN else ""
                return f"{', '.join(sorted(names)[:NEIGHBOURS_SHOWN])}{more} (in {spec.uri})"
        return ""


def open_source(spec: SourceSpec) -> ObjectSource:
    """Open the store that a source lies in; nothing is requested yet.

    Raises:
        ConfigError: the URI or an option is not one that Penstock can use.
        BucketNotFound: a local folder that does not exist.
    """
    return ObjectSource(spec, _open_store(spec))


def _fields(spec: SourceSpec) -> dict[str, Any]:
    return {name: getattr(spec, name) for name in spec.__struct_fields__}


def _split_uri(spec: SourceSpec) -> tuple[str, list[str]]:
    """Give what cannot be left out of a URI (scheme and bucket), and the parts of its path."""
    parts = urlsplit(spec.uri)
    if parts.scheme == "s3":
        return f"s3://{parts.netloc}", [part for part in parts.path.split("/") if part]
    path = Path(parts.path if parts.scheme == "file" else spec.uri).absolute()
    return path.anchor, list(path.parts[1:])


def _open_store(spec: SourceSpec) -> S3Store | LocalStore:
    scheme = urlsplit(spec.uri).scheme
    if scheme == "s3":
        return _open_s3(spec)
    if scheme in ("", "file"):
        base, parts = _split_uri(spec)
        folder = Path(base, *parts)
        if not folder.is_dir():
            raise BucketNotFound(
                f"there is no folder {folder}",
                fix="check the path; a source is a folder or an s3:// URI",
                about=spec.uri,
            )
        return LocalStore(folder)
    raise ConfigError(f"cannot read from {spec.uri!r}", fix="use s3://bucket/prefix or a local folder")


def _open_s3(spec: SourceSpec) -> S3Store:
    parts = urlsplit(spec.uri)
    if not parts.netloc:
        raise ConfigError(f"{spec.uri!r} names no bucket", fix="write it like s3://bucket/prefix")
    endpoint = spec.endpoint_url or os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    client: ClientConfig = {
        "connect_timeout": timedelta(seconds=CONNECT_TIMEOUT_SECONDS),
        "timeout": timedelta(seconds=REQUEST_TIMEOUT_SECONDS),
        "allow_http": bool(endpoint and endpoint.startswith("http://")),
    }
    retry: RetryConfig = {"max_retries": MAX_RETRIES, "retry_timeout": timedelta(seconds=RETRY_SECONDS)}
    options: dict[str, Any] = {
        "prefix": parts.path.strip("/") or None,
        "region": spec.region or os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or "us-east-1",
        "client_options": client,
        "retry_config": retry,
        "virtual_hosted_style_request": endpoint is None and "." not in parts.netloc,
    }
    if endpoint:
        options["endpoint"] = endpoint
    if spec.anonymous:
        options["skip_signature"] = True
    else:
        options["credential_provider"] = _Boto3Credentials(spec)
    if spec.requester_pays:
        options["request_payer"] = True
    return S3Store(parts.netloc, **options)


class _Boto3Credentials:
    """Credentials as boto3 finds them (environment, profile, web identity, node role), refreshed as they expire."""

    def __init__(self, spec: SourceSpec) -> None:
        import boto3  # here: 0.3 s to import, and anonymous reads do not need it

        self._spec = spec
        self._session = boto3.Session()

    def __call__(self) -> S3Credential:
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


def _info(meta: dict[str, Any]) -> ObjectInfo:
    return ObjectInfo(key=meta["path"], size_bytes=meta["size"], etag=meta["e_tag"] or "")


def _changed(spec: SourceSpec, key: str) -> SourceChanged:
    return SourceChanged(
        f"{key} in {spec.uri} changed after the manifest was made",
        fix="run `penstock list` again and start a new run",
        about=key,
    )


def map_source_error(error: Exception, spec: SourceSpec, key: str) -> PenstockError:
    """Give the error of the tree that a store's own error stands for, without its multi-line debug text."""
    text = str(error)
    status = _STATUS.search(text)
    if isinstance(error, PreconditionError):
        return _changed(spec, key)
    if "NoSuchBucket" in text:
        return BucketNotFound(
            f"the bucket of {spec.uri} does not exist", fix="check its name and the endpoint", about=spec.uri
        )
    denied = isinstance(error, PermissionDeniedError | UnauthenticatedError | PermissionError)
    if denied or "no AWS credentials" in text or (status and status[1] in ("401", "403")):
        return AccessDenied(
            f"access to {key or spec.uri} was denied ({_reason(text)})",
            fix="check the credentials and their s3:ListBucket and s3:GetObject permissions, or pass --anonymous "
            "for a public bucket",
            about=key or spec.uri,
        )
    if isinstance(error, FileNotFoundError):
        return ObjectNotFound(
            f"{key} is not in {spec.uri} any more", fix="run `penstock list` again and start a new run", about=key
        )
    if status and status[1] in ("301", "307"):
        return SourceError(
            f"{spec.uri} lies in another region ({_reason(text)})",
            fix="pass its region with --region",
            about=spec.uri,
        )
    if status and status[1] == "416":
        return _changed(spec, key)
    return SourceUnavailable(
        f"{spec.uri} did not answer ({_reason(text)})",
        fix="check the network and --endpoint-url, then run it again",
        about=key or spec.uri,
    )


def _reason(text: str) -> str:
    code = re.search(r"<Code>(\w+)</Code>", text)
    status = _STATUS.search(text)
    parts = [f"HTTP {status[1]}" if status else "", code[1] if code else ""]
    told = " ".join(part for part in parts if part)
    return told or text.split("\n", 1)[0].split(" - ", 1)[-1][:160]
