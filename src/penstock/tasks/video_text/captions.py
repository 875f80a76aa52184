"""Captions of videos, of JSON files as LLaVA-Video-178K has them.

A file is a list of ``{"id", "video", "conversations": [{"from", "value"}, ...], "data_source"}``: ``video`` names the
video, the first of the conversation that is not from "human" is its caption. A file with a line for each (``.jsonl``)
is read too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

import msgspec
import numpy as np
import xxhash
from numpy.typing import NDArray

from penstock.errors import DataError
from penstock.sources import ObjectInfo, ObjectSource
from penstock.tasks.video_text.settings import VOCABULARY

__all__ = ["Captions", "caption_of", "identity_of", "packed_caption", "read_captions", "words_of"]

_ASKING: Final = frozenset({"human", "user", "system"})
_WORD: Final = re.compile(r"\w+")
_PLACEHOLDER: Final = re.compile(r"<(?:image|video)>\s*")
_FIX: Final = 'write a list of {"id", "video", "conversations": [{"from", "value"}, ...]}'
_EXACT_BITS: Final = 52
"""Of whole numbers that a float64 holds."""


class _Turn(msgspec.Struct):
    value: str
    speaker: str = msgspec.field(name="from")


class _Entry(msgspec.Struct):
    video: str
    conversations: list[_Turn]


@dataclass(kw_only=True, slots=True)
class Captions:
    """Captions by the names of videos, without their endings.

    Attributes:
        by_name: of whole names.
        num_more: entries beyond the first of a video.
        num_empty: entries that say nothing.
    """

    by_name: dict[str, str] = field(default_factory=dict)
    num_more: int = 0
    num_empty: int = 0
    _by_last: dict[str, str | None] = field(default_factory=dict)

    def add(self, video: str, caption: str) -> None:
        """Take an entry."""
        name = _stem(video)
        if not caption or not name:
            self.num_empty += 1
        elif name in self.by_name:
            self.num_more += 1
        else:
            self.by_name[name] = caption
            last = name.rpartition("/")[2]
            # Two videos of one name in different folders can only be told apart by their folders.
            self._by_last[last] = None if last in self._by_last else name

    def of(self, member: str) -> str | None:
        """Return the caption of a video by its place in an archive, None where there is none.

        Archives may have folders above those that captions name, and captions folders above those of archives.
        """
        name = _stem(member)
        while True:
            if name in self.by_name:
                return self.by_name[name]
            _, slash, rest = name.partition("/")
            if not slash:
                break
            name = rest
        full = self._by_last.get(name)
        return None if full is None else self.by_name[full]


def _stem(name: str) -> str:
    folder, slash, last = name.replace("\\", "/").removeprefix("./").strip("/").rpartition("/")
    return f"{folder}{slash}{last.partition('.')[0]}"


async def read_captions(source: ObjectSource, infos: list[ObjectInfo], *, most_bytes: int) -> Captions:
    """Read files of captions.

    Args:
        most_bytes: that are kept of each.

    Raises:
        SourceError: one cannot be read.
        DataError: one is no list of captions, or they say nothing.
    """
    found = Captions()
    for info in infos:
        for entry in _entries(bytes(await source.get(info)), info.key):
            said = next((turn.value for turn in entry.conversations if turn.speaker.lower() not in _ASKING), "")
            text = _PLACEHOLDER.sub("", said).strip().encode(errors="replace")[:most_bytes]
            found.add(entry.video, text.decode(errors="ignore"))
    if not found.by_name:
        told = ", ".join(info.key for info in infos)[:200]
        raise DataError(f"no caption of a video is in {told}", fix=_FIX, about=infos[0].key)
    return found


def _entries(data: bytes, key: str) -> Iterator[_Entry]:
    try:
        if key.lower().endswith(".jsonl"):
            yield from (msgspec.json.decode(line, type=_Entry) for line in data.splitlines() if line.strip())
        else:
            yield from msgspec.json.decode(data, type=list[_Entry])
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        reason = " ".join(str(error).split())[:160]
        raise DataError(
            f"{key} is no list of captions ({reason})",
            fix=f"{_FIX}, or leave it out with --option captions=PATTERNS",
            about=key,
        ) from error


def packed_caption(caption: str) -> tuple[int, ...]:
    """Return a caption as whole numbers, as a manifest holds them: how many bytes it has, then 8 in each."""
    data = caption.encode()
    return (len(data), *np.frombuffer(data.ljust(-(-len(data) // 8) * 8, b"\0"), "<i8").tolist())


def caption_of(numbers: tuple[int, ...]) -> str:
    """Return the caption that ``packed_caption`` made numbers of."""
    return np.array(numbers[1:], "<i8").tobytes()[: numbers[0]].decode()


def words_of(caption: str, count: int) -> NDArray[np.int64]:
    """Return a caption's first words as numbers, 0 behind the last, shape (count,)."""
    found = np.zeros(count, np.int64)
    for place, word in enumerate(_WORD.findall(caption.lower())[:count]):
        found[place] = 1 + xxhash.xxh64_intdigest(word.encode()) % (VOCABULARY - 1)
    return found


def identity_of(caption: str) -> float:
    """Return a number that is the same for the same words alone: videos that are told alike are not told apart."""
    words = " ".join(_WORD.findall(caption.lower())) or caption
    return float(xxhash.xxh64_intdigest(words.encode()) >> (64 - _EXACT_BITS))
