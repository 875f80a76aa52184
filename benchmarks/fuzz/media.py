"""Small files of video, audio and DICOM, with options to read each by."""

from __future__ import annotations

import io
from typing import Any

import numpy as np

from support.media import film
from support.media_archives import tar_of

__all__ = ["media"]

CLIPS = {"seconds": 0.2, "stride": 0.15}
SMALL: dict[str, Any] = {"count": 6, "size": (16, 16), "gop": 3, "sound_rate": 8000}

SOUNDS = (
    ("wav", "pcm_s16le"),
    ("flac", "flac"),
    ("mp3", "libmp3lame"),
    ("ipod", "aac"),
    ("ogg", "flac"),
    ("aiff", "pcm_s16be"),
    ("caf", "pcm_s16le"),
    ("adts", "aac"),
)


def media() -> list[tuple[str, bytes, list[dict[str, Any]]]]:
    """Return formats with an object of each, and options to read it by."""
    video: list[dict[str, Any]] = [
        {},
        {"clips": CLIPS, "fps": 5},
        {"frames": 3, "size": [8, 8], "audio": True, "missing": "none"},
    ]
    audio: list[dict[str, Any]] = [{}, {"clips": CLIPS, "rate": 8000, "channels": 1}]
    fragments = {"movflags": "frag_keyframe+empty_moov+default_base_moof"}
    films = [
        film("mp4", "mpeg4", sound="aac", **SMALL),
        film("mp4", "mpeg4", options=fragments, **SMALL),
        film("mov", "mjpeg", sound="pcm_s16le", pixels="yuvj420p", **SMALL),
        film("matroska", "mpeg4", sound="aac", **SMALL),
        film("webm", "libvpx", **SMALL),
        film("avi", "mpeg4", **SMALL),
        film("mpegts", "mpeg2video", **{**SMALL, "sound_rate": 48000}, rate=25),
        film("mpeg", "mpeg1video", sound="mp2", **{**SMALL, "sound_rate": 44100}, rate=25),
        film("flv", "flv", **SMALL),
        film("mpegts", "libx264", **SMALL),
        film("mp4", "libx264", **SMALL),
    ]
    sounds = [film(container, "", sound=codec, **SMALL) for container, codec in SOUNDS]
    grouped = {"values": "window", "tags": ["PatientID"], "group_by": "PatientID"}
    tar = tar_of({"a.mp4": films[0], "a.wav": sounds[0]})
    return [
        *(("video", each, video) for each in films),
        *(("audio", each, audio) for each in [*sounds, films[0], films[3]]),
        ("tar", tar, [{"decoded": {"video": {"frames": 2}, "audio": {}}}]),
        *(("dicom", each, [{}, grouped]) for each in images()),
    ]


def images() -> list[bytes]:
    import pydicom
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

    made = []
    for syntax in (ExplicitVRLittleEndian, ImplicitVRLittleEndian, DeflatedExplicitVRLittleEndian):
        image = Dataset()
        image.file_meta = FileMetaDataset()
        image.file_meta.TransferSyntaxUID = syntax
        image.SOPClassUID, image.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.7", "1.2.3"
        image.PatientID, image.Rows, image.Columns, image.NumberOfFrames = "p", 4, 5, 2
        image.SamplesPerPixel, image.PhotometricInterpretation = 1, "MONOCHROME1"
        image.BitsAllocated, image.BitsStored, image.HighBit, image.PixelRepresentation = 16, 12, 11, 0
        image.RescaleSlope, image.RescaleIntercept, image.WindowCenter, image.WindowWidth = 2, -7, 40, 90
        image.PixelData = np.arange(40, dtype="<u2").tobytes()
        image["PixelData"].VR = "OW"
        file = io.BytesIO()
        pydicom.dcmwrite(file, image, enforce_file_format=True)
        made.append(file.getvalue())
        if syntax is ExplicitVRLittleEndian:
            from pydicom.uid import RLELossless

            image.compress(RLELossless)
            file = io.BytesIO()
            pydicom.dcmwrite(file, image, enforce_file_format=True)
            made.append(file.getvalue())
    return made
