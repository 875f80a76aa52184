"""Where a bucket of Google Cloud Storage is: checked, and its server found as Google's own clients find it.

The parts of a ``gs://`` URI are taken exactly as written: ``#``, ``?`` and ``%`` are part of a name.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass

from penstock.errors import ConfigError
from penstock.manifest import SourceSpec
from penstock.urls import check_endpoint

__all__ = ["GcsPlace", "find_place", "split_gs"]

DEFAULT_ENDPOINT = "https://storage.googleapis.com"
EMULATOR = "STORAGE_EMULATOR_HOST"

_BUCKET = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,220}[a-z0-9])?")
_NO_PREFIX = re.compile(r"[\x00-\x08\x0a-\x1f\x7f\ud800-\udfff]")
_PROJECT = re.compile(r"[a-z0-9][a-z0-9.:-]{0,61}[a-z0-9]")
_LIKE = "write it like gs://bucket/prefix"


@dataclass(frozen=True, kw_only=True, slots=True)
class GcsPlace:
    """Where a source lies.

    Attributes:
        prefix: without slashes around it.
        endpoint: of the server, without a slash at its end.
        project: that is billed for requests, where the reader pays; None is that of the credentials.
        requester_pays: the reader pays.
        anonymous: requests go without credentials.
    """

    bucket: str
    prefix: str
    endpoint: str
    project: str | None = None
    requester_pays: bool = False
    anonymous: bool = False

    @property
    def uri(self) -> str:
        """The URI."""
        return f"gs://{self.bucket}{'/' if self.prefix else ''}{self.prefix}"


def split_gs(uri: str) -> tuple[str, str]:
    """Return bucket and prefix (without slashes around it) of a ``gs://`` URI.

    Raises:
        ConfigError: it names no bucket that can be, or holds a control character.
    """
    bucket, _, prefix = uri.partition("://")[2].partition("/")
    if not bucket:
        raise ConfigError(f"{uri!r} names no bucket", fix=_LIKE)
    if not _BUCKET.fullmatch(bucket) or ".." in bucket:
        fix = f"{_LIKE}: lower-case letters, digits, dots, hyphens and underscores"
        raise ConfigError(f"gs://{bucket} names a bucket that cannot be", fix=fix)
    if _NO_PREFIX.search(prefix):
        raise ConfigError(f"{uri!r} holds a control character", fix="write the prefix as it is in the bucket")
    return bucket, prefix.strip("/")


def find_place(spec: SourceSpec) -> GcsPlace:
    """Return where a source lies; asks for nothing.

    Raises:
        ConfigError: the URI, an option or a setting is not one that can be used, or options exclude each other.
    """
    bucket, prefix = split_gs(spec.uri)
    pays, anonymous, project = spec.flag("requester_pays"), spec.flag("anonymous"), spec.text("project")
    if anonymous and pays:
        raise ConfigError("--requester-pays needs credentials, and --anonymous sends none", fix="leave one of them out")
    if project is not None and not _PROJECT.fullmatch(project):
        raise ConfigError(f"the project {project!r} cannot be", fix="give the id of a Google Cloud project")
    given = spec.text("endpoint_url")
    emulator = os.environ.get(EMULATOR, "").strip()
    if emulator and "://" not in emulator:
        emulator = f"http://{emulator}"
    endpoint = check_endpoint(given, "--endpoint-url") if given else None
    if endpoint is None and emulator:
        endpoint = check_endpoint(emulator, EMULATOR)
        anonymous = True  # as Google's clients have it
    return GcsPlace(
        bucket=bucket,
        prefix=prefix,
        endpoint=endpoint or DEFAULT_ENDPOINT,
        project=project,
        requester_pays=pays,
        anonymous=anonymous,
    )
