"""Images as `penstock list` takes them: what is a sample, what is left out and told, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from penstock.cli import main
from penstock.manifest import Extent, ManifestInfo, ManifestReader
from support.images import planted, write_class_folders, write_labelled


def words(source: Path | str, out: Path, *options: str, more: tuple[str, ...] = ()) -> list[str]:
    given = [word for option in options for word in ("--option", option)]
    files = ["--manifest", str(out / "m.parquet"), "--plan", str(out / "plan.json")]
    return ["list", "--source", str(source), "--task", "images", *files, *given, *more]


def listed(
    source: Path, out: Path, *options: str, more: tuple[str, ...] = ()
) -> tuple[ManifestInfo, dict[str, Extent]]:
    assert main(words(source, out, *options, more=more)) == 0
    with ManifestReader(out / "m.parquet") as reader:
        names = [split.name for split in reader.info.splits if split.num_samples]
        return reader.info, {sample.key: sample for name in names for sample in reader.rows(name)}


def target_of(extent: Extent) -> float:
    (target,) = extent.targets
    assert target is not None
    return target


def splits_of(out: Path) -> dict[str, str]:
    with ManifestReader(out / "m.parquet") as reader:
        names = [split.name for split in reader.info.splits if split.num_samples]
        return {sample.key: name for name in names for sample in reader.rows(name)}


@pytest.fixture(scope="module")
def pets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_class_folders(tmp_path_factory.mktemp("pets"), 60)


@pytest.fixture(scope="module")
def flat(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_labelled(tmp_path_factory.mktemp("flat") / "x", 60)


def test_the_class_is_the_folder(pets: Path, tmp_path: Path) -> None:
    info, samples = listed(pets, tmp_path, "size=32", "channels=1")
    assert info.classes == ("across", "down", "plain")
    assert info.shape == (1, 32, 32)
    assert len(samples) == 60
    assert info.skipped == ()
    for key, sample in samples.items():
        assert info.classes[int(target_of(sample))] == key.split("/")[0]
        assert sample.group == key
        assert sample.size_bytes == (pets / key).stat().st_size


def test_a_table_says_the_class_and_keeps_patients_whole(flat: Path, tmp_path: Path) -> None:
    info, samples = listed(flat, tmp_path, "labels=labels.tsv", "group-column=patient")
    assert len(samples) == 60
    for key, sample in samples.items():
        number = int(Path(key).stem)
        assert info.classes[int(target_of(sample))] == planted(number)[0]
        assert sample.group == f"p{number // 4}"
    by_group: dict[str, set[str]] = {}
    for key, split in splits_of(tmp_path).items():
        by_group.setdefault(samples[key].group, set()).add(split)
    assert all(len(found) == 1 for found in by_group.values())
    assert info.skipped == ()  # nor is the table, which is no image


@pytest.mark.parametrize("how", ["path", "file", "relative", "home"])
def test_the_table_may_lie_elsewhere(flat: Path, tmp_path: Path, how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    other = tmp_path / "else where"
    other.mkdir()
    (other / "l.csv").write_text((flat / "labels.tsv").read_text().replace("\t", ","))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    path = str(other / "l.csv")
    near = {"relative": "./else where/l.csv", "home": "~/else where/l.csv"}
    where = {"path": path, "file": (other / "l.csv").as_uri(), **near}[how]
    assert len(listed(flat, tmp_path / "out", f"labels={where}")[1]) == 60


def test_what_is_no_image_is_left_out_and_told(pets: Path, tmp_path: Path) -> None:
    source = tmp_path / "data"
    write_class_folders(source, 30)
    (source / "readme.txt").write_text("of no class")
    (source / "across" / "._0000.png").write_bytes(b"of a file system")
    (source / "down" / "empty.png").touch()
    (source / "loose.png").write_bytes(b"in no folder")
    info, samples = listed(source, tmp_path / "out", more=("--split", "0.6,0.2,0.2"))
    assert len(samples) == 30
    told = {item.object: item.reason for item in info.skipped}
    assert told.pop("2 objects").startswith("no image by name, ")
    assert told == {"down/empty.png": "empty", "loose.png": "in no folder that is a class"}


def test_a_few_images_are_of_all_classes_and_the_same_ones(pets: Path, tmp_path: Path) -> None:
    few = ("--max-files", "24", "--split", "0.6,0.2,0.2", "--seed", "3")
    info, samples = listed(pets, tmp_path / "a", more=few)
    assert len(samples) == 24
    assert len(info.classes) == 3
    assert {target_of(sample) for sample in samples.values()} == {0, 1, 2}
    assert listed(pets, tmp_path / "b", more=few)[0].fingerprint == info.fingerprint
    assert "36 images" in {item.object for item in info.skipped}


def test_some_classes_alone(pets: Path, tmp_path: Path) -> None:
    info, samples = listed(pets, tmp_path, "classes=down, across")
    assert info.classes == ("across", "down")
    assert len(samples) == 40
    assert [(item.object, item.count) for item in info.skipped] == [("20 images", 20)]


def test_numbers_sort_as_numbers(tmp_path: Path) -> None:
    for number in range(12):
        for name in ("a.png", "b.png", "c.png"):
            path = tmp_path / "data" / str(number) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(planted(number)[1])
    info, _ = listed(tmp_path / "data", tmp_path)
    assert info.classes == tuple(map(str, range(12)))


@pytest.mark.parametrize(
    ("folders", "asked", "cut"),
    [
        (("train", "val", "test"), "0.7,0.15,0.15", ()),
        (("train", "valid", "test"), "0.8,0.2,0", ()),
        (("training", "test"), "0.5,0.25,0.25", ("valid",)),
        (("Train",), "0.5,0.25,0.25", ("valid", "test")),
    ],
)
def test_the_datasets_own_splits_are_kept(
    tmp_path: Path, folders: tuple[str, ...], asked: str, cut: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    for folder in folders:
        write_class_folders(tmp_path / "data" / folder, 60 if folder.lower().startswith("train") else 6)
    info, samples = listed(tmp_path / "data", tmp_path, "split-folders=true", more=("--split", asked))
    found = splits_of(tmp_path)
    own = {"training": "train", "Train": "train", "val": "valid"}
    for key, split in found.items():
        named = own.get(key.split("/")[0], key.split("/")[0])
        assert split == named or (named == "train" and split in cut)
    assert set(found.values()) == {own.get(folder, folder) for folder in folders} | set(cut)
    assert info.classes == ("across", "down", "plain")
    assert info.notes[0].startswith("the dataset's own splits: train")
    assert "was asked" not in capsys.readouterr().out
    assert len(samples) == len(found)


def test_a_column_may_say_the_split(tmp_path: Path) -> None:
    write_labelled(tmp_path / "data", 60)
    rows = (tmp_path / "data" / "labels.tsv").read_text().splitlines()
    parts = ["split", *("train" if n < 40 else "dev" if n < 50 else "test" for n in range(60))]
    text = "\n".join(f"{row}\t{part}" for row, part in zip(rows, parts, strict=True))
    (tmp_path / "data" / "labels.tsv").write_text(text)
    listed(tmp_path / "data", tmp_path, "labels=labels.tsv", "split-column=split")
    for key, split in splits_of(tmp_path).items():
        number = int(Path(key).stem)
        assert split == ("train" if number < 40 else "valid" if number < 50 else "test")
    # Patient 12 is number 48 to 51, half of them for validation.
    asked = words(tmp_path / "data", tmp_path, "labels=labels.tsv", "split-column=split", "group-column=patient")
    assert main(asked) == 30


def test_early_parts_are_refused(pets: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    # They would come class by class.
    assert main(words(pets, tmp_path / "out", more=("--stream-listing",))) == 2
    assert "leave --stream-listing out" in capsys.readouterr().err


def test_many_classes_are_not_all_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = planted(0)[1]
    for number in range(70):
        for name in "ab":
            (tmp_path / "data" / f"c{number}").mkdir(parents=True, exist_ok=True)
            (tmp_path / "data" / f"c{number}" / f"{name}.png").write_bytes(data)
    info, _ = listed(tmp_path / "data", tmp_path)
    printed = capsys.readouterr().out
    assert "and 20 more" in printed
    assert len(info.notes) < 40


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Datasets that something is wrong with."""
    folder = tmp_path_factory.mktemp("odd")
    write_class_folders(folder / "two" / "only" / "one", 6)
    for path in list((folder / "two").rglob("*.*g")):
        path.rename(path.parents[1] / path.name)
    write_labelled(folder / "lacks", 20)
    for number in range(0, 20, 2):
        (folder / "lacks" / "images" / f"{number:04}.jpg").unlink()
    write_labelled(folder / "short", 20)
    rows = (folder / "short" / "labels.tsv").read_text().splitlines()
    (folder / "short" / "labels.tsv").write_text("\n".join(rows[:12]))
    (folder / "texts").mkdir()
    (folder / "texts" / "a.txt").write_text("a")
    write_class_folders(folder / "tests" / "test", 6)
    (folder / "packed").mkdir()
    (folder / "packed" / "a.png").write_bytes(planted(0)[1])
    (folder / "packed" / "labels.csv.gz").write_bytes(b"\x1f\x8b")
    return folder


@pytest.mark.parametrize(
    ("source", "options", "code", "told"),
    [
        ("two", [], 30, "are of the class 'one': two classes are needed"),
        ("two", ["class-folder=9"], 34, "6 of 6 images have no label"),
        (
            "lacks",
            ["labels=labels.tsv"],
            30,
            "10 of the 20 rows of labels.tsv have no image, 0000.jpg, 0002.jpg, 0004.jpg",
        ),
        ("short", ["labels=labels.tsv"], 34, "9 of 20 images have no label, images/"),
        ("short", ["labels=labels.tsv", "path-column=pth"], 2, "did you mean 'path'?"),
        ("short", ["labels=label.tsv"], 24, "did you mean labels.tsv?"),
        ("short", ["labels=/nowhere/labels.tsv"], 20, "/nowhere"),
        ("short", ["labels=./nothing.tsv"], 24, "there is no ./nothing.tsv"),
        ("short", ["labels=images"], 24, "there is no images in"),
        ("short", ["labels=gopher://a/b"], 2, "there is no scheme 'gopher'"),
        ("short", ["labels=s3://key:secret@bucket/l.csv"], 2, ""),
        ("packed", ["labels=labels.csv.gz"], 30, "are a .gz file"),
        ("texts", [], 22, "none of the 1 object under"),
        ("texts", ["match=*.jpg"], 22, "none of the 1 object under"),
        ("tests", ["split-folders=true"], 30, "of the dataset's own splits there is test, but none to train on"),
        ("lacks", ["path-column=path"], 2, "the option path-column means nothing here"),
        ("lacks", ["labels=labels.tsv", "class-folder=1"], 2, "the option class-folder means nothing here"),
        ("lacks", ["labels=labels.tsv", "split-folders=true"], 2, "use --option split-column="),
        ("lacks", ["size=4"], 2, "give a whole number from 16 to 4096"),
        ("lacks", ["size=64x64"], 2, "'64x64' is not an integer for size"),
        ("lacks", ["channels=2"], 2, "give 3 (red, green, blue) or 1 (grey)"),
        ("lacks", ["channels=1", "normalize=imagenet"], 2, "of three channels"),
        ("lacks", ["fit=corp"], 2, "did you mean crop?"),
        ("lacks", ["augment=flip,rotate"], 2, "'rotate'"),
        ("lacks", ["normalize=zscore"], 2, "use one of unit, half, imagenet"),
        ("lacks", ["unmatched-share=5"], 2, "give a number from 0 to 1"),
        ("lacks", ["background=blue"], 2, "use one of white, black, grey"),
        ("lacks", ["class-folder=lst"], 2, "last, first, or a number"),
        ("two", ["class-folder=2", "classes=on,tw"], 30, "did you mean 'one'"),
    ],
)
def test_what_is_wrong_is_one_clear_line(
    odd: Path, tmp_path: Path, source: str, options: list[str], code: int, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words(odd / source, tmp_path, *options)) == code
    printed = capsys.readouterr().err
    lines = [line for line in printed.splitlines() if ": error: " in line]
    assert len(lines) == 1, printed
    assert told in lines[0]
    assert "secret" not in printed
    assert not list(tmp_path.iterdir())


def test_a_share_that_is_left_out_may_be_allowed(odd: Path, tmp_path: Path) -> None:
    split = ("--split", "0.5,0.25,0.25", "--seed", "1")
    info, samples = listed(odd / "lacks", tmp_path / "a", "labels=labels.tsv", "unmatched-share=0.5", more=split)
    assert len(samples) == 10
    assert sum("but no image" in item.reason for item in info.skipped) == 10
    info, samples = listed(odd / "short", tmp_path / "b", "labels=labels.tsv", "unmatched-share=0.45", more=split)
    assert len(samples) == 11
    assert sum(item.reason == "not in labels.tsv" for item in info.skipped) == 9
