"""Packets of an open file, decoded one after the other; what is damaged is an error, what cannot be whole is none."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from penstock.formats.media.nal import is_open_group

__all__ = ["frames_of"]

_LEAST_BREAK: Final = 0.2
"""Seconds of nothing behind which decoding begins afresh, where it is not told."""


def frames_of(
    file: Any,
    streams: Mapping[str, Any],
    at: list[float],
    *,
    shifts: Mapping[str, float],
    breaks: frozenset[int] | None,
    begin: float,
) -> Iterator[tuple[str, Any]]:
    """Return frames with their kinds, in the order in which they are decoded; ``at`` holds the time of each.

    Args:
        at: the time, in seconds, of what is read: it is written to.
        shifts: seconds that times are later by than the file tells.
        breaks: when packets of pictures are decoded that do not follow the ones before; None where it is not known.
        begin: seconds before which sound is of no clip.
    """
    following = dict.fromkeys(streams, 0.0)
    before, key, is_open = 0.0, 0.0, False
    for packet in file.demux(list(streams.values())):
        kind, held = packet.stream.type, []
        if packet.pts is not None:
            at[0] = float(packet.pts * packet.time_base) + shifts[kind]
        if kind == "video":
            if packet.is_keyframe and packet.pts is not None:
                if packet.dts in breaks if breaks is not None else at[0] > before + _LEAST_BREAK:
                    held = _drained(packet.stream)
                key, is_open = at[0], is_open_group(packet)
            before = max(before, at[0] + float((packet.duration or 0) * (packet.time_base or 0)))
        may_fail = at[0] < key or is_open if kind == "video" else at[0] < begin
        for frame in [*held, *_decoded(packet, may_fail=may_fail)]:
            time = following[kind]
            if frame.pts is not None:
                time = float(frame.pts * (frame.time_base or packet.stream.time_base)) + shifts[kind]
            at[0] = time
            following[kind] = time + _length(frame, kind)
            yield kind, frame


def _drained(stream: Any) -> list[Any]:
    """Return what the decoder still holds, which then knows nothing of what came before."""
    found = list(stream.codec_context.decode(None))
    stream.codec_context.flush_buffers()
    return found


def _decoded(packet: Any, *, may_fail: bool) -> list[Any]:
    """Return the frames that a packet makes known.

    Args:
        may_fail: what it needs may not be there: it is a picture that is seen before the key one that decoding began
            with, or of the group of one that others go on from without being complete, or sound before the clip.
    """
    import av  # here: it is of an extra

    if may_fail:
        try:
            return list(packet.decode())
        except av.FFmpegError:
            return []
    if packet.is_corrupt:
        raise ValueError("a packet is damaged")
    return list(packet.decode())


def _length(frame: Any, kind: str) -> float:
    if kind == "audio":
        return float(frame.samples / frame.sample_rate)
    return float((frame.duration or 1) * (frame.time_base or 0))
