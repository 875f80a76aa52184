"""Members of TAR samples that are decoded: right, or a ValueError, whatever their bytes are."""

from __future__ import annotations

import contextlib
import io
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.formats.tar.members import decode_member

Image = pytest.importorskip("PIL.Image")


def saved(array: Any, kind: str) -> bytes:
    file = io.BytesIO()
    Image.fromarray(array).save(file, kind)
    return file.getvalue()


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int32, np.float32, ">u2"])
def test_greys_keep_their_numbers(dtype: Any) -> None:
    grey = np.linspace(0, 250 if dtype is np.uint8 else 40_000, 12).reshape(3, 4).astype(dtype)
    np.testing.assert_array_equal(decode_member("tiff", saved(grey, "TIFF")), grey)


@pytest.mark.parametrize("extension", ["jpg", "png", "tif"])
def test_a_picture_that_another_program_would_read_is_none(extension: str) -> None:
    with pytest.raises(ValueError, match="cannot identify image file"):
        decode_member(extension, b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\n")


@settings(max_examples=150, deadline=None)
@given(kind=st.sampled_from(["PNG", "JPEG", "GIF", "TIFF", "BMP", "WEBP", "npy", "json"]), data=st.data())
def test_any_damage_is_an_error_of_value_or_decoded(kind: str, data: st.DataObject) -> None:
    file = io.BytesIO()
    if kind == "npy":
        np.save(file, np.arange(9))
    elif kind == "json":
        file.write(b'{"a": [1, 2]}')
    else:
        Image.new("RGB", (5, 4), (1, 2, 3)).save(file, kind)
    damaged = bytearray(file.getvalue())
    for _ in range(data.draw(st.integers(1, 3))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(damaged)))
    for each in (bytes(damaged), bytes(damaged[:cut])):
        with contextlib.suppress(ValueError):
            decode_member(kind.lower(), each)


@pytest.mark.parametrize("data", [b"PK\x03\x04 is no zip", b"PK\x05\x06" + bytes(18), b"\x80\x04N."])
def test_an_array_is_a_file_of_numpys_alone(data: bytes) -> None:
    with pytest.raises(ValueError, match="no array of numpy's"):
        decode_member("npy", data)
