"""Faults of a caller's own functions: told with the object, its place and the epoch, as what they are."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import penstock
from penstock.errors import SourceUnavailable
from support.objects import content, to_number, write_objects
from support.small_s3 import Reply, small_s3

pytestmark = pytest.mark.usefixtures("children_are_forked")

BAD = "0011.bin"


class Picky(Exception):
    """An error that cannot be made from what it keeps, as many cannot."""

    def __init__(self, *, code: int, about: object) -> None:
        super().__init__(f"code {code}", about)
        self.code = code


def _json() -> None:
    json.loads("{")


def _picky() -> None:
    raise Picky(code=7, about=lambda: None)


def _stop() -> None:
    raise StopIteration


def _exit() -> None:
    raise SystemExit(3)


def _generator() -> None:
    raise GeneratorExit


def _interrupt() -> None:
    raise KeyboardInterrupt("of a library's own")


def _local() -> None:
    class Local(ValueError):
        pass

    raise Local("of a function's own class")


def _caused() -> None:
    try:
        _json()
    except ValueError as error:
        raise KeyError("outer") from error


FAULTS: dict[str, tuple[Callable[[], None], type[BaseException], str]] = {
    "json": (_json, json.JSONDecodeError, "Expecting property name"),
    "picky": (_picky, Picky, "code 7"),
    "caused": (_caused, KeyError, "outer"),
    "stop": (_stop, RuntimeError, "StopIteration"),
    "exit": (_exit, SystemExit, "3"),
    "generator": (_generator, RuntimeError, "GeneratorExit"),
    "interrupt": (_interrupt, KeyboardInterrupt, "of a library's own"),
    "local": (_local, Exception, "of a function's own class"),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_objects(tmp_path_factory.mktemp("objects"), 16)


def told(error: BaseException) -> str:
    """Return all notes of an error and of what it came from."""
    found: list[str] = []
    while error is not None:
        found += getattr(error, "__notes__", [])
        error = error.__cause__  # type: ignore[assignment]
    return "\n".join(found)


def read(folder: Path, workers: int, **changed: Any) -> None:
    options: dict[str, Any] = {"decode": to_number, "batch_size": 4, "window": "1Mi", "shuffle": False}
    with penstock.Stream(str(folder), workers=workers, **(options | changed)) as stream:
        for _ in range(2):
            for _ in stream:
                pass


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("fault", FAULTS)
def test_a_decoders_error_names_object_place_and_epoch(folder: Path, workers: int, fault: str) -> None:
    fail, kind, words = FAULTS[fault]

    def decode(data: memoryview, key: str) -> torch.Tensor:
        if key.endswith(BAD):
            fail()
        return to_number(data, key)

    with pytest.raises(kind, match=words) as caught:
        read(folder, workers, decode=decode)
    notes = told(caught.value)
    assert "decode of '0011.bin', sample 11 of epoch 0" in notes
    if workers:
        assert f"in {fail.__name__}" in notes
    else:
        assert fail.__name__ in [entry.name for entry in caught.traceback] or caught.value.__cause__ is not None


@pytest.mark.parametrize("workers", [0, 2])
def test_transform_and_collate_tell_theirs(folder: Path, workers: int) -> None:
    seen = iter(range(100))

    def transform(value: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
        if value == 11:
            raise ZeroDivisionError
        return value

    def collate(values: list[Any]) -> list[Any]:
        if next(seen) >= 2:
            raise TypeError("do not stack")
        return values

    with pytest.raises(ZeroDivisionError) as caught:
        read(folder, workers, transform=transform)
    assert "transform of '0011.bin', sample 11 of epoch 0" in told(caught.value)
    with pytest.raises(TypeError, match="do not stack") as other:
        read(folder, min(workers, 1), collate=collate)
    assert "batch from sample 8 of epoch 0" in told(other.value)
    assert "'0008.bin', '0009.bin', '0010.bin', '0011.bin'" in told(other.value)


@pytest.mark.parametrize("workers", [0, 1])
def test_a_later_epoch_is_named(folder: Path, workers: int) -> None:
    calls = iter(range(100))

    def decode(data: memoryview, key: str) -> torch.Tensor:
        if next(calls) == 16 + 5:
            raise OSError("once")
        return to_number(data, key)

    with pytest.raises(OSError, match="once") as caught:
        read(folder, workers, decode=decode)
    assert "decode of '0005.bin', sample 5 of epoch 1" in told(caught.value)


UNSENT: dict[str, tuple[Callable[[], Any], type[Exception], str]] = {
    "function": (lambda: lambda: None, Exception, "pickle"),
    "generator": (lambda: (number for number in range(3)), TypeError, "cannot pickle 'generator'"),
    "view": (lambda: memoryview(b"bytes"), TypeError, "cannot pickle"),
    "graph": (lambda: torch.ones(3, requires_grad=True) * 2, RuntimeError, "requires_grad"),
}


@pytest.mark.parametrize("what", UNSENT)
def test_what_cannot_be_passed_on_by_a_worker_is_told_at_once_and_in_order(folder: Path, what: str) -> None:
    """As what it is, where it was once told, three times over, to be a lack of memory."""
    make, kind, words = UNSENT[what]

    def decode(data: memoryview, key: str) -> Any:
        return make() if key.endswith(BAD) else torch.ones(3)

    options: dict[str, Any] = {"collate": list, "batch_size": 4, "window": "1Mi", "shuffle": False}
    with penstock.Stream(str(folder), decode=decode, workers=1, **options) as stream:
        batches = iter(stream)
        for _ in range(2):
            next(batches)
        with pytest.raises(kind, match=words) as caught:
            next(batches)
        assert stream.state_dict()["next_index"] == 8
    assert "what decode, transform and collate give must be such that pickle takes it" in told(caught.value)


@pytest.mark.parametrize("after", [0, 6], ids=["at first", "in the middle"])
def test_a_source_that_fails_is_told_before_the_prefetcher_is_given_up(after: int) -> None:
    """However short the time is after which a prefetcher that gets nothing done is taken for lost."""
    objects = {f"bucket/{number:04}.bin": content(number) for number in range(12)}
    with small_s3(objects=objects, is_open=True) as server:
        num_given = 0

        def fails(asked: Any) -> Reply | None:
            nonlocal num_given
            is_object = asked.path.endswith(".bin")
            num_given += is_object
            return Reply.error(503, "SlowDown") if is_object and num_given > after else None

        server.takeover = fails
        options = {"endpoint_url": server.url, "anonymous": True, "shuffle": False, "in_flight": 1, "window": "1Mi"}
        stream = penstock.Stream("s3://bucket", decode=to_number, timeout_seconds=4, **options)  # type: ignore[arg-type]
        with stream, pytest.raises(SourceUnavailable, match=r"s3://bucket asks for fewer requests .HTTP 503"):
            list(stream)
