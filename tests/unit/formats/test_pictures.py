"""Pictures of each kind that there is as arrays: turned, in their own numbers, bounded, and whole or refused."""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from typing import Any

import numpy as np
import pytest

from penstock.errors import DataError
from penstock.formats import pictures
from penstock.formats.pictures import picture_of
from penstock.formats.registry import open_format
from penstock.formats.tar.members import decode_member
from support.media_archives import tar_of
from support.ranges import Ranges

Image = pytest.importorskip("PIL.Image")

COLOURS = np.array([[[250, 0, 0], [0, 250, 0]], [[0, 0, 250], [250, 250, 0]], [[9, 9, 9], [200, 100, 50]]], np.uint8)


def saved(picture: Any, kind: str, **options: Any) -> bytes:
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def colours(mode: str = "RGB") -> Any:
    return Image.fromarray(COLOURS).convert(mode)


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "BMP", "WEBP", "PPM", "JPEG2000"])
def test_kinds_that_lose_nothing(kind: str) -> None:
    options = {"lossless": True} if kind == "WEBP" else {}
    assert np.array_equal(picture_of(saved(colours(), kind, **options)), COLOURS)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("way", range(1, 9))
def test_pictures_are_turned_as_exif_says(kind: str, way: int) -> None:
    big = Image.fromarray(np.kron(COLOURS, np.ones((16, 16, 1), np.uint8)))
    exif = Image.Exif()
    exif[0x0112] = way
    options: dict[str, Any] = {"JPEG": {"quality": 100, "subsampling": 0}, "WEBP": {"lossless": True}}.get(kind, {})
    found = picture_of(saved(big, kind, exif=exif, **options))
    # As EXIF 2.32 has it: which sides of what is seen the first row and the first column are.
    upright = {
        1: lambda x: x,
        2: lambda x: x[:, ::-1],
        3: lambda x: x[::-1, ::-1],
        4: lambda x: x[::-1],
        5: lambda x: x.transpose(1, 0, 2),
        6: lambda x: np.rot90(x, 3),
        7: lambda x: x[::-1, ::-1].transpose(1, 0, 2),
        8: lambda x: np.rot90(x, 1),
    }[way](np.asarray(big))
    assert found.shape == upright.shape
    assert np.abs(found.astype(int) - upright).max() < 12


@pytest.mark.parametrize("way", [0, 9, 65535])
def test_a_turn_that_there_is_not_turns_nothing(way: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = way
    assert np.array_equal(picture_of(saved(colours(), "PNG", exif=exif)), COLOURS)
    assert np.array_equal(picture_of(saved(colours(), "PNG", exif=b"Exif\0\0II*\0\xff\xff\xff\xff")), COLOURS)


def test_palettes_and_modes_become_colours() -> None:
    assert np.array_equal(picture_of(saved(colours("P"), "PNG")), np.asarray(colours("P").convert("RGB")))
    assert np.array_equal(picture_of(saved(colours("P"), "GIF")), np.asarray(colours("P").convert("RGB")))
    black = picture_of(saved(colours("1"), "PNG"))
    assert black.shape == (3, 2, 3)
    assert set(np.unique(black)) <= {0, 255}
    cmyk = picture_of(saved(colours("CMYK"), "TIFF"))
    assert np.abs(cmyk.astype(int) - COLOURS).max() <= 1
    jpeg = picture_of(saved(colours("CMYK").resize((64, 96), 0), "JPEG", quality=100))
    assert np.abs(jpeg[16, 16].astype(int) - COLOURS[0, 0]).max() < 12  # written inverted, as Adobe's programs do


@pytest.mark.parametrize("order", ["<u2", ">u2"])
@pytest.mark.parametrize("kind", ["TIFF", "PNG"])
def test_greys_of_16_bits(kind: str, order: str) -> None:
    greys = np.array([[0, 1, 300], [40_000, 65_535, 7]], order)
    found = picture_of(saved(Image.fromarray(greys), kind))
    assert found.dtype.isnative
    assert found.tolist() == greys.tolist()


def test_greys_of_16_bits_keep_their_numbers_where_one_is_transparent() -> None:
    greys = np.array([[0, 1, 300], [40_000, 65_535, 7]], np.uint16)
    assert picture_of(saved(Image.fromarray(greys), "PNG", transparency=300)).tolist() == greys.tolist()


@pytest.mark.parametrize("data", [b"", b"x", b"%PDF-1.4", b"\0\0\1\0\1\0"])
def test_what_is_no_picture_is_told_by_its_begin(data: bytes) -> None:
    with pytest.raises(ValueError, match=rf"^cannot identify image file: its {len(data)} bytes begin with \w"):
        decode_member("png", data)


def test_greys_whose_white_is_zero() -> None:
    greys = Image.fromarray(np.array([[0, 1000], [65_535, 7]], np.uint16))
    assert picture_of(saved(greys, "TIFF", tiffinfo={262: 0})).tolist() == [[65_535, 64_535], [0, 65_528]]
    eight = Image.fromarray(np.array([[0, 10], [255, 7]], np.uint8))
    assert picture_of(saved(eight, "TIFF", tiffinfo={262: 0})).tolist() in ([[255, 245], [0, 248]], [[0, 10], [255, 7]])


def test_what_is_transparent_lies_on_white() -> None:
    clear = np.dstack([COLOURS, np.full(COLOURS.shape[:2], 0, np.uint8)])
    assert np.unique(picture_of(saved(Image.fromarray(clear), "PNG"))).tolist() == [255]
    half = np.dstack([COLOURS, np.full(COLOURS.shape[:2], 51, np.uint8)])
    expected = np.round(255 * 0.8 + COLOURS * 0.2)
    for kind, options in (("PNG", {}), ("WEBP", {"lossless": True, "exact": True}), ("TIFF", {})):
        found = picture_of(saved(Image.fromarray(half), kind, **options))
        assert np.abs(found - expected).max() <= 1, kind
    palette = colours("P")
    assert picture_of(saved(palette, "PNG", transparency=palette.getpixel((0, 0))))[0, 0].tolist() == [255, 255, 255]
    grey = Image.fromarray(np.array([[5, 200]], np.uint8))
    assert picture_of(saved(grey, "PNG", transparency=5)).tolist() == [[[255] * 3, [200] * 3]]
    assert picture_of(saved(grey.convert("LA"), "PNG")).tolist() in ([[5, 200]], [[[5] * 3, [200] * 3]])


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP", "TIFF"])
def test_of_several_frames_it_is_the_first(kind: str) -> None:
    others = [Image.new("RGB", (2, 3), (0, 0, 0))] * 2
    data = saved(colours(), kind, save_all=True, append_images=others, **({"lossless": True} if kind == "WEBP" else {}))
    assert np.abs(picture_of(data).astype(int) - COLOURS).max() <= (60 if kind == "GIF" else 0)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "PPM", "JPEG2000"])
def test_what_was_cut_off_is_refused(kind: str) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (40, 50, 3), np.uint8)
    data = saved(Image.fromarray(noise), kind)
    picture_of(data)
    for part in (0.1, 0.5, 0.9):
        with pytest.raises(Exception):  # noqa: B017 - Pillow's are of many kinds
            picture_of(data[: int(len(data) * part)])
        with pytest.raises(ValueError):
            decode_member("jpg", data[: int(len(data) * part)])


def bomb(width: int, height: int) -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes(100))) + chunk(b"IEND", b"")


@pytest.mark.parametrize(("width", "height"), [(12_000, 12_000), (60_000, 60_000), (1 << 30, 1 << 30)])
def test_a_bomb_is_refused_before_anything_is_made_of_it(width: int, height: int) -> None:
    pictures._formats.cache_clear()  # which has Pillow's warnings left out, that the tests' runner has put back
    with warnings.catch_warnings(record=True) as told:
        with pytest.raises(ValueError, match=r"a picture of .* pixels, where 134217728 are made"):
            decode_member("png", bomb(width, height))
        data = tar_of({"a/1.png": bomb(width, height)})
        with pytest.raises(DataError, match=r"png of one/a/1 cannot be decoded: a picture of .* pixels"):
            Ranges(data).values(open_format("tar", {"decoded": True}))
    assert not told
