"""Clips of films and archives of them through the library's face, from S3 and folders, counted at the server."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import penstock
from penstock.errors import DataError
from support.cli import succeed
from support.media import film, numbers_of
from support.s3_server import own_s3

pytestmark = pytest.mark.usefixtures("children_are_forked")

CLIPS: dict[str, Any] = {"seconds": 1, "stride": 12}


def read(dataset: penstock.Dataset, **options: Any) -> list[Any]:
    with dataset.loader(4, epochs=1, collate=list, **{"window": "64Mi", **options}) as loader:
        return [value for batch in loader for value in batch]


def test_a_real_film_in_clips_from_s3_and_a_folder(
    real_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = (real_data / "video/world.mp4").read_bytes()
    (tmp_path / "world.mp4").write_bytes(data)
    options = {"clips": CLIPS, "frames": 4, "size": [32, 32], "audio": True, "rate": 8000, "channels": 1}
    local = read(penstock.of_format("video", tmp_path, options=options))
    assert sorted(clip["start"] for clip in local) == [0, 12, 24]
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    with own_s3({"films/world.mp4": data}) as (_, wire):
        where = {"endpoint_url": wire.url, "region": "us-east-2"}
        found = read(penstock.of_format("video", "s3://bucket/films", options=options, **where))
        assert [clip["start"] for clip in found] == [clip["start"] for clip in local]
        assert all(np.array_equal(one["frames"], other["frames"]) for one, other in zip(found, local, strict=True))
        assert all(np.array_equal(one["audio"], other["audio"]) for one, other in zip(found, local, strict=True))
        before = wire.body_bytes
        one = {"clips": [[12.0, 14.0]], "size": 32}
        (clip,) = read(penstock.of_format("video", "s3://bucket/films", options=one, **where))
        assert clip["frames"].shape == (60, 32, 57, 3)
        # Its listing and its index, 64 KiB, are in it; its share of the film is 103 kB.
        assert wire.body_bytes - before < 64 * 1024 + 1000 + 2 * len(data) * 2 / 30.5


def test_clips_go_on_where_they_were_left_and_films_stay_whole(tmp_path: Path) -> None:
    for number in range(6):
        data = film("mp4", "mpeg4", count=24 + number, sound="aac")
        (tmp_path / f"{number}.mp4").write_bytes(data)
    dataset = penstock.of_format("video", tmp_path, options={"clips": {"seconds": 0.5}, "fps": 4, "audio": True})
    train, valid = dataset.split(valid=0.34, by="group", seed=1)
    with train.loader(2, epochs=2, collate=list, window="64Mi") as loader:
        batches = [[(clip["start"], clip["audio"].shape) for clip in batch] for batch in loader]
        assert batches
    with train.loader(2, epochs=2, collate=list, window="64Mi") as loader:
        steps = iter(loader)
        for _ in range(2):
            next(steps)
        state = loader.state_dict()
    with train.loader(2, epochs=2, collate=list, window="64Mi") as loader:
        loader.load_state_dict(state)
        again = [[(clip["start"], clip["audio"].shape) for clip in batch] for batch in loader]
    assert again == batches[2:]
    assert len(read(valid)) in (2, 4, 6)  # both clips of each film


def test_damage_is_told_by_the_loader_and_may_be_left_out(tmp_path: Path) -> None:
    good = film("matroska", "ffv1", count=20, gop=1)
    bad = bytearray(good)
    bad[len(bad) // 2 : len(bad) // 2 + 400] = bytes(400)
    (tmp_path / "a.mkv").write_bytes(good)
    (tmp_path / "b.mkv").write_bytes(bytes(bad))
    dataset = penstock.of_format("video", tmp_path, options={"clips": {"seconds": 0.5}})
    with pytest.raises(DataError, match=r"b\.mkv/0\.\d00-\d\.\d00 cannot be decoded at \d\.\d\d s"):
        read(dataset)
    found = read(dataset, on_bad_sample="skip")
    assert len(found) in (2, 3)


def test_archives_of_films_and_pictures(tmp_path: Path) -> None:
    pictures = pytest.importorskip("PIL.Image")
    file = io.BytesIO()
    pictures.new("RGB", (6, 4), (10, 20, 30)).save(file, "PNG")
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("d/1.mp4", film("mp4", "mpeg4", count=20))
        archive.writestr("d/1.png", file.getvalue())
    (found,) = read(penstock.zip(tmp_path, decoded={"video": {"frames": 2}}))
    assert numbers_of(found["mp4"]["frames"]) == [5, 15]
    assert found["png"].tolist() == [[[10, 20, 30]] * 6] * 4


def test_inspect_shows_films_sounds_and_scans(tmp_path: Path) -> None:
    dicom = pytest.importorskip("pydicom")
    scans = Path(dicom.__file__).parent / "data/test_files"
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "a.mp4").write_bytes(film("mp4", "mpeg4", count=20))
    (folder / "b.mp4").write_bytes(film("mp4", "mpeg4", count=90))
    (folder / "a.flac").write_bytes(film("flac", "", sound="flac", count=10))
    (folder / "a.dcm").write_bytes((scans / "CT_small.dcm").read_bytes())  # before whose DICM a TIFF begins
    (folder / "bad.mkv").write_bytes(b"no film")
    page = tmp_path / "page.html"
    record = json.loads(succeed("inspect", str(folder), "--json", "--html", str(page), "--pictures"))
    kinds = {kind["extension"]: kind for kind in record["kinds"]}
    assert {name: kind["format"] for name, kind in kinds.items()} == {
        ".mp4": "video",
        ".flac": "audio",
        ".dcm": "dicom",
        ".mkv": "objects",
    }
    assert kinds[".mp4"]["about_samples"] == 2
    columns = {column["name"]: column["type"] for column in kinds[".mp4"]["columns"]}
    assert columns["frames"] == "uint8 [3, 160, 160, 3]"
    assert {column["name"] for column in kinds[".dcm"]["columns"]} == {"pixels", "tags"}
    assert kinds[".dcm"]["by_magic"] == {"DICOM": 1}
    assert page.read_text().count("data:image/png") >= 4
