"""What a dataset is, and what can be made of it."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import msgspec
import numpy as np
from torch.utils.data import default_collate

from penstock.dataset.changed import Changed
from penstock.dataset.format_options import options_json, plain_options
from penstock.dataset.sharded import Shelf
from penstock.dataset.splitting import PARTS, fractions_of, split_by
from penstock.dataset.text_verbs import TextVerbs
from penstock.errors import ConfigError
from penstock.files import atomic_write
from penstock.formats.protocols import Decoder
from penstock.formats.registry import open_format
from penstock.manifest import ManifestInfo
from penstock.patterns import matcher
from penstock.sources import locate
from penstock.stream import checks
from penstock.stream.checks import called_with, choice, count
from penstock.stream.options import Data, Options, names_checked, options_of, pattern_of
from penstock.stream.words import in_python
from penstock.units import GIB

if TYPE_CHECKING:
    from penstock.stream import Stream

__all__ = ["WHERE", "Dataset", "checked", "of_options"]

WHERE: Final = ("source", "endpoint_url", "region", "anonymous", "requester_pays", "storage_options")
"""Arguments that say where a dataset lies."""
_WINDOW_BYTES: Final = GIB
"""Bound of a loader's window that nobody gives, where no task names one."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False, repr=False)
class Dataset(Changed, TextVerbs):
    """A dataset, lazy: ``objects``, ``parquet``, ``tar`` and ``of_format`` make it, its methods make others of it.

    Attributes:
        source: arguments of the source, by their names as ``Stream`` has them.
        format: name of the format, or of the task that makes its samples.
        options: of the format, or of the task.
        task: that makes its samples.
        files: names of the splits that files are taken of, by the dataset's own word; none takes all.
        config: of the dataset's card.
        each: patterns, each of which some key must fit.
        patterns: that keys fit all of.
        functions: that values go through, one after the other.
        data: what else the listing is asked for.
        group: gives by a key what splits keep whole.
        gives_classes: whether targets of the task are numbers of classes.
        gives_pairs: whether values of the task are pairs; else as they are trained on.
        loading: arguments of ``loader`` where it is given none: those that a file says.
        group_option: of the task, that names the column of what splits keep whole; empty where there is none.
        group_name: what a group of the task is called.
        has_own_parts: whether it has parts by its own word.
        is_part: whether it is one of some parts.
    """

    source: Mapping[str, Any]
    format: str
    options: Mapping[str, Any]
    task: str = "objects"
    files: tuple[str, ...] = ()
    config: str | None = None
    each: tuple[str, ...] = ()
    patterns: tuple[str, ...] = ()
    functions: tuple[Callable[[Any], Any], ...] = ()
    data: Data = field(default_factory=Data)
    group: Callable[[str], str] | None = None
    gives_classes: bool = True
    gives_pairs: bool = True
    loading: Mapping[str, Any] = field(default_factory=dict)
    group_option: str = ""
    group_name: str = "group"
    has_own_parts: bool = False
    is_part: bool = False
    _shelf: Shelf = field(default_factory=Shelf, init=False)

    def __repr__(self) -> str:
        from penstock.dataset.describing import told_of  # here: few are shown

        return told_of(self)

    @names_checked
    def where(self, match: str | Iterable[str] | Callable[[str], Any]) -> Dataset:
        """Return a dataset of what has a key that fits a pattern, as a shell's, or one of several, or a function.

        Args:
            match: of an object's key; of a TAR sample's, like ``shard.tar/folder/0001``; of a Parquet row group's, like
                ``file.parquet/0``; of an image's or an epoch's. A function gives whether a key is taken; it is asked
                when the dataset was listed. Where ``where`` comes after ``where``, keys fit both.

        Raises:
            ConfigError: it is no pattern, and no function of a key.
        """
        if callable(match):
            called_with("match", match, "key")
            return self._choosing(match)
        pattern = pattern_of("match", match)
        fits = matcher(pattern)
        if self.task != "objects":
            return self._choosing(fits)
        return replace(self, patterns=(*self.patterns, pattern))

    def _choosing(self, fits: Callable[[str], Any]) -> Dataset:
        choice = replace(self.data.choice, fits=(*self.data.choice.fits, fits))
        return replace(self, data=replace(self.data, choice=choice))

    @names_checked
    def split(
        self, *, valid: float, test: float = 0.0, by: str | Callable[[str], str] | None = None, seed: int = 0
    ) -> tuple[Dataset, ...]:
        """Return this dataset in parts: for training, for validation, and for a test where ``test`` is above 0.

        What is of which part follows from its name, or its group's, and the seed alone: what is added later moves
        nothing, and no group is in two parts. Parts come out near the fractions. Splits that the dataset has itself
        are those parts; what it lacks of them is taken of its train split.

        Args:
            valid: fraction for validation.
            test: fraction for a test.
            by: "sample" splits samples (of Parquet row groups, that are read as one); "group" keeps whole what lies
                in one file of Parquet or TAR, in one first folder of objects, or is of one subject of EEG; "folder"
                what lies in one folder; a function of keys what it gives the same text for; another name is a column,
                of Parquet or of a table of labels, whose equal values stay whole. None is "sample", or "group" of
                images and EEG; clips of a film or sound and windows of a recording stay together then. Rows of a row
                group that fall into several parts are fetched for each of them.
            seed: that decides.

        Raises:
            ConfigError: it is split already, the fractions are none, or there is nothing that ``by`` could mean.
        """
        if self.is_part:
            raise ConfigError("this dataset is a part of one already", fix="split the whole by valid and test at once")
        fractions = fractions_of(valid, test)
        whole = split_by(self, by)
        data = replace(whole.data, fractions=fractions, split_seed=count("seed", seed, 0, most=2**32 - 1))
        return tuple(
            replace(whole, data=replace(data, split=name), is_part=True)
            for name, share in zip(PARTS, fractions, strict=True)
            if share
        )

    @names_checked
    def part(self, name: Literal["train", "valid", "test"]) -> Dataset:
        """Return a part that the dataset has itself, by its folders' names or a column.

        Raises:
            ConfigError: there is no such name; in ``loader`` and ``manifest`` also where it has no such part.
        """
        if self.is_part or not self.has_own_parts:
            told = "is a part of one already" if self.is_part else "has no parts of its own"
            raise ConfigError(f"this dataset {told}", fix="make parts by split")
        return replace(self, data=replace(self.data, split=choice("name", name, PARTS)), is_part=True)

    @names_checked
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
        from penstock.stream.choosing import chosen  # here, as in ``loader``: shards need none of it
        from penstock.stream.listing import listing_of
        from penstock.stream_listing import ListingProcess
        from penstock.temporary import TemporaryFolder

        kept = None if path is None else Path(checks.path("path", path, like="a file's name"))
        with in_python(), TemporaryFolder("penstock-manifest-") as folder:
            options = self._options({})
            asked = listing_of(options, folder).but(stream_listing=False)
            with ListingProcess(asked, environment=options.environment) as listing:
                found = chosen(listing.whole(), self.data, folder / "chosen.parquet")
            if self.is_part:
                found.info.split(self.data.split)
            if kept is not None:
                atomic_write(kept, found.manifest.read_bytes())
        return found.info

    @names_checked
    def loader(
        self,
        batch_size: int | None = None,
        *,
        transform: Callable[[Any, np.random.Generator], Any] | None = None,
        window: str | int | None = None,
        window_folder: str | os.PathLike[str] | None = None,
        shuffle: bool | Literal["full", "block", "none"] = True,
        shuffle_block: int | None = None,
        shuffle_mix: int | None = None,
        repeat: int = 1,
        repeat_part: str | int | None = None,
        seed: int = 0,
        workers: int = 0,
        drop_last: bool = False,
        pin_memory: bool = False,
        collate: Callable[[list[Any]], Any] = default_collate,
        epochs: int | None = None,
        manifest_folder: str | os.PathLike[str] | None = None,
        manifest_hours: float = 24.0,
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

        Args:
            batch_size: None is what the file says that the dataset was opened of, or 1.
            transform: None is that of the file, where it says one.
            window: None is what the file says, or what the task names, like "10Gi" of videos and captions, or "1Gi".

        Raises:
            SourceError: the source could not be listed.
            DataError: an object is not of the format.
            ConfigError: an option cannot be honoured.
        """
        given = {name: value for name, value in locals().items() if name != "self"}
        with in_python():
            options = self.opened_with(given)
        from penstock.stream import Stream

        return Stream.made_of(options)

    def opened_with(self, given: Mapping[str, Any]) -> Options:
        """Return what a loader of it is asked for, checked.

        Args:
            given: arguments of ``loader`` by their names, as far as they are not its defaults.

        Raises:
            ConfigError: an option cannot be honoured.
        """
        self._check_loading(stream_listing=given.get("stream_listing", False))
        return self._options(given)

    def asked(self) -> Options:
        """Return what its listing is asked for, checked; of one that has parts all of them.

        Raises:
            ConfigError: an option cannot be honoured.
        """
        with in_python():
            return self._options({})

    def _options(self, loading: Mapping[str, Any]) -> Options:
        """Return checked options of a ``Stream``; those of loading are the defaults where they are not given."""
        known = inspect.signature(Dataset.loader).parameters
        defaults = {name: each.default for name, each in known.items() if name != "self"}
        given = {**defaults, "files": False, **self.source, **loading}
        usual = {"batch_size": 1, "window": self._usual_window(), **self.loading}
        given |= {name: value for name, value in usual.items() if given[name] is None}
        if given["transform"] is not None:
            called_with("transform", given["transform"], "value", "rng")
        given["decode"] = self._decode(augments=self.data.split == "train")
        data = replace(self.data, task=self.task, task_options=self._task_options())
        return options_of(given, data=data) if not self.functions else self._with_functions(given, data)

    def _with_functions(self, given: Mapping[str, Any], data: Data) -> Options:
        from penstock.dataset.functions import Chain, CollateLeft, Filter, parted  # here: most datasets have none

        of_values, of_batches = parted(self.functions)
        if of_values:
            given = {**given, "transform": Chain(functions=of_values, transform=given["transform"])}
        made = options_of(given, data=data)
        if not of_batches and not any(isinstance(each, Filter) for each in of_values):
            return made
        collate = CollateLeft(made.decoder.collate, of_batches, before=len(of_values))
        return replace(made, decoder=replace(made.decoder, collate=collate))

    def _usual_window(self) -> int:
        if self.task == "objects":
            return _WINDOW_BYTES
        from penstock.tasks.registry import window_bytes_of  # here: objects are of no task

        return window_bytes_of(self.task, None, otherwise=_WINDOW_BYTES)

    def _decode(self, *, augments: bool) -> Decoder:
        """Return what makes values of extents' bytes.

        Args:
            augments: chance changes samples where a task has it so.
        """
        if self.task == "objects":
            return open_format(self.format, self.options).decode
        from penstock.dataset.of_task import TaskDecode, TaskValues  # here: objects are of no task

        if not self.gives_pairs:
            return TaskValues(task=self.task, augments=augments)
        return TaskDecode(task=self.task, augments=augments, gives_classes=self.gives_classes)

    def _task_options(self) -> tuple[str, ...]:
        if self.task != "objects":
            from penstock.dataset.of_task import task_words  # here: as above

            return task_words(self.options)
        where = msgspec.json.encode(self.patterns).decode()
        each = msgspec.json.encode(self.each).decode() if self.each else ""
        own = {"split": ",".join(self.files), "config": self.config, "each": each}
        of_card = (f"{name}={value}" for name, value in own.items() if value)
        return (
            f"format={self.format}",
            f"format_options={options_json(self.format, self.options)}",
            f"where={where}",
            *of_card,
        )

    def _check_loading(self, *, stream_listing: Any) -> None:
        """Refuse what can be listed and not be loaded."""
        if self.has_own_parts and not self.is_part:
            raise ConfigError("this dataset has parts of its own", fix='take one, like part("train"), or split it')
        if not stream_listing:
            return
        if self.data.split != "train":
            told, fix = f"the part {self.data.split!r}", "leave it out: it is for training parts alone"
        elif not self.data.choice.is_empty:
            told = "a function of keys or a split by a column"
            fix = "leave it out: those are asked of the whole listing"
        else:
            return
        raise ConfigError(f"stream_listing with {told}", fix=fix)


def of_options(dataset: Dataset, options: Mapping[str, Any]) -> Dataset:
    """Return a dataset with other options of its format, which are checked.

    Raises:
        ConfigError: one cannot be used.
    """
    made = replace(dataset, options=plain_options(options))
    open_format(made.format, made.options)
    options_json(made.format, made.options)
    return checked(made)


def checked(dataset: Dataset) -> Dataset:
    """Check the arguments of a dataset's source.

    Raises:
        ConfigError: one cannot be used.
    """
    with in_python():
        locate(dataset._options({}).source)
    return dataset
