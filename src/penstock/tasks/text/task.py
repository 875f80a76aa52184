"""The tasks ``text``, the next token of a text, and ``chat``, the next token of what an assistant says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penstock.manifest import Described
from penstock.records import MetricValues
from penstock.sources import ObjectSource
from penstock.tasks.options import Options
from penstock.tasks.protocols import Limits, OptionValue, SampleSet, TaskOption
from penstock.tasks.text.codec import TextCodec, TokenizedTexts, maker_of, opened
from penstock.tasks.text.options import CHAT_OPTIONS, TEXT_OPTIONS
from penstock.tasks.text.scores import METRICS, language_metrics

__all__ = ["Chat", "Text"]


class Text:
    """Predicts each token of a text by those before it."""

    name = "text"
    recipe = "text"
    score = "perplexity"
    metric_names = METRICS
    is_chat = False
    options: tuple[TaskOption, ...] = TEXT_OPTIONS

    async def make_samples(
        self, source: ObjectSource, *, limits: Limits, options: Mapping[str, OptionValue]
    ) -> SampleSet:
        """Make a sample of each text.

        Raises:
            SourceError: the source could not be read, or no text lies there.
            DataError: the texts cannot be used.
            ConfigError: an option cannot be honoured.
        """
        from penstock.tasks.text.making import make_samples  # here: reading text takes what others need not

        chosen = Options(self.options, options, task=self.name)
        return await make_samples(source, limits=limits, chosen=chosen, is_chat=self.is_chat)

    def decode(self, data: Any, about: Described, codec: str, numbers: NDArray[np.int64]) -> Sequence[Any]:
        """Return texts as tokens: ``inputs`` and ``labels``, int32, shape (tokens,), and ``bytes`` that are learnt.

        Raises:
            DataError: the bytes do not mean what they should.
        """
        told = TextCodec.read(codec)
        values = opened(told.format, told.options).decode(data, about, told.codec, numbers)
        return TokenizedTexts(values, maker_of(told.maker), about, numbers)

    def collate(self, values: list[Any]) -> Mapping[str, Any]:
        """Return texts one behind the other, and their numbers of tokens and bytes, shape (texts,).

        What packs them (``penstock.recipes.text.feed``) makes sequences of one length of them.
        """
        return {
            "inputs": np.concatenate([each["inputs"] for each in values]),
            "labels": np.concatenate([each["labels"] for each in values]),
            "sizes": np.array([len(each["inputs"]) for each in values], np.int64),
            "bytes": np.array([each["bytes"] for each in values], np.int64),
        }

    def metrics(
        self, truth: NDArray[np.float64], predicted: NDArray[np.float64], groups: Sequence[str]
    ) -> MetricValues:
        """Score a language model; see ``tasks.text.scores``."""
        return language_metrics(truth, predicted)


class Chat(Text):
    """Predicts what an assistant says by what was said before."""

    name = "chat"
    is_chat = True
    options: tuple[TaskOption, ...] = CHAT_OPTIONS
