"""Arrays of .npy, .npz and safetensors are those that were written; nothing is unpickled, and what lies is named."""

from __future__ import annotations

import io
import json
import pickle
import random
import re
import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.errors import ConfigError, DataError, HeaderMismatch, PenstockError
from penstock.formats.registry import open_format
from penstock.formats.tar.members import decode_member
from support.ranges import Ranges

DTYPES = ["f4", "f8", ">i4", "u1", "?", "c8", "M8[s]", "U3", "S2", "V3", [("a", "<f4"), ("b", ">i2", (2,))]]


def npy(array: Any, *, pickled: bool = False) -> bytes:
    file = io.BytesIO()
    np.save(file, array, allow_pickle=pickled)
    return file.getvalue()


def npz(**arrays: Any) -> bytes:
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)
    return file.getvalue()


def safe(tensors: dict[str, tuple[str, list[int], bytes]], **more: Any) -> bytes:
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}} if more.get("meta", True) else {}
    at = 0
    for name, (dtype, shape, data) in tensors.items():
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [at, at + len(data)]}
        at += len(data)
    text = json.dumps(header).encode() + b" " * 3
    return len(text).to_bytes(8, "little") + text + b"".join(data for _, _, data in tensors.values())


def values(data: bytes, kind: str, **options: Any) -> list[Any]:
    return Ranges(data).values(pickle.loads(pickle.dumps(open_format(kind, options))))


@settings(max_examples=120, deadline=None)
@given(
    dtype=st.sampled_from(DTYPES),
    shape=st.lists(st.integers(0, 4), max_size=3),
    is_fortran=st.booleans(),
    block=st.sampled_from([1, 20, 10_000]),
)
def test_any_array_is_the_one_that_was_written(dtype: Any, shape: list[int], is_fortran: bool, block: int) -> None:
    kind = np.dtype(dtype)
    count = int(np.prod(shape, dtype=int))
    array = np.frombuffer(random.Random(count).randbytes(count * kind.itemsize).replace(b"\xff", b"\1"), np.uint8)
    array = (array & 1 if kind == np.bool_ else array & 0x41 if kind.kind == "U" else array).tobytes()
    if kind.kind == "U":
        array = np.array(["ab\N{SNOWMAN}"] * count, kind).tobytes()
    array = np.frombuffer(array, kind).reshape(shape)
    array = np.asfortranarray(array) if is_fortran else array
    data = npy(array)
    found = values(data, "npy")
    if not array.nbytes:
        assert found == []
        return
    assert found[0].dtype == kind.newbyteorder("=")
    assert found[0].shape == array.shape
    assert found[0].flags.writeable
    assert found[0].tobytes() == array.astype(found[0].dtype).tobytes()
    if array.ndim and not (array.flags.f_contiguous and not array.flags.c_contiguous):
        rows = values(data, "npy", by="row", block=block)
        assert [row.tobytes() for row in rows] == [row.tobytes() for row in array.astype(found[0].dtype)]
    (arrays,) = values(npz(a=array, b=np.arange(3)), "npz")
    assert arrays["a"].tobytes() == found[0].tobytes()
    assert arrays["b"].tolist() == [0, 1, 2]


def test_blocks_of_rows_are_read_and_nothing_else() -> None:
    source = Ranges(npy(np.arange(100_000, dtype=np.float64).reshape(10_000, 10)))
    extents, _ = source.index(open_format("npy", {"by": "row", "block": "80Ki"}))
    assert [extent.size_bytes for extent in extents[:2]] == [81_920, 81_920]
    assert source.read_bytes <= 16 << 10
    assert sum(extent.num_samples for extent in extents) == 10_000
    kind = open_format("npy", {"by": "row"})
    (row,) = kind.decode(source.joined(extents[1]), extents[1], extents[1].codec, np.array([3]))
    assert row.tolist() == list(range((1024 + 3) * 10, (1024 + 4) * 10))


def test_tensors_by_file_by_row_and_by_name() -> None:
    x = np.arange(12, dtype=np.float32).reshape(6, 2)
    half = (np.arange(6, dtype=np.float32).view(np.uint32) >> 16).astype(np.uint16)
    data = safe({"x": ("F32", [6, 2], x.tobytes()), "b": ("BF16", [6], half.tobytes())})
    (found,) = values(data, "safetensors")
    assert found["x"].tolist() == x.tolist()
    assert (found["b"].dtype, found["b"].tolist()) == (np.float32, [0, 1, 2, 3, 4, 5])
    rows = values(data, "safetensors", by="row", block=25)
    assert [(row["x"].tolist(), float(row["b"])) for row in rows] == [(x[n].tolist(), n) for n in range(6)]
    assert [list(row) for row in values(data, "safetensors", by="row", columns=["b"])] == [["b"]] * 6
    with pytest.raises(ConfigError, match=r"one has no tensor 'y': .*its tensors are: x, b"):
        values(data, "safetensors", columns="y")
    odd = safe({"x": ("F32", [6, 2], x.tobytes()), "s": ("F32", [], b"1234")})
    with pytest.raises(ConfigError, match=r"one has in 's' the shape \(\), which are not rows as 'x' has \(6, 2\)"):
        values(odd, "safetensors", by="row")
    with pytest.raises(ConfigError, match="one is in Fortran's order, in which no row lies together"):
        values(npy(np.asfortranarray(np.eye(3))), "npy", by="row")


def tensor(**about: Any) -> bytes:
    text = json.dumps({"x": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8], **about}}).encode()
    return len(text).to_bytes(8, "little") + text + bytes(8)


GOOD = npy(np.arange(6.0))


@pytest.mark.parametrize(
    ("kind", "data", "error", "told"),
    [
        ("npy", b"no array", HeaderMismatch, "one is no .npy file that can be read: "),
        ("npy", GOOD[:-1], HeaderMismatch, r"it has 175 bytes, not the 176 of its shape \(6,\)"),
        ("npy", GOOD.replace(b"(6,), ", b"(-6,),"), HeaderMismatch, "one is no .npy file that can be read: "),
        ("npy", GOOD.replace(b"(6,), ", b"(9**9)"), HeaderMismatch, "one is no .npy file that can be read: "),
        ("npy", npy(np.array([{}]), pickled=True), HeaderMismatch, "holds objects of Python, which would be unpickled"),
        ("npy", b"\x93NUMPY\3\0" + GOOD[8:], HeaderMismatch, "the version 3.0 of its header is not known"),
        ("npz", GOOD, HeaderMismatch, "one is no ZIP file"),
        ("npz", npz(a=np.arange(3))[:-5], DataError, "no central directory at its end"),
        ("safetensors", b"x", HeaderMismatch, "its header is said to have 120 bytes, of 1"),
        ("safetensors", (1 << 60).to_bytes(8, "little") + b"{}", HeaderMismatch, "said to have 1152921504606846976 by"),
        ("safetensors", b"\2\0\0\0\0\0\0\0[]", HeaderMismatch, "its header is no JSON"),
        ("safetensors", tensor(dtype="F8_E4M3"), HeaderMismatch, "the tensor 'x' is of the type 'F8_E4M3'; known are"),
        ("safetensors", tensor(shape=[3]), HeaderMismatch, r"'x' of 12 bytes is said to lie in \[0, 8\]"),
        ("safetensors", tensor(data_offsets=[8, 16]), HeaderMismatch, r"is said to lie in \[8, 16\]"),
        ("safetensors", tensor(data_offsets=[-8, 0]), HeaderMismatch, "the tensor 'x' has no shape and place"),
        ("safetensors", tensor(shape="big"), HeaderMismatch, "the tensor 'x' has no shape and place"),
        ("safetensors", tensor(shape=[1] * 99), HeaderMismatch, "the shape"),
    ],
)  # fmt: skip
def test_what_lies_is_an_error(kind: str, data: bytes, error: type[PenstockError], told: str) -> None:
    with pytest.raises(error, match=told) as raised:
        values(data, kind)
    assert raised.value.about == "one"


def test_tensors_that_lie_in_each_other_are_refused() -> None:
    text = json.dumps(
        {name: {"dtype": "U8", "shape": [4], "data_offsets": [at, at + 4]} for name, at in (("a", 0), ("b", 2))}
    ).encode()
    with pytest.raises(HeaderMismatch, match="the tensor 'a' ends within 'b'"):
        values(len(text).to_bytes(8, "little") + text + bytes(6), "safetensors")


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ([0, 1 << 62], "the shape (0, 4611686018427387904)"),
        ([True], r"no shape and place"),
        ([1] * 65, "the shape (1, 1"),
    ],
)
def test_shapes_that_no_array_has_are_refused_when_listed(shape: list[int], message: str) -> None:
    data = safe({"a": ("F32", shape, b""), "b": ("F32", [], bytes(4))})
    with pytest.raises(HeaderMismatch, match=re.escape(message)):
        values(data, "safetensors")


def test_a_length_that_is_a_truth_value_is_refused() -> None:
    data = npy(np.zeros(1, np.float32)).replace(b"'shape': (1,), ", b"'shape': (True,),")
    with pytest.raises(HeaderMismatch, match=re.escape("the shape (True,)")):
        values(data, "npy")


def test_truth_values_are_true_or_false_whatever_their_bytes() -> None:
    told = b"\2\0\xff"
    for kind, data in (("npy", npy(np.ones(3, bool))[:-3] + told), ("safetensors", safe({"": ("BOOL", [3], told)}))):
        (found,) = values(data, kind)
        truths = found if kind == "npy" else found[""]
        assert truths.view(np.uint8).tolist() == [1, 0, 1]


def test_what_takes_more_memory_is_refused() -> None:
    for kind, data in (("npy", GOOD), ("npz", npz(a=np.zeros(1_000))), ("safetensors", tensor())):
        with pytest.raises(DataError, match="more than memory=4 B"):
            values(data, kind, memory=4)


def test_damage_anywhere_is_an_error_or_seen_by_nobody() -> None:
    chance = random.Random(0)
    samples = {"npy": GOOD, "npz": npz(a=np.eye(5), b=np.arange(3)), "safetensors": tensor()}
    for kind, data in samples.items():
        for _ in range(200):
            place = chance.randrange(len(data))
            for damaged in (data[:place] + bytes([chance.randrange(256)]) + data[place + 1 :], data[: place + 1]):
                for options in ({}, {"by": "row"}) if kind != "npz" else ({},):
                    try:
                        assert len(values(damaged, kind, **options)) <= 10
                    except PenstockError:
                        continue


@pytest.mark.parametrize("kind", ["<U3", ">U3", [("a", "<f4"), ("b", "<U3", (2,))]])
def test_texts_beyond_unicode_are_an_error_that_names_the_file(kind: Any) -> None:
    dtype = np.dtype(kind)
    beyond = np.array([0x61, sys.maxunicode + 1, 0], np.dtype("u4").newbyteorder(">" if kind == ">U3" else "<"))
    row = beyond.tobytes() if dtype.names is None else np.float32(1).tobytes() + 2 * beyond.tobytes()
    data = npy(np.frombuffer(2 * row, dtype))
    for options in ({}, {"by": "row"}):
        with pytest.raises(DataError, match=r"one(/0)? cannot be read: a text in it has the character 0x110000"):
            values(data, "npy", **options)
    with pytest.raises(DataError, match="0x110000"):
        values(npz(a=np.frombuffer(row, dtype)), "npz")
    with pytest.raises(ValueError, match="0x110000"):
        decode_member("a.npy", data, False, key="a.npy")
