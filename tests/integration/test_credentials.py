"""Steps with credentials of a role, which end again and again while they run; and secrets that are given in URLs."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from penstock import Stream
from penstock.cli import main
from penstock.errors import ConfigError
from support.cli import succeed
from support.eeg import write_eeg
from support.small_s3 import Asked, Reply, small_s3
from unit.sources.ways import WAYS, clean_aws

SECRETS = ["s3://AKIAKEY:hunter2@bucket", "https://me:hun/ter2@host", "http://host/?X-Amz-Signature=hunter2"]
SECRETS += ["s3:/AKIAKEY:hunter2@bucket/x", "http://AKIAKEY%3Ahunter2%40host:9000"]


@dataclass(kw_only=True)
class EndSooner:
    """Ends credentials after some requests, before the time that was told; a refused one is taken with others.

    So nothing depends on how long a request takes, nor on how many are sent at once.
    """

    most_requests: int
    used: Counter[str] = field(default_factory=Counter)
    refused: dict[tuple[str, ...], str] = field(default_factory=dict)

    def __call__(self, asked: Asked) -> Reply | None:
        what = (asked.method, asked.path, str(asked.query), asked.headers.get("range", ""))
        name = asked.access_key_id
        self.used[name] += 1
        if self.used[name] <= self.most_requests or self.refused.get(what, name) != name:
            return None
        self.refused[what] = name
        return Reply.error(400, "ExpiredToken")


@pytest.mark.parametrize(("way", "is_told"), [("web-identity", True), ("process", False)])
def test_every_step_goes_on_when_its_credentials_end(
    way: str, is_told: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The service says the truth of their life, so that they are renewed before; or not, so that the store refuses."""
    dataset, ending = write_eeg(tmp_path / "data"), EndSooner(most_requests=5)
    with small_s3(life_seconds=1.5) if is_told else small_s3(takeover=ending) as server:
        clean_aws(monkeypatch, tmp_path)
        WAYS[way](monkeypatch, tmp_path, server)
        for path in dataset.rglob("*"):
            if path.is_file():
                server.objects[f"bucket/eeg/{path.relative_to(dataset)}"] = path.read_bytes()
        where = ("--endpoint-url", server.url, "--region", "us-east-2")
        made = ("--manifest", tmp_path / "m.parquet", "--plan", tmp_path / "p.json")
        splitting = ("--split", "0.5,0.25,0.25")
        succeed("list", "--source", "s3://bucket/eeg", *where, "--task", "eeg-c1", *splitting, *made)
        kept = ("--checkpoints", "s3://bucket/run/checkpoints", "--run-endpoint-url", server.url)
        succeed(
            "train", *made, *kept, "--epochs", 3, "--batch-size", 4, "--threads", 1, "--record", tmp_path / "run.json"
        )
        assert any(name.startswith("bucket/run/checkpoints/") for name in server.objects)
        assert len(server.lent) > 3
        assert is_told or len(ending.refused) > 3
        lenders = {asked.path for asked in server.lending}
        assert len(lenders) == 1


@pytest.mark.parametrize("secret", SECRETS)
def test_no_step_takes_a_secret_in_a_url_nor_leaves_it_anywhere(
    secret: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    run = ("run", "--task", "eeg-c1", "--out", out, "--source")
    made = ("--manifest", tmp_path / "m", "--plan", tmp_path / "p", "--record", tmp_path / "r")
    asked = [
        (*run, secret),
        (*run, "s3://bucket", "--endpoint-url", secret),
        ("list", "--source", secret, "--task", "objects", *made),
        ("train", *made, "--checkpoints", secret),
        ("train", *made, "--run-root", secret, "--run-id", "x"),
        ("train", *made, "--run-root", "s3://bucket", "--run-endpoint-url", secret, "--run-id", "x"),
        ("evaluate", *made, "--checkpoint", secret, "--metrics", tmp_path / "x"),
        ("doctor", "--source", secret),
        (*run, "s3://bucket", "--sorce", secret),
    ]
    for words in asked:
        assert main([str(word) for word in words]) == ConfigError.exit_code, words[0]
        told = capsys.readouterr()
        assert "error: " in told.err
        assert "ter2" not in told.err + told.out
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and b"ter2" in path.read_bytes()]


@pytest.mark.parametrize("secret", SECRETS)
def test_a_stream_takes_none_either(secret: str) -> None:
    for options in ({"source": secret}, {"source": "s3://bucket", "endpoint_url": secret}):
        with pytest.raises(ConfigError) as caught:
            Stream(**options, decode=lambda data, key: 0)  # type: ignore[arg-type]
        assert "ter2" not in str(caught.value)
