"""Items that a thread makes ahead: in order, no further than the depth, and gone when closed."""

from __future__ import annotations

import functools
import threading
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.loader.ahead import Ahead


def has(items: list[int], count: int) -> bool:
    """Tell whether there are as many items."""
    return len(items) >= count


def nothing() -> None:
    """Interrupt nothing."""


@given(st.lists(st.integers(), max_size=40), st.integers(1, 5))
def test_items_come_in_order(items: list[int], depth: int) -> None:
    ahead = Ahead(iter(items), depth=depth, interrupt=nothing)
    assert list(ahead) == items
    ahead.close()


@pytest.mark.parametrize("depth", [1, 3])
def test_no_more_are_made_than_the_depth_and_one(depth: int) -> None:
    made: list[int] = []
    more = threading.Condition()

    def items() -> Iterator[int]:
        for number in range(100):
            with more:
                made.append(number)
                more.notify_all()
            yield number

    ahead = Ahead(items(), depth=depth, interrupt=nothing)
    for number in range(20):
        assert next(ahead) == number
        with more:
            wanted = number + 1 + depth
            assert more.wait_for(functools.partial(has, made, wanted), 10)
            assert len(made) == wanted
    ahead.close()
    assert len(made) == 20 + depth


def test_an_error_is_raised_in_its_place_and_again() -> None:
    def items() -> Iterator[int]:
        yield 1
        yield 2
        raise ValueError("third")

    ahead = Ahead(items(), depth=5, interrupt=nothing)
    assert [next(ahead), next(ahead)] == [1, 2]
    for _ in range(2):
        with pytest.raises(ValueError, match="third"):
            next(ahead)
    ahead.close()


def test_closing_ends_a_wait_within_the_items() -> None:
    waits, ends = threading.Event(), threading.Event()

    def items() -> Iterator[int]:
        yield 1
        waits.set()
        assert ends.wait(10)
        raise RuntimeError("interrupted")

    ahead = Ahead(items(), depth=2, interrupt=ends.set)
    assert next(ahead) == 1
    assert waits.wait(10)
    ahead.close()
    assert threading.active_count() >= 1
    assert not any(thread.name == "penstock-batches-0" for thread in threading.enumerate())


def test_the_thread_that_makes_them_may_close_it() -> None:
    """As a search for garbage does, which any thread may make, where nobody refers to it any more."""
    has_begun, held = threading.Event(), list[Ahead[int]]()

    def items() -> Iterator[int]:
        has_begun.wait()
        held[0].close()
        yield 1
        yield 2

    held.append(Ahead(items(), depth=2, interrupt=nothing))
    has_begun.set()
    assert list(held[0]) == [1]
