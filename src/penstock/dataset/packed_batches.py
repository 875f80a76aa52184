"""Batches of packed sequences: what is asked for, what they are, and what packing did."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from penstock.tokens import PackCounts, Packing

__all__ = ["Asked", "Packed", "collate_packed"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """What a packed loader was asked for.

    Attributes:
        fingerprint: of what makes documents.
        num_lanes: None is 8, or more where the ranks do not divide them.
        sequences: of an epoch, of all ranks; None is as many as the documents of an epoch make.
        num_epochs: None is without end.
    """

    packing: Packing
    fingerprint: str
    batch_size: int
    num_lanes: int | None
    sequences: int | None
    num_epochs: int | None
    drop_last: bool
    pin_memory: bool
    collate: Callable[[list[dict[str, NDArray[np.int64]]]], Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class Packed:
    """What packing did so far on this rank, runs that saved a position included."""

    counts: PackCounts
    length: int

    @property
    def padding_share(self) -> float:
        """Share of the sequences that is padding; 0 where there are none."""
        whole = self.counts.sequences * self.length
        return self.counts.padding / whole if whole else 0.0

    def __str__(self) -> str:
        of = self.counts
        return (
            f"<Packed: {of.documents:,} documents of {of.tokens:,} tokens in {of.sequences:,} sequences of "
            f"{self.length:,}, {self.padding_share:.2%} padding; {of.split:,} split, {of.truncated:,} truncated, "
            f"{of.dropped:,} dropped ({of.tokens_dropped:,} tokens), {of.unlearnt:,} that nothing is learnt of>"
        )


def collate_packed(sequences: list[dict[str, NDArray[np.int64]]]) -> dict[str, Any]:
    """Return a batch of sequences.

    Returns:
        ``input_ids``, ``labels``, ``position_ids`` and ``document_ids``, int64 tensors of shape (batch, length);
        ``cu_seqlens``, int32, where parts begin in the tokens of all sequences one behind the other, and their end;
        ``max_seqlen``, the tokens of the longest part.
    """
    batch: dict[str, Any] = {
        name: torch.from_numpy(np.stack([each[name] for each in sequences])) for name in sequences[0]
    }
    positions = batch["position_ids"].flatten()
    begins = torch.nonzero(positions == 0).flatten()
    ends = torch.tensor([len(positions)])
    batch["cu_seqlens"] = torch.cat([begins, ends]).to(torch.int32)
    batch["max_seqlen"] = int(positions.max()) + 1
    return batch
