"""A dataset whose documents are packed into sequences."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from torch.utils.data import default_collate

from penstock.dataset.described import Dataset
from penstock.dataset.functions import parted
from penstock.dataset.member_feed import CHUNK, pack
from penstock.dataset.mixing import Mixed
from penstock.dataset.own_windows import own_window
from penstock.dataset.packed_batches import Asked, collate_packed
from penstock.dataset.packed_loader import PackedLoader
from penstock.dataset.packed_positions import MOST_LANES
from penstock.dataset.unread import Unread
from penstock.errors import ConfigError
from penstock.stream import checks
from penstock.stream.checks import called_with, count
from penstock.stream.epochs import NOTHING, Nothing
from penstock.stream.face import Stream
from penstock.stream.options import no_argument
from penstock.stream.words import in_python
from penstock.tokens import AsDocument, ChatDocument, Packing, TextDocument

__all__ = ["PackedDataset", "pad_of"]

_MAKERS = (TextDocument, ChatDocument)
_OWN = ("sequences", "lanes")


@dataclass(frozen=True, kw_only=True, slots=True, eq=False, repr=False)
class PackedDataset(Unread):
    """Documents of a dataset or a mix, packed; ``pack`` makes it, and its ``loader`` opens it."""

    documents: Dataset | Mixed
    packing: Packing

    def __repr__(self) -> str:
        return (
            f"<PackedDataset of {self.documents!r}: {self.packing.method}, sequences of {self.packing.length} tokens>"
        )

    def loader(
        self, batch_size: int | None = None, *, sequences: int | None = None, lanes: int | None = None, **options: Any
    ) -> PackedLoader:
        """Open it: batches of sequences, for a training loop.

        A batch has ``input_ids``, ``labels``, ``position_ids`` and ``document_ids`` of shape (batch, length), and
        ``cu_seqlens`` and ``max_seqlen`` of its parts.

        Args:
            batch_size: sequences of a batch, on each rank; None is what the file says that it was opened of, or 1.
            sequences: of an epoch, of all ranks: documents then go on from one to the next. Several ranks need it, for
                each makes another number of sequences of its documents. None: an epoch is all documents once.
            lanes: that documents are dealt out to, each with a packer of its own: sequences are the same for any number
                of ranks that divides them. None is 8, or as many more as the ranks divide.
            options: as of ``Dataset.loader``; ``transform`` is given tokens, and ``collate`` sequences. ``window`` is
                of each rank: ranks read documents at their own paces, and none may wait for another.

        Raises:
            SourceError: a source could not be listed.
            ConfigError: an option cannot be honoured.
            TypeError: there is no such option.
        """
        known = [name for name in inspect.signature(Dataset.loader).parameters if name != "self"]
        wrong = next((name for name in options if name not in known), None)
        if wrong is not None:
            raise TypeError(no_argument("loader", wrong, [*known, *_OWN]))
        datasets = list(_datasets(self.documents))
        if any(parted(each.functions)[1] for each in datasets):
            raise ConfigError(
                "packing behind map_batches, which packing has no batches of documents for", fix="use map in its place"
            )
        said = datasets[0].loading
        batch_size = said.get("batch_size", 1) if batch_size is None else batch_size
        epochs, collate = options.pop("epochs", None), options.pop("collate", default_collate)
        called_with("collate", collate, "sequences")
        asked = Asked(
            packing=self.packing,
            fingerprint=repr([_fingerprint(each) for each in datasets]),
            batch_size=count("batch_size", batch_size, 1),
            num_lanes=None if lanes is None else count("lanes", lanes, 1, most=MOST_LANES),
            sequences=None if sequences is None else count("sequences", sequences, 1, most=2**53),
            num_epochs=None if epochs is None else count("epochs", epochs, 1),
            drop_last=checks.flag("drop_last", options.pop("drop_last", False)),
            pin_memory=checks.flag("pin_memory", options.pop("pin_memory", False)),
            collate=collate_packed if collate is default_collate else collate,
        )
        if checks.flag("stream_listing", options.get("stream_listing", False)):
            raise ConfigError("stream_listing with packing", fix="leave it out: lanes follow from the whole listing")
        transform = said.get("transform") if options.get("transform") is None else options["transform"]
        if transform is not None:
            called_with("transform", transform, "value", "rng")
            options["transform"] = _Then(transform)
        # With sequences= epochs of the documents are not those of the loader.
        options["epochs"] = epochs if sequences is None else None
        options |= own_window(options)
        return PackedLoader(self._source(options), asked)

    def _source(self, options: dict[str, Any]) -> Any:
        documents = self.documents.mapped(AsDocument())
        if isinstance(documents, Mixed):
            return documents.loader(CHUNK, collate=pack, **options)
        with in_python():
            opened = documents.opened_with({**options, "batch_size": CHUNK})
            decoder = replace(opened.decoder, collate=pack, stand_in=NOTHING)
        return Stream.made_of(replace(opened, decoder=decoder, may_shrink=True))


@dataclass(frozen=True, slots=True)
class _Then:
    """A transform of tokens, whose value is taken for a document again."""

    transform: Callable[[Any, np.random.Generator], Any]
    called: str = "transform"

    def __call__(self, value: Any, rng: np.random.Generator) -> Any:
        tokens = {"input_ids": value.ids.astype(np.int64), "labels": value.labels.astype(np.int64)}
        made = self.transform(tokens, rng)
        return made if isinstance(made, Nothing) else AsDocument()(made)


def pad_of(documents: Any, given: int | None = None) -> int:
    """Return the token that the tokenizer of a dataset pads with: what is given, its own, its end of text, or 0.

    Raises:
        ConfigError: it is not in the vocabulary.
    """
    for dataset in _datasets(documents):
        for function in dataset.functions:
            if isinstance(function, _MAKERS):
                if given is not None:
                    return function.tokenizer.check_id("pad_id", given)
                own = (function.tokenizer.special_id(name) for name in ("pad_token", "eos_token"))
                return next((each for each in own if each is not None), function.eos or 0)
    return given or 0


def _datasets(documents: Any) -> Iterator[Dataset]:
    yield from documents.datasets if isinstance(documents, Mixed) else (documents,)


def _fingerprint(dataset: Dataset) -> list[str]:
    """Name what makes documents: how tokens are made; functions of the caller's own cannot be told from one another."""
    return [each.fingerprint() for each in dataset.functions if isinstance(each, _MAKERS)]
