"""The task ``video-text``: which caption is which video's, with LLaVA-Video-178K's layout.

A sample is a video of an archive, some frames of it, and its caption. Videos that are unpacked together are an extent,
so a split keeps them together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penstock.formats.media.decoding import need_av
from penstock.manifest import Described
from penstock.records import MetricValues
from penstock.sources import ObjectSource
from penstock.tasks.options import Options
from penstock.tasks.protocols import Limits, OptionValue, SampleSet
from penstock.tasks.refusing import refuse_early, refuse_releases
from penstock.tasks.video_text.captions import read_captions
from penstock.tasks.video_text.decoding import Packed, arrays_of, packed_videos
from penstock.tasks.video_text.listing import captioned, find_all
from penstock.tasks.video_text.matching import METRICS, matching_metrics
from penstock.tasks.video_text.options import OPTIONS
from penstock.tasks.video_text.settings import video_text_decode
from penstock.texts import counted
from penstock.units import GIB

__all__ = ["VideoText"]


class VideoText:
    """Matches videos and captions."""

    name = "video-text"
    recipe = "video-text"
    score = "recall_at_1"
    metric_names = METRICS
    options = OPTIONS
    usual_window_bytes = 10 * GIB

    async def make_samples(
        self, source: ObjectSource, *, limits: Limits, options: Mapping[str, OptionValue]
    ) -> SampleSet:
        """Make a sample of each video that has a caption.

        Raises:
            SourceError: the source could not be listed or read, or no video or no caption lies there.
            DataError: a file is no list of captions, or too many videos have none.
            ConfigError: an option cannot be used.
        """
        need_av()
        refuse_releases(limits, "videos have no releases")
        refuse_early(limits, "captions are read whole before the first video")
        chosen = Options(self.options, options, task=self.name)
        decode, share = video_text_decode(chosen), chosen.share("uncaptioned_share")
        lying = await find_all(source, limits=limits, videos=chosen.names("videos"), captions=chosen.names("captions"))
        captions = await read_captions(source, lying.captions, most_bytes=decode.caption_bytes)
        notes = []
        if captions.num_more:
            notes.append(f"{counted(captions.num_more, 'caption')} beyond the first of a video left out")
        if captions.num_empty:
            notes.append(f"{counted(captions.num_empty, 'empty caption')} left out")
        return SampleSet(
            rows=captioned(lying, captions, source, limits, decode, share),
            shape=decode.shape,
            skipped=lying.skipped,
            notes=notes,
        )

    def decode(self, data: Any, about: Described, codec: str, numbers: NDArray[np.int64]) -> Sequence[Packed]:
        """Return videos as their files are, with their captions, which ``transform`` reads."""
        return packed_videos(data, about, codec, numbers)

    def transform(self, value: Packed, rng: np.random.Generator | None) -> dict[str, Any]:
        """Return a sample; see ``decoding.arrays_of``."""
        return arrays_of(value)

    def metrics(
        self, truth: NDArray[np.float64], predicted: NDArray[np.float64], groups: Sequence[str]
    ) -> MetricValues:
        """Score which captions match; see ``matching``."""
        return matching_metrics(truth, predicted)
