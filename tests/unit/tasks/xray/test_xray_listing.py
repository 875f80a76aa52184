"""X-rays as `penstock list` takes them: who is in which split, what is trained on, and what is told or refused."""

from __future__ import annotations

import gzip
import io
import lzma
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from penstock.cli import main
from penstock.errors import DataError
from penstock.manifest import Extent, ManifestInfo, ManifestReader
from penstock.tasks.xray.labels import FINDINGS, findings_of, read_labels
from penstock.tasks.xray.task import Xray
from support.xrays import archive_of, files_of, make_studies, tables_of, write_folder

STUDIES = make_studies(40)
OF = {study.name: study for study in STUDIES}


def words(source: Path | str, out: Path, *options: str, more: tuple[str, ...] = ()) -> list[str]:
    given = [word for option in options for word in ("--option", option)]
    files = ["--manifest", str(out / "m.parquet"), "--plan", str(out / "plan.json")]
    return ["list", "--source", str(source), "--task", "xray", *files, *given, "--split", "0.5,0.2,0.3", *more]


def listed(
    source: Path, out: Path, *options: str, more: tuple[str, ...] = ()
) -> tuple[ManifestInfo, dict[str, dict[str, Extent]]]:
    """Return the extents of each split by the images' names."""
    assert main(words(source, out, *options, more=more)) == 0
    with ManifestReader(out / "m.parquet") as reader:
        names = [split.name for split in reader.info.splits if split.num_samples]
        return reader.info, {name: {each.key.rpartition("/")[2]: each for each in reader.rows(name)} for name in names}


def patients(extents: dict[str, Extent]) -> set[str]:
    return {extent.group for extent in extents.values()}


@pytest.fixture(scope="module", name="folder")
def _folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_folder(tmp_path_factory.mktemp("nih") / "x", STUDIES)


def test_normal_images_alone_are_trained_on_and_patients_are_of_one_split(folder: Path, tmp_path: Path) -> None:
    info, splits = listed(folder, tmp_path, "size=32")
    assert info.shape == (1, 32, 32)
    assert info.classes == ("No Finding", "Finding")
    assert set(splits) == {"train", "valid", "test"}
    assert all(OF[name].labels == "No Finding" for name in splits["train"])
    for one, other in (("train", "valid"), ("train", "test"), ("valid", "test")):
        assert not patients(splits[one]) & patients(splits[other])
    scored = {**splits["valid"], **splits["test"]}
    assert len(scored) == sum(str(each.patient) in patients(scored) for each in STUDIES)
    for name, extent in scored.items():
        assert extent.targets == (float(OF[name].labels != "No Finding"),)
        assert findings_of(extent.args[0][0]) == tuple(sorted(set(OF[name].labels.split("|")) - {"No Finding"}))
    assert {item.reason for item in info.skipped if "normal images alone" in item.reason}


def test_patients_straddle_archives_and_keep_their_split_whichever_are_taken(folder: Path, tmp_path: Path) -> None:
    _, whole = listed(folder, tmp_path / "a", "size=32")
    _, part = listed(folder, tmp_path / "b", "size=32", "archives=images_00[12]")
    straddling = {each.patient for each in STUDIES if each.archive == "images_001"} & {
        each.patient for each in STUDIES if each.archive == "images_002"
    }
    assert straddling
    for split, extents in part.items():
        assert set(extents) == {name for name in whole[split] if OF[name].archive in ("images_001", "images_002")}


def test_stages_train_on_more_and_more_and_score_on_the_same(folder: Path, tmp_path: Path) -> None:
    _, first = listed(folder, tmp_path / "a", "train-archives=images_001")
    _, second = listed(folder, tmp_path / "b", "train-archives=images_001,images_002")
    _, some = listed(folder, tmp_path / "c", "train-share=0.3")
    _, more = listed(folder, tmp_path / "d", "train-share=0.7")
    _, whole = listed(folder, tmp_path / "e")
    assert first["test"].keys() == second["test"].keys() == some["test"].keys() == whole["test"].keys()
    assert first["train"].keys() < second["train"].keys() < whole["train"].keys()
    assert {OF[name].archive for name in first["train"]} == {"images_001"}
    assert some["train"].keys() < more["train"].keys() < whole["train"].keys()


def test_the_archive_of_all_gives_the_same_samples(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "zip").mkdir()
    (tmp_path / "zip" / "archive.zip").write_bytes(archive_of(STUDIES))
    _, files = listed(folder, tmp_path / "a", "size=32")
    _, members = listed(tmp_path / "zip", tmp_path / "b", "size=32", "archives=images_*")
    assert {split: list(found) for split, found in files.items()} == {
        split: list(found) for split, found in members.items()
    }
    task = Xray()
    for name in list(files["test"])[:5]:
        found = []
        for extent, source in ((files["test"][name], folder), (members["test"][name], tmp_path / "zip")):
            (span,) = extent.spans
            data = (source / span.object).read_bytes()[span.offset : span.offset + span.length_bytes]
            [value] = task.decode(memoryview(data), extent, extent.codec, np.zeros(1, np.int64))
            found.append(task.transform(value, None))
        assert found[0].keys() == found[1].keys() == {"inputs", "targets", "findings", "boxes"}
        for one, other in zip(found[0].values(), found[1].values(), strict=True):
            np.testing.assert_array_equal(one, other)


def test_boxes_are_in_parts_of_the_image(folder: Path, tmp_path: Path) -> None:
    _, splits = listed(folder, tmp_path, "size=64")
    boxed = [name for name in {**splits["valid"], **splits["test"]} if OF[name].box and OF[name].patient % 2]
    assert boxed
    for name in boxed:
        extent = {**splits["valid"], **splits["test"]}[name]
        data = memoryview(OF[name].png)
        [value] = Xray().decode(data, extent, extent.codec, np.zeros(1, np.int64))
        found = Xray().transform(value, None)
        box = OF[name].box
        assert box is not None
        x, y, width, height = box
        np.testing.assert_allclose(found["boxes"][0], np.array([x, y, x + width, y + height]) / 32, atol=1e-3)
        assert np.isnan(found["boxes"][1:]).all()
        assert found["inputs"].shape == (1, 64, 64)


def test_the_datasets_own_test_patients_can_be_taken(folder: Path, tmp_path: Path) -> None:
    info, splits = listed(folder, tmp_path, "split-lists=official", more=("--split", "0.8,0.2,0"))
    assert patients(splits["test"]) == {str(each.patient) for each in STUDIES if each.patient % 4 == 3}
    assert not patients(splits["test"]) & (patients(splits["train"]) | patients(splits["valid"]))
    assert any("own splits" in note for note in info.notes)


def test_findings_and_views_are_chosen(folder: Path, tmp_path: Path) -> None:
    _, splits = listed(folder, tmp_path / "a", "findings=Mass")
    scored = {**splits["valid"], **splits["test"]}
    assert {OF[name].labels.split("|")[0] for name in scored} == {"No Finding", "Mass"}
    _, splits = listed(folder, tmp_path / "b", "views=PA")
    assert all(OF[name].patient % 2 for found in splits.values() for name in found)


def test_everything_can_be_trained_on(folder: Path, tmp_path: Path) -> None:
    _, splits = listed(folder, tmp_path, "train-on=all")
    assert sum(map(len, splits.values())) == len(STUDIES)


def test_some_files_are_the_same_each_time(folder: Path, tmp_path: Path) -> None:
    found = [listed(folder, tmp_path / name, more=("--max-files", "60"))[1] for name in ("a", "b")]
    assert found[0] == found[1]
    assert 0 < sum(map(len, found[0].values())) <= 60


def _packed(folder: Path, name: str) -> str:
    data = tables_of(STUDIES)["Data_Entry_2017.csv"]
    if name.endswith("gz"):
        (folder / name).write_bytes(gzip.compress(data))
    elif name.endswith("xz"):
        (folder / name).write_bytes(lzma.compress(data))
    else:
        columns = {
            "image_index": [each.name for each in STUDIES],
            "finding_labels": [each.labels for each in STUDIES],
            "patient_id": [each.patient for each in STUDIES],
        }
        pq.write_table(pa.table(columns), folder / name)
    return str(folder / name)


@pytest.mark.parametrize("name", ["t.csv.gz", "t.csv.xz", "t.parquet"])
def test_the_table_may_lie_elsewhere_and_be_packed(folder: Path, tmp_path: Path, name: str) -> None:
    _, plain = listed(folder, tmp_path / "a")
    _, found = listed(folder, tmp_path / "b", f"labels={_packed(tmp_path, name)}")
    assert {split: list(each) for split, each in found.items()} == {split: list(each) for split, each in plain.items()}


def _spoilt(study: Callable[[dict[str, bytes]], None]) -> dict[str, bytes]:
    files = files_of(STUDIES)
    study(files)
    return files


def _table(old: str, new: str, *, name: str = "Data_Entry_2017.csv") -> Callable[[dict[str, bytes]], None]:
    def change(files: dict[str, bytes]) -> None:
        assert old.encode() in files[name]
        files[name] = files[name].replace(old.encode(), new.encode(), 1)

    return change


def _without_rows(files: dict[str, bytes]) -> None:
    lines = files["Data_Entry_2017.csv"].splitlines(keepends=True)
    files["Data_Entry_2017.csv"] = b"".join(lines[: len(lines) // 2])


def _moved(files: dict[str, bytes]) -> None:
    files["images_009/images/00000001_000.png"] = files["images_001/images/00000001_000.png"]


@pytest.mark.parametrize(
    ("change", "options", "told"),
    [
        (_table("Mass", "Masss"), (), "'Masss' is no finding of ChestX-ray14: did you mean 'Mass'"),
        (_table("Mass", "No Finding|Mass"), (), "is no finding"),
        (_table("00000001_000.png,No Finding,0,1,", "00000001_000.png,No Finding,0,,"), (), "Patient ID is empty"),
        (_table("00000003_001.png", "00000003_000.png"), (), "comes twice"),
        (_table("Finding Labels", "Labels"), (), "no column Finding Labels"),
        (_table("00000001_000.png,No", "00000001_000.png,x,No"), (), "cells where the header has"),
        (_without_rows, (), "have no row in Data_Entry_2017.csv"),
        (_moved, (), "00000001_000.png lies in two places"),
        (lambda files: files.pop("Data_Entry_2017.csv"), (), "no table of labels lies under"),
        (lambda files: files.update({"Data_Entry_2017_v2020.csv": b"x"}), (), "may all be meant"),
        (lambda files: files.pop("test_list.txt"), ("split-lists=official",), "no test_list.txt"),
        (_table(",Mass,", ",Mass,x", name="BBox_List_2017.csv"), (), "BBox_List_2017.csv, line"),
        (lambda files: None, ("archives=images_9*",), "is of the archive images_9*, of --option archives="),
        (lambda files: None, ("train-archives=images_001,images_9*",), "images_9*, of --option train-archives="),
        (lambda files: None, ("train-share=0.0001",), "no image is left to train on"),
        (lambda files: None, ("archives=images_001,images_oo2",), "is of the archive images_oo2,"),
        (lambda files: None, ("findings=Flu",), "the option findings has 'Flu'"),
        (lambda files: None, ("train-share=0",), "train-share is 0"),
        (lambda files: None, ("views=LL",), "the option views is 'LL'"),
        (lambda files: None, ("labels=nothing.csv",), "there is no nothing.csv"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_refused_in_a_line(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    change: Callable[[dict[str, bytes]], None],
    options: tuple[str, ...],
    told: str,
) -> None:
    for path, data in _spoilt(change).items():
        (tmp_path / "x" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "x" / path).write_bytes(data)
    assert main(words(tmp_path / "x", tmp_path, *options)) != 0
    errors = [line for line in capsys.readouterr().err.splitlines() if ": error: " in line]
    assert len(errors) == 1, errors
    assert told in errors[0]
    assert not (tmp_path / "m.parquet").exists()


def test_a_split_by_sample_is_refused(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words(folder, tmp_path, more=("--split-by", "sample"))) == 2
    assert "images of one patient trained on and scored on" in capsys.readouterr().err


def test_a_damaged_archive_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "archive.zip").write_bytes(archive_of(STUDIES[:8])[:-30])
    assert main(words(tmp_path / "x", tmp_path)) != 0
    assert "archive.zip" in capsys.readouterr().err


def _real_labels() -> Path:
    found = Path(os.environ.get("PENSTOCK_TEST_DATA", "/nowhere")) / "xray" / "Data_Entry_2017_v2020.csv.xz"
    if not found.exists():
        pytest.skip(
            "set PENSTOCK_TEST_DATA to a folder with xray/Data_Entry_2017_v2020.csv.xz, the dataset's own table"
        )
    return found


def test_the_real_table_is_read() -> None:
    path = _real_labels()
    book = read_labels(path.read_bytes(), name=path.name, with_views=True)
    assert len(book) == 112_120
    assert len({label.patient for label in book.values()}) == 30_805
    assert sum(label.findings == 0 for label in book.values()) == 60_361
    counts = {name: sum(label.findings >> place & 1 for label in book.values()) for place, name in enumerate(FINDINGS)}
    assert (counts["Infiltration"], counts["Hernia"]) == (19_894, 227)
    assert {label.view for label in book.values()} == {"PA", "AP"}


def test_a_table_of_texts_that_are_none_is_refused() -> None:
    texts = pa.StringArray.from_buffers(1, pa.py_buffer(np.array([0, 2], "<i4")), pa.py_buffer(b"\xff\xfe"))
    file = io.BytesIO()
    pq.write_table(pa.table(dict.fromkeys(("image_index", "finding_labels", "patient_id"), texts)), file)
    with pytest.raises(DataError, match="is no Parquet file that can be read"):
        read_labels(file.getvalue(), name="t.parquet", with_views=False)
