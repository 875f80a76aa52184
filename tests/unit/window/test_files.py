"""Samples as files: whole, inside the folder, within the bound, and gone with their reader.

Broken on purpose, each guard is seen to fail: without ``file_room_bytes`` in the session's planning the small file
system is full; without ``sweep_files`` a killed reader's file stays.
"""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from penstock.errors import WindowError, WindowTooSmall
from penstock.options.window import ServingOptions
from penstock.records import encode_record
from penstock.window import Prefetcher, WindowReader
from penstock.window.files import ExtentFiles, safe_name, sweep_files
from penstock.window.folder import FILES, used_bytes
from support.raw import RawDataset, make_raw_dataset
from support.windows import make_spec, serving, small_tmpfs

WINDOW_BYTES = 1 << 20
SAMPLE_BYTES = 60_000


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> RawDataset:
    return make_raw_dataset(tmp_path_factory.mktemp("raw"), sizes=[SAMPLE_BYTES] * 60)


@given(st.text(max_size=400))
@example("../../etc/passwd")
@example("/")
@example("..")
@example("a/..")
@example("..\0..\n")
@example("." * 300)
@example("video.mp4/")
@example("x" * 300 + ".mp4")
@example("\ud800\u202e")
def test_no_key_leads_out_of_the_folder(key: str) -> None:
    name = safe_name(key)
    assert name.isascii()
    assert 0 < len(name) <= 100
    assert not name.startswith(".")
    assert not set(name) & set("/\0\\\n")
    folder = Path("/window/files/0-1")
    assert Path(os.path.normpath(folder / f"7-{name}")).parent == folder
    assert safe_name(f"{key}/clip.mp4") == "clip.mp4"


@pytest.mark.parametrize("num_ranks", [1, 2])
def test_file_has_the_samples_bytes_and_is_gone_after_its_use(
    dataset: RawDataset, tmp_path: Path, num_ranks: int
) -> None:
    folder = tmp_path / "window"
    spec = msgspec.structs.replace(make_spec(dataset), num_files=num_ranks)
    with serving(folder, WINDOW_BYTES):
        reader = WindowReader(folder, spec).begin()
        for index in range(spec.end_index):
            sample = reader.get(index)
            with reader.as_file(sample) as path:
                assert hashlib.sha256(path.read_bytes()).hexdigest() == dataset.digests[sample.meta.key]
                assert (folder / FILES) in path.parents
                assert path.name == f"{index}-{sample.meta.key}"
                assert SAMPLE_BYTES < used_bytes(folder) <= WINDOW_BYTES
                with pytest.raises(WindowError, match="at once"), reader.as_file(sample):
                    pass
                assert path.exists()
            assert not path.exists()
            assert reader.is_intact(sample)
            reader.advance(index + 1)
        reader.close()
        assert list((folder / FILES).iterdir()) == []


def test_file_that_was_not_asked_for_is_refused(dataset: RawDataset, tmp_path: Path) -> None:
    with serving(tmp_path / "window", WINDOW_BYTES):
        reader = WindowReader(tmp_path / "window", make_spec(dataset)).begin()
        with pytest.raises(WindowError, match="without room for files"), reader.as_file(reader.get(0)):
            pass


def test_room_for_files_is_taken_off_the_slots(dataset: RawDataset, tmp_path: Path) -> None:
    spec = msgspec.structs.replace(make_spec(dataset), num_files=20)
    with serving(tmp_path / "window", WINDOW_BYTES), pytest.raises(WindowTooSmall, match="other files"):
        WindowReader(tmp_path / "window", spec).begin()


def test_file_system_of_just_the_bound_is_never_full(dataset: RawDataset, tmp_path: Path) -> None:
    spec = msgspec.structs.replace(make_spec(dataset, epochs=2), num_files=3)
    with (
        small_tmpfs(tmp_path / "window", WINDOW_BYTES) as folder,
        Prefetcher(folder, ServingOptions(window_size=WINDOW_BYTES)),
    ):
        reader = WindowReader(folder, spec).begin()
        others = [ExtentFiles(folder, rank) for rank in (1, 2)]
        for index in range(spec.end_index):
            sample = reader.get(index)
            with (
                others[0].hold("a", sample.data),
                others[1].hold("b", sample.data),
                reader.as_file(sample) as path,
            ):
                assert hashlib.sha256(path.read_bytes()).hexdigest() == dataset.digests[sample.meta.key]
            reader.advance(index + 1)
        assert reader.meters().window_high_water_bytes <= WINDOW_BYTES
        for files in others:
            files.close()
        reader.close()


HOLDER = """
import sys, time
from pathlib import Path
import msgspec
from penstock.records import StreamSpec, decode_record
from penstock.window import WindowReader

spec = decode_record(Path(sys.argv[2]).read_bytes(), StreamSpec)
reader = WindowReader(Path(sys.argv[1]), spec).begin()
with reader.as_file(reader.get(0)) as path:
    print(path, flush=True)
    time.sleep(60)
"""


def test_what_a_killed_reader_left_is_swept_and_what_a_living_one_has_is_not(
    dataset: RawDataset, tmp_path: Path
) -> None:
    folder, spec = tmp_path / "window", msgspec.structs.replace(make_spec(dataset), num_files=1)
    (tmp_path / "spec.json").write_bytes(encode_record(spec))
    with serving(folder, WINDOW_BYTES):
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        words = [sys.executable, "-c", HOLDER, str(folder), str(tmp_path / "spec.json")]
        with subprocess.Popen(words, env=environment, stdout=subprocess.PIPE, text=True) as holder:
            assert holder.stdout is not None
            path = Path(holder.stdout.readline().strip())
            sweep_files(folder)
            assert path.stat().st_size == SAMPLE_BYTES
            holder.send_signal(signal.SIGKILL)
        assert path.exists()
        again = msgspec.structs.replace(make_spec(dataset), num_files=1)
        reader = WindowReader(folder, again).begin()
        assert list((folder / FILES).iterdir()) == []
        reader.close()
