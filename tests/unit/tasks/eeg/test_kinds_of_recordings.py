"""One dataset as files of each kind gives the same samples, of the same targets; gaps are crossed by none."""

from __future__ import annotations

from pathlib import Path

import mne
import numpy as np
import pytest

from penstock.errors import DataError
from penstock.manifest import Extent
from penstock.tasks.protocols import Limits
from penstock.tasks.registry import get_task
from support.eeg_kinds import KINDS, STEP_VOLTS, dataset, put, stored
from support.samples import decoded_inputs

from .conftest import Bids, Make
from .test_tasks import fetch, reasons

PLAIN = {"normalize": "none"}


def samples(bids: Bids, task: str, extents: list[Extent]) -> dict[str, tuple[str, float | None, np.ndarray]]:
    """Return what the samples of some extents are, by their keys."""
    found, made = {}, get_task(task)
    for extent in extents:
        values = made.decode(fetch(bids.folder, extent), extent, extent.codec, np.arange(extent.num_samples))
        keys = extent.keys or (extent.key,)
        for key, value, target in zip(keys, values, extent.targets, strict=True):
            inputs = made.transform(value, None)["inputs"]  # type: ignore[attr-defined]
            found[key] = (extent.group, target, inputs)
    return found


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> Bids:
    return dataset(tmp_path_factory.mktemp("bdf") / "data", "bdf")


@pytest.mark.parametrize("task", ["eeg-c1", "eeg-c2", "eeg-events"])
@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_of_file_gives_the_same_samples(
    expected: Bids, tmp_path: Path, make: Make, kind: str, task: str
) -> None:
    bids = dataset(tmp_path / "data", kind)
    made, extents = make(bids, task, PLAIN)
    _, wanted = make(expected, task, PLAIN)
    assert made.shape[0] == 4
    assert [name for name in reasons(made) if "sub-" in name] == []
    here, there = samples(bids, task, extents), samples(expected, task, wanted)
    assert list(here) == list(there)
    for key, (group, target, inputs) in there.items():
        assert here[key][:2] == (group, target)
        # float32 of a value in volts is within a 2^23rd of it, which is less than any of these steps
        np.testing.assert_allclose(here[key][2], inputs, rtol=1e-6, atol=STEP_VOLTS / 1000)
    if kind == "eeglab-packed":
        assert len(extents) == 2  # a recording that can be read as a whole alone is read once, and not for each sample


@pytest.mark.parametrize("kind", ["edf+", "bdf+"])
def test_no_sample_lies_across_a_gap_and_times_count_the_gap(tmp_path: Path, make: Make, kind: str) -> None:
    bids = Bids(folder=tmp_path / "data")
    # Eight seconds are missing behind the tenth record.
    starts = [float(each if each < 10 else each + 8) for each in range(bids.seconds)]
    put(bids, "sub-A", kind, starts=starts)
    onsets = (2.0, 8.5, 9.5, 12.0, 17.0, 20.0)
    bids.events("sub-A", [(onset, f"e{number % 2}") for number, onset in enumerate(onsets)])
    options = PLAIN | {"epoch_start": 0.0, "epoch_seconds": 1.0, "event_values": "e0,e1"}
    made, extents = make(bids, "eeg-events", options)
    steps = stored("sub-A", bids.rate, bids.seconds)
    firsts = {0: 100, 1: 425, 5: 600}
    got = samples(bids, "eeg-events", extents)
    assert [int(key[-4:]) for key in got] == list(firsts)
    for (_, _, inputs), first in zip(got.values(), firsts.values(), strict=True):
        np.testing.assert_allclose(inputs, steps[:, first : first + 50] * STEP_VOLTS, rtol=1e-6)
    told = reasons(made)
    assert told[f"{bids.stem('sub-A')}_eeg.{kind[:3]}"] == "it has 1 gap in time, which no sample lies across"
    assert told["3 of 6 events"] == "3 across a gap"


def test_windows_lie_between_gaps(tmp_path: Path, make: Make) -> None:
    bids = Bids(folder=tmp_path / "data", seconds=11)
    put(bids, "sub-A", "edf+", starts=[float(each if each < 5 else each + 2) for each in range(11)])
    bids.put("participants.tsv", "participant_id\texternalizing\nsub-A\t0.5\n")
    _, extents = make(bids, "eeg-c2", PLAIN)
    steps = stored("sub-A", bids.rate, bids.seconds)
    # Windows of 4 s every 2 s: one in the first 5 s, two in the 6 s behind the gap.
    for (_, _, inputs), first in zip(samples(bids, "eeg-c2", extents).values(), (0, 250, 350), strict=True):
        np.testing.assert_allclose(inputs, steps[:, first + 50 : first + 150] * STEP_VOLTS, rtol=1e-6)


@pytest.mark.parametrize(("kind", "lost"), [("brainvision", ".eeg"), ("brainvision", ".vmrk"), ("eeglab-fdt", ".fdt")])
def test_a_recording_that_lacks_a_part_is_named_or_left_out(tmp_path: Path, make: Make, kind: str, lost: str) -> None:
    bids = dataset(tmp_path / "data", kind)
    (bids.folder / f"{bids.stem('sub-A')}_eeg{lost}").unlink()
    with pytest.raises(DataError, match=rf"names .*sub-A.*_eeg\{lost}, which is not there, or empty: upload it"):
        make(bids, "eeg-c1")
    made, extents = make(bids, "eeg-c1", limits=Limits(skip_bad=True))
    assert {extent.group for extent in extents} == {"sub-B"}
    assert any(f"_eeg{lost}, which is not there" in reason for reason in reasons(made).values())
    assert decoded_inputs(get_task("eeg-c1"), fetch(bids.folder, extents[0]), extents[0]).shape == (4, 100)


def test_the_table_of_channels_and_the_file_tell_of_types_and_bad_channels(tmp_path: Path, make: Make) -> None:
    """Long names are those of the table; what FIF says of its channels holds where no table does."""
    bids = dataset(tmp_path / "data", "brainvision")
    for subject in ("sub-A", "sub-B"):
        path = bids.folder / f"{bids.stem(subject)}_eeg.vhdr"
        path.write_bytes(path.read_bytes().replace(b"Ch2=E2,", b"Ch2=A name of more than sixteen letters,"))
    rows = ["name\ttype\tstatus", "E1\tEEG\tgood", "A name of more than sixteen letters\tEOG\tgood", "E3\tEEG\tbad"]
    bids.put("task-contrastChangeDetection_channels.tsv", "\n".join([*rows, "E4\tEEG\tgood", ""]))
    made, extents = make(bids, "eeg-c1", PLAIN)
    assert made.shape == (3, 100)
    some = next(iter(samples(bids, "eeg-c1", extents).values()))[2]
    assert [bool(np.any(row)) for row in some] == [True, False, True]

    tagged = dataset(tmp_path / "other", "fif")
    for subject in ("sub-A", "sub-B"):
        path = tagged.folder / f"{tagged.stem(subject)}_eeg.fif"
        raw = mne.io.read_raw_fif(path, preload=True, verbose="error")
        raw.set_channel_types({"E2": "eog", "E4": "stim"}, on_unit_change="ignore", verbose="error")
        raw.info["bads"] = ["E3"]
        raw.save(path, overwrite=True, verbose="error")
    made, extents = make(tagged, "eeg-c1", PLAIN)
    assert made.shape == (2, 100)
    some = next(iter(samples(tagged, "eeg-c1", extents).values()))[2]
    assert [bool(np.any(row)) for row in some] == [True, False]
    told = [each.reason for each in made.skipped]
    assert "1 of 3 channels are not taken: E2 (EOG)" in told
    assert "1 channels are marked bad, and are zeros: E3" in told


def test_onsets_beyond_any_recording_are_outside_of_it(tmp_path: Path, make: Make) -> None:
    bids = Bids(folder=tmp_path / "data")
    put(bids, "sub-A", "fif")
    bids.events("sub-A", [(2.0, "a"), (4.0, "b"), (1e30, "a"), (-1e30, "b")])
    made, extents = make(bids, "eeg-events", PLAIN | {"event_values": "a,b"})
    assert len(extents) == 2
    assert reasons(made)["2 of 4 events"] == "2 outside the recording"
