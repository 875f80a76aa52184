"""The task ``clips``: which class a clip of video and sound is of."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penstock.errors import ConfigError
from penstock.formats.media.decoding import need_av
from penstock.manifest import Described, Extent, sample_of
from penstock.records import MetricValues
from penstock.sources import ObjectSource
from penstock.tasks.clips.decoding import decode_clip
from penstock.tasks.clips.options import OPTIONS
from penstock.tasks.clips.pairing import Folders, Pair, Pairs, check_classes, find_pairs
from penstock.tasks.clips.settings import ClipDecode, clip_decode
from penstock.tasks.clips.table import CutClip, cut_extents, read_table
from penstock.tasks.intervals import areas_with_intervals
from penstock.tasks.metrics import auroc_metric, classification_metrics
from penstock.tasks.options import Options
from penstock.tasks.protocols import Limits, OptionValue, SampleSet
from penstock.tasks.refusing import refuse_early, refuse_releases

__all__ = ["Clips"]

_OF_FOLDERS = ("video_folder", "audio_folder", "group_separator", "unpaired_share")


class Clips:
    """Tells the classes of clips apart by pictures and sound together."""

    name = "clips"
    recipe = "clips"
    score = "balanced_accuracy"
    options = OPTIONS

    async def make_samples(
        self, source: ObjectSource, *, limits: Limits, options: Mapping[str, OptionValue]
    ) -> SampleSet:
        """Make a sample of each clip: of a pair of files, or of a part of longer ones.

        Raises:
            SourceError: the source could not be listed or read, or no clip lies there.
            DataError: too many lack a half, there are not two classes, or the table cannot be used.
        """
        need_av()
        refuse_releases(limits, "clips have no releases")
        refuse_early(limits, "clips are listed whole before the first sample, so that their halves are found")
        chosen = Options(self.options, options, task=self.name)
        decode = clip_decode(chosen)
        table = chosen.text("table")
        if table is not None:
            for name in _OF_FOLDERS:
                if chosen.is_set(name):
                    option = name.replace("_", "-")
                    raise ConfigError(f"the option {option} means nothing beside a table", fix="leave it out")
            return _of_table(await read_table(source, table), source, limits, decode)
        folders = Folders(
            video=chosen.text("video_folder") or "video",
            audio=chosen.text("audio_folder") or "audio",
            separator=chosen.text("group_separator"),
        )
        if folders.video == folders.audio:
            raise ConfigError(
                f"pictures and sound lie in the same folder, {folders.video}",
                fix="name two with --option video-folder= and audio-folder=",
            )
        share = chosen.share("unpaired_share")
        return _of_pairs(await find_pairs(source, folders, limits=limits, most_unpaired=share), decode)

    def decode(self, data: Any, about: Described, codec: str, numbers: NDArray[np.int64]) -> Sequence[Any]:
        """Return the clip, and its class."""
        return [(decode_clip(data, about, codec), ClipDecode.read(codec).flips, sample_of(about, 0).target)]

    def transform(self, value: Any, rng: np.random.Generator | None) -> dict[str, Any]:
        """Return the clip, mirrored or not, and its class: ``inputs`` are its ``frames`` and its ``mfcc``."""
        clip, flips, target = value
        if flips and rng is not None and rng.random() < 0.5:
            clip = {**clip, "frames": np.ascontiguousarray(clip["frames"][..., ::-1])}
        return {"inputs": clip, "targets": target}

    def metrics(
        self, truth: NDArray[np.float64], predicted: NDArray[np.float64], groups: Sequence[str]
    ) -> MetricValues:
        """Score logits by class, and by how well they sort the clips of each class before all others.

        Of two classes the areas are those of the second, with intervals over groups.
        """
        found = classification_metrics(truth, predicted)
        if predicted.shape[1] != 2:
            return {**found, "auroc": auroc_metric(truth, predicted)}
        auroc, auprc = areas_with_intervals(
            predicted[:, 1] - predicted[:, 0], truth > 0, groups, kinds=("of the second class", "of the first class")
        )
        return {**found, "auroc": auroc, "auprc": auprc}


def _of_pairs(pairs: Pairs, decode: ClipDecode) -> SampleSet:
    classes = tuple(sorted({pair.label for pair in pairs.found}))
    numbers = {name: float(number) for number, name in enumerate(classes)}
    codec = decode.encode()

    async def rows() -> AsyncIterator[Extent]:
        for pair in pairs.found:
            yield _extent(pair, codec, numbers[pair.label])

    return SampleSet(rows=rows(), shape=decode.shape, classes=classes, skipped=pairs.skipped)


def _extent(pair: Pair, codec: str, target: float) -> Extent:
    video, audio = pair.video, pair.audio
    return Extent(
        key=pair.key,
        group=pair.group,
        spans=(video.span(0, video.size_bytes), audio.span(0, audio.size_bytes)),
        codec=codec,
        targets=(target,),
        args=((video.size_bytes,),),
    )


def _of_table(clips: Sequence[CutClip], source: ObjectSource, limits: Limits, decode: ClipDecode) -> SampleSet:
    taken = sorted(clips, key=lambda clip: (clip.file, clip.start, clip.end))
    check_classes(Counter(clip.label for clip in taken), source)
    classes = tuple(sorted({clip.label for clip in taken}))
    numbers = {name: float(number) for number, name in enumerate(classes)}
    if limits.max_files is not None:
        files = sorted({clip.file for clip in taken})[: limits.max_files]
        taken = [clip for clip in taken if clip.file in files]
    made = SampleSet(rows=_none(), shape=decode.shape, classes=classes)
    made.rows = cut_extents(taken, source, limits, decode, made.skipped, numbers)
    return made


async def _none() -> AsyncIterator[Extent]:
    return
    yield
