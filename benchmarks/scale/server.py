"""An S3-like server of a bucket that is computed: pages of ListObjectsV2 for any number of objects.

``python -m benchmarks.scale.server NUM_OBJECTS`` prints its port and serves until its input ends. Objects lie in
folders of ``FOLDER_OBJECTS``; each has an ETag of its own, from its number. A page names where it ends as its
continuation token.
"""

from __future__ import annotations

import sys
import threading
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

BUCKET = "penstock-scale"
PREFIX = "images/"
FOLDER_OBJECTS = 1000
OBJECT_BYTES = 65536
PAGE_OBJECTS = 1000

_HEAD = '<?xml version="1.0" encoding="UTF-8"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'


def object_key(number: int) -> str:
    """Return an object's key below the prefix; numbers and keys have one order."""
    return f"patient-{number // FOLDER_OBJECTS:07}/image-{number:010}.png"


def object_etag(number: int) -> str:
    """Return an object's ETag: 32 hexadecimal digits that no two objects share and no compressor finds short."""
    return f'"{number * 0x9E3779B97F4A7C15F39CC0605CEDC835 % 2**128:032x}"'


def page(first: int, num_objects: int) -> bytes:
    """Return the listing's page that begins with an object."""
    end = min(first + PAGE_OBJECTS, num_objects)
    entries = "".join(
        f"<Contents><Key>{PREFIX}{object_key(number)}</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified>"
        f"<ETag>{object_etag(number)}</ETag><Size>{OBJECT_BYTES}</Size><StorageClass>STANDARD</StorageClass></Contents>"
        for number in range(first, end)
    )
    more = f"<NextContinuationToken>{end}</NextContinuationToken>" if end < num_objects else ""
    told = f"<Name>{BUCKET}</Name><Prefix>{PREFIX}</Prefix><KeyCount>{end - first}</KeyCount><MaxKeys>1000</MaxKeys>"
    truncated = f"<IsTruncated>{str(end < num_objects).lower()}</IsTruncated>"
    return f"{_HEAD}{told}{truncated}{more}{entries}</ListBucketResult>".encode()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __init__(self, num_objects: int, *args: object) -> None:
        self._num_objects = num_objects
        super().__init__(*args)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        """Return a page."""
        query = parse_qs(urlsplit(self.path).query)
        body = page(int(query.get("continuation-token", ["0"])[0]), self._num_objects)
        self.send_response(200)
        self.send_header("Content-Type", "application/xml")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        """Say nothing."""


def main() -> None:
    """Serve until standard input ends."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, int(sys.argv[1])))
    threading.Thread(target=server.serve_forever, name="penstock-scale-server", daemon=True).start()
    sys.stdout.write(f"{server.server_port}\n")
    sys.stdout.flush()
    sys.stdin.read()
    server.shutdown()


if __name__ == "__main__":
    main()
