"""Clips of video and audio are what a decoder of the whole file gives, and take their share of its bytes."""

from __future__ import annotations

import functools
import io
import pickle
import re
import struct
import sys
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from penstock.errors import ConfigError, DataError, HeaderMismatch, PenstockError, TruncatedObject
from penstock.formats.media import decoding
from penstock.formats.registry import open_format
from support.media import film, numbers_of, origin_of, sound_of, tone
from support.media_archives import tar_of, zip_of
from support.ranges import Ranges

FAST = {"cpu-used": "8", "deadline": "realtime"}
FILMS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "mp4": ("mp4", "mpeg4", {"sound": "aac", "codec_options": {"bf": "2"}}),
    "index at the front": ("mp4", "mpeg4", {"sound": "aac", "options": {"movflags": "faststart"}}),
    "fragments": ("mp4", "mpeg4", {"sound": "aac", "options": {"movflags": "frag_keyframe+empty_moov"}}),
    "fragments, pictures before others": (
        "mp4",
        "mpeg4",
        {"options": {"movflags": "frag_keyframe"}, "codec_options": {"bf": "2"}},
    ),
    "fragments from their own begin": (
        "mp4",
        "mpeg4",
        {"sound": "aac", "options": {"movflags": "frag_keyframe+empty_moov+default_base_moof"}},
    ),
    "fragments behind an index of them": (
        "mp4",
        "mpeg4",
        {"options": {"movflags": "dash+frag_keyframe+empty_moov+global_sidx"}},
    ),
    "mov": ("mov", "mjpeg", {"sound": "pcm_s16le", "pixels": "yuvj420p", "count": 40}),
    "open groups": (
        "mp4",
        "libx264",
        {"codec_options": {"preset": "ultrafast", "bf": "2", "x264-params": "open-gop=1"}},
    ),
    "vp9 and opus": ("mp4", "libvpx-vp9", {"sound": "libopus", "codec_options": FAST}),
    "matroska": ("matroska", "mpeg4", {"sound": "aac", "codec_options": {"bf": "2"}}),
    "webm": ("webm", "libvpx", {"sound": "libopus", "codec_options": FAST}),
    "avi": ("avi", "mpeg4", {"sound": "libmp3lame"}),
    "mpegts": ("mpegts", "mpeg2video", {"sound": "mp2", "rate": 25}),
    "ogg": ("ogg", "libvpx", {"sound": "libopus", "codec_options": FAST}),
}
WITHOUT_INDEX = {"avi", "mpegts", "ogg"}


@functools.cache
def made(name: str) -> bytes:
    container, codec, options = FILMS[name]
    try:
        return film(container, codec, **options)
    except av.codec.codec.UnknownCodecError:
        pytest.skip(f"this PyAV has no {codec}")


def frames_of(data: bytes) -> list[tuple[float, int]]:
    """Return when each picture of a whole file begins, from the first on where its time begins anywhere."""
    origin = origin_of(data)
    with av.open(io.BytesIO(data)) as file:
        decoded = [
            (float(each.pts * each.time_base) - origin, each.to_ndarray(format="rgb24"))
            for each in file.decode(video=0)
        ]
    numbers = numbers_of(np.stack([pixels for _, pixels in decoded]))
    return list(zip([time for time, _ in decoded], numbers, strict=True))


def values(data: bytes, kind: str = "video", **options: Any) -> list[Any]:
    return Ranges(data).values(pickle.loads(pickle.dumps(open_format(kind, options))))


def off_by(sound: Any, whole: Any, at: int, most: int) -> float:
    """Return how far sound is from that of the whole file, where the file's times are as exact as some samples."""
    length = len(sound)
    padded = np.pad(whole, (most, length + most))
    places = range(at, at + 2 * most + 1)
    return min(float(np.abs(padded[place : place + length] - sound).max()) for place in places)


@pytest.mark.parametrize("name", FILMS)
def test_clips_are_those_of_the_whole_file(name: str) -> None:
    data = made(name)
    has_sound = "sound" in FILMS[name][2]
    asked = {"audio": True, "rate": 16000, "channels": 1} if has_sound else {}
    clips = values(data, clips={"seconds": 1, "stride": 0.75}, **asked)
    whole, sound = frames_of(data), sound_of(data, 16000) if has_sound else None
    assert len(clips) >= 2
    for number, clip in enumerate(clips):
        start, end = number * 0.75, number * 0.75 + 1
        assert (clip["start"], clip["end"]) == (start, end)
        told = [(time, shown) for time, shown in whole if start - 1e-3 <= time < end - 1e-3]
        # Of a fragment whose first picture comes later than the file's begin FFmpeg says that it begins there.
        skip = 1 if name.startswith("fragments") and not number else 0
        assert numbers_of(clip["frames"])[skip:] == [shown for _, shown in told][skip:]
        assert clip["times"][skip:].tolist() == pytest.approx([time for time, _ in told][skip:], abs=1e-3)
        assert (clip["frames"].dtype, clip["frames"].shape[1:]) == (np.uint8, (64, 64, 3))
        if has_sound and not name.startswith("fragments"):
            assert clip["audio"].shape == (1, 16000)
            assert off_by(clip["audio"][0], sound, round(start * 16000), 10) < 0.06


@pytest.mark.parametrize("name", FILMS)
def test_frames_by_number_and_by_rate_are_those_that_are_seen_then(name: str) -> None:
    whole = frames_of(made(name))

    def seen(time: float) -> int:
        return next((shown for when, shown in reversed(whole) if when <= time + 1e-6), whole[0][1])

    (some,) = values(made(name), clips=[[0.5, 2.0]], frames=4)
    assert numbers_of(some["frames"]) == [seen(0.5 + 1.5 * (n + 0.5) / 4) for n in range(4)]
    (some,) = values(made(name), clips=[[0.25, 1.75]], fps=4)
    assert numbers_of(some["frames"]) == [seen(0.25 + n / 4) for n in range(6)]
    (some,) = values(made(name), frames=5)
    last = whole[-1][0] + whole[-1][0] - whole[-2][0]
    assert numbers_of(some["frames"]) in [
        [seen(length * (n + 0.5) / 5) for n in range(5)] for length in (last, whole[-1][0], last + 0.005)
    ]
    assert some["frames"].shape == (5, 64, 64, 3)


@pytest.mark.parametrize("name", sorted(set(FILMS) - WITHOUT_INDEX))
def test_a_clip_takes_its_share_of_the_bytes(name: str) -> None:
    source = Ranges(made(name))
    extents, _ = source.index(open_format("video", {"clips": [[1.0, 1.5]]}))
    (extent,) = extents
    frames = FILMS[name][2].get("count", 60)
    assert extent.size_bytes < len(source.data) * (0.5 * 20 + 14) / frames + 6000
    (packed,) = source.index(open_format("video", {"frames": 1}))[0]
    assert packed.size_bytes < len(source.data) * 0.55 + 6000


@pytest.mark.parametrize("name", sorted(WITHOUT_INDEX))
def test_what_has_no_index_is_one_extent_of_all_clips(name: str) -> None:
    kind = open_format("video", {"clips": {"seconds": 1, "stride": 0.5}})
    source = Ranges(made(name))
    (extent,), _ = source.index(kind)
    assert extent.size_bytes == len(source.data)
    assert extent.num_samples >= 3
    assert extent.keys[1] == "one/0.500-1.500"
    (last,) = kind.decode(memoryview(source.data), extent, extent.codec, np.array([2]))
    assert last["start"] == 1.0
    with pytest.raises(DataError, match=r"one has no index to take clips by, and .*, more than memory=20\.0 KiB"):
        source.index(open_format("video", {"clips": {"seconds": 1}, "memory": "20Ki"}))


def test_times_that_are_not_even() -> None:
    times = [0, 1, 2, 10, 11, 30, 31, 32, 50, 59]
    for container in ("mp4", "matroska"):
        data = film(container, "mpeg4", count=10, times=times, gop=3)
        (found,) = values(data, clips=[[0.0, 2.5]], fps=2)
        assert numbers_of(found["frames"]) == [0, 3, 4, 5, 7]
        (found,) = values(data, clips=[[0.6, 1.4]])
        assert numbers_of(found["frames"]) == [4]  # none begins in it: what is seen
        (found,) = values(data, clips=[[0.5, 1.52]])
        assert (numbers_of(found["frames"]), found["times"].tolist()) == ([3, 4, 5], pytest.approx([0.5, 0.55, 1.5]))


def turned(data: bytes, matrix: tuple[int, ...]) -> bytes:
    at = data.index(b"tkhd") + 4 + 40
    found = bytearray(data)
    found[at : at + 36] = struct.pack(">9i", *(part << 16 for part in matrix[:8]), 1 << 30)
    return bytes(found)


@pytest.mark.parametrize(
    ("matrix", "turn"),
    [
        ((0, 1, 0, -1, 0, 0, 0, 0), lambda x: np.rot90(x, 3)),
        ((-1, 0, 0, 0, -1, 0, 0, 0), lambda x: np.rot90(x, 2)),
        ((0, -1, 0, 1, 0, 0, 0, 0), lambda x: np.rot90(x, 1)),
        ((-1, 0, 0, 0, 1, 0, 0, 0), lambda x: x[:, ::-1]),
        ((0, 1, 0, 1, 0, 0, 0, 0), lambda x: x.transpose(1, 0, 2)),
        ((0, -1, 0, -1, 0, 0, 0, 0), lambda x: np.rot90(x, 2).transpose(1, 0, 2)),
    ],
)
def test_pictures_are_turned_as_the_file_says(matrix: Any, turn: Any) -> None:
    data = film("mp4", "mpeg4", count=3, size=(48, 64))
    plain = values(data)[0]["frames"]
    found = values(turned(data, matrix))[0]["frames"]
    assert found.shape[1:3] in ((48, 64), (64, 48))
    assert np.array_equal(found, np.stack([turn(frame) for frame in plain]))
    small = values(turned(data, matrix), size=[32, 24])[0]["frames"]
    assert small.shape == (3, 32, 24, 3)


@pytest.mark.parametrize("pixels", ["yuv444p", "gray", "gray16le", "yuv420p10le", "bgra", "rgb48le", "yuv410p"])
def test_odd_pixels(pixels: str) -> None:
    data = film("matroska", "ffv1", count=6, pixels=pixels)
    assert numbers_of(values(data)[0]["frames"]) == list(range(6))
    grey = values(data, colour="grey", size=32)[0]["frames"]
    assert grey.shape == (6, 32, 32, 1)
    assert numbers_of(grey) == list(range(6))


def test_sizes_and_how_frames_are_brought_to_them() -> None:
    data = film("mp4", "mpeg4", count=2, size=(64, 128))
    assert values(data, size=32)[0]["frames"].shape == (2, 32, 64, 3)
    assert values(data, size=[32, 32])[0]["frames"].shape == (2, 32, 32, 3)
    cropped = values(data, size=[32, 32], fit="crop")[0]["frames"]
    whole = values(data, size=[32, 64])[0]["frames"]
    assert np.array_equal(cropped, whole[:, :, 16:48])
    padded = values(data, size=[64, 64], fit="pad")[0]["frames"]
    assert padded.shape == (2, 64, 64, 3)
    assert not padded[:, :16].any()
    assert padded[:, 16:48].any()


SOUNDS = {
    "wav": ("wav", "pcm_s16le"),
    "wav of floats": ("wav", "pcm_f32le"),
    "flac": ("flac", "flac"),
    "mp3": ("mp3", "libmp3lame"),
    "ogg": ("ogg", "libopus"),
    "m4a": ("ipod", "aac"),
    "aac": ("adts", "aac"),
    "aiff": ("aiff", "pcm_s16be"),
    "mka": ("matroska", "libopus"),
}


@pytest.mark.parametrize("name", SOUNDS)
def test_sound_alone(name: str) -> None:
    data = film(SOUNDS[name][0], "", sound=SOUNDS[name][1], count=60)
    clips = values(data, "audio", clips=[[0.0, 1.0], [0.7, 2.2], [2.0, 2.5]], rate=16000, channels=1)
    whole = sound_of(data, 16000)
    for clip, (start, end) in zip(clips, [(0, 1), (0.7, 2.2), (2.0, 2.5)], strict=True):
        assert clip["audio"].shape == (1, round((end - start) * 16000))
        assert off_by(clip["audio"][0], whole, round(start * 16000), 10) < 0.07
    (found,) = values(data, "audio")
    assert found["audio"].dtype == np.float32
    assert found["audio"].shape == (2, pytest.approx(3 * 48000, abs=3500))
    assert found["rate"] == 48000
    if name.startswith("wav"):
        assert np.abs(found["audio"] - tone(3, 48000)).max() < 1e-4
        (extent,) = Ranges(data).index(open_format("audio", {"clips": [[1.0, 1.25]]}))[0]
        assert extent.size_bytes < len(data) * 0.26
    (stereo,) = values(data, "audio", channels=2, rate=8000)
    assert np.abs(stereo["audio"][0] / 2 - stereo["audio"][1]).mean() < 0.02


def test_streams_that_are_missing() -> None:
    for container, codec in (("mp4", "mpeg4"), ("matroska", "mpeg4"), ("avi", "mpeg4")):
        silent = film(container, codec, count=20)
        with pytest.raises(DataError, match='one has no audio: leave it out, or give missing="none"'):
            values(silent, audio=True)
        with pytest.raises(DataError, match="one has no audio"):
            values(silent, "audio")
        (found,) = values(silent, audio=True, missing="none", frames=2)
        assert (found["audio"], found["rate"], len(found["frames"])) == (None, None, 2)
    for container, codec in (("ipod", "aac"), ("matroska", "libopus"), ("flac", "flac")):
        blind = film(container, "", sound=codec, count=20)
        with pytest.raises(DataError, match="one has no video"):
            values(blind)
        (found,) = values(blind, audio=True, missing="none")
        assert found["frames"] is None
        assert found["audio"].shape[0] == 2


def test_a_cover_is_no_video() -> None:
    made = io.BytesIO()
    with av.open(made, "w", format="mp3") as file:
        audio: Any = file.add_stream("libmp3lame", rate=48000)
        audio.layout = "stereo"
        cover: Any = file.add_stream("png", rate=1)
        cover.width = cover.height = 16
        cover.pix_fmt = "rgb24"
        cover.disposition = av.stream.Disposition.attached_pic
        frame = av.VideoFrame.from_ndarray(np.zeros((16, 16, 3), np.uint8), format="rgb24")
        file.mux(cover.encode(frame))
        sound = av.AudioFrame.from_ndarray(np.ascontiguousarray(tone(1, 48000)), format="fltp", layout="stereo")
        sound.sample_rate = 48000
        file.mux(audio.encode(sound))
        file.mux(audio.encode(None))
    with pytest.raises(DataError, match="one has no video"):
        values(made.getvalue())
    assert values(made.getvalue(), "audio")[0]["audio"].shape[0] == 2


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"frames": 0}, "frames '0': give a whole number of 1 to"),
        ({"frames": True}, "frames 'True'"),
        ({"frames": 3, "fps": 2}, "frames and fps: give one of them"),
        ({"fps": -1}, "fps '-1': give a number above 0"),
        ({"fps": float("nan")}, "fps 'nan'"),
        ({"size": [0, 4]}, r"size '\[0, 4\]': give \[height, width\]"),
        ({"size": [4]}, r"size '\[4\]'"),
        ({"size": "big"}, "size 'big'"),
        ({"fit": "crop"}, r"fit='crop' without height and width: give size=\[height, width\]"),
        ({"colour": "cmyk"}, "colour 'cmyk': choose one of: rgb, grey"),
        ({"rate": 16000}, "rate without audio"),
        ({"audio": True, "channels": 3}, "channels '3': give 1 or 2"),
        ({"missing": "skip"}, "missing 'skip': choose one of: refuse, none"),
        ({"clips": {"seconds": 0}}, "clips .*: give "),
        ({"clips": {"seconds": 2, "stride": -1}}, "clips .*: give "),
        ({"clips": [[3, 2]]}, r"clips: \[3, 2\] is none: give start and end in seconds"),
        ({"clips": [1, 2]}, "clips: 1 is none"),
        ({"clips": []}, "clips"),
        ({"clips": 7}, "clips '7'"),
        ({"clips": {"second": 2}}, r"clips \"{'second': 2}\": give"),
        ({"clips": {"a.mp4": [[0]]}}, r"clips: \[0\] is none"),
        ({"clips": "nowhere.csv"}, "clips: nowhere.csv cannot be read"),
    ],
)
def test_options_that_cannot_be_used(options: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        open_format("video", options)


def test_clips_of_a_table(tmp_path: Path) -> None:
    table = tmp_path / "clips.csv"
    table.write_text("key,start,end,label\none,0.5,1,a\nother,0,1,b\none,2,2.25,c\n")
    found = values(made("mp4"), clips=str(table))
    assert [(clip["start"], clip["end"]) for clip in found] == [(0.5, 1), (2, 2.25)]
    assert [clip["start"] for clip in values(made("mp4"), clips={"one": [[1, 2]]})] == [1]
    extents, skipped = Ranges(made("mp4")).index(open_format("video", {"clips": {"other": [[1, 2]]}}))
    assert (extents, skipped[0].reason) == ([], "has no clips in the table of clips")
    with pytest.raises(DataError, match="one has no clip from 2 to 9 s: it has 3 s: correct what clips are asked for"):
        values(made("mp4"), clips={"one": [[2, 9]]})
    table.write_text("key,start,end\none,2,1\n")
    with pytest.raises(ConfigError, match=r"clips\.csv:2: 2, 1 are no start and end"):
        open_format("video", {"clips": str(table)})
    table.write_text("name,start\n")
    with pytest.raises(ConfigError, match="has the columns name, start: give it the columns key, start and end"):
        open_format("video", {"clips": str(table)})


def test_short_ends_and_short_files() -> None:
    def starts(**clips: Any) -> list[float]:
        return [clip["start"] for clip in values(made("mp4"), clips=clips)]

    assert starts(seconds=2) == [0]
    assert starts(seconds=2, short=True) == [0, 2]
    assert starts(seconds=1, stride=1, short=True) == [0, 1, 2]
    extents, skipped = Ranges(made("mp4")).index(open_format("video", {"clips": {"seconds": 9}}))
    assert (extents, skipped[0].reason) == ([], "is shorter than a clip")


@pytest.mark.parametrize("name", [name for name in FILMS if name not in ("mpegts", "ogg")])
def test_files_that_were_cut_off_are_refused(name: str) -> None:
    data = made(name)
    for part in (0.9, 0.5):
        with pytest.raises(DataError, match="one") as caught:
            values(data[: int(len(data) * part)])
        if not name.startswith("fragments"):
            assert isinstance(caught.value, TruncatedObject)


def test_a_wave_that_was_cut_off_is_refused() -> None:
    data = film("wav", "", sound="pcm_s16le", count=20)
    with pytest.raises(TruncatedObject, match="one was cut off: it says that it has"):
        values(data[: len(data) // 2], "audio")


@pytest.mark.parametrize(("container", "codec", "sound"), [("wav", "", "pcm_s16le"), ("avi", "mpeg4", "")])
def test_words_beside_the_sound_take_no_more_memory_than_the_file_has(container: str, codec: str, sound: str) -> None:
    data = film(container, codec, sound=sound, count=6, size=(16, 16))
    at = data.index(b"INFO") - 4
    damaged = data[:at] + (0xDA40216F).to_bytes(4, "little") + data[at + 4 :]
    kind = "video" if codec else "audio"
    assert values(data, kind)
    with pytest.raises(DataError, match=r"its words end at byte 366\d+, of"):
        values(damaged, kind)


def test_a_stream_that_becomes_another_does_not_end_the_process() -> None:
    words: dict[str, Any] = {"count": 6, "size": (16, 16)}
    one, other = film("mpegts", "libx264", **words), film("mpegts", "mpeg2video", **words, rate=25)
    assert values(one)
    assert values(other)
    for data in (one + other, other + one):
        with pytest.raises(DataError, match="its stream 256 changes its codec"):
            values(data)


@pytest.mark.parametrize("name", ["mp4", "matroska", "open groups", "vp9 and opus"])
def test_damage_is_told_with_object_and_time_or_changes_nothing(name: str) -> None:
    data = made(name)
    kind = open_format("video", {"clips": [[1.0, 2.0]]})
    source = Ranges(data)
    ((extent,), _) = source.index(kind)
    good = bytearray(source.joined(extent))
    plain = kind.decode(memoryview(good), extent, extent.codec, np.array([0]))[0]["frames"]
    told = 0
    for place in range(len(good) // 8, len(good) - 64, len(good) // 12):
        bad = bytearray(good)
        bad[place : place + 48] = bytes(byte ^ 0xA5 for byte in bad[place : place + 48])
        try:
            found = kind.decode(memoryview(bad), extent, extent.codec, np.array([0]))[0]["frames"]
        except DataError as error:
            found, said = plain, str(error)
            told += re.match(r"one/1\.000-2\.000 cannot be decoded at \d\.\d\d s: \S", said) is not None or -1000
        assert found.shape[1:] == plain.shape[1:]
    assert told or name != "mp4"


def test_what_a_sample_takes_is_bounded() -> None:
    with pytest.raises(DataError, match=r"one takes 7\d\d\.\d KiB, more than memory=100\.0 KiB: ask for clips"):
        values(made("mp4"), memory="100Ki")
    with pytest.raises(DataError, match=r"what is asked of one takes more than memory=.*: ask for fewer frames"):
        values(made("avi"), memory="100Ki")
    with pytest.raises(DataError, match="memory"):
        values(made("webm"), memory="1Mi", size=2000, frames=2)


@pytest.mark.parametrize(
    "data",
    [
        b"no video at all",
        b"\xff\xd8\xff\xe0JFIF" + bytes(100),
        b"#EXTM3U\n#EXTINF:1\nhttp://127.0.0.1/a.ts\n",
        b"ffconcat version 1.0\nfile /etc/passwd\n",
    ],
)
def test_what_is_no_video_is_refused_and_opens_nothing(data: bytes) -> None:
    with pytest.raises(DataError, match="one is no video or audio of a container that is read: it begins with"):
        values(data)


def test_what_is_encrypted_or_lies_elsewhere_is_refused() -> None:
    data = made("mp4")
    with pytest.raises(HeaderMismatch, match="one: its index tells of video that is encrypted"):
        values(data.replace(b"mp4v", b"encv"))
    at = data.index(b"url ") + 7
    with pytest.raises(HeaderMismatch, match="packets lie in another file"):
        values(data[:at] + b"\0" + data[at + 1 :])


def test_lies_of_an_index() -> None:
    data = bytearray(made("mp4"))
    for kind, place, told in (
        (b"stsz", 12, "packets"),
        (b"stsc", 8, "chunks"),
        (b"stts", 8, "times"),
        (b"stco", 8, "cut off|cannot be decoded"),
        (b"mdhd", 16, "0 units"),
    ):
        at = data.index(kind) + place
        bad = bytes(data[:at]) + (bytes(4) if kind == b"mdhd" else b"\x00\xff\xff\xff") + bytes(data[at + 4 :])
        with pytest.raises(PenstockError, match=f"one.*({told}|has)"):
            values(bad)


def test_a_real_clip_of_two_seconds_takes_its_share(real_data: Path) -> None:
    data = (real_data / "video/world.mp4").read_bytes()
    source = Ranges(data)
    kind = open_format(
        "video",
        {
            "clips": {"seconds": 2, "stride": 10},
            "frames": 8,
            "size": [96, 96],
            "audio": True,
            "rate": 16000,
            "channels": 1,
        },
    )
    extents, _ = source.index(kind)
    assert [len(source.reads), source.read_bytes] == [1, 65536]
    share = len(data) * 2 / 30.5
    # Pictures between which decoding can begin are 3 s apart in it.
    assert all(extent.size_bytes < 2.3 * share for extent in extents)
    found = kind.decode(memoryview(source.joined(extents[1])), extents[1], extents[1].codec, np.array([0]))[0]
    assert (found["frames"].shape, found["audio"].shape) == ((8, 96, 96, 3), (1, 32000))


@pytest.mark.parametrize(("kind", "pack"), [("tar", tar_of), ("zip", zip_of)])
def test_members_of_archives(kind: str, pack: Any) -> None:
    sound = film("wav", "", sound="pcm_s16le", count=20)
    data = pack({"a/1.mp4": made("mp4"), "a/1.wav": sound, "a/1.cls": b"7"})
    how = {"video": {"frames": 3, "size": [32, 32]}, "audio": {"rate": 8000, "channels": 1}}
    (found,) = values(data, kind, decoded=how)
    assert numbers_of(found["mp4"]["frames"]) == [10, 30, 50]
    assert (found["wav"]["audio"].shape, found["cls"]) == ((1, 8000), 7)
    (found,) = values(data, kind, decoded=True)
    assert (found["mp4"], found["cls"]) == (made("mp4"), 7)
    (found,) = values(data, kind, decoded={"audio": {}})
    assert (found["mp4"], found["wav"]["rate"]) == (made("mp4"), 48000)
    with pytest.raises(DataError, match="mp4 of one/a/1 is no video or audio of a container that is read"):
        values(pack({"a/1.mp4": b"no"}), kind, decoded=how)
    with pytest.raises(ConfigError, match="decoded: 'video with clips': its options are: frames, fps"):
        open_format(kind, {"decoded": {"video": {"clips": [[0, 1]]}}})
    with pytest.raises(ConfigError, match="decoded: 'sound': give"):
        open_format(kind, {"decoded": {"sound": {}}})
    with pytest.raises(ConfigError, match="decoded 'yes': give true, false, or"):
        open_format(kind, {"decoded": "yes"})


@pytest.mark.parametrize("name", ["matroska", "webm"])
def test_a_length_that_cannot_be_makes_no_clips(name: str) -> None:
    data = made(name)
    at = data.index(b"\x44\x89\x88") + 3
    bad = data[:at] + struct.pack(">d", 9e9) + data[at + 8 :]
    with pytest.raises(
        HeaderMismatch, match=r"a length of 9e\+06 s, which are .* clips, more than so few bytes can hold"
    ):
        values(bad, clips={"seconds": 1})


def test_pictures_that_begin_later_than_the_sound() -> None:
    data = film("mp4", "mpeg4", count=30, times=list(range(7, 37)), sound="aac", codec_options={"bf": "2"})
    whole = frames_of(data)
    assert whole[0][0] == pytest.approx(0.35)
    (found,) = values(data, clips=[[0.2, 0.8]], audio=True, rate=16000, channels=1)
    assert list(zip(found["times"].round(4).tolist(), numbers_of(found["frames"]), strict=True)) == [
        (round(time, 4), number) for time, number in whole if time < 0.8 - 1e-6
    ]
    assert off_by(found["audio"][0], sound_of(data, 16000), 3200, 10) < 0.06
    (found,) = values(data, clips=[[0.0, 1.0]], fps=10)
    assert numbers_of(found["frames"])[:5] == [0, 0, 0, 0, 1]  # before the first it is the first


def test_without_pyav_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    data = made("mp4")
    monkeypatch.setitem(sys.modules, "av", None)
    extents, _ = Ranges(data).index(open_format("video", {"clips": {"seconds": 1}}))
    assert len(extents) == 3
    with pytest.raises(ConfigError, match=r"video and audio are decoded by PyAV, .*: pip install 'penstock\[video\]'"):
        values(data)


@pytest.mark.parametrize("name", ["mp4", "matroska", "fragments"])
def test_far_frames_take_no_more_than_the_groups_that_they_are_of(name: str) -> None:
    data = made(name)
    source = Ranges(data)
    ((extent,), _) = source.index(open_format("video", {"clips": [[0, 3]], "frames": 2}))
    (found,) = open_format("video", {"frames": 2}).decode(
        memoryview(source.joined(extent)), extent, extent.codec, np.array([0])
    )
    assert numbers_of(found["frames"])[1] in (44, 45)
    assert extent.size_bytes <= len(data)


@pytest.mark.parametrize("name", ["flac", "aac", "mp3"])
def test_sound_behind_a_long_tag_is_told_by_what_comes_then(name: str) -> None:
    data = film(SOUNDS[name][0], "", sound=SOUNDS[name][1], count=20)
    tag = b"ID3\x04\0\0" + bytes([0, 0, 40, 0]) + bytes(40 << 7)
    (plain,), (found,) = values(data, "audio"), values(tag + data, "audio")
    assert np.array_equal(found["audio"], plain["audio"])


@pytest.mark.parametrize("height", [64, 720])
@pytest.mark.parametrize(("space", "scale"), [(1, "ITU709"), (5, "ITU601")])
def test_colours_are_those_that_the_file_says(height: int, space: int, scale: str) -> None:
    colour = np.zeros((height, 64, 3), np.uint8) + np.array([200, 100, 50], np.uint8)
    place = io.BytesIO()
    with av.open(place, "w", format="matroska") as file:
        video: Any = file.add_stream("ffv1", rate=5)
        video.height, video.width, video.pix_fmt = height, 64, "yuv444p"
        video.codec_context.colorspace = space
        frame = av.VideoFrame.from_ndarray(colour, format="rgb24")
        frame = frame.reformat(format="yuv444p", dst_colorspace=scale)
        frame.colorspace, frame.pts = space, 0
        file.mux(video.encode(frame))
        file.mux(video.encode(None))
    (found,) = values(place.getvalue())
    assert np.abs(found["frames"].astype(int) - [200, 100, 50]).max() <= 3
    (grey,) = values(place.getvalue(), colour="grey")
    # By ITU-R 601 whatever the file's colours are, as of pictures.
    assert np.abs(grey["frames"].astype(int) - np.dot([200, 100, 50], (0.299, 0.587, 0.114))).max() <= 3


def test_what_is_decoded_is_bounded_by_the_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoding, "_FREE_PIXELS", 10 * 64 * 64)
    monkeypatch.setattr(decoding, "_PIXELS_A_BYTE", 0)
    assert len(values(made("mp4"), clips=[[0, 0.3]])[0]["frames"]) == 6
    with pytest.raises(DataError, match=r"one cannot be decoded at 0\.\d\d s: it decodes to more pixels than so few"):
        values(made("mp4"))
