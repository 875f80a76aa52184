"""What objects are, by their names and by their first bytes."""

from __future__ import annotations

import re
from typing import Final

from penstock.formats.magic import kind_of

__all__ = ["HEAD_BYTES", "expected_kind", "extension_of", "format_of", "kind_of_head", "mismatch_of"]

HEAD_BYTES: Final = 4096
"""That it takes to tell by."""
_PACKED: Final = (".gz", ".zst", ".zstd", ".bz2", ".xz")
_LONGEST: Final = 12
_FORMATS: Final = {
    **dict.fromkeys((".parquet", ".parq"), "parquet"),
    **dict.fromkeys((".tar", ".tar.gz", ".tgz", ".tar.zst"), "tar"),
    **dict.fromkeys((f"{name}{packed}" for name in (".jsonl", ".ndjson") for packed in ("", ".gz", ".zst")), "jsonl"),
    **dict.fromkeys((f"{name}{packed}" for name in (".csv", ".tsv") for packed in ("", ".gz", ".zst")), "csv"),
    **dict.fromkeys((f"{name}{packed}" for name in (".txt", ".text", ".md") for packed in ("", ".gz", ".zst")), "text"),
    **dict.fromkeys((".arrow", ".feather", ".ipc"), "arrow"),
    **dict.fromkeys((".mds", ".mds.gz", ".mds.zstd", ".mds.zst"), "mds"),
    **dict.fromkeys((".bdf", ".edf", ".vhdr", ".set", ".fif"), "recordings"),
    **dict.fromkeys((".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".flv", ".wmv"), "video"),
    **dict.fromkeys((".wav", ".flac", ".mp3", ".ogg", ".oga", ".opus", ".m4a", ".aac", ".aif", ".aiff"), "audio"),
    ".dcm": "dicom",
    ".json": "json",
    ".npy": "npy",
    ".npz": "npz",
    ".safetensors": "safetensors",
    **dict.fromkeys((".h5", ".hdf5", ".nc", ".nc4"), "hdf5"),
    ".zarr": "zarr",
    ".zip": "zip",
}
_NAMED: Final = {
    "lance": re.compile(r"\d{1,20}\.manifest"),
    "litdata": re.compile(r"chunk-\d+-\d+(\.zstd.*)?\.bin"),
}
"""Of names that tell more than their extensions do."""
_ZARR: Final = ("zarr.json", ".zarray", ".zgroup")
"""Of what tells of the chunks beside it."""
_BY_KIND: Final = {
    "Parquet": "parquet",
    "Arrow": "arrow",
    "TAR": "tar",
    "ZIP": "zip",
    "HDF5": "hdf5",
    "NumPy": "npy",
    "safetensors": "safetensors",
}
_KINDS: Final = {
    **dict.fromkeys((".jpg", ".jpeg"), "JPEG"),
    **dict.fromkeys((".parquet", ".parq"), "Parquet"),
    **dict.fromkeys((".zip", ".npz"), "ZIP"),
    **dict.fromkeys((".tif", ".tiff"), "TIFF"),
    **dict.fromkeys((".arrow", ".feather", ".ipc"), "Arrow"),
    **dict.fromkeys((".h5", ".hdf5"), "HDF5"),
    **dict.fromkeys((".mp4", ".m4v", ".mov", ".m4a"), "MP4"),
    **dict.fromkeys((".mkv", ".webm"), "Matroska"),
    **dict.fromkeys((".txt", ".text", ".md", ".csv", ".tsv", ".json", ".jsonl", ".ndjson"), "text"),
    ".png": "PNG",
    ".gif": "GIF",
    ".bmp": "BMP",
    ".webp": "WebP",
    ".npy": "NumPy",
    ".safetensors": "safetensors",
    ".tar": "TAR",
    ".tgz": "gzip",
    ".gz": "gzip",
    **dict.fromkeys((".zst", ".zstd"), "Zstandard"),
    ".bz2": "bzip2",
    ".xz": "xz",
    ".7z": "7-Zip",
    ".rar": "RAR",
    ".wav": "WAV",
    ".flac": "FLAC",
    ".ogg": "Ogg",
    ".pdf": "PDF",
    ".dcm": "DICOM",
    ".bdf": "BDF",
    ".edf": "EDF",
    ".vhdr": "BrainVision",
    ".fif": "FIF",
}
"""What extensions promise."""
_MAY_LACK: Final = ("TAR", "DICOM", "Arrow", "MP4")
"""Kinds of which there are some without their first bytes."""
_MAGIC: Final = (
    (128, b"DICM", "DICOM"),  # first: what stands before it may be a TIFF's begin
    (0, b"\xff\xd8\xff", "JPEG"),
    (0, b"\x89PNG\r\n\x1a\n", "PNG"),
    (0, b"GIF8", "GIF"),
    (0, b"BM", "BMP"),
    (0, b"II*\x00", "TIFF"),
    (0, b"MM\x00*", "TIFF"),
    (8, b"WEBP", "WebP"),
    (8, b"WAVE", "WAV"),
    (0, b"fLaC", "FLAC"),
    (0, b"OggS", "Ogg"),
    (4, b"ftyp", "MP4"),
    (0, b"\x1aE\xdf\xa3", "Matroska"),
    (0, b"\x93NUMPY", "NumPy"),
    (257, b"ustar", "TAR"),
    (0, b"\xffBIOSEMI", "BDF"),
    (0, b"0       ", "EDF"),
    (0, b"Brain Vision", "BrainVision"),
    (0, b"BrainVision", "BrainVision"),
    (0, b"\0\0\0\x64\0\0\0\x1f\0\0\0\x14", "FIF"),
    (0, b"MATLAB 5.0 MAT-file", "MATLAB"),
    (0, b"MATLAB 7.3 MAT-file", "MATLAB"),
    (0, b"\x89HDF\r\n\x1a\n", "HDF5"),
    (0, b"%PDF", "PDF"),
    (0, b"\xff\xff\xff\xff", "Arrow"),
    (0, b"SQLite format 3\x00", "SQLite"),
)
_CONTROLS: Final = frozenset(range(32)) - frozenset(b"\t\n\v\f\r\x1b")


def extension_of(key: str) -> str:
    """Return a key's extension in small letters, with that of what it is packed in: ``.jsonl.gz``; or the empty one."""
    name = key.rpartition("/")[2].lower()
    if name in _ZARR:
        return ".zarr"
    if not name.strip("0123456789."):  # chunks of Zarr are named by their places
        return ""
    name = name.lstrip(".")
    stem, dot, last = name.rpartition(".")
    if not dot or not stem or len(last) > _LONGEST or not last.isascii() or not last.isalnum():
        return ""
    if f".{last}" not in _PACKED:
        return f".{last}"
    inner = extension_of(stem)
    return f"{inner}.{last}" if inner not in _PACKED else f".{last}"


def kind_of_head(head: bytes) -> str:
    """Return what first bytes are of; empty where that is not known."""
    if kind := next((kind for at, magic, kind in _MAGIC if head[at : at + len(magic)] == magic), ""):
        return kind
    if kind := kind_of(head):
        return kind
    length = int.from_bytes(head[:8], "little")
    if 2 <= length < 100 << 20 and head[8:10] in (b'{"', b"{}"):
        return "safetensors"
    return "text" if _is_text(head) else ""


def _is_text(head: bytes) -> bool:
    for cut in range(4):  # the last letter may have been cut
        try:
            head[: len(head) - cut].decode()
        except UnicodeDecodeError:
            continue
        return not _CONTROLS.intersection(head)
    return False


def expected_kind(extension: str) -> str:
    """Return what first bytes an extension promises; empty where any may be."""
    whole = _KINDS.get(extension, "")
    return whole or _KINDS.get(f".{extension.rpartition('.')[2]}", "")


def mismatch_of(extension: str, kind: str) -> str:
    """Tell of an object whose first bytes are not what its extension promises; nothing where they are."""
    promised = expected_kind(extension)
    if not promised or kind == promised or (not kind and promised in _MAY_LACK):
        return ""
    return f"is {kind} by its first bytes" if kind else f"is no {promised} by its first bytes"


def format_of(extension: str, kind: str, head: bytes, key: str = "") -> str:
    """Return the format that reads such objects; ``objects`` where each is a sample as it is.

    Args:
        key: of one of them, where it is known; some are told by all of their names.
        kind: by the first bytes, ``head``; both may be empty.
    """
    by_name = _FORMATS.get(extension, "") or next(
        (name for name, named in _NAMED.items() if named.fullmatch(key.rpartition("/")[2])), ""
    )
    if by_name == "json" and not head.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"["):
        return "objects"
    promised = expected_kind(extension)
    if by_name and (not kind or kind == promised):
        return by_name
    return _BY_KIND.get(kind) or ("objects" if kind and promised else by_name or "objects")
