"""What lies before extents' bytes in a slot: a table of entries, each extent's description, and each codec once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import msgspec
import numpy as np
from numpy.typing import NDArray

from penstock.manifest import ExtentRows
from penstock.window.layout import EXTENT_ENTRY, ExtentMeta

__all__ = ["Heads", "LaidHeads"]

_encode = msgspec.msgpack.Encoder().encode


@dataclass(frozen=True, kw_only=True, slots=True)
class LaidHeads:
    """The heads of a pack.

    Attributes:
        table: an entry an extent, with the places of its description and codec, shape (extents,).
        data: descriptions and codecs, which lie behind the table.
    """

    table: NDArray[np.void]
    data: bytes


@dataclass(frozen=True, kw_only=True, slots=True)
class Heads:
    """Descriptions and codecs of some extents, in order.

    Attributes:
        metas: descriptions.
        meta_bytes: their sizes, shape (extents,).
        codes: which of ``codecs`` each extent has, shape (extents,).
        codecs: different ones.
        codec_bytes: their sizes, shape (codecs,).
    """

    metas: Sequence[bytes]
    meta_bytes: NDArray[np.int64]
    codes: NDArray[np.int64]
    codecs: Sequence[bytes]
    codec_bytes: NDArray[np.int64]

    @classmethod
    def of(cls, rows: ExtentRows) -> Self:
        """Encode those of rows."""
        columns = zip(rows.keys, rows.groups, rows.num_samples.tolist(), *rows.of_samples, strict=True)
        metas = [_encode(ExtentMeta(*column)) for column in columns]
        numbers: dict[str, int] = {}
        codes = [numbers.setdefault(codec, len(numbers)) for codec in rows.codecs]
        codecs = [codec.encode() for codec in numbers]
        return cls(
            metas=metas,
            meta_bytes=np.fromiter(map(len, metas), np.int64, len(metas)),
            codes=np.array(codes, np.int64),
            codecs=codecs,
            codec_bytes=np.fromiter(map(len, codecs), np.int64, len(codecs)),
        )

    @property
    def alone_bytes(self) -> NDArray[np.int64]:
        """What each extent's heads take in a pack of its own, shape (extents,)."""
        return self.meta_bytes + self.codec_bytes[self.codes] + EXTENT_ENTRY.itemsize

    def added_bytes(self, part: slice) -> NDArray[np.int64]:
        """Return what each of some extents adds to the heads of a pack that begins with the first, shape (extents,)."""
        added: NDArray[np.int64] = self.meta_bytes[part] + EXTENT_ENTRY.itemsize
        if len(added):
            codes, firsts = np.unique(self.codes[part], return_index=True)
            added[firsts] += self.codec_bytes[codes]
        return added

    def lay_out(self, part: slice) -> LaidHeads:
        """Lay out those of a pack."""
        metas, sizes = self.metas[part], self.meta_bytes[part]
        table = np.zeros(len(metas), EXTENT_ENTRY)
        ends = table.nbytes + np.cumsum(sizes)
        codes, numbers = np.unique(self.codes[part], return_inverse=True)
        lengths = self.codec_bytes[codes]
        starts = int(ends[-1]) + np.cumsum(lengths) - lengths
        table["meta_offset"], table["meta_bytes"] = ends - sizes, sizes
        table["codec_offset"], table["codec_bytes"] = starts[numbers], lengths[numbers]
        return LaidHeads(table=table, data=b"".join([*metas, *(self.codecs[code] for code in codes.tolist())]))
