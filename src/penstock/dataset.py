"""Datasets: what lies in a source, in which format, and which part of it; nothing is read before it is asked for.

ds = penstock.parquet("s3://bucket/tables", columns=["text", "label"])
train, valid = ds.split(valid=0.2)
with train.loader(64, window="2Gi", workers=2) as loader:
    for epoch in range(10):
        for batch in loader:
            ...
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import msgspec
import numpy as np
from torch.utils.data import default_collate

from penstock.errors import ConfigError
from penstock.files import atomic_write
from penstock.formats.registry import format_names, open_format
from penstock.manifest import ManifestInfo
from penstock.patterns import matcher
from penstock.sources import locate
from penstock.stream import checks
from penstock.stream.checks import called_with, choice, count, shown
from penstock.stream.face import Stream
from penstock.stream.options import Data, Options, names_checked, options_of, pattern_of
from penstock.stream.reading import words_of
from penstock.stream.words import in_python
from penstock.stream_listing import ListingProcess
from penstock.temporary import TemporaryFolder

__all__ = ["Dataset", "objects", "of_format", "parquet", "tar"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Dataset:
    """A dataset, lazy: ``objects``, ``parquet``, ``tar`` and ``of_format`` make it, its methods make others of it.

    Attributes:
        source: arguments of the source, by their names as ``Stream`` has them.
        format: name of the format.
        options: of the format.
        functions: that values go through, one after the other.
        data: what the listing is asked for.
    """

    source: Mapping[str, Any]
    format: str
    options: Mapping[str, Any]
    functions: tuple[Callable[[Any], Any], ...] = ()
    data: Data = field(default_factory=Data)

    def map(self, function: Callable[[Any], Any]) -> Dataset:
        """Give a dataset of the values that a function makes of this one's, in the loading workers."""
        called_with("function", function, "value")
        return replace(self, functions=(*self.functions, function))

    def where(self, match: str | Iterable[str]) -> Dataset:
        """Give a dataset of what has a key that fits a pattern, as a shell's, or one of several.

        Args:
            match: of an object's key; of a TAR sample's, like ``shard.tar/folder/0001``; of a Parquet row group's, like
                ``file.parquet/0``. Where ``where`` comes after ``where``, keys fit both.

        Raises:
            ConfigError: it is no pattern.
        """
        pattern = pattern_of("match", match)
        matcher(pattern)
        return replace(self, data=replace(self.data, where=(*self.data.where, pattern)))

    def select(self, names: str | Iterable[str]) -> Dataset:
        """Give a dataset of some columns of Parquet, or of some members of the samples of TAR files.

        Raises:
            ConfigError: the format has none, or it is no list of names.
        """
        option = {"parquet": "columns", "tar": "sample"}.get(self.format)
        if option is None:
            raise ConfigError(
                f"nothing can be selected of the format {self.format!r}", fix="take what is wanted by map"
            )
        return _of(self, {**self.options, option: names})

    def split(
        self, *, valid: float, test: float = 0.0, by: Literal["sample", "group"] = "sample", seed: int = 0
    ) -> tuple[Dataset, ...]:
        """Give this dataset in parts: for training, for validation, and for a test where ``test`` is above 0.

        What is of which part follows from its name and the seed alone: what is added later moves nothing.

        Args:
            valid: fraction for validation, which comes out near.
            test: fraction for a test.
            by: "sample" splits samples (of Parquet row groups, that are read as one); "group" keeps whole what lies in
                one file of Parquet or TAR, or in one first folder of objects.
            seed: that decides.

        Raises:
            ConfigError: it is split already, or the fractions are none.
        """
        if self.data.split_seed is not None:
            raise ConfigError("this dataset is a part of one already", fix="split the whole by valid and test at once")
        shares = _fraction("valid", valid), _fraction("test", test)
        if not 0 < sum(shares) < 1:
            raise ConfigError(
                f"valid {valid} and test {test}", fix="give fractions above 0 that are less than 1 together"
            )
        data = replace(
            self.data,
            fractions=(1 - sum(shares), *shares),
            split_by=choice("by", by, ("sample", "group")),
            split_seed=count("seed", seed, 0, most=2**32 - 1),
        )
        names: list[Literal["train", "valid", "test"]] = ["train", "valid", "test"]
        return tuple(
            replace(self, data=replace(data, split=name))
            for name, share in zip(names, data.fractions, strict=True)
            if share
        )

    def manifest(self, path: str | os.PathLike[str] | None = None) -> ManifestInfo:
        """List the dataset, and tell what is in it.

        Args:
            path: where to keep the manifest; None keeps none.

        Raises:
            SourceError: the source could not be listed.
            DataError: an object is not of the format.
            OutputError: it could not be written.
            ConfigError: the path is none.
        """
        kept = None if path is None else Path(checks.path("path", path, like="a file's name"))
        with in_python(), TemporaryFolder("penstock-manifest-") as folder:
            words = words_of(self._options({}))
            made = folder / "manifest.parquet"
            with ListingProcess(words, manifest=made, plan=folder / "plan.json", parts=False) as listing:
                info = listing.whole().info
            if kept is not None:
                atomic_write(kept, made.read_bytes())
        return info

    @names_checked
    def loader(
        self,
        batch_size: int = 1,
        *,
        transform: Callable[[Any, np.random.Generator], Any] | None = None,
        window: str | int = "1Gi",
        window_folder: str | os.PathLike[str] | None = None,
        shuffle: bool | Literal["full", "block", "none"] = True,
        shuffle_block: int | None = None,
        shuffle_mix: int | None = None,
        seed: int = 0,
        workers: int = 0,
        drop_last: bool = False,
        collate: Callable[[list[Any]], Any] = default_collate,
        epochs: int | None = None,
        stream_listing: bool = False,
        in_flight: int = 512,
        timeout_seconds: float = 60.0,
        on_bad_sample: Literal["fail", "skip"] = "fail",
        rank: int | None = None,
        world_size: int | None = None,
        local_rank: int | None = None,
        local_world_size: int | None = None,
    ) -> Stream:
        """Open it: batches for a training loop, as ``Stream`` gives them, whose arguments these are.

        Raises:
            SourceError: the source could not be listed.
            DataError: an object is not of the format.
            ConfigError: an option cannot be honoured.
        """
        given = {name: value for name, value in locals().items() if name != "self"}
        with in_python():
            if stream_listing and self.data.split != "train":
                raise ConfigError(
                    f"stream_listing with the part {self.data.split!r}",
                    fix="leave it out: it is for training parts alone",
                )
            options = self._options(given)
        return Stream.made_of(options)

    def _options(self, loading: Mapping[str, Any]) -> Options:
        """Give checked options of a ``Stream``; those of loading are the defaults where they are not given."""
        known = inspect.signature(Dataset.loader).parameters
        defaults = {name: each.default for name, each in known.items() if name != "self"}
        given = {**defaults, "files": False, **self.source, **loading}
        if given["transform"] is not None:
            called_with("transform", given["transform"], "value", "rng")
        if self.functions:
            given["transform"] = _Chain(functions=self.functions, transform=given["transform"])
        given["decode"] = open_format(self.format, self.options).decode
        return options_of(given, data=self.data)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Chain:
    """A transform that comes behind functions of values."""

    functions: Sequence[Callable[[Any], Any]]
    transform: Callable[[Any, np.random.Generator], Any] | None

    def __call__(self, value: Any, rng: np.random.Generator) -> Any:
        for function in self.functions:
            value = function(value)
        return value if self.transform is None else self.transform(value, rng)


def objects(
    source: str | os.PathLike[str],
    *,
    match: str | Iterable[str] = "*",
    endpoint_url: str | None = None,
    region: str | None = None,
    anonymous: bool = False,
    requester_pays: bool = False,
) -> Dataset:
    """Give a dataset of whole objects, whose values are their bytes.

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
    """Give a dataset of the rows of Parquet files, each a dictionary by column.

    Args:
        source: as of ``objects``, as are the arguments that are not told here.
        columns: paths of columns, or of groups of them, like ``"image.bytes"``; None is all. Nothing else is read.
        memory: that a row group's chosen columns may take unpacked.

    Raises:
        ConfigError: an option cannot be used.
    """
    return _dataset(locals(), "parquet", {"columns": columns, "memory": memory})


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
    """Give a dataset of the samples of TAR files, as WebDataset writes them, each a dictionary by extension.

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
    """Give a dataset of any format, such as one of an installed package's.

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


_WHERE = ("source", "match", "endpoint_url", "region", "anonymous", "requester_pays")


def _dataset(given: Mapping[str, Any], kind: str, options: Mapping[str, Any]) -> Dataset:
    made = Dataset(source={name: given[name] for name in _WHERE}, format=kind, options={})
    return _of(made, {name: value for name, value in options.items() if value is not None})


def _of(dataset: Dataset, options: Mapping[str, Any]) -> Dataset:
    """Give a dataset with other options of its format, which are checked.

    Raises:
        ConfigError: one cannot be used.
    """
    options = {name: _plain(value) for name, value in options.items()}
    open_format(dataset.format, options)
    try:
        told = msgspec.json.encode(options).decode()
    except (TypeError, ValueError, RecursionError) as error:
        raise ConfigError(
            f"options {shown(options)} of the format {dataset.format!r} are not of what JSON has ({error})",
            fix="give text, numbers, True or False, lists and dictionaries",
        ) from None
    made = replace(dataset, options=options, data=replace(dataset.data, format=dataset.format, format_options=told))
    with in_python():
        locate(made._options({}).source)
    return made


def _plain(value: Any) -> Any:
    """Give a value as JSON has it where it is like one: numpy's as Python's, what gives text as a list of it."""
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    if isinstance(value, Iterable) and not isinstance(value, str | bytes | Mapping):
        return [_plain(each) for each in value]
    return value


def _fraction(name: str, value: Any) -> float:
    try:
        share = float(value)
    except (TypeError, ValueError):
        share = -1.0
    if not 0 <= share < 1:
        raise ConfigError(f"{name} {value!r}", fix="give a fraction from 0 to 1")
    return share
