"""What a ``kaggle://`` URI is, near kagglehub's handles.

``kaggle://datasets/owner/name@3/path`` (or ``owner/name/versions/3``), ``kaggle://competitions/name/path``.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, replace
from urllib.parse import quote, urlencode

from penstock.errors import ConfigError
from penstock.manifest import SourceSpec
from penstock.urls import check_endpoint

__all__ = ["ARCHIVE", "KagglePlace", "find_place"]

DEFAULT_ENDPOINT = "https://www.kaggle.com"
ARCHIVE = "archive.zip"
"""Key of all files as the one archive that Kaggle makes of them."""
PAGE_FILES = 200
"""Kaggle's most."""

_SLUG = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_-]{0,198}[A-Za-z0-9])?")
_VERSION = re.compile(r"[1-9][0-9]{0,8}")
_VERSIONS = re.compile(r"versions/([1-9][0-9]{0,8})(?:/(.*))?\Z")
_BAD = re.compile(r"[\x00-\x1f\x7f]")
_EXAMPLE = "write it like kaggle://datasets/owner/name@version/path, or kaggle://competitions/name/path"


@dataclass(frozen=True, kw_only=True, slots=True)
class KagglePlace:
    """A folder of a dataset at a version, or of a competition.

    Attributes:
        owner: of a dataset; empty of a competition.
        version: of a dataset; 0 where it is the newest, and of a competition, which has none.
        path: without slashes around it.
        endpoint: of Kaggle, without a slash at its end.
        is_archive: the place is the one archive of all files.
    """

    owner: str
    name: str
    version: int
    path: str
    endpoint: str
    is_archive: bool = False

    @property
    def is_competition(self) -> bool:
        """Whether it is a competition."""
        return not self.owner

    @property
    def is_pinned(self) -> bool:
        """Whether what lies there is fixed, as far as Kaggle fixes it."""
        return self.is_competition or bool(self.version)

    @property
    def base(self) -> str:
        """The URI of all of the dataset or competition."""
        if self.is_competition:
            return f"kaggle://competitions/{self.name}"
        return f"kaggle://datasets/{self.owner}/{self.name}{f'@{self.version}' if self.version else ''}"

    @property
    def uri(self) -> str:
        """The URI, with its version."""
        return f"{self.base}{'/' if self.path else ''}{self.path}"

    @property
    def page(self) -> str:
        """URL of the page of a browser where rules or terms are accepted."""
        if self.is_competition:
            return f"{self.endpoint}/competitions/{self.name}/rules"
        return f"{self.endpoint}/datasets/{self.owner}/{self.name}"

    @property
    def view(self) -> str:
        """URL of what is told of a dataset."""
        return f"{self._api}/datasets/view/{self.owner}/{self.name}"

    @property
    def _api(self) -> str:
        return f"{self.endpoint}/api/v1"

    def files(self, token: str) -> str:
        """Return the URL of a page of the listing of all files."""
        asked: dict[str, str | int] = {"page_size": PAGE_FILES, **({"page_token": token} if token else {})}
        if self.is_competition:
            return f"{self._api}/competitions/data/list/{self.name}?{urlencode(asked)}"
        asked["dataset_version_number"] = self.version
        return f"{self._api}/datasets/list/{self.owner}/{self.name}?{urlencode(asked)}"

    def url_of(self, key: str) -> str:
        """Return the URL that a signed link to an object is asked for at."""
        path = f"{self.path}/{key}" if self.path else key
        if self.is_competition:
            verb = f"download-all/{self.name}" if self.is_archive else f"download/{self.name}/{quote(path)}"
            return f"{self._api}/competitions/data/{verb}"
        asked: dict[str, str | int] = {"dataset_version_number": self.version}
        if not self.is_archive:
            asked["file_name"] = path
        return f"{self._api}/datasets/download/{self.owner}/{self.name}?{urlencode(asked)}"


def find_place(spec: SourceSpec) -> KagglePlace:
    """Return what a URI names; asks for nothing.

    Raises:
        ConfigError: it names no dataset or competition, or the endpoint is none.
    """
    kind, _, rest = spec.uri.partition("://")[2].strip("/").partition("/")
    if _BAD.search(rest):
        raise ConfigError(f"{spec.uri!r} holds a control character", fix=_EXAMPLE)
    if kind == "datasets":
        place = _dataset(spec.uri, rest)
    elif kind == "competitions":
        name, _, path = rest.partition("/")
        place = KagglePlace(owner="", name=_slug(name, spec.uri), version=0, path=path.strip("/"), endpoint="")
    else:
        raise ConfigError(f"{spec.uri!r} names neither a dataset nor a competition of Kaggle", fix=_EXAMPLE)
    if any(part in ("", ".", "..") for part in place.path.split("/")) and place.path:
        raise ConfigError(f"{spec.uri!r} names no folder or file of Kaggle ({place.path!r})", fix=_EXAMPLE)
    is_archive = spec.flag("archive")
    if is_archive and place.path not in ("", ARCHIVE):
        raise ConfigError(
            f"{spec.uri!r} names a folder or file, and the option archive all of {place.base}",
            fix=f"leave out one of them: members of the archive are chosen by their keys ({place.path}/…)",
        )
    asked = spec.text("endpoint_url")
    given = asked or os.environ.get("KAGGLE_API_ENDPOINT")
    endpoint = check_endpoint(given, "--endpoint-url" if asked else "KAGGLE_API_ENDPOINT") if given else ""
    path = "" if is_archive else place.path
    return replace(place, path=path, is_archive=is_archive, endpoint=endpoint or DEFAULT_ENDPOINT)


def _dataset(uri: str, rest: str) -> KagglePlace:
    owner, _, rest = rest.partition("/")
    name, _, path = rest.partition("/")
    name, at, version = name.partition("@")
    if not at and (found := _VERSIONS.match(path)):
        at, version, path = "@", found[1], found[2] or ""
    if at and not _VERSION.fullmatch(version):
        raise ConfigError(f"{uri!r} names no version after its @ ({version!r})", fix="give its number, as in @3")
    owner, name = _slug(owner, uri), _slug(name, uri)
    return KagglePlace(owner=owner, name=name, version=int(version or 0), path=path.strip("/"), endpoint="")


def _slug(name: str, uri: str) -> str:
    if not _SLUG.fullmatch(name):
        raise ConfigError(f"{uri!r} names nothing of Kaggle ({name!r})", fix=_EXAMPLE)
    return name
