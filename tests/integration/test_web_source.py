"""Training from a web server, and from a scheme of somebody's own package, end to end."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import penstock
from penstock.errors import BucketNotFound, SourceChanged
from penstock.manifest import ManifestReader
from penstock.records import Evaluation, RunRecord, read_record
from support.cli import penstock as run_penstock
from support.cli import succeed
from support.eeg import write_eeg
from support.found_packages import found_packages
from support.hub_server import serve_hub
from support.objects import content, to_number, write_objects
from support.toy_scheme import put_toy_package
from support.web_server import Web, serve_web

pytestmark = pytest.mark.usefixtures("children_are_forked")

NUM_OBJECTS = 60


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    folder = tmp_path_factory.mktemp("web")
    write_objects(folder / "root/objects", NUM_OBJECTS)
    write_eeg(folder / "root/eeg")
    with serve_web(folder / "nginx", folder / "root") as served:
        yield served


def numbers(stream: penstock.Stream) -> list[int]:
    return [int(number) for batch in stream for number in batch]


@pytest.mark.parametrize("kind", ["html", "json"])
def test_objects_of_a_web_server_come_each_epoch_once(web: Web, kind: str) -> None:
    uri = f"{web.html if kind == 'html' else web.json}/objects/"
    with penstock.Stream(uri, decode=to_number, batch_size=16, window="2Mi", match="*.bin") as stream:
        epochs = [numbers(stream) for _ in range(2)]
    assert all(sorted(epoch) == list(range(NUM_OBJECTS)) for epoch in epochs)
    assert epochs[0] != epochs[1]


def test_a_row_of_a_servers_files_and_some_of_them(web: Web) -> None:
    row = penstock.objects(f"{web.html}/objects/{{0010..0029}}.bin").manifest()
    assert (row.num_samples, row.object_bytes) == (20, 20 * 2000)
    some = penstock.objects([f"{web.html}/objects/{number:04}.bin" for number in (3, 5, 8)]).manifest()
    assert some.num_samples == 3


def test_a_list_of_urls_is_trained_on(web: Web, tmp_path: Path) -> None:
    urls = tmp_path / "urls.txt"
    urls.write_text("".join(f"{web.html}/objects/{number:04}.bin\n" for number in range(0, NUM_OBJECTS, 2)))
    with penstock.Stream(f"urls+{urls.as_uri()}", decode=to_number, batch_size=8, window="2Mi") as stream:
        assert sorted(numbers(stream)) == list(range(0, NUM_OBJECTS, 2))


def test_the_whole_job_gives_the_weights_that_it_gives_from_a_folder(web: Web, tmp_path: Path) -> None:
    words = ("--task", "eeg-events", "--split-by", "sample", "--split", "0.6,0.2,0.2", "--seed", 5)
    training = ("--epochs", 2, "--batch-size", 4, "--threads", 1, "--window-size", "1Mi")
    found = {}
    for name, source in (("web", f"{web.html}/eeg/"), ("local", str(web.folder / "eeg"))):
        out = tmp_path / name
        succeed("run", "--source", source, *words, *training, "--out", out)
        found[name] = read_record(out / "run.json", RunRecord)
        assert read_record(out / "evaluation.json", Evaluation).metrics
    assert found["web"].weights_sha256 == found["local"].weights_sha256
    report = (tmp_path / "web/report.html").read_text()
    assert "not known" in report


def test_a_file_that_changes_under_the_plan_is_an_error(web: Web, tmp_path: Path) -> None:
    folder = write_objects(web.folder / "changing", 8)
    with penstock.Stream(f"{web.html}/changing/", decode=to_number, batch_size=1, window="2Mi", seed=1) as stream:
        list_of = [path.name for path in sorted(folder.iterdir())]
        assert len(stream) == len(list_of)
        for name in list_of:
            (folder / name).write_bytes(b"changed")
        with pytest.raises(SourceChanged):
            numbers(stream)


def test_a_manifest_holds_the_place_that_redirects_led_to(web: Web, tmp_path: Path) -> None:
    write_objects(web.folder / "folder", 8)
    words = ("--task", "objects", "--option", "match=*.bin", "--split", "1,0,0")
    places = ("--manifest", tmp_path / "m.parquet", "--plan", tmp_path / "p.json")
    succeed("list", "--source", f"{web.html}/folder", *words, *places)
    with ManifestReader(tmp_path / "m.parquet") as manifest:
        assert manifest.info.source.uri == f"{web.html}/folder/"
        assert manifest.info.num_samples == 8


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--source", "htps://h/x"), "did you mean https://"),
        (("--source", "kaggle://b/x"), "neither a dataset nor a competition"),
        (("--source", "https://h/x", "--anonymous"), "--anonymous means nothing for a web server"),
        (("--source", "https://h/x", "--region", "us-east-2"), "--region means nothing for a web server"),
        (("--source", "https://user:hunter2@h/x"), "user name"),
    ],
)
def test_what_cannot_be_a_source(words: tuple[str, ...], told: str, tmp_path: Path) -> None:
    places = ("--manifest", tmp_path / "m.parquet", "--plan", tmp_path / "p.json")
    done = run_penstock("list", *words, "--task", "objects", *places)
    assert done.returncode == 2
    assert told in done.stderr
    assert "hunter2" not in done.stderr
    assert len(done.stderr.strip().splitlines()) <= 2


def test_a_dataset_of_the_hub_is_trained_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_thisisatokenofthetestsalone")
    with serve_hub() as hub:
        hub.token = "hf_thisisatokenofthetestsalone"
        hub.link_seconds = 0.5
        hub.files |= {f"data/{number:04}.bin": content(number) for number in range(NUM_OBJECTS)}
        hub.large |= set(hub.files)

        def opened() -> penstock.Stream:
            return penstock.Stream(
                "hf://datasets/org/name/data", decode=to_number, batch_size=8, window="2Mi", endpoint_url=hub.url
            )

        with opened() as stream:
            for _ in range(2):
                assert sorted(numbers(stream)) == list(range(NUM_OBJECTS))
        assert all("authorization" not in asked.headers for asked in hub.cdn.requests)
        hub.token = "hf_another"
        with pytest.raises(BucketNotFound, match="the token is not taken"), opened() as stream:
            numbers(stream)


def test_a_scheme_of_another_package_lists_and_trains(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    packages, shelves = tmp_path / "packages", tmp_path / "shelves"
    packages.mkdir()
    put_toy_package(packages, "toy")
    write_objects(shelves / "mine", 24)
    for path in (shelves / "mine").iterdir():
        path.write_bytes(path.read_bytes()[::-1])
    monkeypatch.setenv("PYTHONPATH", str(packages))
    monkeypatch.setenv("TOY_SHELVES", str(shelves))
    with (
        found_packages(packages),
        penstock.Stream("toy://mine", decode=to_number, batch_size=8, window="2Mi") as stream,
    ):
        assert sorted(numbers(stream)) == list(range(24))
