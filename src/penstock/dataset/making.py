"""Making datasets: a function for each thing that a source may hold."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, Literal

from penstock.dataset.described import WHERE, Dataset, of_options
from penstock.dataset.placing import placed
from penstock.errors import ConfigError
from penstock.formats.registry import format_names
from penstock.stream import checks
from penstock.stream.checks import called_with, shown
from penstock.stream.options import names_checked
from penstock.tasks.split_names import split_names

__all__ = ["Source", "jsonl", "objects", "of_format", "parquet", "tar", "text", "zip"]

Source = str | os.PathLike[str] | Iterable[str | os.PathLike[str]]
_USUAL = {
    "jsonl": "*.{jsonl,ndjson}{,.gz,.zst}",
    "parquet": "*.{parquet,parq}",
    "tar": "*.{tar,tar.gz,tgz,tar.zst}",
    "text": "*.{txt,text,md}{,.gz,.zst}",
    "zip": "*.zip",
}
"""Patterns of formats' files; of others all are taken."""


@names_checked
def objects(
    source: Source,
    *,
    match: str | Iterable[str] = "*",
    group: Callable[[str], str] | None = None,
    split: str | Iterable[str] | None = None,
    config: str | None = None,
    endpoint_url: str | None = None,
    region: str | None = None,
    anonymous: bool = False,
    requester_pays: bool = False,
    storage_options: Mapping[str, Any] | None = None,
) -> Dataset:
    """Return a dataset of whole objects, whose values are their bytes.

    Args:
        source: ``s3://bucket/prefix``, ``hf://datasets/org/name``, ``https://host/folder/`` or a local folder; its last
            parts may be a pattern, like ``s3://bucket/{000..127}.tar``. Or several such, of one bucket or repository,
            which may be files as well.
        match: take the objects whose key fits this pattern, as a shell's, or one of several.
        group: gives by an object's key the name of what it belongs to, like a patient: ``split`` never puts one in two
            parts.
        split: take the files of this split, or of several, that the dataset has itself: as the card of a Hub's
            repository says, else by their names (``train/``, ``data/train-00000-of-00005.parquet``, ``dev.csv``). None
            takes all.
        config: which of the configs that the card has; None takes its default.
        endpoint_url: server of the store, where that is not its own.
        region: of the bucket; None asks for it.
        anonymous: do not sign requests, for public buckets.
        requester_pays: be charged for reading a bucket whose owner is not.
        storage_options: more of how the source is asked, by the names of fsspec's file systems, as ``Stream`` has it.

    Raises:
        ConfigError: an argument cannot be used.
    """
    made = _dataset(locals(), "objects", {})
    if group is None:
        return made
    if isinstance(group, type):
        raise ConfigError(f"group {shown(group)}", fix="give a function of (key) that gives text")
    called_with("group", group, "key")
    return replace(made, group=group)


@names_checked
def parquet(
    source: Source,
    *,
    split: str | Iterable[str] | None = None,
    config: str | None = None,
    columns: str | Iterable[str] | None = None,
    memory: str | int = "2Gi",
    match: str | Iterable[str] = _USUAL["parquet"],
    endpoint_url: str | None = None,
    region: str | None = None,
    anonymous: bool = False,
    requester_pays: bool = False,
    storage_options: Mapping[str, Any] | None = None,
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


@names_checked
def jsonl(
    source: Source,
    *,
    split: str | Iterable[str] | None = None,
    config: str | None = None,
    columns: str | Iterable[str] | None = None,
    match: str | Iterable[str] = _USUAL["jsonl"],
    endpoint_url: str | None = None,
    region: str | None = None,
    anonymous: bool = False,
    requester_pays: bool = False,
    storage_options: Mapping[str, Any] | None = None,
) -> Dataset:
    """Return a dataset of lines of JSON, each what Python's ``json`` makes of it.

    Args:
        source: as of ``objects``, as are the arguments that are not told here.
        columns: names of those of each object that are given, None where it lacks one; None gives values as they are.

    Raises:
        ConfigError: an option cannot be used.
    """
    return _dataset(locals(), "jsonl", {"columns": columns})


@names_checked
def text(
    source: Source,
    *,
    split: str | Iterable[str] | None = None,
    config: str | None = None,
    by: Literal["line", "document", "file"] = "line",
    separator: str | None = None,
    blank: bool = False,
    match: str | Iterable[str] = _USUAL["text"],
    endpoint_url: str | None = None,
    region: str | None = None,
    anonymous: bool = False,
    requester_pays: bool = False,
    storage_options: Mapping[str, Any] | None = None,
) -> Dataset:
    """Return a dataset of UTF-8 text, whose values are ``str``.

    Args:
        source: as of ``objects``, as are the arguments that are not told here.
        by: what a value is: "line", without its end; "document", what lies between separators; "file".
        separator: of documents, like ``"<|endoftext|>"``; None is one blank line or more.
        blank: give lines of white space too.

    Raises:
        ConfigError: an option cannot be used.
    """
    return _dataset(locals(), "text", {"by": by, "separator": separator, "blank": blank})


@names_checked
def tar(
    source: Source,
    *,
    split: str | Iterable[str] | None = None,
    config: str | None = None,
    sample: str | Iterable[str] | None = None,
    decoded: bool | Mapping[str, Mapping[str, Any]] = False,
    match: str | Iterable[str] = _USUAL["tar"],
    endpoint_url: str | None = None,
    region: str | None = None,
    anonymous: bool = False,
    requester_pays: bool = False,
    storage_options: Mapping[str, Any] | None = None,
) -> Dataset:
    """Return a dataset of the samples of TAR files, as WebDataset writes them, each a dictionary by extension.

    Args:
        source: as of ``objects``, as are the arguments that are not told here.
        sample: what of samples is read, like ``("jpg", "cls")``; those that lack one are left out. None is all.
        decoded: give what members mean by their extension, instead of their bytes; video and audio too where it says
            how, ``{"video": {"frames": 8, "size": [96, 96]}}``.

    Raises:
        ConfigError: an option cannot be used.
    """
    return _dataset(locals(), "tar", {"sample": sample, "decoded": decoded})


@names_checked
def zip(  # noqa: A001
    source: Source,
    *,
    split: str | Iterable[str] | None = None,
    config: str | None = None,
    by: Literal["sample", "member"] = "sample",
    sample: str | Iterable[str] | None = None,
    decoded: bool | Mapping[str, Mapping[str, Any]] = False,
    memory: str | int = "1Gi",
    match: str | Iterable[str] = _USUAL["zip"],
    endpoint_url: str | None = None,
    region: str | None = None,
    anonymous: bool = False,
    requester_pays: bool = False,
    storage_options: Mapping[str, Any] | None = None,
) -> Dataset:
    """Return a dataset of what lies in ZIP files, which are never unpacked whole.

    Args:
        source: as of ``objects``, as are the arguments that are not told here.
        by: what a value is: "sample", the members of one name, a dictionary by extension as of ``tar``; "member", each.
        sample: what of samples is read, like ``("jpg", "cls")``; those that lack one are left out. None is all.
        decoded: give what members mean by their extension, instead of their bytes; video and audio too where it says
            how, ``{"video": {"frames": 8, "size": [96, 96]}}``.
        memory: that a sample may take unpacked.

    Raises:
        ConfigError: an option cannot be used.
    """
    return _dataset(locals(), "zip", {"by": by, "sample": sample, "decoded": decoded, "memory": memory})


@names_checked
def of_format(
    name: str,
    source: Source,
    *,
    split: str | Iterable[str] | None = None,
    config: str | None = None,
    options: Mapping[str, Any] | None = None,
    match: str | Iterable[str] = "*",
    endpoint_url: str | None = None,
    region: str | None = None,
    anonymous: bool = False,
    requester_pays: bool = False,
    storage_options: Mapping[str, Any] | None = None,
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
    source, match, each = placed(given["source"], given["match"], usual=_USUAL.get(kind, "*"))
    where = {**{name: given[name] for name in WHERE}, "source": source, "match": match}
    made = Dataset(
        source=where,
        format=kind,
        options={},
        files=_splits_of(given["split"]),
        config=checks.text("config", given["config"], like="en"),
        each=each,
    )
    return of_options(made, {name: value for name, value in options.items() if value is not None})


def _splits_of(given: Any) -> tuple[str, ...]:
    """Return the names of splits of one or of several; none for all files.

    Raises:
        ConfigError: one is none.
    """
    if given is None:
        return ()
    is_several = isinstance(given, Iterable) and not isinstance(given, str | bytes)
    names = list(given) if is_several else [given]
    if not names or not all(isinstance(each, str) and each for each in names):
        raise ConfigError(f"split {shown(given)}", fix='give a name like "train", or a list of some')
    return tuple(dict.fromkeys(name for each in names for name in split_names(each)))
