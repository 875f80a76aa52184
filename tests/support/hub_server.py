"""A server that speaks like the Hugging Face Hub, and the one that its signed links lead to."""

from __future__ import annotations

import contextlib
import hashlib
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import quote, unquote

from support.small_s3 import Asked, Reply, SmallS3, small_s3

__all__ = ["Hub", "serve_hub"]

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@dataclass(kw_only=True)
class Hub:
    """State of both servers.

    Attributes:
        files: of the dataset ``org/name``, by path.
        bucket: files of the bucket ``org/files``, by path.
        large: paths that lie behind signed links; others come from the Hub itself.
        token: that the repository wants, None where it is public.
        link_seconds: how long a signed link is good.
        signature: of links that are good.
        limited: answers 429 to as many requests as this, which are told to come again in ``wait_seconds``.
        early: requests that came before they were to.
    """

    hub: SmallS3
    cdn: SmallS3
    files: dict[str, bytes] = field(default_factory=dict)
    bucket: dict[str, bytes] = field(default_factory=dict)
    large: set[str] = field(default_factory=set)
    token: str | None = None
    link_seconds: float = 3600
    signature: str = "abc"
    limited: int = 0
    wait_seconds: int = 1
    page_entries: int = 1000
    early: int = 0
    not_before: float = 0.0

    @property
    def url(self) -> str:
        return self.hub.url

    def answer(self, asked: Asked) -> Reply:
        if time.monotonic() < self.not_before:
            self.early += 1
        if self.limited:
            self.limited -= 1
            self.not_before = time.monotonic() + self.wait_seconds - 0.05
            kind = "api" if asked.path.startswith("/api/") else "resolvers"
            return Reply(status=429, headers={"RateLimit": f'"{kind}";r=0;t={self.wait_seconds}'})
        if self.token and asked.headers.get("authorization") != f"Bearer {self.token}":
            return Reply(
                status=401, headers={"X-Error-Code": "RepoNotFound", "X-Error-Message": "Repository not found"}
            )
        if asked.path.startswith("/api/buckets/org/files/tree"):
            return self._bucket_page(asked)
        if asked.path.startswith("/buckets/org/files/resolve/"):
            name = unquote(asked.path.removeprefix("/buckets/org/files/resolve/"))
            return self._link(asked, f"bucket/{name}", self.bucket.get(name))
        if asked.path == "/api/datasets/org/name":
            return _json({"sha": COMMIT, "id": "org/name"})
        if asked.path.startswith("/api/datasets/org/name/"):
            return self._api(asked, asked.path.removeprefix("/api/datasets/org/name/"))
        if asked.path.startswith("/datasets/org/name/resolve/"):
            return self._resolve(asked, asked.path.removeprefix("/datasets/org/name/resolve/"))
        return Reply(status=404, headers={"X-Error-Code": "RepoNotFound", "X-Error-Message": "Repository not found"})

    def _api(self, asked: Asked, rest: str) -> Reply:
        verb, _, rest = rest.partition("/")
        revision, _, path = rest.partition("/")
        if unquote(revision) not in ("main", "v1", "refs/convert/parquet", COMMIT):
            return Reply(status=404, headers={"X-Error-Code": "RevisionNotFound"})
        if verb == "revision":
            siblings = [{"rfilename": name} for name in sorted(self.files)]
            return _json({"sha": COMMIT, "id": "org/name", "siblings": siblings})
        entries = self._entries(unquote(path), deep=asked.query.get("recursive", "").lower() == "true")
        if not entries and path:
            return Reply(status=404, headers={"X-Error-Code": "EntryNotFound"})
        first = int(asked.query.get("cursor", 0))
        page, rest_of = entries[first : first + self.page_entries], entries[first + self.page_entries :]
        more = f"{self.url}{asked.path}?recursive={asked.query.get('recursive')}&cursor={first + self.page_entries}"
        return _json(page, **({"Link": f'<{more}>; rel="next"'} if rest_of else {}))

    def _entries(self, path: str, *, deep: bool) -> list[dict[str, object]]:
        below = f"{path}/" if path else ""
        found: dict[str, dict[str, object]] = {}
        for name, data in sorted(self.files.items()):
            if not name.startswith(below):
                continue
            parts = name[len(below) :].split("/")
            for depth in range(1, len(parts)):
                folder = below + "/".join(parts[:depth])
                found[folder] = {"type": "directory", "oid": "0" * 40, "size": 0, "path": folder}
            if deep or len(parts) == 1:
                lfs = {"oid": hashlib.sha256(data).hexdigest(), "size": len(data), "pointerSize": 134}
                entry = {"type": "file", "oid": "1" * 40, "size": len(data), "path": name}
                found[name] = entry | ({"lfs": lfs} if name in self.large else {})
        return [entry for name, entry in found.items() if deep or "/" not in name[len(below) :]]

    def _resolve(self, asked: Asked, rest: str) -> Reply:
        path = unquote(rest.partition("/")[2])
        data = self.files.get(path)
        if data is None:
            return Reply(status=404, headers={"X-Error-Code": "EntryNotFound"})
        if path not in self.large:
            reply = _part(data, asked)
            told = {"ETag": f'"{hashlib.sha256(data).hexdigest()[:40]}"', "X-Repo-Commit": COMMIT}
            return Reply(status=reply.status, body=reply.body, headers={**reply.headers, **told})
        return self._link(asked, path, data)

    def _link(self, asked: Asked, path: str, data: bytes | None) -> Reply:
        """Lead to the bridge to Xet, as the Hub leads a client that does not speak it."""
        if data is None:
            return Reply(status=404, headers={"X-Error-Code": "EntryNotFound"})
        expires, digest = time.monotonic() + self.link_seconds, hashlib.sha256(data).hexdigest()
        told = {
            "Location": f"{self.cdn.url}/{quote(path)}?Expires={expires}&Signature={self.signature}",
            "X-Repo-Commit": COMMIT,
            "X-Linked-Size": str(len(data)),
            "X-Linked-ETag": f'"{digest}"',
            "X-Xet-Hash": digest,
            "Link": f'<{self.url}/api/xet-read-token/{COMMIT}>; rel="xet-auth"',
        }
        return Reply(status=302, headers=told)

    def _bucket_page(self, asked: Asked) -> Reply:
        """Return what begins with a path, which a bucket takes for no folder."""
        below = unquote(asked.path.removeprefix("/api/buckets/org/files/tree").removeprefix("/"))
        entries = [
            {"type": "file", "path": name, "size": len(data), "xetHash": hashlib.sha256(data).hexdigest()}
            for name, data in sorted(self.bucket.items())
            if name.startswith(below)
        ]
        if asked.query.get("recursive", "").lower() != "true":
            start = len(below) + 1 if below else 0
            names = [str(entry["path"]) for entry in entries]
            folders = {name[: name.find("/", start)] for name in names if "/" in name[start:]}
            entries = [entry for entry, name in zip(entries, names, strict=True) if "/" not in name[start:]]
            entries += [{"type": "directory", "path": folder} for folder in sorted(folders)]
        return _json(entries)

    def signed(self, asked: Asked) -> Reply:
        """Answer as the server of the signed links."""
        if time.monotonic() > float(asked.query["Expires"]) or asked.query["Signature"] != self.signature:
            return Reply(status=403, body=b"<Error><Code>AccessDenied</Code></Error>")
        name = unquote(asked.path[1:])
        data = self.files[name] if name in self.files else self.bucket[name.removeprefix("bucket/")]
        return _part(data, asked)


def _json(value: object, **headers: str) -> Reply:
    return Reply(body=json.dumps(value).encode(), headers={"Content-Type": "application/json", **headers})


def _part(data: bytes, asked: Asked) -> Reply:
    span = asked.headers.get("range", "").removeprefix("bytes=")
    if not span:
        return Reply(body=data, headers={"ETag": '"other"'})
    first, last = map(int, span.split("-"))
    told = {"ETag": '"other"', "Content-Range": f"bytes {first}-{last}/{len(data)}"}
    return Reply(status=206, body=data[first : last + 1], headers=told)


@contextlib.contextmanager
def serve_hub() -> Iterator[Hub]:
    """Serve until left."""
    with small_s3(is_open=True) as hub, small_s3(is_open=True) as cdn:
        state = Hub(hub=hub, cdn=cdn)
        hub.takeover, cdn.takeover = state.answer, state.signed
        yield state
