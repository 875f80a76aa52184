"""Formats by name: our own, one line each, and those of entry points ``penstock.formats``."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any, Final, cast

from penstock.errors import ConfigError
from penstock.formats.protocols import Format
from penstock.plugins import Registry
from penstock.texts import did_you_mean

__all__ = ["format_names", "format_options", "open_format", "own_format_names", "table_formats", "usual_split"]

_FORMATS: Final = Registry(
    kind="format",
    group="penstock.formats",
    own={
        "arrow": "penstock.formats.arrow:Arrow",
        "audio": "penstock.formats.media:Audio",
        "csv": "penstock.formats.csv:Csv",
        "dicom": "penstock.formats.dicom:Dicom",
        "hdf5": "penstock.formats.hdf5:Hdf5",
        "json": "penstock.formats.jsonl:Json",
        "jsonl": "penstock.formats.jsonl:Jsonl",
        "lance": "penstock.formats.lance:Lance",
        "litdata": "penstock.formats.litdata:LitData",
        "mds": "penstock.formats.mds:Mds",
        "npy": "penstock.formats.arrays:Npy",
        "npz": "penstock.formats.arrays:Npz",
        "objects": "penstock.formats.whole:WholeObject",
        "parquet": "penstock.formats.parquet:Parquet",
        "recordings": "penstock.formats.recordings:Recordings",
        "safetensors": "penstock.formats.arrays:Safetensors",
        "tar": "penstock.formats.tar:Tar",
        "text": "penstock.formats.text:Text",
        "video": "penstock.formats.media:Video",
        "zarr": "penstock.formats.zarr:Zarr",
        "zip": "penstock.formats.zip:Zip",
    },
)


def format_names() -> tuple[str, ...]:
    """Return the names of all formats."""
    return tuple(_FORMATS.names())


def own_format_names() -> tuple[str, ...]:
    """Return the names of our own formats, which no installed package adds to."""
    return tuple(_FORMATS.own)


def format_options(name: str) -> tuple[str, ...]:
    """Return the names of a format's options.

    Raises:
        ConfigError: there is no such format, or it cannot be imported.
    """
    return tuple(inspect.signature(cast("Callable[..., Format]", _FORMATS.load(name))).parameters)


def usual_split(name: str) -> str:
    """Return what splits of a format go by where nobody says: what is cut out of one file is alike, and stays together.

    A format says so of itself, by ``usual_split``, as ``Dataset.split`` has its ``by``.

    Raises:
        ConfigError: there is no such format, or it cannot be imported.
    """
    return str(getattr(_FORMATS.load(name), "usual_split", "sample"))


def table_formats() -> dict[str, tuple[str, ...]]:
    """Return the formats whose samples are dictionaries by column, each with the endings of its objects' names.

    A format says so of itself, by ``table_endings``; one of another package that cannot be imported is not among them.

    Raises:
        ConfigError: one says something else.
    """
    found = {}
    for name in _FORMATS.names():
        try:
            endings = getattr(_FORMATS.load(name), "table_endings", None)
        except ConfigError:
            if name in _FORMATS.own:
                raise
            continue
        if endings is None:
            continue
        if not isinstance(endings, tuple | list) or not all(isinstance(ending, str) for ending in endings):
            raise ConfigError(
                f"the table_endings of the format {name!r} are {endings!r}", fix='make them names\' endings: ("rows",)'
            )
        found[name] = tuple(ending.lower().removeprefix(".") for ending in endings)
    return found


def open_format(name: str, options: Mapping[str, Any]) -> Format:
    """Return a format with its options; nothing is read.

    Raises:
        ConfigError: there is no such format, it cannot be imported, or an option is not one that it can use.
    """
    make = cast("Callable[..., Format]", _FORMATS.load(name))
    known = list(inspect.signature(make).parameters)
    wrong = next((each for each in options if each not in known), None)
    if wrong is not None:
        meant = did_you_mean(wrong, known)
        raise ConfigError(
            f"the format {name!r} has no option {wrong!r}", fix=f"{meant}its options are: {', '.join(known) or 'none'}"
        )
    return make(**options)
