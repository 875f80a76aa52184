"""Images of any kind become arrays by the stated rule; what cannot is an error of its own."""

from __future__ import annotations

import contextlib
import io
import struct
import sys
import zlib
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageOps

from penstock.errors import ConfigError, DataError
from penstock.tasks.images.decoding import SMALLEST_CROP, decode_image
from penstock.tasks.images.settings import MEAN, STD, ImageDecode
from penstock.tasks.registry import get_task
from support.images import encoded

# The command line turns off what Pillow warns of; pytest turns it on again.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::RuntimeWarning")

SIDE = 16
GREYS = np.tile(np.linspace(0, 255, SIDE, dtype=np.uint8), (SIDE, 1))
"""From black at the left to white at the right."""


def settings(**changes: Any) -> ImageDecode:
    given = {
        "size": SIDE,
        "channels": 3,
        "fit": "crop",
        "normalize": "unit",
        "augment": ("flip", "crop"),
        "background": "white",
        "max_pixels": 10_000_000,
    }
    return ImageDecode(**{**given, **changes})


def decoded(data: bytes, rng: np.random.Generator | None = None, **changes: Any) -> NDArray[np.float32]:
    wanted = settings(**changes)
    found = decode_image(memoryview(data), wanted, rng)
    assert found.shape == (wanted.channels, wanted.size, wanted.size)
    assert found.dtype == np.float32
    assert found.flags.c_contiguous
    return found


def ramp(mode: str = "L") -> Image.Image:
    if mode.startswith("I;16"):
        return Image.fromarray(GREYS.astype(np.uint16) * 257)
    return Image.fromarray(GREYS).convert("RGB").convert(mode)


MODES = {
    "PNG": ("1", "L", "LA", "P", "RGB", "RGBA", "I;16"),
    "JPEG": ("L", "RGB", "CMYK"),
    "WEBP": ("RGB", "RGBA"),
    "GIF": ("L", "P"),
    "BMP": ("1", "L", "P", "RGB"),
    "TIFF": ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "I;16"),
    "PPM": ("L", "RGB", "I;16"),
    "JPEG2000": ("L", "LA", "RGB", "RGBA", "I;16"),
}


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(("kind", "mode"), [(kind, mode) for kind, modes in MODES.items() for mode in modes])
def test_every_kind_of_file_gives_the_same_greys(kind: str, mode: str, channels: int) -> None:
    options = {"WEBP": {"lossless": True}, "JPEG": {"quality": 100, "subsampling": 0}, "JPEG2000": {}}.get(kind, {})
    found = decoded(encoded(ramp(mode), kind, **options), channels=channels)
    if mode == "1":
        assert found[:, :, :4].mean() < 0.2
        assert found[:, :, -4:].mean() > 0.8
    else:
        # A web palette has 6 steps of each colour.
        assert np.abs(found - GREYS / 255).max() < (0.15 if mode == "P" else 0.02)


def test_sixteen_bits_are_not_cut_to_eight() -> None:
    fine = np.tile(np.arange(SIDE, dtype=np.uint16) + 30_000, (SIDE, 1))
    for kind in ("PNG", "TIFF"):
        assert np.allclose(decoded(encoded(Image.fromarray(fine), kind)), fine / 65535, atol=1e-7)


def test_twelve_bits_reach_white() -> None:
    tiff = encoded(Image.fromarray(np.full((SIDE, SIDE), 4095, np.uint16)), "TIFF")
    assert decoded(tiff).max() == pytest.approx(4095 / 65535)
    # The same file whose header says 12 bits, packed: two pixels in three bytes.
    offset = Image.open(io.BytesIO(tiff)).tag_v2[273][0]  # type: ignore[attr-defined]
    packed = bytearray(tiff[:offset] + b"\xff" * (SIDE * SIDE * 3 // 2))
    place = packed.index(struct.pack("<HHIHH", 258, 3, 1, 16, 0)) + 8
    packed[place : place + 2] = struct.pack("<H", 12)
    assert decoded(bytes(packed)).min() == pytest.approx(1)


def test_white_may_be_zero() -> None:
    tiff = bytearray(encoded(Image.fromarray(GREYS.astype(np.uint16) * 257), "TIFF"))
    tiff[tiff.index(struct.pack("<HHIHH", 262, 3, 1, 1, 0)) + 8] = 0
    assert np.allclose(decoded(bytes(tiff)), 1 - GREYS / 255, atol=1e-4)


@pytest.mark.parametrize(("background", "level"), [("white", 1), ("black", 0), ("grey", 128 / 255)])
def test_what_is_transparent_lies_on_the_background(background: str, level: float) -> None:
    clear = np.zeros((SIDE, SIDE, 4), np.uint8)
    clear[:, : SIDE // 2] = (255, 0, 0, 255)
    palette = Image.new("P", (SIDE, SIDE), 1)
    palette.putpalette([255, 0, 0, 7, 7, 7])
    palette.paste(0, (0, 0, SIDE // 2, SIDE))
    colour_key = Image.new("RGB", (SIDE, SIDE), (9, 8, 7))
    colour_key.paste((255, 0, 0), (0, 0, SIDE // 2, SIDE))
    for data in (
        encoded(Image.fromarray(clear)),
        encoded(Image.fromarray(clear), "WEBP", lossless=True),
        encoded(palette, transparency=1),
        encoded(palette, "GIF", transparency=1),
        encoded(colour_key, transparency=(9, 8, 7)),
    ):
        found = decoded(data, background=background)
        assert np.allclose(found[:, :, SIDE // 2 :], level, atol=0.01)
        assert np.allclose(found[:, :, : SIDE // 2], np.array([1, 0, 0])[:, None, None], atol=0.01)


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("value", range(1, 9))
def test_exif_turns_as_pillow_turns(value: int, kind: str) -> None:
    rng = np.random.default_rng(0)
    image = Image.fromarray(rng.integers(0, 255, (SIDE, SIDE, 3), dtype=np.uint8))
    exif = Image.Exif()
    exif[0x0112] = value
    turned = image.copy()
    turned.getexif()[0x0112] = value
    wanted = np.asarray(ImageOps.exif_transpose(turned)).transpose(2, 0, 1) / 255
    lossless = {"lossless": True} if kind == "WEBP" else {}
    assert np.allclose(decoded(encoded(image, kind, exif=exif, **lossless)), wanted, atol=1e-6)


@pytest.mark.parametrize("exif", [b"Exif\0\0garbage", b"Exif\0\0II*\0\xff\xff\xff\xff"])
def test_damaged_exif_spoils_no_image(exif: bytes) -> None:
    assert np.abs(decoded(encoded(ramp("RGB"), "JPEG", quality=100, exif=exif)) - GREYS / 255).max() < 0.02


def test_fit_says_how_an_image_becomes_a_square() -> None:
    wide = np.zeros((20, 40), np.uint8)
    wide[:, :10] = wide[:, 30:] = 255
    data = encoded(Image.fromarray(wide))
    assert decoded(data, fit="crop", size=20).max() == 0  # the middle is black
    stretched = decoded(data, fit="stretch", size=20)
    assert stretched[:, :, :4].min() == 1
    assert stretched[:, :, 7:13].max() == 0
    padded = decoded(data, fit="pad", size=20, background="grey")
    assert np.allclose(padded[:, :4], 128 / 255)
    assert padded[:, 10, :4].min() == 1
    assert decoded(encoded(Image.new("RGB", (1, 5000))), fit="pad", size=8).shape == (3, 8, 8)
    assert decoded(encoded(Image.new("RGB", (5000, 1))), fit="crop", size=8).shape == (3, 8, 8)


def test_large_jpegs_are_scaled_to_what_the_whole_gives() -> None:
    rows, columns = np.mgrid[:600, :800]
    pixels = np.stack([rows / 600, columns / 800, (rows + columns) / 1400], axis=2) * 255
    image = Image.fromarray(pixels.astype(np.uint8))
    by_jpeg = decoded(encoded(image, "JPEG", quality=95), size=32)
    assert np.abs(by_jpeg - decoded(encoded(image), size=32)).max() < 0.02


def test_scales_are_the_stated_ones() -> None:
    data = encoded(ramp("RGB"))
    unit = decoded(data)
    assert unit.min() == 0
    assert unit.max() == pytest.approx(1)
    assert np.allclose(decoded(data, normalize="half"), unit * 2 - 1, atol=1e-6)
    mean, std = (np.array(each)[:, None, None] for each in (MEAN, STD))
    assert np.allclose(decoded(data, normalize="imagenet"), (unit - mean) / std, atol=1e-5)


def test_chance_is_the_generators_and_none_without_one() -> None:
    rng = np.random.default_rng(3)
    data = encoded(Image.fromarray(rng.integers(0, 255, (40, 60, 3), dtype=np.uint8)))

    def drawn(seed: int, **changes: Any) -> NDArray[np.float32]:
        return decoded(data, np.random.default_rng(seed), **changes)

    assert np.array_equal(drawn(1), drawn(1))
    assert not np.array_equal(drawn(1), drawn(2))
    plain = decoded(data)
    assert np.array_equal(drawn(1, augment=()), plain)
    flips = [drawn(seed, augment=("flip",)) for seed in range(40)]
    assert all(np.array_equal(each, plain) or np.array_equal(each, plain[:, :, ::-1]) for each in flips)
    assert 8 < sum(np.array_equal(each, plain) for each in flips) < 32
    assert not any(np.array_equal(drawn(seed, augment=("crop",)), plain) for seed in range(5))


def test_crops_stay_inside_and_large() -> None:
    white = encoded(Image.new("RGB", (50, 30), "white"))
    for seed in range(30):
        for fit in ("crop", "stretch", "pad"):
            found = decoded(white, np.random.default_rng(seed), fit=fit, background="white")
            assert found.min() == pytest.approx(1)
    assert 0.5 < SMALLEST_CROP < 1


def test_pillow_that_is_not_there_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "PIL" or name.endswith("images.decoding")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(ConfigError, match=r"pip install 'penstock\[images\]'"):
        get_task("images").transform((memoryview(b""), settings().encode(), 0.0), None)


def cut(data: bytes) -> bytes:
    return data[: len(data) * 6 // 10]


@pytest.mark.parametrize("kind", [*MODES])
def test_an_image_that_was_cut_off_is_an_error(kind: str) -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8))
    with pytest.raises(DataError, match="image"):
        decoded(cut(encoded(noise, kind)))


def png_that_claims(width: int, height: int) -> bytes:
    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"\0" * 1000)) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"", "no image that is read: its 0 bytes"),
        (b"<html>Not found</html>", "no image that is read"),
        (b"%PDF-1.4 ...", "no image that is read"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "no image that is read"),
        (png_that_claims(5000, 5000), "5000 x 5000 pixels, where 10000000 are allowed"),
        (png_that_claims(12_000, 9000), "12000 x 9000 pixels"),
        (png_that_claims(2**31 - 1, 2**31 - 1), "more pixels, where 10000000 are allowed"),
        (png_that_claims(0, 5), "image"),
        (encoded(Image.fromarray(np.ones((9, 9), np.float32)), "TIFF"), "a TIFF image of floats"),
        (encoded(Image.fromarray(np.ones((9, 9), np.int32)), "TIFF"), "a TIFF image of integers"),
    ],
)
def test_what_cannot_be_used_is_told(data: bytes, told: str) -> None:
    with pytest.raises(DataError, match=told):
        decoded(data)


def test_damaged_bytes_are_images_or_errors_of_one_kind() -> None:
    rng = np.random.default_rng(5)
    for kind in MODES:
        whole = encoded(Image.fromarray(rng.integers(0, 255, (24, 24, 3), dtype=np.uint8)), kind)
        for _ in range(40):
            damaged = bytearray(whole)
            for place in rng.integers(0, min(len(damaged), 200), 4):
                damaged[place] = rng.integers(0, 256)
            with contextlib.suppress(DataError):
                decode_image(memoryview(damaged), settings(), None)
