"""A server that speaks like Azure Blob Storage, by its REST API, and the services that lend tokens."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, quote, unquote
from xml.sax.saxutils import escape

from support.small_s3 import Asked, Reply, SmallS3, small_s3

__all__ = ["ACCOUNT", "CONTAINER", "KEY", "Azure", "serve_azure"]

ACCOUNT = "penstocktest"
CONTAINER = "penstock-test"
KEY = base64.b64encode(b"a key of the test's account").decode()
_SIGNED = (
    *("content-encoding", "content-language", "content-length", "content-md5", "content-type", "date"),
    *("if-modified-since", "if-match", "if-none-match", "if-unmodified-since", "range"),
)


@dataclass(kw_only=True)
class Azure:
    """The server's state.

    Attributes:
        objects: of the container, by name.
        etags: of each object, without quotes.
        is_public: requests need nothing.
        tokens: that are taken, and when each ends.
        signature: the value of ``sig`` that is taken, None for none.
        denied: names that may not be read.
        archived: names that lie in the archive.
        tiers: of blobs that are of another than the usual one.
        folders: names of folders, as accounts with folders list them.
        lent: what tokens were lent for.
    """

    server: SmallS3
    objects: dict[str, bytes] = field(default_factory=dict)
    etags: dict[str, str] = field(default_factory=dict)
    is_public: bool = False
    takes_key: bool = True
    tokens: dict[str, float] = field(default_factory=dict)
    signature: str | None = None
    denied: set[str] = field(default_factory=set)
    archived: set[str] = field(default_factory=set)
    tiers: dict[str, str] = field(default_factory=dict)
    folders: set[str] = field(default_factory=set)
    life_seconds: float = 3600
    page_objects: int = 1000
    lent: list[dict[str, str]] = field(default_factory=list)
    blocks: dict[str, bytes] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"{self.server.url}/{ACCOUNT}"

    @property
    def uri(self) -> str:
        return f"az://{CONTAINER}"

    def put(self, name: str, data: bytes) -> None:
        self.objects[name] = data
        self.etags[name] = f"0x8D{len(self.etags):04X}{time.monotonic_ns():016X}"

    def answer(self, asked: Asked) -> Reply:
        if (reply := self._lend(asked)) is not None:
            return reply
        if (reply := self._check(asked)) is not None:
            return reply
        parts = asked.path.split("/", 3)
        if unquote(parts[2]) != CONTAINER:
            return _error(404, "ContainerNotFound", "The specified container does not exist.")
        if len(parts) == 3:
            return self._page(asked)
        return self._object(asked, unquote(parts[3]))

    def _lend(self, asked: Asked) -> Reply | None:
        if not asked.path.endswith("/token"):
            return None
        self.lent.append({"way": asked.path, **asked.query, **dict(parse_qsl(asked.body.decode()))})
        token = f"eyJ0.token-{len(self.lent)}"
        self.tokens[token] = time.monotonic() + self.life_seconds
        told = {"access_token": token, "token_type": "Bearer"}
        if asked.method == "POST":
            told |= {"expires_in": str(int(self.life_seconds))}
        else:
            told |= {"expires_on": str(int(time.time() + self.life_seconds))}
        return Reply(body=json.dumps(told).encode(), headers={"Content-Type": "application/json"})

    def _check(self, asked: Asked) -> Reply | None:
        given = asked.headers.get("authorization", "")
        if given.startswith("Bearer "):
            if self.tokens.get(given.removeprefix("Bearer "), 0) < time.monotonic():
                return _error(401, "InvalidAuthenticationInfo", "Server failed to authenticate the request.")
            return None
        if given:
            is_right = self.takes_key and given == f"SharedKey {ACCOUNT}:{_signature(asked)}"
            return None if is_right else _error(403, "AuthenticationFailed", "Server failed to authenticate.")
        if "sig" in asked.query:
            is_right = asked.query["sig"] == self.signature
            return None if is_right else _error(403, "AuthenticationFailed", "Signature did not match.")
        return None if self.is_public else _error(404, "ResourceNotFound", "The specified resource does not exist.")

    def _page(self, asked: Asked) -> Reply:
        assert (asked.query["restype"], asked.query["comp"]) == ("container", "list")
        prefix, after = asked.query.get("prefix", ""), asked.query.get("marker", "")
        prefixes: set[str] = set()
        names: list[str] = []
        for name in sorted({*self.objects, *self.folders}, key=str.encode):
            rest = name[len(prefix) :]
            if not name.startswith(prefix):
                continue
            if asked.query.get("delimiter") and "/" in rest:
                prefixes.add(prefix + rest.partition("/")[0] + "/")
            elif not after or name.encode() > base64.b64decode(after):
                names.append(name)
        size = min(self.page_objects, int(asked.query.get("maxresults", 5000)))
        shown = names[:size]
        marker = base64.b64encode(shown[-1].encode()).decode() if len(names) > size else ""
        entries = "".join(map(self._entry, shown))
        entries += "".join(f"<BlobPrefix>{_name(name)}</BlobPrefix>" for name in sorted(prefixes))
        body = (
            f'<?xml version="1.0" encoding="utf-8"?><EnumerationResults ServiceEndpoint="{self.url}/" '
            f'ContainerName="{CONTAINER}"><Prefix>{escape(prefix)}</Prefix><MaxResults>{size}</MaxResults>'
            f"<Blobs>{entries}</Blobs><NextMarker>{marker}</NextMarker></EnumerationResults>"
        )
        return Reply(body=body.encode(), headers={"Content-Type": "application/xml"})

    def _entry(self, name: str) -> str:
        if name in self.folders:
            told = "<Etag>0x1</Etag><ResourceType>directory</ResourceType><Content-Length>0</Content-Length>"
            return f"<Blob>{_name(name)}<Properties>{told}</Properties></Blob>"
        tier = "Archive" if name in self.archived else self.tiers.get(name, "Hot")
        told = f"<Etag>{self.etags[name]}</Etag><Content-Length>{len(self.objects[name])}</Content-Length>"
        told += f"<BlobType>BlockBlob</BlobType><AccessTier>{tier}</AccessTier>"
        return f"<Blob>{_name(name)}<Properties>{told}</Properties><OrMetadata /></Blob>"

    def _object(self, asked: Asked, name: str) -> Reply:
        if asked.method == "PUT":
            return self._put(asked, name)
        if name not in self.objects:
            return _error(404, "BlobNotFound", "The specified blob does not exist.")
        etag, data = f'"{self.etags[name]}"', self.objects[name]
        if asked.headers.get("if-match", etag) != etag:
            return _error(412, "ConditionNotMet", "The condition specified was not met.")
        if asked.method == "DELETE":
            del self.objects[name]
            return Reply(status=202)
        if name in self.denied:
            return _error(403, "AuthorizationPermissionMismatch", "This request is not authorized.")
        if name in self.archived:
            return _error(409, "BlobArchived", "This operation is not permitted on an archived blob.")
        told = {"ETag": etag}
        span = asked.headers.get("range", "").removeprefix("bytes=")
        if not span:
            return Reply(body=data, headers={**told, "Content-MD5": _md5(data)})
        first, last = map(int, span.split("-"))
        if first >= len(data):
            return _error(416, "InvalidRange", "The range specified is invalid.")
        end = min(last + 1, len(data))
        told["Content-Range"] = f"bytes {first}-{end - 1}/{len(data)}"
        return Reply(status=206, body=data[first:end], headers=told)

    def _put(self, asked: Asked, name: str) -> Reply:
        if asked.headers.get("content-md5", "") not in ("", _md5(asked.body)):
            return _error(400, "Md5Mismatch", "The MD5 value specified in the request did not match.")
        if asked.query.get("comp") == "block":
            self.blocks[asked.query["blockid"]] = asked.body
            return Reply(status=201)
        if asked.query.get("comp") == "blocklist":
            names = asked.body.decode().split("<Latest>")[1:]
            self.put(name, b"".join(self.blocks.pop(each.partition("<")[0]) for each in names))
            return Reply(status=201)
        if asked.headers.get("x-ms-blob-type") != "BlockBlob":
            return _error(400, "MissingRequiredHeader", "An HTTP header that's mandatory is missing.")
        self.put(name, asked.body)
        return Reply(status=201, headers={"ETag": f'"{self.etags[name]}"'})


def _signature(asked: Asked) -> str:
    """Return the signature that a request should have (…/storageservices/authorize-with-shared-key)."""
    told = {name: value for name, value in asked.headers.items() if not (name == "content-length" and value == "0")}
    text = asked.method + "\n" + "".join(f"{told.get(name, '')}\n" for name in _SIGNED)
    text += "".join(f"{name}:{told[name]}\n" for name in sorted(told) if name.startswith("x-ms-"))
    text += f"/{ACCOUNT}{asked.path}" + "".join(f"\n{name}:{value}" for name, value in sorted(asked.query.items()))
    return base64.b64encode(hmac.digest(base64.b64decode(KEY), text.encode(), "sha256")).decode()


def _name(name: str) -> str:
    is_plain = all(letter >= " " and letter not in "\ufffe\uffff" for letter in name)
    return f"<Name>{escape(name)}</Name>" if is_plain else f'<Name Encoded="true">{quote(name, safe="")}</Name>'


def _md5(data: bytes) -> str:
    return base64.b64encode(hashlib.md5(data, usedforsecurity=False).digest()).decode()


def _error(status: int, code: str, message: str) -> Reply:
    text = f"{message}\nRequestId:1-2-3\nTime:2026-01-02T03:04:05.6Z"
    body = f'<?xml version="1.0" encoding="utf-8"?><Error><Code>{code}</Code><Message>{text}</Message></Error>'
    return Reply(
        status=status, body=body.encode(), headers={"Content-Type": "application/xml", "x-ms-error-code": code}
    )


@contextlib.contextmanager
def serve_azure(**options: object) -> Iterator[Azure]:
    """Serve until left."""
    with small_s3(is_open=True) as server:
        state = Azure(server=server, **options)  # type: ignore[arg-type]
        server.takeover = state.answer
        yield state
