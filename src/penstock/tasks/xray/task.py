"""The task ``xray``: anomalies on chest X-rays, with NIH ChestX-ray14's layout.

What is trained on are normal images alone ("No Finding"), of training patients; what is scored on are all images of
other patients. A patient is of one split whichever archives are taken, since a hash of the patient says which.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penstock.errors import ConfigError, DataError
from penstock.extras import lacking
from penstock.formats.zip.members import member_bytes
from penstock.manifest import Described, Extent, sample_of
from penstock.records import Figure, MetricValues
from penstock.sources import ObjectSource
from penstock.tasks.images.settings import AUGMENTATIONS
from penstock.tasks.options import Options
from penstock.tasks.protocols import Answers, Limits, OptionValue, OwnSplits, SampleSet
from penstock.tasks.refusing import refuse_early, refuse_releases
from penstock.tasks.xray.boxes import MOST_BOXES, PARTS, Boxes, read_boxes
from penstock.tasks.xray.choosing import OWN_SPLITS, Choice, Chosen, Wanted, choose
from penstock.tasks.xray.codec import MEMBER_NUMBERS, XrayDecode
from penstock.tasks.xray.finding import Lying, find_all
from penstock.tasks.xray.labels import FINDINGS, NORMAL, LabelBook, mask_of, read_labels
from penstock.tasks.xray.options import OPTIONS
from penstock.tasks.xray.scoring import METRICS, xray_figures, xray_metrics

__all__ = ["CLASSES", "Xray", "check_options"]

CLASSES = (NORMAL, "Finding")
VIEWS = ("PA", "AP")
SPLIT_LISTS = ("none", "official")


class Xray:
    """Finds what is not normal on chest X-rays."""

    name = "xray"
    recipe = "xray"
    score = "auroc"
    metric_names = METRICS
    options = OPTIONS

    async def make_samples(
        self, source: ObjectSource, *, limits: Limits, options: Mapping[str, OptionValue]
    ) -> SampleSet:
        """Make a sample of each image that has a row in the table of labels and is taken.

        Raises:
            SourceError: the source or the tables could not be read, or no image lies there.
            DataError: the tables cannot be used, or no image is left to train on.
        """
        _check_limits(limits)
        chosen = Options(self.options, options, task=self.name)
        wanted, settings = _wanted(chosen, limits), _settings(chosen)
        lying = await find_all(source, limits=limits, archives=chosen.names("archives"))
        book = await _labels(lying, chosen, with_views=bool(wanted.views))
        test_images = await _test_images(lying, chosen)
        found = choose(lying, book, wanted, limits.splitting, test_images=test_images)
        boxes = await _boxes(lying, chosen)
        splits = {choice.image.key: choice.split for choice in found.choices}
        own = None if test_images is None else OwnSplits(names=OWN_SPLITS, split_of=lambda key: _own(splits[key]))
        return SampleSet(
            rows=_rows(lying, found, boxes, settings),
            shape=(1, settings.size, settings.size),
            classes=CLASSES,
            skipped=[*lying.skipped, *found.skipped],
            own_splits=own,
            split_of=None if own is not None else lambda extent: splits[extent.key],
            notes=found.notes,
        )

    def decode(self, data: Any, about: Described, codec: str, numbers: NDArray[np.int64]) -> Sequence[Any]:
        """Return the image's file and what is known of it, which ``transform`` reads."""
        args = sample_of(about, 0).args
        if XrayDecode.read(codec).is_member:
            data = member_bytes(data, args[:MEMBER_NUMBERS], 0, key=about.key, about=about.key)
            args = args[MEMBER_NUMBERS:]
        return [(data, codec, args)]

    def transform(self, value: Any, rng: np.random.Generator | None) -> dict[str, Any]:
        """Return the image, float32 from 0 to 1, shape (1, size, size), and what is known of it.

        ``targets`` is 1 where there is any finding; ``findings`` are float32, shape (14,), 1 or 0; ``boxes`` are
        float32, shape (8, 4), the left, top, right and bottom in parts of the image's sides, NaN where there is none.

        Raises:
            DataError: the bytes are no image that can be used.
        """
        try:
            from penstock.tasks.images.decoding import decode_image  # here: Pillow is an extra
        except ModuleNotFoundError as error:
            raise lacking("the task 'xray' needs Pillow", "images") from error
        data, codec, args = value
        settings = XrayDecode.read(codec)
        findings = np.array([args[0] >> place & 1 for place in range(len(FINDINGS))], np.float32)
        return {
            "inputs": decode_image(data, settings.image, rng),
            "targets": float(args[0] != 0),
            "findings": findings,
            "boxes": _boxes_of(data, args[1:], settings.max_pixels),
        }

    def metrics(
        self, truth: NDArray[np.float64], predicted: NDArray[np.float64], groups: Sequence[str]
    ) -> MetricValues:
        """Score anomaly scores and maps; see ``scoring``."""
        return xray_metrics(truth, predicted, groups)

    def figures(self, answers: Answers) -> Sequence[Figure]:
        """Return curves, and a table by finding."""
        return xray_figures(answers)


def check_options(chosen: Options) -> None:
    """Check options, as far as that can be done without the dataset.

    Raises:
        ConfigError: one is not what it may be.
    """
    _wanted(chosen, Limits())
    _settings(chosen)
    chosen.choice("split_lists", SPLIT_LISTS)


def _check_limits(limits: Limits) -> None:
    refuse_releases(limits, "X-rays have no releases", instead="; choose with --option archives=")
    refuse_early(
        limits,
        "X-rays are listed whole before the first sample, so that an image that lies in two places is seen",
        gain=": the archive's directory alone is read",
    )
    if limits.splitting.by_sample:
        raise ConfigError(
            "X-rays split by sample would have images of one patient trained on and scored on",
            fix="leave --split-by out: patients are split",
        )


def _wanted(chosen: Options, limits: Limits) -> Wanted:
    findings = 0
    for name in chosen.names("findings"):
        try:
            findings |= mask_of(name)
        except ValueError as error:
            raise ConfigError(
                f"the option findings has {name!r}", fix=f"write findings of {', '.join(FINDINGS)}"
            ) from error
    share = chosen.share("train_share")
    if not share:
        raise ConfigError("the option train-share is 0", fix="give a share above 0, as 0.1")
    return Wanted(
        findings=findings,
        views=() if set(asked := chosen.choices("views", VIEWS)) == set(VIEWS) else asked,
        train_archives=chosen.names("train_archives"),
        train_share=share,
        train_on_all=chosen.choice("train_on", ("normal", "all")) == "all",
        most_unmatched=chosen.share("unmatched_share"),
        max_files=limits.max_files,
    )


def _settings(chosen: Options) -> XrayDecode:
    return XrayDecode(
        size=chosen.whole("size", low=32, high=1024),
        augment=chosen.choices("augment", AUGMENTATIONS),
        max_pixels=chosen.whole("max_pixels", low=1, high=2**31 - 1),
        is_member=False,
    )


async def _labels(lying: Lying, chosen: Options, *, with_views: bool) -> LabelBook:
    found = await lying.text("data_entry_2017", chosen.text("labels"), option="labels")
    if found is None:
        uri = lying.source.spec.uri
        raise DataError(
            f"no table of labels lies under {uri}: nothing there begins with Data_Entry_2017",
            fix="name it with --option labels=, a key of the source, a URI or a path",
            about=uri,
        )
    name, data = found
    return read_labels(data, name=name, with_views=with_views)


async def _boxes(lying: Lying, chosen: Options) -> Boxes:
    found = await lying.text("bbox_list_2017", chosen.text("boxes"), option="boxes")
    return {} if found is None else read_boxes(found[1], name=found[0])


def _own(split: str) -> str:
    """Return the dataset's own split of an image: patients of its train split are cut into train and valid."""
    return "test" if split == "test" else "train"


async def _test_images(lying: Lying, chosen: Options) -> frozenset[str] | None:
    if chosen.choice("split_lists", SPLIT_LISTS) == "none":
        return None
    found = await lying.text("test_list", None, option="split-lists")
    if found is None:
        raise DataError(
            f"no test_list.txt lies under {lying.source.spec.uri}",
            fix="leave --option split-lists= out: patients are then split by --split",
        )
    return frozenset(found[1].decode(errors="replace").split())


async def _rows(lying: Lying, found: Chosen, boxes: Boxes, settings: XrayDecode) -> AsyncIterator[Extent]:
    codecs = {
        is_member: XrayDecode(
            size=settings.size, augment=settings.augment, max_pixels=settings.max_pixels, is_member=is_member
        ).encode()
        for is_member in (False, True)
    }
    for choice in found.choices:
        yield await _row(lying, choice, boxes, codecs[choice.image.entry is not None])
    lying.listing.close()


async def _row(lying: Lying, choice: Choice, boxes: Boxes, codec: str) -> Extent:
    image, known = choice.image, choice.known
    flat = [number for box in boxes.get(image.name, [])[:MOST_BOXES] for number in box]
    return await image.extent(
        lying.source,
        group=known.patient,
        codec=codec,
        # Nothing is to be told apart in training, where all may be of one class.
        target=None if choice.split == "train" else float(known.findings != 0),
        args=(known.findings, *flat),
    )


def _boxes_of(data: Any, numbers: Sequence[int], max_pixels: int) -> NDArray[np.float32]:
    found = np.full((MOST_BOXES, 4), np.nan, np.float32)
    if not numbers:
        return found
    from penstock.tasks.images.pixels import opened  # here: Pillow is an extra

    with opened(data, max_pixels=max_pixels) as image:
        sides = np.array([image.width, image.height], np.float64)
    each = np.array(numbers, np.float64).reshape(-1, 2, 2) / PARTS
    corners = np.stack([each[:, 0], each[:, 0] + each[:, 1]], axis=1) / sides
    found[: len(corners)] = corners.clip(0, 1).reshape(-1, 4)
    return found
