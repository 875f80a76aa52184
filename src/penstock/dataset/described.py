"""What a dataset is, and what can be made of it."""

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
from penstock.formats.registry import open_format
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

__all__ = ["Dataset", "of_options"]


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
        """Give a dataset of some columns of Parquet or CSV, or of some members of the samples of TAR files.

        Raises:
            ConfigError: the format has none, or it is no list of names.
        """
        option = {"csv": "columns", "parquet": "columns", "tar": "sample"}.get(self.format)
        if option is None:
            raise ConfigError(
                f"nothing can be selected of the format {self.format!r}", fix="take what is wanted by map"
            )
        return of_options(self, {**self.options, option: names})

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


def of_options(dataset: Dataset, options: Mapping[str, Any]) -> Dataset:
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
