"""Making datasets: a function for each thing that a source may hold."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Any

from penstock.dataset.described import WHERE, Dataset, of_options
from penstock.errors import ConfigError
from penstock.formats.registry import format_names
from penstock.stream.checks import shown

__all__ = ["jsonl", "objects", "of_format", "parquet", "tar"]


def objects(
    source: str | os.PathLike[str],
    *,
    match: str | Iterable[str] = "*",
    endpoint_url: str | None = None,
    region: str | None = None,
    anonymous: bool = False,
    requester_pays: bool = False,
) -> Dataset:
    """Return a dataset of whole objects, whose values are their bytes.

    Args:
        source: ``s3://bucket/prefix``, ``hf://datasets/org/name``, ``https://host/folder/`` or a local folder.
        match: take the objects whose key fits this pattern, as a shell's, or one of several.
        endpoint_url: S3-compatible server; None is AWS.
        region: of the bucket; None asks for it.
        anonymous: do not sign requests, for public buckets.
        requester_pays: be charged for reading a bucket whose owner is not.
    """
    return _dataset(locals(), "objects", {})


def parquet(
    source: str | os.PathLike[str],
    *,
    columns: str | Iterable[str] | None = None,
    memory: str | int = "2Gi",
    match: str | Iterable[str] = "*.{parquet,parq}",
    endpoint_url: str | None = None,
    region: str | None = None,
    anonymous: bool = False,
    requester_pays: bool = False,
) -> Dataset:
    """Return a dataset of the rows of Parquet files, each a dictionary by column.

    Args:
        source: as of ``objects``, as are the arguments that are not told here.
        columns: paths of columns, or of groups of them, like ``"image.bytes"``; None is all. Nothing else is read.
        memory: that a row group's chosen columns may take unpacked.

    Raises:
        ConfigError: an option cannot be used.
    """
    return _dataset(locals(), "parquet", {"columns": columns, "memory": memory})


def jsonl(
    source: str | os.PathLike[str],
    *,
    columns: str | Iterable[str] | None = None,
    match: str | Iterable[str] = "*.{jsonl,ndjson}",
    endpoint_url: str | None = None,
    region: str | None = None,
    anonymous: bool = False,
    requester_pays: bool = False,
) -> Dataset:
    """Return a dataset of lines of JSON, each what Python's ``json`` makes of it.

    Args:
        source: as of ``objects``, as are the arguments that are not told here.
        columns: names of those of each object that are given, None where it lacks one; None gives values as they are.

    Raises:
        ConfigError: an option cannot be used.
    """
    return _dataset(locals(), "jsonl", {"columns": columns})


def tar(
    source: str | os.PathLike[str],
    *,
    sample: str | Iterable[str] | None = None,
    decoded: bool = False,
    match: str | Iterable[str] = "*.tar",
    endpoint_url: str | None = None,
    region: str | None = None,
    anonymous: bool = False,
    requester_pays: bool = False,
) -> Dataset:
    """Return a dataset of the samples of TAR files, as WebDataset writes them, each a dictionary by extension.

    Args:
        source: as of ``objects``, as are the arguments that are not told here.
        sample: what of samples is read, like ``("jpg", "cls")``; those that lack one are left out. None is all.
        decoded: give what members mean by their extension, instead of their bytes.

    Raises:
        ConfigError: an option cannot be used.
    """
    return _dataset(locals(), "tar", {"sample": sample, "decoded": decoded})


def of_format(
    name: str,
    source: str | os.PathLike[str],
    *,
    options: Mapping[str, Any] | None = None,
    match: str | Iterable[str] = "*",
    endpoint_url: str | None = None,
    region: str | None = None,
    anonymous: bool = False,
    requester_pays: bool = False,
) -> Dataset:
    """Return a dataset of any format, such as one of an installed package's.

    Args:
        name: of the format.
        source: as of ``objects``, as are the arguments that are not told here.
        options: of the format, of what JSON has.

    Raises:
        ConfigError: there is no such format, or an option cannot be used.
    """
    if not isinstance(name, str):
        raise ConfigError(f"name {shown(name)}", fix=f"choose one of: {', '.join(format_names())}")
    given = {} if options is None else options
    if not isinstance(given, Mapping) or not all(isinstance(each, str) for each in given):
        raise ConfigError(f"options {shown(options)}", fix='give them by their names, like {"columns": ["a", "b"]}')
    return _dataset(locals(), name, given)


def _dataset(given: Mapping[str, Any], kind: str, options: Mapping[str, Any]) -> Dataset:
    made = Dataset(source={name: given[name] for name in (*WHERE, "match")}, format=kind, options={})
    return of_options(made, {name: value for name, value in options.items() if value is not None})
