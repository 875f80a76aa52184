"""A server that speaks like Kaggle, and the one that its signed links lead to.

It answers both ways in which Kaggle's own clients ask: GET below /api/v1, and POST of a service's method with JSON, as
kagglehub does.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import io
import json
import time
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import quote, unquote

from support.small_s3 import Asked, Reply, SmallS3, small_s3

__all__ = ["KEY", "TOKEN", "USER", "Kaggle", "serve_kaggle", "zipped"]

USER, KEY, TOKEN = "somebody", "0123456789abcdef0123456789abcdef", "KGAT_0123456789abcdef0123456789abcdef"
_DENIED = "Permission 'datasets.get' was denied"
_RULES = "You must accept this competition's rules before you'll be able to download files."


@dataclass(kw_only=True)
class Kaggle:
    """State of both servers.

    Attributes:
        files: of the dataset ``owner/name``, by version and path.
        competition: files of the competition ``contest``.
        is_private: the dataset wants credentials; a competition always does.
        has_accepted: the rules of the competition and the terms of the dataset.
        packed: files that are kept packed, as Kaggle keeps large tables.
        link_seconds: how long a signed link is good.
        limited: answers 429 to as many requests as this.
        early: requests that came before they were to.
        given: bytes of files that were given, by how they were asked for.
    """

    api: SmallS3
    store: SmallS3
    files: dict[int, dict[str, bytes]] = field(default_factory=dict)
    competition: dict[str, bytes] = field(default_factory=dict)
    is_private: bool = False
    has_accepted: bool = True
    packed: set[str] = field(default_factory=set)
    link_seconds: float = 3600
    limited: int = 0
    wait_seconds: int = 1
    early: int = 0
    not_before: float = 0.0
    archives: dict[str, bytes] = field(default_factory=dict)
    page_files: int = 200

    @property
    def url(self) -> str:
        return self.api.url

    def answer(self, asked: Asked) -> Reply:
        if time.monotonic() < self.not_before:
            self.early += 1
        if self.limited:
            self.limited -= 1
            self.not_before = time.monotonic() + self.wait_seconds - 0.05
            return _told(429, "Too many requests", **{"Retry-After": str(self.wait_seconds)})
        sent = asked.headers.get("authorization")
        basic = "Basic " + base64.b64encode(f"{USER}:{KEY}".encode()).decode()
        if sent is not None and sent not in (basic, f"Bearer {TOKEN}"):
            return _told(401, "Unauthenticated")
        method, given = _read(asked)
        is_known = sent is not None
        if method.startswith("competition"):
            return self._competition(method, given, is_known=is_known)
        if (given.get("owner"), given.get("name")) != ("owner", "name") or (self.is_private and not is_known):
            return _told(403, _DENIED)
        if method == "view":
            return _json({"ref": "owner/name", "currentVersionNumber": max(self.files)})
        files = self.files.get(int(given.get("version") or max(self.files)))
        if files is None:
            return _told(404, "Not found")
        if method == "list":
            return self._page("datasetFiles", files, given)
        return self._link(files, given, f"dataset-{given.get('version')}")

    def _competition(self, method: str, given: dict[str, str], *, is_known: bool) -> Reply:
        if not is_known:
            return _told(401, "Unauthenticated")
        if given["name"] != "contest":
            return _told(404, "Competition not found")
        if method == "competition-list":
            return self._page("files", self.competition, given)
        return self._link(self.competition, given, "contest")

    def _page(self, field_name: str, files: dict[str, bytes], given: dict[str, str]) -> Reply:
        names, first = sorted(files), int(given.get("token") or 0)
        end = first + min(self.page_files, int(given.get("size") or 20))
        shown = [
            {"name": name, "totalBytes": len(files[name]), "creationDate": "2026-01-02T03:04:05Z"}
            for name in names[first:end]
        ]
        return _json({field_name: shown, "nextPageToken": str(end) if end < len(names) else ""})

    def _link(self, files: dict[str, bytes], given: dict[str, str], whole: str) -> Reply:
        if not self.has_accepted:
            return _told(403, _RULES)
        name = given.get("file") or ""
        if name and name not in files:
            return _told(404, "File not found")
        if not name:
            where, data = f"{whole}/archive.zip", zipped(files)
        elif name in self.packed:
            where, data = f"{whole}/{name}.zip", zipped({name.rpartition("/")[2]: files[name]})
        else:
            where, data = f"{whole}/{name}", files[name]
        self.archives.setdefault(where, data) if not name else self.archives.update({where: data})
        expires = time.monotonic() + self.link_seconds
        return Reply(
            status=302, headers={"Location": f"{self.store.url}/{quote(where)}?Expires={expires}&X-Goog-Signature=abc"}
        )

    def signed(self, asked: Asked) -> Reply:
        """Answer as the server of the signed links."""
        if time.monotonic() > float(asked.query["Expires"]) or "authorization" in asked.headers:
            return Reply(status=400, body=b"<Error><Code>ExpiredToken</Code></Error>")
        data = self.archives[unquote(asked.path[1:])]
        digest = hashlib.md5(data, usedforsecurity=False)
        told = {"ETag": f'"{digest.hexdigest()}"', "Accept-Ranges": "bytes"}
        if asked.headers.get("if-match", told["ETag"]) != told["ETag"]:
            return Reply(status=412)
        span = asked.headers.get("range", "").removeprefix("bytes=")
        if not span:
            return Reply(
                body=data, headers={"X-Goog-Hash": f"md5={base64.b64encode(digest.digest()).decode()}", **told}
            )
        first, last = span.split("-")
        end = int(last or len(data) - 1)
        told["Content-Range"] = f"bytes {first}-{end}/{len(data)}"
        return Reply(status=206, body=data[int(first) : end + 1], headers=told)


def _read(asked: Asked) -> tuple[str, dict[str, str]]:
    """Return what is asked for, and of what."""
    parts = [unquote(part) for part in asked.path.strip("/").split("/")]
    if asked.method == "POST":
        body = json.loads(asked.body)
        given = {
            "owner": body.get("ownerSlug", ""),
            "name": body.get("datasetSlug") or body.get("competitionName") or "",
            "version": str(body.get("datasetVersionNumber") or ""),
            "file": body.get("fileName") or "",
            "token": body.get("pageToken") or "",
            "size": str(body.get("pageSize") or ""),
        }
        verbs = {
            "GetDataset": "view",
            "ListDatasetFiles": "list",
            "DownloadDataset": "download",
            "ListDataFiles": "competition-list",
            "DownloadDataFile": "competition-download",
            "DownloadDataFiles": "competition-download",
        }
        return verbs[parts[-1]], given
    query = asked.query
    given = {
        "version": query.get("dataset_version_number", ""),
        "file": query.get("file_name", ""),
        "token": query.get("page_token", ""),
        "size": query.get("page_size", ""),
    }
    kind, *rest = parts[2:]
    if kind == "datasets":
        return rest[0], given | {"owner": rest[1], "name": rest[2]}
    given |= {"name": rest[2], "file": "/".join(rest[3:])}
    return "competition-list" if rest[1] == "list" else "competition-download", given


def zipped(files: dict[str, bytes]) -> bytes:
    """Return a ZIP file."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in sorted(files.items()):
            archive.writestr(zipfile.ZipInfo(name), data)
    return made.getvalue()


def _json(value: object) -> Reply:
    return Reply(body=json.dumps(value).encode(), headers={"Content-Type": "application/json"})


def _told(status: int, message: str, **headers: str) -> Reply:
    body = json.dumps({"code": status, "message": message}).encode()
    return Reply(status=status, body=body, headers={"Content-Type": "application/json", **headers})


@contextlib.contextmanager
def serve_kaggle() -> Iterator[Kaggle]:
    """Serve until left."""
    with small_s3(is_open=True) as api, small_s3(is_open=True) as store:
        state = Kaggle(api=api, store=store)
        api.takeover, store.takeover = state.answer, state.signed
        yield state
