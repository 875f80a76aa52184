"""What `penstock pack` packs where a file describes it. It imports torch: few commands have such a file."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from penstock.dataset.described import Dataset
from penstock.dataset.functions import change_of
from penstock.dataset.mixing import Mixed
from penstock.dataset.opening import described, loading_said
from penstock.errors import ConfigError
from penstock.manifest import Extent, ManifestInfo, ManifestReader, SourceSpec
from penstock.sources import RequestMeter
from penstock.sources.given_text import read_given
from penstock.steps.options.dataset_file import A_FILE
from penstock.steps.options.pack import PackOptions
from penstock.stream.listing import listing_of
from penstock.temporary import TemporaryFolder

__all__ = ["Listing", "described_dataset", "listed", "source_of"]

_OF_FILE: Final = ("match", "format", "format_options", "split", "card_config")
_PLACE: Final = ("endpoint_url", "region", "anonymous", "requester_pays")


@dataclass(frozen=True, kw_only=True, slots=True)
class Listing:
    """A dataset that was listed.

    Attributes:
        format: of it, with these options.
        settings: what its samples depend on beside the listing.
        change: makes other values of them; None where they are as they are stored.
    """

    info: ManifestInfo
    rows: AsyncIterator[Extent]
    format: str
    options: Mapping[str, Any]
    settings: Sequence[object]
    change: Callable[[Any], Any] | None


def described_dataset(args: PackOptions, meter: RequestMeter) -> Dataset:
    """Return what the file describes.

    Raises:
        ConfigError: it describes nothing that can be packed, or other options say what it says.
        SourceError: its URI cannot be read.
    """
    usual = PackOptions(into=args.into)
    beside = next((name for name in _OF_FILE if getattr(args, name) != getattr(usual, name)), None)
    if args.uri or beside is not None:
        told = "a URI" if args.uri else f"--{beside.replace('_', '-')}" if beside else ""
        raise ConfigError(f"{told} is given, and --dataset too", fix="leave it out: the file says it")
    if args.source_option:
        raise ConfigError("--source-option with --dataset", fix="say it in the file")
    text = read_given(args.dataset, option="--dataset", wanted=A_FILE, access=args, meter=meter)
    found = described(text.text, text.name)
    if isinstance(found, Mixed):
        raise ConfigError(
            f"{text.name} describes a mix, which is drawn anew in each epoch",
            fix="pack its members, each by a file of its own, and mix what was packed",
        )
    if found.task != "objects":
        raise ConfigError(
            f"{text.name} describes samples of the task {found.task}, made of what is stored when they are read",
            fix="describe it by its format, without a task: that is packed as it is stored",
        )
    if found.has_own_parts and not found.is_part:
        raise ConfigError(f"{text.name} describes a dataset that has parts of its own", fix="name one: `part: train`")
    if "transform" in loading_said(text.text, text.name):
        raise ConfigError(
            f"{text.name} has a transform, which chance is of, anew in each epoch",
            fix="leave it out, and give it to the loader of what was packed",
        )
    given = {name: value for name in _PLACE if (value := getattr(args, name))}
    return replace(found, source={**found.source, **given})


def source_of(dataset: Dataset) -> SourceSpec:
    """Return where it lies."""
    return dataset.asked().source


@contextlib.contextmanager
def listed(dataset: Dataset) -> Iterator[Listing]:
    """List a dataset, and give its extents, of its part and of what it takes.

    Raises:
        PenstockError: it could not be listed.
    """
    with TemporaryFolder("penstock-pack-") as folder:
        path = folder / "manifest.parquet"
        dataset.manifest(path)
        asked = listing_of(dataset.asked(), folder)
        with ManifestReader(path) as reader:
            yield Listing(
                info=reader.info,
                rows=_extents(reader, dataset.data.split if dataset.is_part else None),
                format=dataset.format,
                options=dataset.options,
                settings=[
                    asked.option,
                    json.dumps([list(dataset.data.fractions), dataset.data.split_seed, dataset.data.split]),
                    [_told(each) for each in dataset.functions],
                ],
                change=change_of(dataset.functions),
            )


async def _extents(reader: ManifestReader, part: str | None) -> AsyncIterator[Extent]:
    for split in reader.info.splits:
        if split.num_extents and part in (None, split.name):
            for extent in reader.rows(split.name):
                yield extent


def _told(function: Any) -> str:
    """Name a function of a file's: by what it is given."""
    named = getattr(function, "fingerprint", None)
    return str(named()) if callable(named) else repr(function)
