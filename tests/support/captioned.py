"""Archives of small videos with captions of what is planted in them, in LLaVA-Video-178K's layout."""

from __future__ import annotations

import functools
import gzip
import itertools
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import av
import numpy as np

from support.media_archives import tar_of

__all__ = ["CONFIG", "KINDS", "SETTINGS", "archives_of", "entry", "video_of"]

CONFIG = "0_30_s_made_v0_1"
_COLOURS = {"red": (220, 30, 30), "green": (30, 200, 40), "blue": (40, 60, 230), "white": (235, 235, 235)}
_WAYS = ("across", "upright")
_PLACES = ("at the beginning", "in the middle", "at the end")
KINDS = [f"A {colour} bar {way} lies {place}." for colour, way, place in itertools.product(_COLOURS, _WAYS, _PLACES)]
"""Captions that there are, each of a kind of videos."""
SETTINGS = ("frames=4", "size=32", "words=16")
SIDE, FPS = 32, 4


@functools.lru_cache(maxsize=1024)
def video_of(kind: int, seed: int, frames: int = 8) -> bytes:
    """Return an MP4 of a kind: a bar of its colour, way and place, in noise of its own."""
    colour, way, place = list(itertools.product(_COLOURS.values(), _WAYS, range(3)))[kind]
    rng = np.random.default_rng(seed)
    at = 3 + place * 10
    with tempfile.NamedTemporaryFile() as file, av.open(file.name, "w", format="mp4") as made:
        stream: Any = made.add_stream("libx264", rate=FPS, options={"crf": "18"})
        stream.height = stream.width = SIDE
        stream.pix_fmt, stream.gop_size = "yuv444p", FPS
        stream.codec_context.thread_count = 1
        for _ in range(frames):
            pixels = rng.normal(70, 20, (SIDE, SIDE, 3))
            bar = (slice(at, at + 6), slice(None)) if way == "across" else (slice(None), slice(at, at + 6))
            pixels[bar] = np.array(colour) + rng.normal(0, 10, pixels[bar].shape)
            picture = av.VideoFrame.from_ndarray(pixels.clip(0, 255).astype(np.uint8), format="rgb24")
            made.mux(stream.encode(picture))
        made.mux(stream.encode(None))
        made.close()
        return Path(file.name).read_bytes()


def entry(video: str, caption: str) -> dict[str, Any]:
    """Return what a file of captions has of a video."""
    asked = {"from": "human", "value": "<image>\nPlease describe the video."}
    return {
        "id": video.rpartition("/")[2],
        "video": video,
        "conversations": [asked, {"from": "gpt", "value": caption}],
        "data_source": CONFIG,
    }


def archives_of(
    num_archives: int, each: int, *, is_true: bool = True, seed: int = 0, uncaptioned: Sequence[str] = ()
) -> dict[str, bytes]:
    """Return files by their paths: archives of videos, and their captions.

    Args:
        is_true: captions are those of the videos; else they are given out by chance.
        uncaptioned: names of videos, like ``made/3.mp4``, that no caption is of.
    """
    rng = np.random.default_rng(seed)
    kinds = np.arange(num_archives * each) % len(KINDS)
    rng.shuffle(kinds)
    said = kinds if is_true else rng.permutation(kinds)
    files, captions = {}, []
    for number in range(num_archives):
        members = {}
        for place in range(number * each, (number + 1) * each):
            name = f"made/{place}.mp4"
            members[f"./{name}"] = video_of(int(kinds[place]), place)
            if name not in uncaptioned:
                captions.append(entry(name, KINDS[int(said[place])]))
        files[f"{CONFIG}/{CONFIG}_videos_{number + 1}.tar.gz"] = gzip.compress(tar_of(members), 1)
    files[f"{CONFIG}/{CONFIG}_cap_processed.json"] = json.dumps(captions).encode()
    return files
