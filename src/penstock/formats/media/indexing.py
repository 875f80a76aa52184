"""Files of video and audio to extents: clips by the containers' indexes, or whole files.

Of MP4 and MOV the index (``moov``, at either end, or the heads of fragments) tells where each packet lies; of Matroska
and WebM where clusters begin; of WAV where samples lie. A clip is the packets that it takes to be decoded, from the
last key picture before it on. What has no such index is one extent, and is read whole to be cut into clips.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from penstock.errors import DataError, HeaderMismatch, TruncatedObject
from penstock.formats.media.choosing import Clip, Cutting, wanted_times
from penstock.formats.media.containers import HEAD_BYTES, container_of, told_size
from penstock.formats.media.decoding import Asked, measured, missing, origin_of
from penstock.formats.media.kept import MediaCodec, joined_file, no_container, times_of
from penstock.formats.media.matroska import Cues, Matroska
from penstock.formats.media.movie import Track
from penstock.formats.media.rebuilt import KeptTrack
from penstock.formats.media.sample_tables import Unindexed
from penstock.formats.media.tables import SAME_TIME, Packets, Runs, pack_packets
from penstock.formats.media.walking import matroska_cues, read_tracks
from penstock.formats.media.wave import Wave, read_wave
from penstock.formats.protocols import Found
from penstock.manifest import Extent, SkippedObject, Span
from penstock.sources import GetRange, ObjectInfo
from penstock.units import KIB, MIB, format_bytes

__all__ = ["index_media", "joined_file"]

_HEADS: Final = (HEAD_BYTES, MIB)
"""First bytes that are read of an object, and where that was too little."""
_GAP_BYTES: Final = 16 * KIB
"""Between packets, up to which what lies there is fetched too."""
_PREROLL: Final = 0.25
"""Seconds of sound before a clip, which its first sample may take to be decoded."""
_FREE_CLIPS: Final = 1000
_LEAST_CLIP_BYTES: Final = 64
"""Of an object, for each clip that is cut of it: one that says that it is longer lies."""
_RATE: Final = 48_000
"""Of sound whose own is not known yet."""


async def index_media(
    source: GetRange, info: ObjectInfo, asked: Asked, cutting: Cutting | None
) -> AsyncIterator[Found]:
    """Find the extents of an object.

    Raises:
        DataError: it is no video or audio, contradicts itself, or lacks what is asked for.
    """
    if cutting is not None and cutting.leaves_out(info.key):
        yield SkippedObject(object=info.key, reason="has no clips in the table of clips")
        return
    head = bytes(await source.get_range(info, 0, min(_HEADS[0], info.size_bytes)))
    container = container_of(head)
    if not container:
        raise no_container(head, info.key)
    told = told_size(head, container)
    if told is not None and told > info.size_bytes + 1:
        raise _cut_off(info, f"it says that it has {told} bytes, and has {info.size_bytes}")
    count = 0
    try:
        for extent in await _extents(source, info, head, container, asked, cutting):
            count += 1
            yield extent
    except ValueError as error:
        kind = TruncatedObject if "cut off" in str(error) else HeaderMismatch
        raise kind(
            f"{info.key}: its index tells of {error}" if kind is HeaderMismatch else f"{info.key}: {error}",
            fix="write it again, or leave it out",
            about=info.key,
        ) from error
    if not count:
        yield SkippedObject(object=info.key, reason="is shorter than a clip")


async def _extents(
    source: GetRange, info: ObjectInfo, head: bytes, container: str, asked: Asked, cutting: Cutting | None
) -> Iterable[Extent]:
    try:
        if container == "mov":
            tracks = await read_tracks(source, info, head)
            return _of_movie(_Cut(info=info, asked=asked, cutting=cutting), tracks)
        if container == "matroska":
            told, cues = await matroska_cues(source, info, head, _HEADS[1], asked.main)
            if told.length is not None:
                return _of_matroska(_Cut(info=info, asked=asked, cutting=cutting), told, cues, told.length)
        if container == "wav" and not asked.video and (wave := read_wave(head, info.size_bytes)) is not None:
            return _of_wave(_Cut(info=info, asked=asked, cutting=cutting), wave)
    except Unindexed:
        pass
    return await _whole(source, _Cut(info=info, asked=asked, cutting=cutting), container)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Cut:
    """An object that is cut into clips."""

    info: ObjectInfo
    asked: Asked
    cutting: Cutting | None

    def clips(self, length: float) -> Sequence[Clip]:
        """Return the clips of a file of a length in seconds."""
        if self.cutting is None:
            return [Clip(start=0.0, end=length)]
        most = max(_FREE_CLIPS, self.info.size_bytes // _LEAST_CLIP_BYTES)
        return self.cutting.clips(self.info.key, length, most=most)

    def extent(
        self, clip: Clip, codec: MediaCodec, spans: Sequence[tuple[int, int]], args: Sequence[int], decoded_bytes: int
    ) -> Extent:
        """Return a clip's extent."""
        size, memory = sum(end - start for start, end in spans), self.asked.memory
        if max(size, decoded_bytes) > memory:
            raise DataError(
                f"{self.named(clip)} takes {format_bytes(max(size, decoded_bytes))}, more than "
                f"memory={format_bytes(memory)}",
                fix="ask for clips, or for shorter ones, for fewer frames or a smaller size, or give more memory",
                about=self.info.key,
            )
        return Extent(
            key=self.named(clip),
            group=self.info.key,
            spans=tuple(self.span(start, end) for start, end in spans),
            codec=codec.encode(),
            args=((*times_of(clip.start, clip.end), *args),),
            decoded_bytes=decoded_bytes,
        )

    def span(self, start: int, end: int) -> Span:
        """Return where some bytes lie."""
        if end > self.info.size_bytes:
            raise _cut_off(self.info, f"its index tells of byte {end}, and it has {self.info.size_bytes}")
        return self.info.span(start, end - start)

    def named(self, clip: Clip) -> str:
        """Return a clip's key."""
        return self.info.key if self.cutting is None else f"{self.info.key}/{clip.start:.3f}-{clip.end:.3f}"

    def value_bytes(self, clip: Clip, num_frames: int, height: int, width: int, rate: int, channels: int) -> int:
        """Return about how many bytes a clip's value takes."""
        look = self.asked.look
        high, wide = look.shape(height, width)
        sound = (self.asked.rate or rate) * (self.asked.channels or channels) * 4 if self.asked.audio else 0
        return num_frames * high * wide * look.channels + round(((clip.end or 0.0) - clip.start) * sound)


def _of_movie(cut: _Cut, tracks: Sequence[Track]) -> Iterator[Extent]:
    """Return clips by the packets of tracks."""
    wanted = [kind for kind in ("video", "audio") if getattr(cut.asked, kind)]
    chosen = [track for track in (_first(tracks, kind) for kind in wanted) if track is not None]
    for kind in wanted:
        if _first(tracks, kind) is None and not (cut.asked.is_lenient and chosen):
            raise missing(kind, cut.info.key)
    main = _first(chosen, cut.asked.main) or chosen[0]
    kept = tuple(
        KeptTrack(
            track=each.kind,
            scale=each.scale,
            shift=each.shift,
            described=each.described,
            matrix=each.matrix,
            sample_bytes=each.sample_bytes,
        )
        for each in chosen
    )
    codec = MediaCodec(container="mov", tracks=kept)
    timed = [_Timed(track) for track in chosen]
    for clip in cut.clips(main.length):
        parts = [each.needed(clip, cut.asked) for each in timed]
        spans = _spans([packets for packets, _ in parts])
        args: list[int] = []
        for packets, _ in parts:
            packed = pack_packets(_moved(packets, spans))
            args += [len(packed), *packed]
        frames = parts[0][1] if chosen[0].kind == "video" else 0
        decoded = cut.value_bytes(clip, frames, main.height, main.width, _RATE, 2)
        yield cut.extent(clip, codec, spans, args, decoded)


def _first(tracks: Sequence[Track], kind: str) -> Track | None:
    return next((track for track in tracks if track.kind == kind and len(track.packets)), None)


class _Timed:
    """A track and the times of its packets, which are looked up for each clip."""

    def __init__(self, track: Track) -> None:
        self.track = track
        self._length = track.length
        times = track.times
        if track.kind == "audio":
            self._begins, self._ends = times, times + track.packets.durations / track.scale
            return
        seen = np.flatnonzero(track.visible)
        if not len(seen):
            raise ValueError("pictures of which none is seen")
        self._seen = seen[np.argsort(times[seen], kind="stable")]
        self._begins = times[self._seen]
        self._runs = Runs(track.packets)

    def needed(self, clip: Clip, asked: Asked) -> tuple[Packets, int]:
        """Return the packets that a clip takes of the track, and how many frames they are decoded to."""
        start, end = clip.start, clip.end if clip.end is not None else self._length
        if self.track.kind == "audio":
            first = int(np.searchsorted(self._ends, start - _PREROLL, "right"))
            last = int(np.searchsorted(self._begins, end, "left"))
            return self.track.packets.chosen(slice(first, max(first, last))), 0
        points = wanted_times((start, end), frames=asked.frames, fps=asked.fps)
        if points is None:
            first, last = np.searchsorted(self._begins, np.array([start, end]) - SAME_TIME, "left")
            numbers, count = self._seen[first:last], int(last - first)
            if not count:
                points = np.array([start])
        if points is not None:
            places = np.searchsorted(self._begins, points + SAME_TIME, "right") - 1
            numbers, count = np.unique(self._seen[np.maximum(places, 0)]), len(points)
        return self.track.packets.chosen(self._runs.of(numbers)), count


def _spans(parts: Sequence[Packets]) -> list[tuple[int, int]]:
    """Return where packets lie, as begins and ends, near ones as one."""
    begins = np.concatenate([part.offsets for part in parts])
    ends = begins + np.concatenate([part.sizes for part in parts])
    found: list[tuple[int, int]] = []
    for place in np.argsort(begins, kind="stable").tolist():
        begin, end = int(begins[place]), int(ends[place])
        if found and begin - found[-1][1] <= _GAP_BYTES:
            found[-1] = (found[-1][0], max(found[-1][1], end))
        else:
            found.append((begin, end))
    return found


def _moved(packets: Packets, spans: Sequence[tuple[int, int]]) -> Packets:
    """Return packets whose offsets are those in the joined bytes of spans."""
    starts = np.array([start for start, _ in spans], np.int64)
    before = np.concatenate([[0], np.cumsum([end - start for start, end in spans])])[:-1].astype(np.int64)
    if not len(packets):
        return packets
    span = np.searchsorted(starts, packets.offsets, "right") - 1
    moved = packets.offsets - starts[span] + before[span]
    return Packets(
        offsets=moved,
        sizes=packets.sizes,
        dts=packets.dts,
        pts=packets.pts,
        durations=packets.durations,
        keys=packets.keys,
    )


def _of_matroska(cut: _Cut, head: Matroska, cues: Cues, length: float) -> Iterator[Extent]:
    """Return clips by clusters."""
    kinds = set(head.tracks.values())
    wanted = [kind for kind in ("video", "audio") if getattr(cut.asked, kind)]
    for kind in wanted:
        if kind not in kinds and not (cut.asked.is_lenient and kinds & set(wanted)):
            raise missing(kind, cut.info.key)
    number = next((number for number, kind in head.tracks.items() if kind == "video"), 0)
    width, height = head.sizes.get(number, (0, 0))
    end = head.cues if head.cues is not None and head.cues > head.first else cut.info.size_bytes
    codec = MediaCodec(container="matroska", head=head.kept)
    for clip in cut.clips(length):
        stop = clip.end if clip.end is not None else length
        points = wanted_times((clip.start, stop), frames=cut.asked.frames, fps=cut.asked.fps)
        parts = [(clip.start - (_PREROLL if cut.asked.audio else 0.0), stop)]
        if points is not None and not cut.asked.audio:
            parts = [(point, point) for point in points.tolist()]
        spans = cues.spans(parts, first=head.first, end=end)
        frames = (0 if points is None else len(points)) if cut.asked.video else 0
        yield cut.extent(clip, codec, spans, (), cut.value_bytes(clip, frames, height, width, _RATE, 2))


def _of_wave(cut: _Cut, wave: Wave) -> Iterator[Extent]:
    """Return clips by samples."""
    codec = MediaCodec(container="wav", head=wave.head, rate=wave.rate)
    for clip in cut.clips(wave.num_samples / wave.rate):
        # Resampling looks at what lies beside a sample.
        first = max(0, int((clip.start - _PREROLL) * wave.rate))
        last = min(wave.num_samples, int(((clip.end or 0.0) + _PREROLL) * wave.rate) + 1)
        span = (wave.offset + first * wave.sample_bytes, wave.offset + last * wave.sample_bytes)
        if first >= last:
            raise ValueError("no sound")
        decoded = cut.value_bytes(clip, 0, 0, 0, wave.rate, wave.channels)
        yield cut.extent(clip, codec, [span], (first,), decoded)


async def _whole(source: GetRange, cut: _Cut, container: str) -> list[Extent]:
    """Return the object as an extent, of as many samples as it has clips."""
    info, memory = cut.info, cut.asked.memory
    if info.size_bytes > memory:
        raise DataError(
            f"{info.key} has no index to take clips by, and {format_bytes(info.size_bytes)}, more than "
            f"memory={format_bytes(memory)}",
            fix="give more memory, or write it as MP4 or WebM",
            about=info.key,
        )
    codec = MediaCodec(container=container).encode()
    times: list[tuple[int, int]] = [times_of(0.0, None)]
    keys: tuple[str, ...] = ()
    if cut.cutting is not None:
        data = bytes(await source.get_range(info, 0, info.size_bytes))
        lengths = measured(data, container, key=info.key)
        if not lengths:
            raise missing(cut.asked.main, info.key)
        end = (lengths.get(cut.asked.main) or next(iter(lengths.values())))[1]
        clips = cut.clips(end - origin_of(lengths, container))
        if not clips:
            return []
        times = [times_of(clip.start, clip.end) for clip in clips]
        keys = tuple(cut.named(clip) for clip in clips)
    span = info.span(0, info.size_bytes)
    made: Any = tuple(times)
    return [
        Extent(key=info.key, group=info.key, spans=(span,), codec=codec, num_samples=len(times), keys=keys, args=made)
    ]


def _cut_off(info: ObjectInfo, told: str) -> TruncatedObject:
    return TruncatedObject(f"{info.key} was cut off: {told}", fix="upload it again, or leave it out", about=info.key)
