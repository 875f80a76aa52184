"""Uses that cannot work are refused at once, in Python's words, with what to do."""

from __future__ import annotations

import copy
import inspect
import multiprocessing
import os
import pickle
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, IterableDataset

import penstock
from penstock.errors import (
    CheckpointMismatch,
    ConfigError,
    EmptyListing,
    ObjectNotFound,
    PenstockError,
    StreamMisused,
    WindowTooSmall,
)
from penstock.stream.words import in_python, python_words
from penstock.window.geometry import plan_geometry
from support.objects import to_number, write_objects

pytestmark = pytest.mark.usefixtures("children_are_forked")

NUM_OBJECTS = 24


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_objects(tmp_path_factory.mktemp("objects"), NUM_OBJECTS)


@pytest.fixture(scope="module")
def stream(folder: Path) -> Iterator[penstock.Stream]:
    with penstock.Stream(folder, decode=to_number, batch_size=4, window="1Mi", timeout_seconds=20) as stream:
        yield stream


def whole(stream: penstock.Stream) -> bool:
    return sorted(number for batch in stream for number in batch.tolist()) == list(range(NUM_OBJECTS))


@pytest.mark.parametrize("copied", [pickle.dumps, copy.copy, copy.deepcopy])
def test_it_is_not_copied(stream: penstock.Stream, copied: Callable[[object], object]) -> None:
    with pytest.raises(StreamMisused, match=r"cannot be pickled or copied.*workers="):
        copied(stream)
    assert whole(stream)


@pytest.mark.parametrize("begun", [False, True])
def test_a_loader_with_workers_around_it_is_told_what_to_do(stream: penstock.Stream, *, begun: bool) -> None:
    if begun:
        next(iter(stream))
    with pytest.raises(StreamMisused, match=r"(?s)loading worker.*workers="):
        next(iter(DataLoader(stream, batch_size=None, num_workers=2)))
    with pytest.raises(StreamMisused, match="cannot be pickled"):
        next(iter(DataLoader(stream, batch_size=None, num_workers=1, multiprocessing_context="spawn")))
    assert whole(stream)


class MadeInWorkers(IterableDataset[Any]):
    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __iter__(self) -> Iterator[Any]:
        return iter(penstock.Stream(self.folder, decode=to_number, window="1Mi"))


def test_one_that_each_worker_makes_is_refused_rather_than_read_twice(folder: Path) -> None:
    with pytest.raises(StreamMisused, match="made in a loading worker"):
        next(iter(DataLoader(MadeInWorkers(folder), batch_size=None, num_workers=2)))


def use(stream: penstock.Stream, how: str, told: Any) -> None:
    uses: dict[str, Callable[[], object]] = {
        "loop": lambda: next(iter(stream)),
        "len": lambda: len(stream),
        "state": stream.state_dict,
        "meters": stream.meters,
        "load": lambda: stream.load_state_dict({}),
    }
    try:
        uses[how]()
        told.put("nothing was said")
    except StreamMisused as error:
        told.put(str(error))
    stream.close()


@pytest.mark.parametrize("how", ["loop", "len", "state", "meters", "load"])
def test_a_forked_process_is_refused_and_the_first_goes_on(stream: penstock.Stream, how: str) -> None:
    context = multiprocessing.get_context("fork")
    told = context.SimpleQueue()
    batches = iter(stream)
    next(batches)
    process = context.Process(target=use, args=(stream, how, told))
    process.start()
    said = told.get()
    process.join(30)
    assert process.exitcode == 0
    assert f"process {os.getpid()} made" in said
    assert "forked" in said
    assert len(list(batches)) == 5


def test_an_iterator_is_refused_after_a_fork_too(stream: penstock.Stream) -> None:
    batches = iter(stream)
    next(batches)
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            next(batches)
        except StreamMisused:
            os.write(writer, b"refused")
        finally:
            os._exit(0)
    os.close(writer)
    assert os.read(reader, 100) == b"refused"
    os.close(reader)
    os.waitpid(pid, 0)
    assert len(list(batches)) == 5


def test_two_threads_are_refused_and_one_after_the_other_is_not(folder: Path) -> None:
    inside, go_on = threading.Event(), threading.Event()

    def decode(data: memoryview, key: str) -> int:
        inside.set()
        assert go_on.wait(30)
        return int(to_number(data, key))

    with penstock.Stream(folder, decode=decode, window="1Mi") as stream:
        found: list[int] = []
        reader = threading.Thread(target=lambda: found.extend(int(batch) for batch in stream))
        reader.start()
        assert inside.wait(30)
        with pytest.raises(StreamMisused, match="two threads"):
            iter(stream)
        assert stream.state_dict()["next_index"] == 0
        go_on.set()
        reader.join()
        assert sorted(found) == list(range(NUM_OBJECTS))
        assert len(list(stream)) == NUM_OBJECTS


def test_a_decoder_that_reads_its_own_stream_is_refused(folder: Path) -> None:
    held: list[penstock.Stream] = []
    with penstock.Stream(folder, decode=lambda data, key: next(iter(held[0])), window="1Mi") as stream:
        held.append(stream)
        with pytest.raises(StreamMisused, match="by its own decode"):
            next(iter(stream))


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "shuffle": ({"shuffle": "blok"}, "shuffle 'blok'; did you mean 'block'"),
    "on_bad_sample": ({"on_bad_sample": "skp"}, "did you mean 'skip'"),
    "batch_size": ({"batch_size": "4"}, "batch_size '4': give a whole number of at least 1"),
    "batch_size 0": ({"batch_size": 0}, "batch_size 0"),
    "workers": ({"workers": -1}, "workers -1"),
    "epochs": ({"epochs": 0}, "epochs 0"),
    "epochs 10**30": ({"epochs": 10**30}, "epochs is above 2147483647"),
    "batch_size 10**30": ({"batch_size": 10**30}, "batch_size is above 2147483647"),
    "seed": ({"seed": 2**32}, "seed is above 4294967295"),
    "window": ({"window": "2Gx"}, "2Gx"),
    "window 0": ({"window": 0}, "window 0"),
    "timeout": ({"timeout_seconds": 0}, "timeout_seconds 0"),
    "match": ({"match": []}, r"match \[\]"),
    "decode": ({"decode": "x"}, "decode 'x': give a function"),
    "transform": ({"transform": 3}, "transform 3"),
    "rank": ({"rank": 1}, "world_size open"),
    "rank -1": ({"rank": -1, "world_size": 2}, "rank -1"),
    "rank 2": ({"rank": 2, "world_size": 2}, "rank 2 of 2"),
    "world_size": ({"rank": 0, "world_size": 2**31 - 1}, "2147483647 ranks cannot share"),
    "local": ({"rank": 0, "world_size": 2, "local_rank": 1, "local_world_size": 2}, "rank 0 of 2, on its node 1 of 2"),
    "source": ({"source": ""}, "source ''"),
    "scheme": ({"source": "s3:/bucket/x"}, "did you mean s3://bucket/x"),
}


NONE_MAY_BE = {"window_folder", "shuffle_block", "shuffle_mix", "epochs", "endpoint_url", "region", "transform"}
NONE_MAY_BE |= {"repeat_part"}
NONE_MAY_BE |= {"storage_options", "manifest_folder", "rank", "world_size", "local_rank", "local_world_size"}
PARAMETERS = [name for name in inspect.signature(penstock.Stream).parameters if name != "self"]
NUMBERS = {"batch_size", "workers", "seed", "epochs", "in_flight", "timeout_seconds", "shuffle_block", "shuffle_mix"}
NUMBERS |= {"manifest_hours", "repeat"}
NUMBERS |= {"rank", "world_size", "local_rank", "local_world_size"}
TRUTHS = {"files", "drop_last", "pin_memory", "anonymous", "requester_pays", "stream_listing"}
TEXTS = {"source", "endpoint_url", "region", "window_folder", "manifest_folder", "match"}
VALUES: list[tuple[str, Any, set[str]]] = [
    # what is given, and the parameters that may take it
    ("None", None, NONE_MAY_BE),
    ("an object", object(), set()),
    ("a class", Path, {"decode", "collate", "transform"}),
    ("a list of numbers", [3], set()),
    ("an array", np.arange(3), set()),
    ("a float", 2.5, {"timeout_seconds", "manifest_hours"}),
    ("nan", float("nan"), set()),
    ("3", 3, NUMBERS | {"window"}),
    ("-1", -1, set()),
    ("10**30", 10**30, set()),
    ("True", True, TRUTHS | {"shuffle"}),
    ("text", "yes", TEXTS),
    ("empty", "", set()),
    ("a null", "a\0b", set()),
    ("a surrogate", "a\ud800b", set()),
    ("bytes", b"x", set()),
]


@pytest.mark.parametrize("name", PARAMETERS)
def test_no_parameter_takes_what_it_cannot_mean(folder: Path, name: str, capfd: pytest.CaptureFixture[str]) -> None:
    for told, value, may in VALUES:
        if name in may:
            continue
        options: dict[str, Any] = {"source": folder, "decode": to_number, "window": "1Mi", name: value}
        with pytest.raises(ConfigError) as caught:
            penstock.Stream(**options).close()
        error = caught.value
        assert name in error.what, (told, str(error))
        assert error.fix
        assert "--" not in str(error)
        assert "\n" not in str(error)
        assert len(str(error)) < 300
    assert capfd.readouterr().err == ""


def test_numbers_and_truths_of_numpy_are_taken(folder: Path) -> None:
    options: dict[str, Any] = {"batch_size": np.int64(4), "workers": np.int8(0), "seed": np.uint32(3)}
    options |= {"epochs": np.int16(1), "window": np.int64(1 << 20), "timeout_seconds": np.float32(20.0)}
    options |= {"drop_last": np.bool_(False), "shuffle": np.bool_(True), "in_flight": torch.tensor(8)}
    options |= {"rank": np.int64(0), "world_size": np.int64(1), "match": np.str_("*.bin")}
    with penstock.Stream(folder, decode=to_number, **options) as stream:
        assert whole(stream)
    with penstock.Stream(
        folder, decode=to_number, shuffle="block", shuffle_block=np.int64(4), shuffle_mix=np.int8(2)
    ) as stream:
        assert whole(stream)


def _no_key(data: memoryview) -> None: ...


async def _waits(data: memoryview, key: str) -> None: ...


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"decode": _no_key}, r"decode .*_no_key.* cannot be called with 2 .*: give a function of \(data, key\)"),
        ({"decode": _no_key, "files": True}, r"a function of \(path, key\)"),
        ({"decode": _waits}, "decode .* is async"),
        ({"transform": _no_key}, r"transform .*a function of \(value, rng\)"),
        ({"collate": to_number}, r"collate .*a function of \(values\)"),
        ({"shuffle_mix": 2}, "shuffle_mix 2 with shuffle 'full'"),
        ({"repeat_part": "1Mi"}, "repeat_part '1Mi' with repeat 1: give repeat=2 or more"),
        ({"repeat": 2, "repeat_part": 0}, "repeat_part 0"),
        ({"repeat": 2, "stream_listing": True}, "repeat 2 with stream_listing"),
        ({"source": "s3:bucket/x"}, "did you mean s3://bucket/x"),
    ],
)
def test_arguments_that_do_not_fit_are_refused(folder: Path, options: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        penstock.Stream(**{"source": folder, "decode": to_number} | options)


def test_an_error_is_told_once_and_by_who_meets_it(
    folder: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    small = {"window": "30Ki", "batch_size": 16}
    with pytest.raises(WindowTooSmall), penstock.Stream(folder, decode=to_number, **small) as stream:  # type: ignore[arg-type]
        next(iter(stream))
    write_objects(tmp_path / "own", 4)
    with penstock.Stream(tmp_path / "own", decode=to_number) as stream:
        (tmp_path / "own" / "0001.bin").unlink()
        with pytest.raises(ObjectNotFound):
            list(stream)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("state", [None, 3, "x", {}, [], {"next_index": 4}])
def test_what_is_no_place_is_not_taken_up(stream: penstock.Stream, state: Any) -> None:
    with pytest.raises(CheckpointMismatch, match=r"no saved position.*give what state_dict\(\) gave"):
        stream.load_state_dict(state)
    assert whole(stream)


@pytest.mark.parametrize("index", [-1, True, None, "4", 2.5, 10**30])
def test_what_is_no_index_is_not_taken_up(stream: penstock.Stream, index: Any) -> None:
    with pytest.raises(CheckpointMismatch, match="not a stream index"):
        stream.load_state_dict(stream.state_dict() | {"next_index": index})
    stream.load_state_dict(stream.state_dict() | {"next_index": np.int64(0)})  # type: ignore[dict-item]
    assert whole(stream)


def test_a_place_of_another_is_refused_by_what_differs(folder: Path, tmp_path: Path) -> None:
    base: dict[str, Any] = {"decode": to_number, "window": "1Mi"}
    others: dict[str, tuple[dict[str, Any], str]] = {
        "seed": ({"seed": 1}, r"another seed \(1, now 0\)"),
        "shuffle": ({"shuffle": "none"}, r"another shuffle \(none, now full\)"),
        "match": ({"match": "000*.bin"}, r"number of samples in train \(10, now 24\).*dataset"),
        "part": ({"stream_listing": True}, "stream_listing=True"),
        "dataset": ({"source": write_objects(tmp_path / "more", 25)}, r"\(25, now 24\)"),
    }
    places = {}
    for name, (changed, _) in others.items():
        with penstock.Stream(**{"source": folder} | base | changed) as stream:
            places[name] = stream.state_dict()
    with penstock.Stream(folder, **base) as stream:
        for name, (_, words) in others.items():
            with pytest.raises(CheckpointMismatch, match=words) as caught:
                stream.load_state_dict(places[name])
            assert len(str(caught.value)) < 400
        stream.load_state_dict(stream.state_dict() | {"batch_size": 64})
        assert whole(stream)


@pytest.mark.parametrize("name", WRONG)
def test_wrong_values_are_named_as_the_argument_that_they_are(folder: Path, name: str) -> None:
    changed, words = WRONG[name]
    options = {"source": folder, "decode": to_number, "window": "1Mi"} | changed
    with pytest.raises(ConfigError, match=words) as caught:
        penstock.Stream(**options)
    assert "--" not in str(caught.value)


def test_a_wrong_name_of_an_argument_is_told_the_right_one(folder: Path) -> None:
    with pytest.raises(TypeError, match="no argument 'batchsize'; did you mean 'batch_size'"):
        penstock.Stream(folder, decode=to_number, batchsize=4)  # type: ignore[call-arg]


def test_errors_of_the_steps_name_arguments(folder: Path, tmp_path: Path) -> None:
    found: list[PenstockError] = []
    for kind, changed in ((EmptyListing, {"match": "*.jpg"}), (WindowTooSmall, {"window": "30Ki", "batch_size": 16})):
        with pytest.raises(kind) as caught, penstock.Stream(folder, decode=to_number, **changed) as stream:
            next(iter(stream))
        found.append(caught.value)
    (tmp_path / "empty").mkdir()
    with pytest.raises(PenstockError) as nothing:
        penstock.Stream(tmp_path / "empty", decode=to_number)
    for error in (*found, nothing.value):
        assert "--" not in str(error)
        assert str(error) == f"{error.what}: {error.fix}"
    assert "match" in found[0].fix
    assert "window" in found[1].fix


def test_flags_are_arguments() -> None:
    told = "see it; run `penstock list --stream-listing` again, or raise --prefetch-timeout, --window-size or --region"
    assert python_words(told) == "see it; run the listing again, or raise timeout_seconds, window or region"
    assert python_words("choose another --window folder") == "choose another window_folder"
    assert python_words("another pattern with --option match=...") == "another pattern with match"
    same = "a--b s3://x/--region - --window-sizes /--window"
    assert python_words(same) == same


def test_sources_and_patterns_are_taken_as_a_person_writes_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a.jpg", "b.png", "c.gif", "d,{e}.jpg", "sub/f.jpg"):
        (tmp_path / "pets" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "pets" / name).write_bytes(b"x")
    monkeypatch.setenv("HOME", str(tmp_path))

    def keys(source: str | Path, match: Any) -> list[str]:
        options: dict[str, Any] = {"decode": lambda data, key: key, "collate": list, "window": "1Mi"}
        with penstock.Stream(source, match=match, **options) as stream:
            return sorted(key for batch in stream for key in batch)

    assert keys("~/pets", "*.{jpg,png}") == ["a.jpg", "b.png", "d,{e}.jpg", "sub/f.jpg"]
    assert keys(Path("~/pets"), ["?.png", "*.gif", "d,[{]e[}].jpg"]) == ["b.png", "c.gif", "d,{e}.jpg"]


def test_without_torch_it_says_what_to_install(tmp_path: Path) -> None:
    (tmp_path / "torch").mkdir()
    (tmp_path / "torch" / "__init__.py").write_text(
        "raise ModuleNotFoundError(\"No module named 'torch'\", name='torch')"
    )
    for code in ("import penstock; penstock.Stream", "from penstock import Stream"):
        done = subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            env={**os.environ, "PYTHONPATH": str(tmp_path)},
        )
        assert done.returncode == 1
        assert done.stderr.splitlines()[-1].endswith("penstock.Stream needs torch: pip install 'penstock[train]'")
        assert "During handling" not in done.stderr


def test_torch_is_not_drawn_from(stream: penstock.Stream) -> None:
    before = torch.get_rng_state()
    assert whole(stream)
    assert torch.equal(before, torch.get_rng_state())


def test_a_window_too_small_for_a_batch_is_told_what_helps() -> None:
    with pytest.raises(WindowTooSmall, match="64 samples") as caught, in_python():
        plan_geometry(window_bytes=600 << 10, max_extent_bytes=100_000, batch_extents=64)
    assert "workers" not in f"{caught.value.what}{caught.value.fix}"
    assert "the whole batch that is decoded" in caught.value.what
    assert caught.value.fix.endswith("Mi or a smaller batch_size")
    with pytest.raises(WindowTooSmall, match=r"2 samples .*, one for each rank: .* or fewer ranks") as caught:
        plan_geometry(window_bytes=300 << 10, max_extent_bytes=100_000, batch_extents=2, num_ranks=2)
    assert "workers" not in str(caught.value)
