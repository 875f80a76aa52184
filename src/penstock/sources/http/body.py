"""A body that is gathered, however it is framed: by its length, in chunks, or by the connection's end (RFC 9112, 6.3).

Never more than a bound is held: what is longer is refused, or cut off where only its beginning matters. Content
encodings are left as they are: nothing is ever unpacked.
"""

from __future__ import annotations

import re

from penstock.sources.http.response import MAX_HEAD_BYTES, Head

__all__ = ["Body"]

_SIZE = re.compile(rb"[0-9a-fA-F]{1,15}")


class Body:
    """Takes a body in, piece by piece.

    Args:
        head: of the answer.
        most_bytes: that are held.
        cuts: whether a longer one ends there, as if it were whole; otherwise it is refused.
        is_empty: whether no body comes whatever the head says, as with HEAD requests.
    """

    def __init__(self, head: Head, *, most_bytes: int, cuts: bool = False, is_empty: bool = False) -> None:
        self.data = bytearray()
        self._most_bytes, self._cuts = most_bytes, cuts
        self._is_chunked = head.is_chunked
        self._length_bytes = None if head.is_chunked else head.length_bytes
        if is_empty or head.status in (204, 304):
            self._is_chunked, self._length_bytes = False, 0
        self._raw = bytearray()
        self._left = 0
        self._needs_line_end = self._in_trailer = False
        self._trailer_bytes = 0

    @property
    def is_whole(self) -> bool:
        """Whether it is complete where nothing else comes on this connection."""
        if self._is_chunked:
            return False
        return self._length_bytes is None or len(self.data) == self._length_bytes

    @property
    def is_cut(self) -> bool:
        """Whether more of it may come, which nobody wants."""
        return self._cuts and len(self.data) >= self._most_bytes and not self.is_whole

    @property
    def ends_with_connection(self) -> bool:
        """Whether only the connection's end tells its own."""
        return not self._is_chunked and self._length_bytes is None

    def feed(self, piece: memoryview | bytes) -> bool:
        """Take a piece; tell whether the body has ended.

        Raises:
            ValueError: it is longer than may be, or wrongly framed.
        """
        if self._is_chunked:
            self._raw += piece
            return self._read_chunks()
        if self._length_bytes is not None and len(self.data) + len(piece) > self._length_bytes:
            raise ValueError("more bytes than were told")
        return self._add(piece) or len(self.data) == self._length_bytes

    def _add(self, piece: memoryview | bytes | bytearray) -> bool:
        """Keep a piece; tell whether enough is held."""
        room = self._most_bytes - len(self.data)
        if len(piece) > room and not self._cuts:
            raise ValueError(f"a body of more than {self._most_bytes} bytes")
        self.data += piece[: max(room, 0)]
        return self._cuts and len(self.data) >= self._most_bytes

    def _read_chunks(self) -> bool:
        raw = self._raw
        while True:
            if self._left:
                piece = raw[: self._left]
                if not piece:
                    return False
                del raw[: len(piece)]
                self._left -= len(piece)
                if self._add(piece):
                    return True
                self._needs_line_end = not self._left
                continue
            end = raw.find(b"\r\n")
            if end < 0:
                if len(raw) > MAX_HEAD_BYTES:
                    raise ValueError("a chunk without a size")
                return False
            line = bytes(raw[:end])
            del raw[: end + 2]
            if self._read_line(line):
                return True

    def _read_line(self, line: bytes) -> bool:
        """Take a line between chunks; tell whether it is the last of all."""
        if self._needs_line_end:
            if line:
                raise ValueError("a chunk longer than was told")
            self._needs_line_end = False
        elif self._in_trailer:
            self._trailer_bytes += len(line) + 2
            if self._trailer_bytes > MAX_HEAD_BYTES:
                raise ValueError(f"trailers of more than {MAX_HEAD_BYTES} bytes")
            return not line
        else:
            size = _SIZE.fullmatch(line.partition(b";")[0].strip())
            if size is None:
                raise ValueError("a chunk without a size")
            self._left = int(size[0], 16)
            self._in_trailer = not self._left
        return False
