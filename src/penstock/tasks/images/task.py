"""The task ``images``: which class an image is of."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penstock.errors import ConfigError, DataError
from penstock.extras import lacking
from penstock.manifest import Described, Extent, sample_of
from penstock.records import MetricValues
from penstock.sources import ObjectSource
from penstock.tasks.images.finding import Found, find_images
from penstock.tasks.images.label_table import LabelColumns, LabelTable, read_label_table
from penstock.tasks.images.naming import FolderLabels, Labels, Level, Meaning
from penstock.tasks.images.options import OPTIONS
from penstock.tasks.images.settings import AUGMENTATIONS, BACKGROUNDS, FITS, NORMALIZATIONS, ImageDecode
from penstock.tasks.metrics import auroc_metric, classification_metrics
from penstock.tasks.named_files import read_named
from penstock.tasks.options import Options
from penstock.tasks.protocols import Limits, OptionValue, OwnSplits, SampleSet
from penstock.tasks.refusing import refuse_early, refuse_releases

__all__ = ["Images"]


class Images:
    """Tells the classes of images apart."""

    name = "images"
    recipe = "images"
    score = "balanced_accuracy"
    options = OPTIONS

    async def make_samples(
        self, source: ObjectSource, *, limits: Limits, options: Mapping[str, OptionValue]
    ) -> SampleSet:
        """Make a sample of each image that has a label.

        Raises:
            SourceError: the source or the labels could not be read, or no image lies there.
            DataError: the labels cannot be used, or too much has none.
        """
        refuse_releases(limits, "images have no releases")
        refuse_early(limits, "images are listed whole before the first sample, so that their classes are known")
        chosen = Options(self.options, options, task=self.name)
        decode = image_decode(chosen)
        labels = await _labels(source, chosen)
        found = await find_images(
            source,
            labels,
            limits=limits,
            pattern=chosen.text("match"),
            classes=chosen.names("classes"),
            most_unmatched=chosen.share("unmatched_share"),
        )
        classes = tuple(sorted(found.counts, key=_order))
        return SampleSet(
            rows=_samples(found, labels, classes, decode.encode()),
            shape=(decode.channels, decode.size, decode.size),
            classes=classes,
            skipped=found.skipped,
            own_splits=_own_splits(found, labels),
        )

    def decode(self, data: Any, about: Described, codec: str, numbers: NDArray[np.int64]) -> Sequence[Any]:
        """Return the image's file, which ``transform`` reads: what chance takes of it need not all be decoded."""
        return [(data, codec, sample_of(about, 0).target)]

    def transform(self, value: Any, rng: np.random.Generator | None) -> dict[str, Any]:
        """Return the image, float32, shape (channels, size, size), and its class.

        Raises:
            DataError: the bytes are no image that can be used.
        """
        try:
            from penstock.tasks.images.decoding import decode_image  # here: Pillow is an extra
        except ModuleNotFoundError as error:
            raise lacking("the task 'images' needs Pillow", "images") from error
        data, codec, target = value
        return {"inputs": decode_image(data, ImageDecode.read(codec), rng), "targets": target}

    def metrics(
        self, truth: NDArray[np.float64], predicted: NDArray[np.float64], groups: Sequence[str]
    ) -> MetricValues:
        """Score logits by class, and by how well they sort the images of each class before all others."""
        return {**classification_metrics(truth, predicted), "auroc": auroc_metric(truth, predicted)}


def image_decode(chosen: Options) -> ImageDecode:
    """Read the options that say how an image becomes an array.

    Raises:
        ConfigError: one is not what it may be.
    """
    channels, normalize = chosen.whole("channels", low=1, high=3), chosen.choice("normalize", NORMALIZATIONS)
    if channels == 2:
        raise ConfigError("the option channels is 2", fix="give 3 (red, green, blue) or 1 (grey)")
    if channels == 1 and normalize == "imagenet":
        raise ConfigError(
            "the option normalize is 'imagenet', which is of three channels", fix="use unit or half, or channels=3"
        )
    return ImageDecode(
        size=chosen.whole("size", low=16, high=4096),
        channels=channels,
        fit=chosen.choice("fit", FITS),
        normalize=normalize,
        augment=chosen.choices("augment", AUGMENTATIONS),
        background=chosen.choice("background", tuple(BACKGROUNDS)),
        max_pixels=chosen.whole("max_pixels", low=1, high=2**31 - 1),
    )


async def _labels(source: ObjectSource, chosen: Options) -> Labels:
    """Return what says of which class an image is: a table where one is named, else the folders."""
    asked = chosen.text("labels")
    of_table = ("path_column", "label_column", "group_column", "split_column")
    of_folders = ("class_folder", "group_folder")
    for name in of_table if asked is None else of_folders:
        if chosen.is_set(name):
            needs = (
                "--option labels= as well" if asked is None else f"no --option {name.replace('_', '-')}= beside a table"
            )
            raise ConfigError(f"the option {name.replace('_', '-')} means nothing here", fix=f"give {needs}")
    if asked is None:
        group = chosen.text("group_folder")
        return FolderLabels(
            level=Level.read(chosen.text("class_folder") or "last", "class-folder"),
            group=Level.read(group, "group-folder") if group else None,
            with_splits=chosen.switch("split_folders"),
        )
    return await _table(source, asked, chosen)


async def _table(source: ObjectSource, asked: str, chosen: Options) -> LabelTable:
    if chosen.switch("split_folders"):
        raise ConfigError("the option split-folders means nothing beside a table", fix="use --option split-column=")
    columns = LabelColumns(
        path=chosen.text("path_column") or "path",
        label=chosen.text("label_column") or "label",
        group=chosen.text("group_column"),
        split=chosen.text("split_column"),
    )
    data = await read_named(source, asked, option="labels")
    return read_label_table(data, name=asked, columns=columns, source_uri=source.spec.uri)


def _own_splits(found: Found, labels: Labels) -> OwnSplits | None:
    """Return the splits that the dataset itself has.

    Raises:
        DataError: there is none to train on.
    """
    if found.splits <= {""}:
        return None
    if "train" not in found.splits:
        raise DataError(
            f"of the dataset's own splits there is {', '.join(sorted(found.splits))}, but none to train on",
            fix="leave --option split-folders= or split-column= out to have it split by --split",
        )

    def split_of(key: str) -> str:
        meaning = labels.meaning(key)
        assert isinstance(meaning, Meaning)
        return meaning.split

    return OwnSplits(names=frozenset(found.splits), split_of=split_of)


async def _samples(found: Found, labels: Labels, classes: Sequence[str], decode: str) -> AsyncIterator[Extent]:
    numbers = {name: float(number) for number, name in enumerate(classes)}
    for info in found.images():
        meaning = labels.meaning(info.key)
        assert isinstance(meaning, Meaning)
        size = info.size_bytes
        span = info.span(0, size)
        yield Extent(
            key=info.key,
            group=meaning.group or info.key,
            spans=(span,),
            codec=decode,
            targets=(numbers[meaning.label],),
        )
    found.listing.close()


def _order(name: str) -> tuple[bool, int, str]:
    """Sort names as text, numbers as numbers."""
    is_number = name.isascii() and name.isdecimal() and len(name) <= 18
    return not is_number, int(name) if is_number else 0, name
