"""``penstock forecast`` by its command: worked examples, a manifest against the run that follows, and refusals."""

from __future__ import annotations

import json
import math
import re
import shlex
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

import penstock
from penstock.cli import main
from penstock.errors import ConfigError, PenstockError
from penstock.records import (
    CostReport,
    Evaluation,
    ForecastRecord,
    RunRecord,
    StepRecord,
    read_record,
    write_record,
)
from penstock.steps.options.run import JobOptions
from support.images import write_class_folders
from support.options import config_of
from support.runs import make_run
from support.small_s3 import small_s3

pytestmark = pytest.mark.usefixtures("children_are_forked")


def forecast(capsys: pytest.CaptureFixture[str], *words: object) -> dict[str, Any]:
    assert main(["forecast", *map(str, words), "--json"]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def way(found: dict[str, Any], name: str) -> dict[str, Any]:
    ways: list[dict[str, Any]] = found["nodes"][0]["ways"]
    return next(each for each in ways if each["name"] == name)


def test_a_manifest_is_forecast_as_its_run_goes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Bytes and requests are those of the run, and its record tells how long an epoch computes."""
    data, out = write_class_folders(tmp_path / "data", 60), tmp_path / "out"
    told = ["run", "--source", data, "--task", "images", "--option", "size=16", "--epochs", 2, "--batch-size", 8]
    told += ["--threads", 1, "--window-size", "2Mi", "--out", out]
    assert main([str(word) for word in told]) == 0
    capsys.readouterr()
    words = ("--manifest", out / "manifest.parquet", "--plan", out / "plan.json", "--epochs", 2, "--measured", out)
    found = forecast(capsys, *words, "--rate", "1GB/s", "--window-size", "2Mi", "--node-usd-per-hour", 1)
    run = read_record(out / "run.json", RunRecord)
    tested = read_record(out / "evaluation.json", Evaluation)
    streamed = way(found, "stream")
    assert streamed["moved_bytes"] == run.meters.sample_bytes + tested.meters.sample_bytes
    requests = found["nodes"][0]["epoch_requests"]
    assert requests == sum(split_extents(out / "manifest.parquet", name) for name in ("train", "valid"))
    computed = sum(each.compute_seconds + each.valid_seconds - each.valid_stall_seconds for each in run.epochs)
    assert math.isclose(found["nodes"][0]["compute_seconds"], computed / 2, rel_tol=1e-6)
    assert all(line["usd"] is not None for each in found["nodes"][0]["ways"] for line in each["lines"])


def test_a_job_is_forecast_before_it_trains_and_its_report_has_both(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, out = write_class_folders(tmp_path / "data", 60), tmp_path / "out"
    told = ["run", "--source", data, "--task", "images", "--option", "size=16", "--epochs", 1, "--batch-size", 8]
    told += ["--threads", 1, "--window-size", "2Mi", "--out", out, "--forecast", "--instance-type", "g5.xlarge"]
    assert main([str(word) for word in (*told, "--max-usd", 0.000001)]) == 77
    said = capsys.readouterr()
    assert "This run (window): $" in said.out
    assert "How long an epoch computes is not known, and is taken to be nothing" in said.out
    assert "penstock run: warning: the forecast for g5.xlarge is $" in said.err
    began = (out / "forecast.json").read_bytes()
    assert main([str(word) for word in (*told, "--max-usd", 1)]) == 0
    assert "This run" not in capsys.readouterr().out  # it goes on, with the forecast that it began with
    assert (out / "forecast.json").read_bytes() == began
    found = read_record(out / "forecast.json", ForecastRecord)
    run, tested = read_record(out / "run.json", RunRecord), read_record(out / "evaluation.json", Evaluation)
    planned = found.nodes[0].way(found.planned or "")
    assert planned is not None
    assert planned.moved_bytes == run.meters.bytes_downloaded + tested.meters.bytes_downloaded
    probe = read_record(out / "probe.json", StepRecord)
    assert probe.meters.get_requests > 0
    assert 0 < probe.meters.bytes_downloaded < planned.moved_bytes
    assert "Node of the forecast step" in [line.what for line in read_record(out / "cost.json", CostReport).lines]
    summary, page = (out / "report.md").read_text(), (out / "report.html").read_text()
    assert re.search(r"\| Bytes from the source \| (\S+ KiB) \| \1 \| 100% \|", summary)
    for row in ("Wall time of training and evaluation", "GET requests", "US dollars"):
        assert row in page
    assert "What it will cost" in (out / "forecast.html").read_text()


def test_a_job_that_ends_within_an_epoch_is_forecast_until_then_and_with_what_it_takes_to_begin(
    tmp_path: Path,
) -> None:
    """Of 43 samples an epoch in batches of 4, 18 steps are 18/11 of an epoch."""
    data, out = write_class_folders(tmp_path / "data", 60), tmp_path / "out"
    told = ["run", "--source", data, "--task", "images", "--option", "size=16", "--epochs", 4, "--batch-size", 4]
    told += ["--threads", 1, "--window-size", "2Mi", "--out", out, "--forecast", "--max-steps", 18]
    command = [sys.executable, "-m", "penstock", *map(str, told)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert "2 epochs of " in done.stdout
    assert ", 1.64 of them until the run ends" in done.stdout
    found = read_record(out / "forecast.json", ForecastRecord)
    node = found.nodes[0]
    tested = read_record(out / "evaluation.json", Evaluation)
    streamed = node.way("stream")
    assert streamed is not None
    assert math.isclose(streamed.moved_bytes - tested.meters.bytes_downloaded, 18 / 11 * node.epoch_bytes, rel_tol=1e-6)
    assert any("each as long as this process took to begin" in line for line in found.assumptions)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--forecast", "--stream-listing"), "--forecast needs the whole listing"),
        (("--samples-per-second", 3), "no forecast is asked for"),
    ],
)
def test_a_job_that_cannot_be_forecast_is_refused_before_it_lists(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: tuple[object, ...], told: str
) -> None:
    job = ("run", "--source", write_class_folders(tmp_path / "data", 6), "--task", "images", "--out", tmp_path / "out")
    assert main([str(word) for word in (*job, *words)]) == 2
    assert told in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def split_extents(manifest: Path, name: str) -> int:
    from penstock.manifest import ManifestReader

    with ManifestReader(manifest) as reader:
        return reader.info.split(name).num_extents


def test_a_folder_is_listed_and_a_page_is_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data, page = write_class_folders(tmp_path / "data", 12), tmp_path / "page.html"
    words = ["forecast", data, "--compute-hours", 1, "--rate", "20MB/s", "--html", page, "--source-prices", "s3"]
    nodes = ["--instance-type", "g5.xlarge", "--instance-type", "p99.<huge>"]
    assert main([str(word) for word in (*words, *nodes)]) == 0
    told = capsys.readouterr().out
    assert "Recommended: " in told
    assert "g5.xlarge, $1.006/h" in told
    assert "whose price is not known" in told
    text = page.read_text()
    assert "p99.&lt;huge&gt;" in text
    assert "<script" not in text
    assert "no price" in text
    for head in ("wall", "stall", "busy", "USD", "low", "high", "disk", "fits"):  # a phone has the heads in the cells
        assert text.count(f'data-head="{head}"') == text.count('data-head="USD"') > 0


def test_dollars_can_be_followed_and_nodes_are_set_side_by_side(capsys: pytest.CaptureFixture[str]) -> None:
    """What is recommended costs the sum of its lines, and the node that costs least is named."""
    stated = ["forecast", "--size", "10GB", "--objects", "1000", "--compute-hours", "2", "--epochs", "3"]
    nodes = ["--instance-type", "g5.xlarge", "--instance-type", "g4dn.xlarge"]
    assert main([*stated, *nodes]) == 0
    told = capsys.readouterr().out
    sums = [line for line in told.splitlines() if line.startswith("  = ")]
    assert [re.sub(r"\$[\d.]+", "$", each) for each in sums] == [
        f"  = {node} $ + GET requests $ + LIST requests $" for node in ("g5.xlarge", "g4dn.xlarge")
    ]
    totals = [float(found) for found in re.findall(r"Recommended: .*about \$([\d.]+) and", told)]
    for line, total in zip(sums, totals, strict=True):
        assert math.fsum(map(float, re.findall(r"\$([\d.]+)", line))) == pytest.approx(total, abs=0.01)
    assert f"Of 2 nodes g4dn.xlarge costs least: ${min(totals):.2f}, " in told
    assert main([*stated, *nodes[:2]]) == 0
    assert "costs least" not in capsys.readouterr().out


def test_old_prices_of_any_node_are_told_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    """g4dn.xlarge's price is of October 2026, inf2.xlarge's of that January."""
    stated = ["forecast", "--size", "1GB", "--objects", "1000", "--compute-hours", "1", "--today", "2026-11-28"]
    assert main([*stated, "--instance-type", "g4dn.xlarge", "--instance-type", "inf2.xlarge"]) == 0
    (told,) = [line for line in capsys.readouterr().out.splitlines() if "older than 180 days" in line]
    assert "inf2.xlarge: 313 days (as of 2026-01-19)" in told
    assert "g4dn.xlarge" not in told


def test_python_takes_the_same_options(tmp_path: Path) -> None:
    (found,) = penstock.forecast(
        size="2TB", objects=200_000, requests_per_object=2, compute_hours=2, instance_type="g4dn.xlarge",
        window_size="115GB",
    )  # fmt: skip
    assert found.best == "window"
    assert math.isclose(float(found.outlook("window").mid.usd), 12.05, rel_tol=0.001)
    data = write_class_folders(tmp_path / "data", 6)
    both = penstock.forecast(str(data), compute_hours=1, rate="20MB/s", instance_type=["g5.xlarge", "p99"])
    assert [each.node.name for each in both] == ["g5.xlarge", "p99"]
    with pytest.raises(ConfigError, match="'objcts' is no option of a forecast: did you mean 'objects'"):
        penstock.forecast(size=1, objcts=3)
    with pytest.raises(ConfigError, match="rate='fast' cannot be used"):
        penstock.forecast(size=1, objects=3, rate="fast", compute_hours=1)


@pytest.mark.parametrize("value", [True, 5, object(), float("nan"), [5], b"x", 10**400, "x" * 300])
def test_python_refuses_what_is_no_value_of_an_option(value: Any) -> None:
    given = {"size": 10**9, "objects": 3, "rate": "1MB/s", "compute_hours": 1}
    for name in (
        "instance_type",
        "way",
        "transfer",
        "price_region",
        "measured",
        "prices",
        "today",
        "json",
        "anonymous",
    ):
        if (name, value) not in (("json", True), ("anonymous", True), ("instance_type", "x" * 300)):
            with pytest.raises(PenstockError):
                penstock.forecast(**{**given, name: value})


def test_a_record_whose_figures_cannot_be_true_measures_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run.json"
    write_record(run, make_run())
    words = ["forecast", "--size", "1GB", "--objects", "10", "--rate", "1MB/s", "--measured", str(run)]
    assert main(words) == 0
    document = json.loads(run.read_bytes())
    for name, value in (("num_samples", 10**400), ("compute_seconds", 1e308), ("valid_seconds", 1e308)):
        epochs = [{**document["epochs"][0], name: value}, *document["epochs"][1:]]
        run.write_text(json.dumps({**document, "epochs": epochs}))
        capsys.readouterr()
        assert main(words) in (2, 70), name
        said = capsys.readouterr()
        assert (said.out, len(said.err.splitlines())) == ("", 1)


@pytest.mark.parametrize(
    ("node", "seller"),
    [("g5.xlarge", "AWS"), ("a2-highgpu-1g", "Google Cloud"), ("Standard_NC24ads_A100_v4", "Azure"), ("", "AWS")],
)
def test_stated_data_is_taken_to_lie_with_the_cloud_of_the_node(node: str, seller: str) -> None:
    (found,) = penstock.forecast(size="1TB", objects=10**6, compute_hours=1, rate="1GB/s", instance_type=[node])
    assert found.market.tariff is not None
    assert found.market.tariff.seller == seller
    lines = {line.what: line.usd for line in found.outlook("stream").mid.lines}
    rate = found.market.prices.find(found.market.tariff.get, unit="1000 requests")
    assert lines["GET requests"] == rate.cost(Decimal(10 * 10**6) / 1000)
    (as_s3,) = penstock.forecast(
        size="1TB", objects=10**6, compute_hours=1, rate="1GB/s", instance_type=[node], source_prices="s3"
    )
    assert as_s3.outlook("stream").mid.usd_of("GET") == 4


def test_requests_to_a_server_of_ones_own_have_no_price(capsys: pytest.CaptureFixture[str]) -> None:
    with small_s3(is_open=True) as server:
        server.objects |= {f"data/{number}.bin": bytes(1000) for number in range(5)}
        words = ("s3://data", "--endpoint-url", server.url, "--anonymous", "--compute-hours", 1, "--rate", "1MB/s")
        found = forecast(capsys, *words, "--instance-type", "g5.xlarge", "--way", "internet")
        for name in ("stream", "window", "pack", "internet"):
            told = way(found, name)
            assert {"GET requests", "LIST requests"} <= set(told["unpriced"]), name
            assert [line["usd"] for line in told["lines"] if "requests" in line["what"]] == [None] * (
                5 if name == "pack" else 2
            )
        assert main(["forecast", *map(str, words), "--instance-type", "g5.xlarge"]) == 0
        assert "what its requests and transfer cost is not known" in capsys.readouterr().out
        priced = forecast(capsys, *words, "--source-prices", "s3", "--node-usd-per-hour", 1)
        assert way(priced, "stream")["unpriced"] == []


def test_the_command_that_is_printed_runs_as_it_stands(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = write_class_folders(tmp_path / "it's data", 12)
    words = ["list", "--source", data, "--task", "images", "--manifest", tmp_path / "m", "--plan", tmp_path / "p"]
    assert main([str(word) for word in (*words, "--record", tmp_path / "r")]) == 0
    capsys.readouterr()
    given = ("--epochs", 3, "--samples-per-second", 9, "--instance-type", "g5.xlarge")
    command = forecast(capsys, "--manifest", tmp_path / "m", *given)["nodes"][0]["command"]
    program, *told = shlex.split(command)
    assert program == "penstock"
    found = config_of(JobOptions, *told[1:])
    assert (found.source, found.task, found.epochs, found.instance_type) == (str(data), "images", 3, "g5.xlarge")
    assert found.window_size >= 64 * 2**20
    listed = forecast(capsys, data, "--compute-hours", 1, "--rate", "1MB/s")["nodes"][0]["command"]
    assert shlex.split(listed)[2:6] == ["--source", str(data), "--task", "TASK"]
    own = ("--instance-type", "lab-box", "--node-usd-per-hour", 0.31, "--price-region", "us-east-1", "--rate", "1MB/s")
    priced = forecast(capsys, "--manifest", tmp_path / "m", *given[:4], *own)["nodes"][0]["command"]
    found = config_of(JobOptions, *shlex.split(priced)[2:])
    assert (found.instance_type, found.node_usd_per_hour, found.price_region) == ("lab-box", 0.31, "us-east-1")


def test_the_size_of_a_large_window_is_told_in_whole_gib(capsys: pytest.CaptureFixture[str]) -> None:
    words = ("--size", "2TB", "--objects", 200_000, "--compute-hours", 2, "--rate", "100MB/s")
    command = forecast(capsys, *words, "--node-usd-per-hour", 0.31, "--instance-type", "lab-box")["nodes"][0]["command"]
    assert re.search(r"--window-size \d+Gi ", command)


def test_what_each_way_is_and_what_was_taken_for_granted_of_it_is_told_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--size", "2TB", "--objects", "200000", "--compute-hours", "2", "--rate", "100MB/s"]
    assert main(["forecast", *words, "--instance-type", "g4dn.xlarge", "--instance-type", "g5.xlarge"]) == 0
    told = capsys.readouterr().out
    assert told.count("have a cheap machine download everything to gp3") == 1
    assert "lists a URI again" not in told
    assert "priced as AWS's" not in told
    assert main(["forecast", *words, "--node-usd-per-hour", "0.31", "--passes", "1"]) == 0
    told = capsys.readouterr().out
    assert "Whose the node is is not known: a disk of it is priced as AWS's gp3." in told
    assert "A way that repeats" not in told


def test_a_list_of_urls_is_not_taken_to_lie_with_a_cloud(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with small_s3(is_open=True) as server:
        server.objects["data/a.bin"] = bytes(1000)
        (tmp_path / "urls.txt").write_text(f"{server.url}/data/a.bin\n")
        uri = f"urls+{(tmp_path / 'urls.txt').as_uri()}"
        assert main(["forecast", uri, "--compute-hours", "1", "--instance-type", "a2-highgpu-1g"]) == 0
    told = capsys.readouterr().out
    assert "what its requests and transfer cost is not known" in told
    assert "It lies with" not in told


STATED = ("--size", "1GB", "--objects", "10")


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (["--compute-hours", "1", "--rate", "1MB/s"], 2, "it is not said what is read"),
        (["--size", "1GB", "--compute-hours", "1", "--rate", "1MB/s"], 2, "not in how many objects"),
        ([*STATED, "--rate", "1MB/s"], 2, "how long an epoch computes is not known"),
        ([*STATED, "--compute-hours", "1"], 2, "how fast the source gives its bytes is not known"),
        ([*STATED, "--compute-hours", "1", "--rate", "8Mbit/s"], 2, "bits a second"),
        ([*STATED, "--compute-hours", "1", "--rate", "1MB/s", "--way", "pigeon"], 2, "no leg of a way"),
        ([*STATED, "--compute-hours", "1", "--rate", "1MB/s", "--price-region", "narnia"], 2, "no price of the region"),
        (["--compute-hours", "1"], 2, "it is not said what is read"),
        (
            [*STATED, "--compute-hours", "1", "--instance-type", "g5.xlrge"],
            2,
            "'g5.xlrge' does is not in the price list",
        ),
        ([*STATED, "--compute-hours", "1", "--instance-type", "g5.xlrge"], 2, "did you mean 'g5.xlarge'"),
        ([*STATED, "--compute-hours", "1", "--rate", "1MB/s", "--plan", "p.json"], 2, "--plan says nothing of --size"),
        ([*STATED, "--samples-per-second", "1", "--rate", "1MB/s"], 2, "--samples-per-second says nothing of --size"),
        (["data", "--objects", "3", "--compute-hours", "1", "--rate", "1MB/s"], 2, "--objects says nothing of a URI"),
        (["--manifest", "m", "--requests-per-object", "3", "--rate", "1MB/s"], 2, "nothing of --manifest"),
        (["s3://b/d", "--storage-class", "GLACIER_IR", "--rate", "1MB/s"], 2, "--storage-class says nothing of a URI"),
        ([*STATED, "--compute-hours", "nan", "--rate", "1MB/s"], 2, "'nan'"),
        ([*STATED, "--compute-hours", "1e300", "--rate", "1MB/s"], 2, "too much to be forecast"),
        ([*STATED, "--compute-hours", "1", "--rate", "1MB/s", "--box-usd-per-hour", "1e308"], 2, "1,000,000,000 USD"),
        ([*STATED, "--compute-hours", "1", "--rate", "1MB/s", "--node-usd-per-hour", "1e308"], 2, "1,000,000,000 USD"),
        (["--manifest", "x" * 300, "--compute-hours", "1", "--rate", "1MB/s"], 2, "too long for a path"),
        ([*STATED, "--measured", "x/" * 3000, "--rate", "1MB/s"], 2, "too long for a path"),
        (["/nowhere/at/all", "--compute-hours", "1", "--rate", "1MB/s"], 20, "/nowhere/at/all"),
        ([*STATED, "--measured", "/nowhere/run.json", "--rate", "1MB/s"], 70, "no record of a run"),
        (["--manifest", "/nowhere/m.parquet", "--compute-hours", "1", "--rate", "1MB/s"], 70, "m.parquet"),
    ],
)
def test_what_cannot_be_forecast_is_refused_in_a_line(
    words: list[str], code: int, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        found = main(["forecast", *words])
    except SystemExit as stopped:
        found = int(str(stopped.code))
    said = capsys.readouterr()
    assert (found, said.out) == (code, "")
    assert told in said.err
    assert "Traceback" not in said.err


def test_a_node_without_a_price_is_told_what_is_not_known(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["forecast", *STATED, "--compute-hours", "1", "--rate", "1MB/s"]) == 0
    told = capsys.readouterr().out
    assert "never costs less" not in told
    assert "is not known: the node has no price (name its type with --instance-type" in told
    assert "--window-size 64Mi" in told
    assert main(["forecast", *STATED, "--compute-hours", "1", "--instance-type", "g5.xlarge"]) == 0
    assert "--window-size 1161Mi --instance-type g5.xlarge" in capsys.readouterr().out
