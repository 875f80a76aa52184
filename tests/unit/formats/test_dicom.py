"""Images of DICOM as arrays: pydicom's own files, and ones that were made to be odd."""

from __future__ import annotations

import contextlib
import io
import pickle
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from penstock.errors import ConfigError, DataError, PenstockError
from penstock.formats.registry import open_format
from support.media_archives import tar_of
from support.ranges import Ranges

pydicom = pytest.importorskip("pydicom")

from pydicom.dataset import Dataset, FileMetaDataset  # noqa: E402
from pydicom.encaps import encapsulate  # noqa: E402
from pydicom.uid import UID, ExplicitVRLittleEndian, JPEGBaseline8Bit, SecondaryCaptureImageStorage  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")

FILES = Path(pydicom.__file__).parent / "data/test_files"


def real(name: str) -> bytes:
    return (FILES / name).read_bytes()


def value(data: bytes, **options: Any) -> Any:
    (found,) = Ranges(data).values(pickle.loads(pickle.dumps(open_format("dicom", options))))
    return found


def image(pixels: Any, *, syntax: UID = ExplicitVRLittleEndian, packed: bytes | None = None, **tags: Any) -> bytes:
    """Return a file of pixels, (height, width), of frames, or of three parts."""
    array = np.asarray(pixels)
    data = Dataset()
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = syntax
    data.file_meta.MediaStorageSOPClassUID = data.SOPClassUID = SecondaryCaptureImageStorage
    data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID = "1.2.3"
    data.Rows, data.Columns = array.shape[-2:]
    data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
    data.BitsAllocated = data.BitsStored = 8 * array.dtype.itemsize
    data.HighBit, data.PixelRepresentation = data.BitsStored - 1, int(array.dtype.kind == "i")
    if array.ndim == 3:
        data.NumberOfFrames = len(array)
    for name, told in tags.items():
        setattr(data, name, told)
    data.PixelData = array.tobytes() if packed is None else packed
    data["PixelData"].VR = "OB" if packed is not None or array.itemsize == 1 else "OW"
    file = io.BytesIO()
    pydicom.dcmwrite(file, data, enforce_file_format=True)
    return file.getvalue()


GREYS = np.array([[0, 1, 2], [100, 1000, 4095]], np.uint16)


def test_slope_and_intercept_and_stored_numbers() -> None:
    data = image(GREYS, RescaleSlope="2.5", RescaleIntercept="-1024")
    found = value(data)["pixels"]
    assert (found.dtype, found.tolist()) == (np.float32, (GREYS * 2.5 - 1024).tolist())
    assert value(data, values="stored")["pixels"].tolist() == GREYS.tolist()
    assert value(data, values="stored")["pixels"].dtype == np.uint16
    signed = GREYS.astype(np.int16) - 2000
    assert value(image(signed))["pixels"].tolist() == signed.tolist()


def test_a_real_scan_is_in_its_units() -> None:
    scan = pydicom.dcmread(io.BytesIO(real("CT_small.dcm")))
    tags = ["PatientID", "StudyDate", "PixelSpacing", "Rows", "AccessionNumber", "PatientComments"]
    found = value(real("CT_small.dcm"), tags=tags)
    assert np.array_equal(found["pixels"], scan.pixel_array * 1.0 - 1024)
    assert found["tags"] == {
        "PatientID": "1CT1",
        "StudyDate": "20040119",
        "PixelSpacing": [pytest.approx(0.661468), pytest.approx(0.661468)],
        "Rows": 128,
        "AccessionNumber": "",
        "PatientComments": None,
    }
    assert list(value(real("CT_small.dcm"))) == ["pixels"]


@pytest.mark.parametrize(
    "name", ["MR_small_RLE", "MR_small_bigendian", "MR_small_expb", "MR_small_implicit", "MR_small_jp2klossless"]
)
def test_ways_to_pack_that_lose_nothing(name: str) -> None:
    plain = value(real("MR_small.dcm"))["pixels"]
    assert np.array_equal(value(real(f"{name}.dcm"))["pixels"], plain)
    assert value(real(f"{name}.dcm"))["pixels"].dtype.isnative


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("SC_rgb_dcmtk_+eb+cr", (100, 100, 3)),
        ("SC_rgb_jpeg_dcmtk", (100, 100, 3)),
        ("SC_ybr_full_422_uncompressed", (100, 100, 3)),
        ("SC_rgb_rle_2frame", (2, 100, 100, 3)),
        ("examples_palette", (350, 800, 3)),
        ("SC_rgb_small_odd_big_endian", (3, 3, 3)),
    ],
)
def test_colours(name: str, shape: tuple[int, ...]) -> None:
    found = value(real(f"{name}.dcm"))["pixels"]
    assert (found.shape, found.dtype) == (shape, np.uint8)
    assert value(real(f"{name}.dcm"), values="window")["pixels"].tolist() == found.tolist()
    if name.startswith("SC_rgb") and shape[:2] == (100, 100):
        assert np.abs(found[5, 50].astype(int) - [255, 0, 0]).max() < 3  # the topmost of its bars is red


def test_parts_that_lie_in_planes() -> None:
    colours = np.arange(2 * 4 * 3, dtype=np.uint8).reshape(2, 4, 3)
    planes = {"SamplesPerPixel": 3, "PhotometricInterpretation": "RGB", "Rows": 2, "Columns": 4}
    by_plane = image(
        colours.transpose(2, 0, 1)[0], **planes, PlanarConfiguration=1, packed=colours.transpose(2, 0, 1).tobytes()
    )
    by_pixel = image(colours[:, :, 0], **planes, PlanarConfiguration=0, packed=colours.tobytes())
    assert value(by_plane)["pixels"].tolist() == value(by_pixel)["pixels"].tolist() == colours.tolist()


def test_images_whose_lowest_value_is_white_are_turned_round() -> None:
    data = image(GREYS, PhotometricInterpretation="MONOCHROME1", BitsStored=12, HighBit=11)
    assert value(data)["pixels"].tolist() == (4095 - GREYS.astype(int)).tolist()
    assert value(data, invert=False)["pixels"].tolist() == GREYS.tolist()
    assert value(data, values="stored")["pixels"].tolist() == (4095 - GREYS.astype(int)).tolist()
    signed = image(GREYS.astype(np.int16) - 2048, PhotometricInterpretation="MONOCHROME1", BitsStored=12, HighBit=11)
    assert value(signed)["pixels"].tolist() == (2047 - GREYS.astype(int)).tolist()


def test_windows() -> None:
    data = image(GREYS, RescaleSlope=1, RescaleIntercept=0, WindowCenter=[50, 500], WindowWidth=[101, 7])
    assert value(data, values="window")["pixels"].tolist() == [[1, 4, 6], [255, 255, 255]]
    assert value(data, values="window", window=[1000, 2001])["pixels"].tolist() == [[0, 0, 0], [13, 128, 255]]
    exact = image(GREYS, WindowCenter=50, WindowWidth=100, VOILUTFunction="LINEAR_EXACT")
    assert value(exact, values="window")["pixels"].tolist() == [[0, 3, 5], [255, 255, 255]]
    curved = image(GREYS, WindowCenter=1000, WindowWidth=1000, VOILUTFunction="SIGMOID")
    assert value(curved, values="window")["pixels"][1, 1] == 128
    assert value(image(GREYS), values="window")["pixels"].tolist() == [[0, 0, 0], [6, 62, 255]]
    assert value(image(GREYS * 0 + 7), values="window")["pixels"].tolist() == [[128] * 3] * 2


def test_frames() -> None:
    frames = np.arange(3 * 2 * 4, dtype=np.uint8).reshape(3, 2, 4)
    assert value(image(frames))["pixels"].tolist() == frames.tolist()
    assert value(image(frames), frame=1)["pixels"].tolist() == frames[1].tolist()
    with pytest.raises(DataError, match="one has 3 frames: give a frame below 3"):
        value(image(frames), frame=3)
    each = [Dataset() for _ in range(3)]
    for number, group in enumerate(each):
        way = Dataset()
        way.RescaleSlope, way.RescaleIntercept, way.RescaleType = number + 1, -number, "US"
        group.PixelValueTransformationSequence = [way]
    found = value(image(frames, PerFrameFunctionalGroupsSequence=each))["pixels"]
    assert found.tolist() == [(frames[n] * (n + 1.0) - n).tolist() for n in range(3)]
    shared = value(image(frames, SharedFunctionalGroupsSequence=[each[1]]))["pixels"]
    assert shared.tolist() == (frames * 2.0 - 1).tolist()


def test_groups_are_those_of_a_tag() -> None:
    data = image(np.zeros((600, 600), np.uint8), PatientID="p7", StudyDate="20200101")
    source = Ranges(data)
    ((extent,), _) = source.index(open_format("dicom", {"group_by": "PatientID"}))
    assert (extent.group, source.read_bytes) == ("p7", 65536)
    source = Ranges(data, "d/a.dcm")
    ((extent,), _) = source.index(open_format("dicom", {}))
    assert (extent.group, source.read_bytes) == ("d", 0)
    with pytest.raises(DataError, match="one has no PatientName: leave it out, or group by another tag"):
        Ranges(data).index(open_format("dicom", {"group_by": "PatientName"}))
    with pytest.raises(DataError, match="one is no DICOM: no DICM stands at byte 128"):
        Ranges(b"x" * 500).index(open_format("dicom", {"group_by": "PatientID"}))


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("MR_small_jpeg_ls_lossless", "is packed by JPEG-LS Lossless Image Compression, which nothing here unpacks"),
        ("SC_rgb_jpeg_gdcm", "is packed by JPEG Lossless, Non-Hierarchical, First-Order Prediction"),
        ("JPGExtended", "cannot be decoded: .*12-bit"),
        ("MR_truncated", "cannot be decoded: .*8130 vs 8192 bytes"),
        ("rtplan", "has no pixels"),
        ("no_meta", "is no DICOM: no DICM stands at byte 128"),
    ],
)
def test_what_cannot_be_read_is_told(name: str, told: str) -> None:
    with pytest.raises(DataError, match=f"^one {told}"):
        value(real(f"{name}.dcm"))


def test_what_an_image_takes_is_bounded() -> None:
    with pytest.raises(DataError, match=r"one is of 60000 x 60000 pixels, .* which take .*, more than memory=1\.0 GiB"):
        value(image(GREYS, Rows=60_000, Columns=60_000))
    with pytest.raises(DataError, match="more than memory="):
        value(real("CT_small.dcm"), memory="64Ki")
    with pytest.raises(DataError, match="more than memory="):
        value(image(GREYS, NumberOfFrames=2_000_000_000))
    jpeg = io.BytesIO()
    pytest.importorskip("PIL.Image").new("L", (300, 200)).save(jpeg, "JPEG")
    lying = image(GREYS.astype(np.uint8), syntax=JPEGBaseline8Bit, packed=encapsulate([jpeg.getvalue()]))
    with pytest.raises(DataError, match="one cannot be decoded: a frame of 200 x 300 pixels in an image of 2 x 3"):
        value(lying)


def test_a_file_that_unpacks_to_too_much_is_refused() -> None:
    assert value(real("image_dfl.dcm"))["pixels"].shape == (512, 512)
    data = real("image_dfl.dcm")
    start = 128 + 4 + 12 + struct.unpack_from("<I", data, 128 + 4 + 8)[0]
    pack = zlib.compressobj(9, zlib.DEFLATED, -15)
    bomb = data[:start] + pack.compress(bytes(64 << 20)) + pack.flush()
    assert len(bomb) < 1 << 20
    with pytest.raises(DataError, match=r"one unpacks to more than memory=16\.0 MiB"):
        value(bomb, memory="16Mi")


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"values": "hu"}, "values 'hu': choose one of: rescaled, stored, window"),
        ({"window": [1, 2]}, "window with values='rescaled'"),
        ({"values": "window", "window": [40]}, r"window '\[40\]': give centre and width"),
        ({"values": "window", "window": [40, 0]}, "window"),
        ({"values": "window", "window": [40, "x"]}, "window"),
        ({"frame": -1}, "frame '-1'"),
        ({"invert": 1}, "invert 1: give true or false"),
        ({"tags": ["PatientId"]}, "there is no DICOM tag 'PatientId': did you mean.*PatientID"),
        ({"tags": ["ReferencedImageSequence"]}, "the DICOM tag 'ReferencedImageSequence' is a sequence"),
        ({"group_by": 7}, "group_by '7'"),
    ],
)
def test_options_that_cannot_be_used(options: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        open_format("dicom", options)


def test_members_of_archives() -> None:
    data = tar_of({"a/1.dcm": image(GREYS), "a/1.cls": b"3"})
    (found,) = Ranges(data).values(open_format("tar", {"decoded": {"dicom": {"values": "stored"}}}))
    assert (found["dcm"]["pixels"].tolist(), found["cls"]) == (GREYS.tolist(), 3)


def test_any_damage_is_an_error_or_decoded() -> None:
    chance = np.random.default_rng(0)
    for name in ("MR_small_RLE", "SC_rgb_jpeg_dcmtk", "image_dfl", "SC_rgb_small_odd"):
        data = real(f"{name}.dcm")
        for _ in range(60):
            bad = bytearray(data)
            for place in chance.integers(0, min(len(bad), 3000), 3):
                bad[place] = chance.integers(0, 256)
            with contextlib.suppress(PenstockError):
                value(bytes(bad[: int(chance.integers(1, len(bad) + 1))]))


def test_a_tag_of_no_kind_that_there_is_is_told() -> None:
    data = image(GREYS, PatientID="p7")
    at = data.index(b"\x10\x00\x20\x00LO") + 4
    bad = data[:at] + b"LC" + data[at + 2 :]
    with pytest.raises(DataError, match="one cannot be decoded: Unknown Value Representation 'LC'"):
        value(bad, tags=["PatientID"])
    with pytest.raises(DataError, match="one cannot be read: Unknown Value Representation 'LC'"):
        Ranges(bad).index(open_format("dicom", {"group_by": "PatientID"}))
