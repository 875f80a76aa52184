"""Unpacking of chunks by the codecs of their metadata, never to more bytes than are allowed; nothing is unpickled.

The numbers are those of numcodecs; what it unpacks without a bound is unpacked here.
"""

from __future__ import annotations

import bz2
import lzma
import zlib
from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np

from penstock.extras import import_extra
from penstock.formats.unzstd import unzstd

__all__ = ["ARRAYS", "PACKERS", "numcodecs_of", "unpack"]

ARRAYS: Final = frozenset({"delta", "fixedscaleoffset", "quantize", "bitround"})
"""Codecs of numcodecs that change numbers, not how they are packed."""
_CHECKSUMS: Final = frozenset({"crc32", "crc32c", "adler32", "fletcher32", "jenkins_lookup3"})
_BLOSC_HEAD: Final = 16


def numcodecs_of(name: str, config: Mapping[str, Any]) -> Any:
    """Return a codec of numcodecs.

    Raises:
        ConfigError: numcodecs is not there.
        ValueError: there is no such codec, or its settings are wrong.
    """
    numcodecs = import_extra("numcodecs", "zarr", what="chunks of Zarr are unpacked by numcodecs")
    try:
        return numcodecs.get_codec({**config, "id": name})
    except Exception as error:  # of whatever kind its settings make it raise
        raise ValueError(f"the codec {name[:40]!r} of {str(dict(config))[:80]}: {error}") from error


def unpack(name: str, config: Mapping[str, Any], data: bytes, most: int) -> bytes:
    """Return what bytes unpack to.

    Raises:
        ValueError: they are damaged, unpack to more than ``most`` bytes, or the codec is not read.
        ConfigError: numcodecs is not there.
    """
    packer = PACKERS.get(name)
    if packer is None:
        raise ValueError(f"the codec {name[:40]!r}, which is not read")
    return packer(name, config, data, most)


def _by_numcodecs(name: str, config: Mapping[str, Any], data: bytes, most: int) -> bytes:
    codec = numcodecs_of(name, config)
    try:
        found = codec.decode(data)
    except Exception as error:  # of whatever kind damage makes it raise
        raise ValueError(f"{name}: {type(error).__name__}: {error}") from error
    made = found if isinstance(found, bytes) else np.ascontiguousarray(found).tobytes()
    return _bounded(made, most)


def _bounded(made: bytes, most: int) -> bytes:
    if len(made) > most:
        raise ValueError(f"what unpacks to {len(made)} bytes, more than {most}")
    return made


def _blosc(name: str, config: Mapping[str, Any], data: bytes, most: int) -> bytes:
    if len(data) < _BLOSC_HEAD:
        raise ValueError(f"{len(data)} bytes of Blosc")
    unpacked, packed = (int.from_bytes(data[at : at + 4], "little") for at in (4, 12))
    if packed != len(data) or unpacked > most:
        raise ValueError(f"Blosc of {packed} bytes that unpack to {unpacked}, in {len(data)} bytes of {most}")
    return _by_numcodecs("blosc", {}, data, most)


def _lz4(name: str, config: Mapping[str, Any], data: bytes, most: int) -> bytes:
    unpacked = int.from_bytes(data[:4], "little", signed=True)
    if len(data) < 5 or not 0 < unpacked <= most:
        raise ValueError(f"LZ4 that unpacks to {unpacked} bytes, of {most}")
    return _by_numcodecs("lz4", {}, data, most)


def _inflate(name: str, config: Mapping[str, Any], data: bytes, most: int) -> bytes:
    """Unpack zlib, or members of gzip one behind the other."""
    found, rest = bytearray(), data
    while rest:
        inflater = zlib.decompressobj(zlib.MAX_WBITS | (16 if name == "gzip" else 0))
        found += _limited(inflater.decompress, rest, most + 1 - len(found))
        if len(found) > most or not inflater.eof:
            raise ValueError(f"{name} that is cut off, or unpacks to more than {most} bytes")
        rest = inflater.unused_data if name == "gzip" else b""
    return bytes(found)


def _limited(decompress: Callable[..., bytes], data: bytes, most: int) -> bytes:
    try:
        return decompress(data, max(most, 1))
    except (OSError, EOFError, zlib.error, lzma.LZMAError) as error:
        raise ValueError(str(error)) from error


def _bz2(name: str, config: Mapping[str, Any], data: bytes, most: int) -> bytes:
    codec = bz2.BZ2Decompressor()
    found = _limited(codec.decompress, data, most + 1)
    if not codec.eof:
        raise ValueError(f"bz2 that is cut off, or unpacks to more than {most} bytes")
    return _bounded(found, most)


def _lzma(name: str, config: Mapping[str, Any], data: bytes, most: int) -> bytes:
    if config.get("format", 1) not in (0, 1) or config.get("filters"):
        return _by_lzma_settings(config, data, most)
    codec = lzma.LZMADecompressor(memlimit=1 << 30)
    found = _limited(codec.decompress, data, most + 1)
    if not codec.eof:
        raise ValueError(f"lzma that is cut off, or unpacks to more than {most} bytes")
    return _bounded(found, most)


def _by_lzma_settings(config: Mapping[str, Any], data: bytes, most: int) -> bytes:
    try:
        filters = config.get("filters") if config.get("format") == lzma.FORMAT_RAW else None
        codec = lzma.LZMADecompressor(format=int(config["format"]), filters=filters)
    except (ValueError, TypeError, lzma.LZMAError, KeyError) as error:
        raise ValueError(f"lzma of {str(dict(config))[:80]}: {error}") from error
    return _bounded(_limited(codec.decompress, data, most + 1), most)


PACKERS: Final[dict[str, Callable[[str, Mapping[str, Any], bytes, int], bytes]]] = {
    "blosc": _blosc,
    "bz2": _bz2,
    "gzip": _inflate,
    "lz4": _lz4,
    "lzma": _lzma,
    "shuffle": _by_numcodecs,
    "zlib": _inflate,
    "zstd": lambda name, config, data, most: unzstd(data, most),
    **dict.fromkeys(_CHECKSUMS, _by_numcodecs),
}
"""Codecs of bytes, by their names."""
