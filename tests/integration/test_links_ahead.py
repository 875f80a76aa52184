"""Links of the Hub are looked up before the stream comes to what they lead to, each of them once."""

from __future__ import annotations

import io
import itertools
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote

import pytest

import penstock
from support.hub_server import Hub, serve_hub
from support.small_s3 import Asked, Reply

pytestmark = pytest.mark.usefixtures("children_are_forked")

ARCHIVES, SAMPLES, SAMPLE_BYTES = 5, 40, 25_000
BATCH = 8
WINDOW = "2Mi"
"""Of two archives; a slot holds a few samples."""


@dataclass(kw_only=True)
class Pictures:
    """A repository of archives, and what was asked for: method and archive, in order; ``bytes`` of what links give."""

    hub: Hub
    asked: list[tuple[str, str]] = field(default_factory=list)

    @property
    def links(self) -> list[tuple[str, str]]:
        return [each for each in self.asked if each[0] != "bytes"]

    def loader(self) -> penstock.Stream:
        dataset = penstock.tar("hf://datasets/org/name/data", endpoint_url=self.hub.url)
        return dataset.loader(BATCH, shuffle="none", epochs=1, window=WINDOW)


@pytest.fixture
def pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pictures]:
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    with serve_hub() as hub:
        hub.files = {f"data/{number}.tar": _archive(number) for number in range(ARCHIVES)}
        hub.large = set(hub.files)
        found = Pictures(hub=hub)

        def of_hub(asked: Asked) -> Reply:
            if "/resolve/" in asked.path:
                found.asked.append((asked.method, unquote(asked.path).rpartition("/")[2]))
            return hub.answer(asked)

        def of_links(asked: Asked) -> Reply:
            found.asked.append(("bytes", unquote(asked.path).rpartition("/")[2]))
            return hub.signed(asked)

        hub.hub.takeover, hub.cdn.takeover = of_hub, of_links
        yield found


def _archive(number: int) -> bytes:
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w") as archive:
        for sample in range(number * SAMPLES, (number + 1) * SAMPLES):
            member = tarfile.TarInfo(f"{sample:05}.bin")
            member.size = SAMPLE_BYTES
            archive.addfile(member, io.BytesIO(sample.to_bytes(4, "big") * (SAMPLE_BYTES // 4)))
    return written.getvalue()


def _numbers(batch: object) -> list[int]:
    assert isinstance(batch, dict)
    return [int.from_bytes(data[:4], "big") for data in batch["bin"]]


def test_the_next_archive_s_link_is_there_before_the_last_one_is_read(pictures: Pictures) -> None:
    with pictures.loader() as loader:
        found = [number for batch in loader for number in _numbers(batch)]
    assert found == list(range(ARCHIVES * SAMPLES))
    for before, name in itertools.pairwise(f"{number}.tar" for number in range(ARCHIVES)):
        assert pictures.asked.index(("HEAD", name)) < _last(pictures.asked, ("bytes", before))
    # The listing asks for each as well, in a process of its own.
    assert len(pictures.links) == 2 * ARCHIVES


def test_links_are_not_asked_for_again_where_a_position_is_taken_up(pictures: Pictures) -> None:
    with pictures.loader() as loader:
        batches = iter(loader)
        found = [*_numbers(next(batches)), *_numbers(next(batches))]
        position = loader.state_dict()
        before = _numbers(next(batches))
        loader.load_state_dict(position)
        found += [number for batch in loader for number in _numbers(batch)]
    assert before == list(range(2 * BATCH, 3 * BATCH))
    assert found == list(range(ARCHIVES * SAMPLES))
    # Once by the listing, once by the window; others may have been asked for at the moment of going back.
    assert [name for _, name in pictures.links].count("0.tar") == 2


def _last(asked: list[tuple[str, str]], one: tuple[str, str]) -> int:
    return len(asked) - 1 - asked[::-1].index(one)
