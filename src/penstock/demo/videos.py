"""Generated videos with captions in LLaVA-Video-178K's layout: packed archives, and one file of captions.

A video is a bar of one of four colours, that lies across or stands, at one of three places, in noise: 24 kinds, each
with a caption. With the probability ``effect`` a video's caption is its kind's, else that of any kind.
"""

from __future__ import annotations

import gzip
import io
import itertools
import json
import tarfile
from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from penstock.formats.media.decoding import need_av

__all__ = ["KINDS", "best_recall", "generate_videos"]

CONFIG: Final = "0_30_s_made_v0_1"
COLOURS: Final = {"red": (220, 30, 30), "green": (30, 200, 40), "blue": (40, 60, 230), "white": (235, 235, 235)}
WAYS: Final = ("across", "upright")
PLACES: Final = ("at the beginning", "in the middle", "at the end")
KINDS: Final = [
    f"A {colour} bar {way} lies {place}." for colour, way, place in itertools.product(COLOURS, WAYS, PLACES)
]
SIDE: Final = 32
FPS: Final = 4
FRAMES: Final = 8
EACH: Final = 10
"""Videos of an archive."""
VIDEO_BYTES: Final = 6_000


def best_recall(effect: float) -> float:
    """Return the share of captions that can be told at best on average."""
    return effect + (1 - effect) / len(KINDS)


def generate_videos(sink: Callable[[str, bytes], None], *, seed: int, effect: float, size_bytes: int) -> str:
    """Generate archives and their captions, and say what they hold.

    Args:
        sink: takes each key and its bytes.
        seed: the same seed gives the same videos.
        effect: how surely a caption is its video's, 0 to 1.
        size_bytes: of all files together, about.

    Raises:
        ConfigError: PyAV is not installed.
    """
    need_av()
    num_archives = max(12, round(size_bytes / VIDEO_BYTES / EACH))
    rng = np.random.default_rng(seed)
    kinds = np.arange(num_archives * EACH) % len(KINDS)
    rng.shuffle(kinds)
    captions = []
    for number in range(num_archives):
        members = {}
        for place in range(number * EACH, (number + 1) * EACH):
            kind = int(kinds[place])
            said = kind if rng.random() < effect else int(rng.integers(len(KINDS)))
            members[f"made/{place}.mp4"] = _video(kind, np.random.default_rng((seed, place)))
            captions.append(_entry(f"made/{place}.mp4", KINDS[said]))
        sink(f"{CONFIG}/{CONFIG}_videos_{number + 1}.tar.gz", gzip.compress(_archive(members), 1, mtime=0))
    sink(f"{CONFIG}/{CONFIG}_cap_processed.json", json.dumps(captions).encode())
    return f"{len(kinds):,} videos in {num_archives:,} archives"


def _entry(video: str, caption: str) -> dict[str, Any]:
    asked = {"from": "human", "value": "<image>\nPlease describe the video."}
    told = {"from": "gpt", "value": caption}
    return {"id": video.rpartition("/")[2], "video": video, "conversations": [asked, told], "data_source": CONFIG}


def _archive(members: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        for name, data in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return file.getvalue()


def _video(kind: int, rng: np.random.Generator) -> bytes:
    import av  # here: it is an extra

    data = io.BytesIO()
    with av.open(data, "w", format="mp4") as file:
        stream: Any = file.add_stream("mpeg4", rate=FPS)
        stream.height = stream.width = SIDE
        stream.pix_fmt, stream.bit_rate = "yuv420p", 400_000
        stream.codec_context.thread_count = 1
        for _ in range(FRAMES):
            file.mux(stream.encode(av.VideoFrame.from_ndarray(_picture(kind, rng), format="rgb24")))
        file.mux(stream.encode(None))
    return data.getvalue()


def _picture(kind: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    colour, way, place = list(itertools.product(COLOURS.values(), WAYS, range(len(PLACES))))[kind]
    pixels = rng.normal(70, 20, (SIDE, SIDE, 3))
    at = 3 + place * 10
    bar = (slice(at, at + 6), slice(None)) if way == "across" else (slice(None), slice(at, at + 6))
    pixels[bar] = np.array(colour) + rng.normal(0, 10, pixels[bar].shape)
    return pixels.clip(0, 255).astype(np.uint8)
