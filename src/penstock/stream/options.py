"""The arguments of a ``Stream``, checked; what is refused is named as the argument that it is."""

from __future__ import annotations

import functools
import hashlib
import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, ParamSpec, TypeVar, get_args

import numpy as np
from torch.utils.data import default_collate

from penstock.errors import ConfigError
from penstock.loader import ByKey, Decoding
from penstock.loader.asked_ranks import AskedRanks
from penstock.loader.collate import ReusingCollate
from penstock.manifest import SourceSpec
from penstock.options.plan import ShuffleName, ShuffleOptions
from penstock.patterns import any_of
from penstock.plan import MOST_PASSES, usual_part_bytes
from penstock.sources.storage_options import StorageOptions
from penstock.stream import checks
from penstock.stream.choice import Choice
from penstock.tasks.limit_options import LimitOptions
from penstock.units import parse_bytes
from penstock.urls import check_location, local_path

if TYPE_CHECKING:
    from penstock.stream.helpers import Helpers

__all__ = ["Data", "Options", "bytes_of", "names_checked", "no_argument", "options_of", "pattern_of"]

MOST_PATTERN_BYTES = 100_000
"""It is a word of the command line of the listing, of which Linux allows 128 KiB."""

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True, kw_only=True, slots=True)
class Data:
    """What is read of the objects of a source, and which split of it.

    Attributes:
        task: that makes samples of them.
        task_options: of it, like ``name=value``.
        limits: of what is taken.
        choice: what is left of the listing, and how it is split, where a function or a column says so.
        fractions: of train, valid and test; the first alone is no split.
        split_seed: that decides which split a sample is of; None where there is one alone.
    """

    task: str = "objects"
    task_options: tuple[str, ...] = ()
    limits: LimitOptions = field(default_factory=LimitOptions)
    choice: Choice = field(default_factory=Choice)
    fractions: tuple[float, float, float] = (1.0, 0.0, 0.0)
    split_by: Literal["group", "sample"] = "group"
    split_seed: int | None = None
    split: Literal["train", "valid", "test"] = "train"

    @property
    def listed_fractions(self) -> tuple[float, float, float]:
        """Fractions that the listing splits by: all to train on where it is split behind it."""
        return (1.0, 0.0, 0.0) if self.choice.splits else self.fractions

    def named(self) -> tuple[object, ...]:
        """Return what tells it from others in any process, functions by their names."""
        return replace(self, choice=Choice()), self.choice.named()


@dataclass(frozen=True, kw_only=True, slots=True)
class Options:
    """What a stream was asked for.

    Attributes:
        environment: variables that processes are given which ask the source, where secrets stand.
        match: pattern of the keys that are taken.
        num_epochs: None is without end.
        folder: of the window; None is a temporary one.
        may_shrink: whether batches are smaller where the window holds none of ``batch_size``.
        helpers: processes that list and fill for it and for others; None has some of its own.
    """

    source: SourceSpec
    match: str
    decoder: Decoding
    batch_size: int
    drop_last: bool
    pin_memory: bool
    manifest_folder: Path | None
    manifest_hours: float
    window_bytes: int
    folder: Path | None
    shuffle: ShuffleOptions
    seed: int
    num_workers: int
    num_epochs: int | None
    parts: bool
    in_flight: int
    timeout_seconds: float
    on_bad_sample: Literal["fail", "skip"]
    ranks: AskedRanks
    data: Data = field(default_factory=Data)
    may_shrink: bool = False
    environment: Mapping[str, str | None] = field(default_factory=dict, repr=False)
    helpers: Helpers | None = field(default=None, repr=False)

    def in_common(self) -> str:
        """Name what ranks that share a window must have asked for alike, by its SHA-256."""
        data = (self.source, self.data.named(), self.match, self.shuffle, self.seed, self.parts)
        reading = (self.batch_size, self.drop_last, self.window_bytes, self.folder, self.num_epochs)
        asked = (*data, *reading, self.on_bad_sample)
        return hashlib.sha256(repr(asked).encode(errors="surrogateescape")).hexdigest()


def options_of(given: Mapping[str, Any], *, data: Data | None = None) -> Options:
    """Check all arguments of a ``Stream``, by their names.

    Args:
        data: of a dataset, whose ``decode`` is a ``Decoder`` of its format.

    Raises:
        ConfigError: one is not what it should be.
    """
    epochs = given["epochs"]
    source, environment = _source_of(given)
    return Options(
        source=source,
        environment=environment,
        match=pattern_of("match", given["match"]),
        decoder=_decoder_of(given, is_of_format=data is not None),
        batch_size=checks.count("batch_size", given["batch_size"], 1),
        drop_last=checks.flag("drop_last", given["drop_last"]),
        pin_memory=checks.flag("pin_memory", given["pin_memory"]),
        manifest_folder=_manifest_folder_of(given),
        manifest_hours=checks.hours("manifest_hours", given["manifest_hours"]),
        window_bytes=bytes_of("window", given["window"]),
        folder=_folder_of("window_folder", given["window_folder"]),
        shuffle=_shuffle_of(given),
        seed=checks.count("seed", given["seed"], 0, most=2**32 - 1),
        num_workers=checks.count("workers", given["workers"], 0, checks.MOST_WORKERS),
        num_epochs=None if epochs is None else checks.count("epochs", epochs, 1),
        parts=checks.flag("stream_listing", given["stream_listing"]),
        in_flight=checks.count("in_flight", given["in_flight"], 1),
        timeout_seconds=checks.seconds("timeout_seconds", given["timeout_seconds"]),
        on_bad_sample=checks.choice("on_bad_sample", given["on_bad_sample"], ("fail", "skip")),
        ranks=_ranks_of(given),
        data=data or Data(),
    )


def names_checked(function: Callable[P, R]) -> Callable[P, R]:
    """Make a function say which of its arguments is meant by a name that it does not have."""
    names = [name for name in inspect.signature(function).parameters if name != "self"]

    @functools.wraps(function)
    def called(*args: P.args, **kwargs: P.kwargs) -> R:
        wrong = next((name for name in kwargs if name not in names), None)
        if wrong is not None:
            name = "Stream" if function.__name__ == "__init__" else function.__name__
            raise TypeError(no_argument(name, wrong, names))
        return function(*args, **kwargs)

    return called


def no_argument(function: str, wrong: str, names: Sequence[str]) -> str:
    """Tell of an argument that a function does not have, and which is meant, or which there are."""
    meant = checks.close_to(wrong, names) or f"; its arguments are: {', '.join(names)}"
    return f"{function} has no argument {wrong!r}{meant}"


def _source_of(given: Mapping[str, Any]) -> tuple[SourceSpec, Mapping[str, str | None]]:
    """Return the source, a folder by its whole path, and the variables that are for processes which ask it."""
    found = check_location(
        checks.path("source", given["source"], like='a URI like "s3://bucket/prefix", or a folder'), "source"
    )
    uri = found if "://" in found else str(Path(found).absolute())
    own: dict[str, str | bool | None] = {
        "endpoint_url": checks.text("endpoint_url", given["endpoint_url"], like="https://host:9000"),
        "region": checks.text("region", given["region"], like="us-east-2"),
        "anonymous": checks.flag("anonymous", given["anonymous"]),
        "requester_pays": checks.flag("requester_pays", given["requester_pays"]),
    }
    told = given["storage_options"]
    stored = _stored(uri, told) if told is not None else StorageOptions()
    for name, value in stored.options.items():
        if own.get(name) and own[name] != value:
            raise ConfigError(f"{name} is given in storage_options too, as another", fix="leave one of them out")
    return SourceSpec.of(uri, **{**own, **stored.options}), stored.environment


def _stored(uri: str, told: Any) -> StorageOptions:
    from penstock.sources.asking import read_storage_options  # here: it knows the options of steps

    return read_storage_options(uri, told)


def _decoder_of(given: Mapping[str, Any], *, is_of_format: bool) -> Decoding:
    """Return the caller's functions."""
    files = checks.flag("files", given["files"])
    if not is_of_format:
        checks.called_with("decode", given["decode"], "path" if files else "data", "key")
    checks.called_with("collate", given["collate"], "values")
    if given["transform"] is not None:
        checks.called_with("transform", given["transform"], "value", "rng")
    collate = ReusingCollate() if given["collate"] is default_collate else given["collate"]
    decode = given["decode"] if is_of_format else ByKey(given["decode"])
    return Decoding(decode=decode, collate=collate, takes_path=files, transform=given["transform"])


def _ranks_of(given: Mapping[str, Any]) -> AskedRanks:
    """Return the ranks that are given, each None where it is to be found."""
    least = {"rank": 0, "world_size": 1, "local_rank": 0, "local_world_size": 1}
    asked = {name: None if given[name] is None else checks.count(name, given[name], low) for name, low in least.items()}
    return AskedRanks(**asked)


def bytes_of(name: str, value: Any) -> int:
    """Return a number of bytes of one, or of text like "2Gi".

    Raises:
        ConfigError: it is none.
    """
    fix = 'give bytes as a whole number of at least 1, or text like "2Gi"'
    if not isinstance(value, str):
        try:
            return checks.count(name, value, 1, most=2**63 - 1)
        except ConfigError as error:
            raise ConfigError(error.what, fix=fix) from None
    try:
        return parse_bytes(value)
    except ConfigError as error:
        raise ConfigError(f"{name} {error.what}", fix=fix) from None


def _folder_of(name: str, value: Any) -> Path | None:
    """Return a folder's path, ``~`` being the user's own."""
    if value is None:
        return None
    return Path(local_path(checks.path(name, value, like="a folder's path, or None"), name))


def _manifest_folder_of(given: Mapping[str, Any]) -> Path | None:
    folder = _folder_of("manifest_folder", given["manifest_folder"])
    if folder is None:
        return None
    if given["stream_listing"]:
        raise ConfigError(
            "stream_listing with manifest_folder", fix="leave one of them out: what is kept is a whole listing"
        )
    if folder.exists() and not folder.is_dir():
        raise ConfigError(f"manifest_folder {str(folder)!r} is no folder", fix="give the path of one")
    if not folder.parent.is_dir():
        raise ConfigError(f"manifest_folder {str(folder)!r} is in no folder", fix=f"make {folder.parent} first")
    return folder


def pattern_of(name: str, value: str | Iterable[str]) -> str:
    """Return the pattern that one or several are.

    Raises:
        ConfigError: it is none.
    """
    fix = 'give a pattern like "*.{jpg,png}", or a list of patterns'
    is_several = isinstance(value, Iterable) and not isinstance(value, str | bytes)
    patterns = list(value) if is_several else [value]
    if not patterns or not all(isinstance(each, str) and each for each in patterns):
        raise ConfigError(f"{name} {checks.shown(value)}", fix=fix)
    pattern = any_of([checks.path(name, each, like="a pattern") for each in patterns])
    num_bytes = len(pattern.encode(errors="surrogateescape"))
    if num_bytes > MOST_PATTERN_BYTES:
        raise ConfigError(
            f"{name} with {len(patterns)} patterns of {num_bytes} bytes",
            fix=f"give patterns that take {MOST_PATTERN_BYTES} bytes together at most",
        )
    return pattern


def _shuffle_of(given: Mapping[str, Any]) -> ShuffleOptions:
    shuffle = given["shuffle"]
    is_flag = isinstance(shuffle, bool | np.bool_)
    kind = checks.choice("shuffle", ("full" if shuffle else "none") if is_flag else shuffle, get_args(ShuffleName))
    numbers: dict[str, Any] = _repeat_of(given)
    for name in ("shuffle_block", "shuffle_mix"):
        value = given[name]
        numbers[name] = None if value is None else checks.count(name, value, 1)
        if value is not None and kind != "block":
            raise ConfigError(f"{name} {value} with shuffle {kind!r}", fix=f'give shuffle="block", or no {name}')
    return ShuffleOptions(shuffle=kind, **numbers)


def _repeat_of(given: Mapping[str, Any]) -> dict[str, int]:
    repeat, part = checks.count("repeat", given["repeat"], 1, MOST_PASSES), given["repeat_part"]
    if repeat == 1:
        if part is not None:
            raise ConfigError(f"repeat_part {checks.shown(part)} with repeat 1", fix="give repeat=2 or more with it")
        return {}
    if given["stream_listing"]:
        raise ConfigError(
            f"repeat {repeat} with stream_listing: parts are cut from the whole listing", fix="leave one of them out"
        )
    if part is None:
        return {"repeat": repeat, "repeat_part": usual_part_bytes(bytes_of("window", given["window"]))}
    return {"repeat": repeat, "repeat_part": bytes_of("repeat_part", part)}
