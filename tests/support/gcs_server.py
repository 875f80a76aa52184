"""A server that speaks like Google Cloud Storage, by its JSON API, and the services that lend tokens."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, unquote

import google_crc32c

from support.small_s3 import Asked, Reply, SmallS3, small_s3

__all__ = ["BUCKET", "Gcs", "serve_gcs"]

BUCKET = "penstock-test"


@dataclass(kw_only=True)
class Gcs:
    """The server's state.

    Attributes:
        objects: of the bucket, by name.
        generations: of each object.
        classes: of storage, of objects that are of another than the usual one.
        token: that is wanted, None where the bucket is public; ``lend`` changes it where tokens are lent.
        public: names that are read without a token.
        denied: names that may not be read.
        payer: project that must be named, None where the owner pays.
        life_seconds: of tokens that are lent.
        lent: what tokens were lent for.
    """

    server: SmallS3
    objects: dict[str, bytes] = field(default_factory=dict)
    generations: dict[str, int] = field(default_factory=dict)
    classes: dict[str, str] = field(default_factory=dict)
    token: str | None = None
    public: set[str] = field(default_factory=set)
    denied: set[str] = field(default_factory=set)
    payer: str | None = None
    life_seconds: float = 3600
    page_objects: int = 1000
    lent: list[dict[str, str]] = field(default_factory=list)
    good_until: float = float("inf")

    @property
    def url(self) -> str:
        return self.server.url

    @property
    def uri(self) -> str:
        return f"gs://{BUCKET}"

    def put(self, name: str, data: bytes) -> int:
        self.objects[name] = data
        self.generations[name] = self.generations.get(name, 1_700_000_000_000_000) + 17
        return self.generations[name]

    def answer(self, asked: Asked) -> Reply:
        if (reply := self._lend(asked)) is not None:
            return reply
        path = asked.path.removeprefix("/download")
        if path.startswith("/upload/"):
            return self._upload(asked, path.removeprefix("/upload"))
        parts = path.removeprefix("/storage/v1/b/").split("/", 2)
        if not path.startswith("/storage/v1/b/") or len(parts) < 2 or parts[1] != "o":
            return _error(404, "notFound", "Not Found")
        bucket, name = unquote(parts[0]), unquote(parts[2]) if len(parts) == 3 else None
        if (reply := self._check(asked, bucket, name)) is not None:
            return reply
        return self._page(asked) if name is None else self._object(asked, name)

    def _lend(self, asked: Asked) -> Reply | None:
        is_metadata = asked.path.startswith("/computeMetadata/v1/") or asked.path == "/"
        if is_metadata:
            told = {"Metadata-Flavor": "Google", "Content-Type": "application/text"}
            if asked.path == "/":
                return Reply(headers=told)
            if asked.path.endswith("/project/project-id"):
                return Reply(body=b"project-of-metadata", headers=told)
            if asked.path.endswith("/token"):
                self.lent.append({"way": "metadata"})
                return _json(self._new_token(), **{"Metadata-Flavor": "Google"})
            account = {"email": "me@example.iam.gserviceaccount.com", "scopes": ["any"], "aliases": ["default"]}
            return _json(account, **{"Metadata-Flavor": "Google"})
        if asked.path in ("/token", "/sts"):
            form = dict(parse_qsl(asked.body.decode())) if b"=" in asked.body else json.loads(asked.body)
            self.lent.append({"way": asked.path, **form})
            return _json(self._new_token())
        return None

    def _new_token(self) -> dict[str, object]:
        self.token = f"ya29.token-{len(self.lent)}"
        self.good_until = time.monotonic() + self.life_seconds
        kind = "urn:ietf:params:oauth:token-type:access_token"
        told = {"access_token": self.token, "expires_in": int(self.life_seconds), "token_type": "Bearer"}
        return {**told, "issued_token_type": kind}

    def _check(self, asked: Asked, bucket: str, name: str | None) -> Reply | None:
        given = asked.headers.get("authorization", "").removeprefix("Bearer ")
        if given and (given != self.token or time.monotonic() > self.good_until):
            return _error(401, "authError", "Invalid Credentials")
        if self.token and not given and name not in self.public:
            what = f"Anonymous caller does not have storage.objects.{'get' if name else 'list'} access"
            return _error(401, "required", f"{what} to the Google Cloud Storage {'object' if name else 'bucket'}.")
        if bucket != BUCKET:
            return _error(404, "notFound", "The specified bucket does not exist.")
        if self.payer and asked.query.get("userProject") != self.payer:
            return _error(400, "required", "Bucket is a requester pays bucket but no user project provided.")
        if name in self.denied:
            return _error(403, "forbidden", "me@example does not have storage.objects.get access to the object.")
        return None

    def _page(self, asked: Asked) -> Reply:
        prefix, after = asked.query.get("prefix", ""), asked.query.get("pageToken", "")
        folders: set[str] = set()
        names: list[str] = []
        for name in sorted(self.objects, key=str.encode):
            rest = name[len(prefix) :]
            if not name.startswith(prefix):
                continue
            if asked.query.get("delimiter") and "/" in rest:
                folders.add(prefix + rest.partition("/")[0] + "/")
            elif not after or name.encode() > base64.b64decode(after):
                names.append(name)
        size = min(self.page_objects, int(asked.query.get("maxResults", 1000)))
        shown = names[:size]
        told: dict[str, object] = {"kind": "storage#objects"}
        if shown:
            told["items"] = [self._resource(name) for name in shown]
        if folders:
            told["prefixes"] = sorted(folders)
        if len(names) > size:
            told["nextPageToken"] = base64.b64encode(shown[-1].encode()).decode()
        return _json(told)

    def _resource(self, name: str) -> dict[str, object]:
        data = self.objects[name]
        told = {"kind": "storage#object", "bucket": BUCKET, "name": name, "size": str(len(data))}
        told["storageClass"] = self.classes.get(name, "STANDARD")
        return {**told, "generation": str(self.generations[name]), "crc32c": _crc32c(data), "md5Hash": _md5(data)}

    def _object(self, asked: Asked, name: str) -> Reply:
        if name not in self.objects:
            return Reply(status=404, body=f"No such object: {BUCKET}/{name}".encode())
        wanted = asked.query.get("ifGenerationMatch")
        if wanted and wanted != str(self.generations[name]):
            return _error(412, "conditionNotMet", "At least one of the pre-conditions you specified did not hold.")
        if asked.method == "DELETE":
            del self.objects[name]
            return Reply(status=204)
        if asked.query.get("alt") != "media":
            return _json(self._resource(name))
        data = self.objects[name]
        told = {
            "x-goog-generation": str(self.generations[name]),
            "x-goog-hash": f"crc32c={_crc32c(data)},md5={_md5(data)}",
            "ETag": "CJDk",
        }
        span = asked.headers.get("range", "").removeprefix("bytes=")
        if not span:
            return Reply(body=data, headers=told)
        first, last = map(int, span.split("-"))
        if first >= len(data):
            return Reply(status=416, body=b"Request range not satisfiable")
        end = min(last + 1, len(data))
        told["Content-Range"] = f"bytes {first}-{end - 1}/{len(data)}"
        return Reply(status=206, body=data[first:end], headers=told)

    def _upload(self, asked: Asked, path: str) -> Reply:
        bucket, name = unquote(path.removeprefix("/storage/v1/b/").split("/")[0]), asked.query["name"]
        if (reply := self._check(asked, bucket, name)) is not None:
            return reply
        self.put(name, asked.body)
        return _json(self._resource(name))


def _crc32c(data: bytes) -> str:
    return base64.b64encode(google_crc32c.value(data).to_bytes(4, "big")).decode()


def _md5(data: bytes) -> str:
    return base64.b64encode(hashlib.md5(data, usedforsecurity=False).digest()).decode()


def _json(value: object, **headers: str) -> Reply:
    return Reply(body=json.dumps(value).encode(), headers={"Content-Type": "application/json", **headers})


def _error(status: int, reason: str, message: str) -> Reply:
    one = {"message": message, "domain": "global", "reason": reason}
    body = json.dumps({"error": {"code": status, "message": message, "errors": [one]}}).encode()
    return Reply(status=status, body=body, headers={"Content-Type": "application/json"})


@contextlib.contextmanager
def serve_gcs(**options: object) -> Iterator[Gcs]:
    """Serve until left."""
    with small_s3(is_open=True) as server:
        state = Gcs(server=server, **options)  # type: ignore[arg-type]
        server.takeover = state.answer
        server.lends = True
        yield state
