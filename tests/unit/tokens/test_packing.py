"""Packers: every token of every document once, whatever lengths there are, and wherever they stop and go on."""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from penstock.errors import CheckpointMismatch
from penstock.tokens.documents import Document
from penstock.tokens.held import lane_of, lane_state
from penstock.tokens.packing import LONG, METHODS, Lane, Packing, Pieces, flushed, laid_out

lengths = st.lists(st.integers(0, 40), max_size=60)
packings = st.builds(
    Packing,
    length=st.integers(2, 16),
    method=st.sampled_from(METHODS),
    long=st.sampled_from(LONG),
    buffer=st.integers(1, 9),
    pad_id=st.just(0),
)


def documents(sizes: Sequence[int]) -> list[Document]:
    ends = np.cumsum(sizes)
    whole = np.arange(1, sum(sizes) + 1, dtype=np.int32)
    return [Document(whole[end - size : end], -whole[end - size : end]) for end, size in zip(ends, sizes, strict=True)]


def run(
    packing: Packing, given: Sequence[Document], *, saves: frozenset[int] = frozenset()
) -> tuple[list[Pieces], Lane]:
    lane, found = Lane(packing), []
    for number, each in enumerate(given):
        if number in saves:
            lane = lane_of(json.loads(json.dumps(lane_state(lane))), packing)
        found += list(lane.add(each))
    return [*found, *flushed([lane])], lane


def kept(packing: Packing, document: Document) -> list[int]:
    """Return the tokens of a document that are to be given."""
    ids, over = document.ids.tolist(), len(document.ids) - packing.length
    if over <= 0 or packing.long == "split":
        return ids
    return {"drop": [], "truncate": ids[: packing.length], "truncate_left": ids[over:]}[packing.long]


@example(Packing(length=5, method="concat", long="split", buffer=1, pad_id=0), [1, 1, 2])
@given(packings, lengths)
def test_every_token_comes_once(packing: Packing, sizes: list[int]) -> None:
    given_documents = documents(sizes)
    sequences, lane = run(packing, given_documents)
    flat = [token for pieces in sequences for piece in pieces for token in piece.ids.tolist()]
    wanted = [token for document in given_documents for token in kept(packing, document)]
    assert (flat if packing.method != "best_fit" else sorted(flat)) == wanted
    assert all(0 < sum(len(piece.ids) for piece in pieces) <= packing.length for pieces in sequences)
    assert all((piece.labels == -piece.ids).all() for pieces in sequences for piece in pieces)
    counts = lane.counts
    assert counts.documents == len(sizes)
    assert counts.tokens == sum(sizes)
    assert counts.tokens_dropped == sum(sizes) - len(wanted)
    assert counts.sequences == len(sequences)
    assert counts.padding == len(sequences) * packing.length - len(flat)
    number_of = {token: number for number, each in enumerate(given_documents) for token in each.ids.tolist()}
    homes: dict[int, set[int]] = {}
    for at, pieces in enumerate(sequences):
        for piece in pieces:
            homes.setdefault(number_of[int(piece.ids[0])], set()).add(at)
    assert counts.split == sum(len(each) > 1 for each in homes.values())


@given(packings, lengths)
def test_only_the_last_sequence_of_concat_is_padded(packing: Packing, sizes: list[int]) -> None:
    if packing.method == "concat":
        sequences, _ = run(packing, documents(sizes))
        assert all(sum(len(piece.ids) for piece in each) == packing.length for each in sequences[:-1])


@given(packings, lengths, st.frozensets(st.integers(0, 59)))
def test_a_lane_goes_on_where_another_was(packing: Packing, sizes: list[int], saves: frozenset[int]) -> None:
    whole, lane = run(packing, documents(sizes))
    parts, other = run(packing, documents(sizes), saves=saves)
    assert [[each.ids.tolist() for each in pieces] for pieces in parts] == [
        [each.ids.tolist() for each in pieces] for pieces in whole
    ]
    assert other.counts == lane.counts


@given(st.lists(st.integers(1, 16), min_size=30, max_size=60), st.integers(1, 9))
def test_no_document_waits_for_more_sequences_than_the_buffer_holds(sizes: list[int], buffer: int) -> None:
    lane = Lane(Packing(length=16, method="best_fit", long="split", buffer=buffer, pad_id=0))
    came: dict[int, int] = {}
    made = 0
    for each in documents(sizes):
        came[int(each.ids[0])] = made
        for pieces in lane.add(each):
            made += 1
            assert all(made - came[int(piece.ids[0])] <= buffer + 1 for piece in pieces)
    assert len(lane.packer.held()) <= buffer


def test_best_fit_pads_less_than_documents_in_their_order_would() -> None:
    sizes = np.random.default_rng(0).lognormal(5, 1, 4_000).astype(int).clip(1, 2_048).tolist()
    packing = Packing(length=2_048, method="best_fit", long="split", buffer=64, pad_id=0)
    _, lane = run(packing, documents(sizes))
    assert lane.counts.padding < 0.01 * lane.counts.sequences * packing.length
    assert lane.counts.split == 0


def test_a_sequence_as_arrays() -> None:
    packing = Packing(length=8, method="best_fit", long="split", buffer=4, pad_id=9)
    pieces = [Document(np.array([1, 2, 3], np.int32), np.array([1, -100, 3], np.int32)), *documents([2])]
    found = {name: each.tolist() for name, each in laid_out(pieces, packing).items()}
    assert found == {
        "input_ids": [1, 2, 3, 1, 2, 9, 9, 9],
        "labels": [-100, -100, 3, -100, -2, -100, -100, -100],
        "position_ids": [0, 1, 2, 0, 1, 0, 1, 2],
        "document_ids": [0, 0, 0, 1, 1, -1, -1, -1],
    }


@settings(max_examples=20)
@given(st.sampled_from(["ids", "labels", "sizes"]), st.one_of(st.none(), st.text(max_size=9), st.lists(st.integers())))
def test_a_damaged_lane_is_refused(name: str, value: object) -> None:
    packing = Packing(length=8, method="best_fit", long="split", buffer=4, pad_id=0)
    lane = Lane(packing)
    assert not list(lane.add(documents([5])[0]))
    state = lane_state(lane)
    state["held"][name] = value
    with pytest.raises(CheckpointMismatch):
        lane_of(state, packing)


@given(packings, st.lists(lengths, min_size=1, max_size=5))
def test_what_lanes_hold_is_put_together_and_cut_nowhere(packing: Packing, lanes: list[list[int]]) -> None:
    made = [Lane(packing) for _ in lanes]
    for lane, sizes in zip(made, lanes, strict=True):
        for each in documents(sizes):
            list(lane.add(each))
    held = sorted(piece.ids.tolist() for lane in made for piece in lane.packer.held())
    before = sum(lane.counts.sequences for lane in made)
    sequences = flushed(made)
    assert sorted(piece.ids.tolist() for pieces in sequences for piece in pieces) == held
    assert sum(lane.counts.sequences for lane in made) == before + len(sequences)
    assert not any(lane.packer.held() for lane in made)
    fill = [sum(len(piece.ids) for piece in pieces) for pieces in sequences]
    assert all(0 < each <= packing.length for each in fill)
    assert len(fill) < 2 or all(one + other > packing.length for one, other in itertools.pairwise(fill))
