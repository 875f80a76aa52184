"""What an ``hf://`` URI is: ``hf://datasets/org/name@revision/path``, or ``hf://org/name@revision/path`` of a model.

``hf://buckets/org/name/path`` is a bucket of files, which has no revisions. Slashes of a revision are written ``%2F``,
but for those of ``refs/pr/N`` and ``refs/convert/NAME``.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from urllib.parse import quote, unquote, urlsplit

from penstock.errors import ConfigError
from penstock.manifest import SourceSpec
from penstock.urls import check_endpoint

__all__ = ["BUCKETS", "HubPlace", "find_place", "is_same_server"]

DEFAULT_ENDPOINT = "https://huggingface.co"
DEFAULT_REVISION = "main"

_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,94}[A-Za-z0-9])?")
_SPECIAL = re.compile(r"(refs/(?:pr/[0-9]+|convert/[A-Za-z0-9._-]+))(?:/(.*))?\Z")
_BAD = re.compile(r"[\x00-\x1f\x7f]")
_COMMIT = re.compile(r"[0-9a-f]{40}")
_EXAMPLE = "write it like hf://datasets/org/name@revision/path, hf://org/name of a model, or hf://buckets/org/name/path"
BUCKETS = "buckets"


@dataclass(frozen=True, kw_only=True, slots=True)
class HubPlace:
    """A folder of a repository at a revision.

    Attributes:
        kind: as the API's paths name it.
        repo: ``org/name``, or the name of an old repository.
        revision: empty of a bucket.
        path: without slashes around it.
        endpoint: of the Hub, without a slash at its end.
    """

    kind: str
    repo: str
    revision: str
    path: str
    endpoint: str

    @property
    def is_pinned(self) -> bool:
        """Whether its revision is a commit, or there are no revisions."""
        return self.is_bucket or _COMMIT.fullmatch(self.revision) is not None

    @property
    def is_bucket(self) -> bool:
        """Whether it is a bucket of files."""
        return self.kind == BUCKETS

    @property
    def page(self) -> str:
        """URL of its page for a browser."""
        return f"{self.endpoint}/{self._of_kind}{self.repo}"

    @property
    def _of_kind(self) -> str:
        return "" if self.kind == "models" else f"{self.kind}/"

    @property
    def api(self) -> str:
        """URL of the repository in the API."""
        return f"{self.endpoint}/api/{self.kind}/{self.repo}"

    @property
    def uri(self) -> str:
        """The URI, with its revision."""
        revision = self.revision if _SPECIAL.match(self.revision) else quote(self.revision, safe="")
        at = f"@{revision}" if revision else ""
        return f"hf://{self._of_kind}{self.repo}{at}{'/' if self.path else ''}{self.path}"

    def url_of(self, key: str) -> str:
        """Return the URL that an object is read from."""
        path = f"{self.path}/{key}" if self.path else key
        if self.is_bucket:
            return f"{self.page}/resolve/{quote(path, safe='')}"
        return f"{self.page}/resolve/{quote(self.revision, safe='')}/{quote(path)}"

    def tree(self, path: str, *, deep: bool) -> str:
        """Return the URL of the first page of a folder's listing; of a bucket's, what begins with the path is in it."""
        if self.is_bucket:
            below = f"/{quote(path, safe='')}" if path else ""
            return f"{self.api}/tree{below}?recursive={str(deep).lower()}"
        below = f"/{quote(path)}" if path else ""
        return f"{self.api}/tree/{quote(self.revision, safe='')}{below}?recursive={str(deep).lower()}&expand=false"


def find_place(spec: SourceSpec) -> HubPlace:
    """Return what a URI names; asks for nothing.

    Raises:
        ConfigError: it names no repository of datasets or models, or the endpoint is none.
    """
    rest = spec.uri.partition("://")[2].strip("/")
    first, _, after = rest.partition("/")
    kind = "models"
    if first in ("datasets", "models", BUCKETS):
        kind, rest = first, after
    elif first == "spaces":
        raise ConfigError(f"{spec.uri!r} names a space, and no dataset or model", fix=_EXAMPLE)
    if _BAD.search(rest):
        raise ConfigError(f"{spec.uri!r} holds a control character", fix=_EXAMPLE)
    is_bucket = kind == BUCKETS
    repo, revision, path = _plain_split(rest, "") if is_bucket else _split(rest)
    parts = repo.split("/")
    if (
        len(parts) > 2
        or (is_bucket and len(parts) < 2)
        or not all(_NAME.fullmatch(part) and ".." not in part for part in parts)
    ):
        raise ConfigError(f"{spec.uri!r} names no repository of the Hub ({repo!r})", fix=_EXAMPLE)
    asked = spec.text("endpoint_url")
    given = asked or os.environ.get("HF_ENDPOINT")
    endpoint = check_endpoint(given, "--endpoint-url" if asked else "HF_ENDPOINT") if given else ""
    if not is_bucket and any(part in ("", ".", "..") for part in revision.split("/")):
        raise ConfigError(f"{spec.uri!r} names no revision after its @", fix=_EXAMPLE)
    return HubPlace(kind=kind, repo=repo, revision=revision, path=path, endpoint=endpoint or DEFAULT_ENDPOINT)


def _split(rest: str) -> tuple[str, str, str]:
    """Return repository, revision and path."""
    before, at, after = rest.partition("@")
    if at and before.count("/") <= 1:
        if special := _SPECIAL.match(after):
            return before, special[1], (special[2] or "").strip("/")
        revision, _, path = after.partition("/")
        return before, unquote(revision), path.strip("/")
    return _plain_split(rest, DEFAULT_REVISION)


def _plain_split(rest: str, revision: str) -> tuple[str, str, str]:
    parts = rest.split("/")
    return "/".join(parts[:2]), revision, "/".join(parts[2:]).strip("/")


def is_same_server(url: str, endpoint: str) -> bool:
    """Tell whether a URL is of the Hub itself."""
    one, other = urlsplit(url), urlsplit(endpoint)
    return (one.scheme, one.netloc.lower()) == (other.scheme, other.netloc.lower())
