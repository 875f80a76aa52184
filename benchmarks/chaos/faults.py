"""What an S3 server does wrong to one request, each as bytes on the wire.

| fault | what is sent |
|---|---|
| error | 500 or 503 with S3's error in XML |
| slow-down | 503 ``SlowDown``, as S3 asks for fewer requests |
| cut-body | the head, a part of the body, a reset |
| closed-body | the head, a part of the body, a clean end |
| short-body | a Content-Length smaller than what was asked for, and as many bytes |
| wrong-length | a Content-Length larger than what was asked for, and as many bytes |
| more-bytes | the right Content-Length, and more bytes than it says |
| other-range | a 206 of other bytes of the object |
| stalled-body | a part of the body, a pause, and the rest |
| dead-body | a part of the body, a pause, and the end |
| reset | a reset before any answer |
| slow-first-byte | a pause, then all is well |
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

__all__ = ["FAULTS", "LISTING_FAULTS", "Answer", "misbehave", "send_error"]

FAULTS: tuple[str, ...] = (
    "error",
    "slow-down",
    "cut-body",
    "closed-body",
    "short-body",
    "wrong-length",
    "more-bytes",
    "other-range",
    "stalled-body",
    "dead-body",
    "reset",
    "slow-first-byte",
)
LISTING_FAULTS = tuple(fault for fault in FAULTS if fault != "other-range")
"""Of a page of a listing, which is asked for as a whole."""
PAUSE_SECONDS = 0.1


@dataclass(frozen=True, kw_only=True)
class Answer:
    """Bytes of an object from ``first`` on, of ``total_bytes``; ``is_whole`` where no range was asked for."""

    body: bytes
    first: int
    total_bytes: int
    etag: str
    is_whole: bool

    def head(self, *, length_bytes: int | None = None, shift: int = 0) -> bytes:
        """Return the head, with another Content-Length or of a range that lies ``shift`` bytes further where asked."""
        first, length = self.first + shift, len(self.body) if length_bytes is None else length_bytes
        lines = [
            f"Content-Length: {length}",
            f"ETag: {self.etag}",
            "Last-Modified: Thu, 01 Jan 2026 00:00:00 GMT",
        ]
        if self.is_whole and not shift:
            lines.insert(0, "HTTP/1.1 200 OK")
        else:
            span = f"Content-Range: bytes {first}-{first + len(self.body) - 1}/{self.total_bytes}"
            lines = ["HTTP/1.1 206 Partial Content", span, *lines]
        return ("\r\n".join(lines) + "\r\n\r\n").encode()


async def send_error(writer: asyncio.StreamWriter, status: str, code: str) -> None:
    """Answer with an error as S3 words it."""
    body = f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{code}</Code><Message>no</Message></Error>'
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/xml\r\nContent-Length: {len(body)}\r\n\r\n"
    writer.write(head.encode() + body.encode())
    await writer.drain()


async def misbehave(fault: str, writer: asyncio.StreamWriter, answer: Answer) -> bool:
    """Answer with a fault, or well where it is none; tell whether the connection goes on."""
    body, part = answer.body, answer.body[: len(answer.body) // 3]
    match fault:
        case "error":
            await send_error(writer, "500 Internal Server Error", "InternalError")
            return True
        case "slow-down":
            await send_error(writer, "503 Slow Down", "SlowDown")
            return True
        case "reset":
            writer.transport.abort()
            return False
        case "cut-body":
            await _write(writer, answer.head() + part)
            writer.transport.abort()
            return False
        case "closed-body":
            await _write(writer, answer.head() + part)
            return False
        case "short-body":
            await _write(writer, answer.head(length_bytes=len(part)) + part)
            return True
        case "wrong-length":
            await _write(writer, answer.head(length_bytes=len(body) + 8) + body + b"too much")
            return True
        case "more-bytes":
            await _write(writer, answer.head() + body + b"too much")
            return False
        case "other-range":
            await _write(writer, answer.head(shift=-1 if answer.first else 1) + body[1:] + body[:1])
            return True
        case "stalled-body" | "dead-body":
            await _write(writer, answer.head() + part)
            await asyncio.sleep(PAUSE_SECONDS)
            if fault == "dead-body":
                return False
            await _write(writer, body[len(part) :])
            return True
        case "slow-first-byte":
            await asyncio.sleep(PAUSE_SECONDS)
    await _write(writer, answer.head() + body)
    return True


async def _write(writer: asyncio.StreamWriter, data: bytes) -> None:
    writer.write(data)
    await writer.drain()
