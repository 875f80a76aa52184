"""What a report says of a run that waited: why, what else there was, and what would help, by the run's own figures."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from penstock.cost import CostSetting, bill, load_prices
from penstock.cost.hindsight import in_hindsight
from penstock.cost.waiting import rate_while_waiting
from penstock.records import (
    CostAdvice,
    CostReport,
    EpochRecord,
    Host,
    Meters,
    RunRecord,
    StepRecord,
    Timeline,
    TimelineInterval,
    decode_record,
    encode_record,
)
from support.runs import MIB, make_list_step, make_run, sent

TODAY = date(2026, 11, 21)
D, RATE, COMPUTE, EPOCHS = 600 * MIB, 10 * MIB, 20.0, 4
"""Of an epoch that needs 60 s of the link and computes for 20."""


def _epochs(stall_seconds: float, *, compute_seconds: float = COMPUTE, number: int = EPOCHS) -> tuple[EpochRecord, ...]:
    return tuple(
        EpochRecord(
            epoch=epoch,
            num_steps=10,
            num_samples=100,
            train_loss=1.0,
            valid={},
            stall_seconds=stall_seconds,
            compute_seconds=compute_seconds,
            valid_seconds=0.0,
        )
        for epoch in range(number)
    )


def run_that_waited(**changes: Any) -> RunRecord:
    """Return a run of four epochs of 600 MiB over a slow link."""
    return _run(**changes)


def _run(stall_seconds: float = 40.0, **changes: Any) -> RunRecord:
    fields: dict[str, Any] = {
        "epochs": _epochs(stall_seconds),
        "wall_seconds": EPOCHS * (COMPUTE + stall_seconds),
        "config": {"source": "s3://bucket/data", "workers": 0},
        "meters": Meters(
            bytes_downloaded=EPOCHS * D, sample_bytes=EPOCHS * D, requests=sent(GET=EPOCHS * 60), window_bytes=64 * MIB
        ),
    }
    return make_run(**(fields | changes))


def _probe(rate: float = RATE) -> StepRecord:
    return make_list_step(step="prefetch", wall_seconds=5.0, details={"rate_bytes_per_second": float(rate)})


def _told(run: RunRecord, *steps: StepRecord, **setting: Any) -> CostReport:
    asked, prices = CostSetting(today=TODAY, **setting), load_prices()
    made = bill(run, steps=steps, evaluation=None, prices=prices, setting=asked)
    return in_hindsight(made, run=run, steps=steps, prices=prices, setting=asked)


def _named(found: CostReport) -> dict[str, CostAdvice]:
    return {each.flag.split()[0]: each for each in found.advice}


LONG = 20


def _long_run() -> tuple[RunRecord, float, float]:
    """Return a run of days, with the bytes of an epoch and its link's: an epoch needs three times what it computes."""
    size, rate = 600 << 30, 100 * MIB
    link = size / rate
    meters = Meters(
        bytes_downloaded=LONG * size,
        sample_bytes=LONG * size,
        requests=sent(GET=LONG * size // (8 * MIB)),
        window_bytes=10 << 30,
    )
    epochs = _epochs(link * 2 / 3, compute_seconds=link / 3, number=LONG)
    return _run(epochs=epochs, meters=meters, wall_seconds=LONG * link), size, rate


def test_a_run_that_waits_for_its_link_is_told_the_window_that_ends_it() -> None:
    run, size, rate = _long_run()
    found = _told(run, _probe(rate), instance_type="g5.8xlarge")  # whose own disk holds it
    advice = _named(found)["--window-size"]
    computed = run.epochs[0].compute_seconds
    kept = size - rate * computed
    assert kept == pytest.approx(400 << 30)
    saved = (LONG - 1) * run.epochs[0].stall_seconds
    told = float(advice.seconds_saved or 0)
    assert 0.7 * saved < told <= saved, "it is full before it begins to keep, which an epoch goes for"
    asked_mib = int(advice.flag.split()[1].removesuffix("Mi"))
    assert asked_mib == pytest.approx((400 << 10) / 0.87, rel=0.001)
    price = next(line.unit_usd for line in found.lines if line.unit == "hour")
    assert price is not None
    assert float(advice.usd_saved or 0) == pytest.approx(told / 3600 * float(price), rel=0.05)
    assert found.bottleneck.startswith("The download was the bottleneck")
    assert "--workers" not in _named(found)


def test_a_window_that_has_to_lie_on_a_volume_gains_what_that_lets_it() -> None:
    """400 GiB at 87.5 MB/s take 4,908 s, where the link takes 6,144 s for all and 2,048 s are computed."""
    run, size, rate = _long_run()
    advice = _named(_told(run, _probe(rate), instance_type="g5.xlarge"))["--window-size"]
    kept = size - rate * run.epochs[0].compute_seconds
    assert float(advice.seconds_saved or 0) == pytest.approx((LONG - 2) * (size / rate - kept / 87.5e6), rel=0.02)
    assert advice.told.endswith("(W*), on gp3, which gives it at 83.4 MiB/s")


def test_a_run_too_short_for_a_window_to_begin_to_keep_is_told_one_that_holds_all() -> None:
    advice = _named(_told(_run(), _probe()))["--window-size"]
    assert advice.flag == "--window-size 690Mi"
    assert float(advice.seconds_saved or 0) == pytest.approx(3 * 40)


def test_what_saves_most_comes_first_and_nothing_saves_more_than_the_wait() -> None:
    run = _run()
    found = _told(run, _probe())
    saved = [each.usd_saved or Decimal(0) for each in found.advice]
    assert saved == sorted(saved, reverse=True)
    assert len(saved) >= 4
    for each in found.advice:
        assert each.seconds_saved is None or float(each.seconds_saved) <= run.stall_seconds
        assert (each.usd_saved or 0) > 0 or (each.seconds_saved or 0) > 0


def test_where_training_was_the_bottleneck_nothing_is_advised() -> None:
    found = _told(_run(0.5), _probe(40 * MIB))
    assert found.advice == ()
    assert found.bottleneck.startswith("Training was the bottleneck")
    assert found.ways


def test_a_run_that_waits_for_decoding_is_told_of_workers_and_not_of_the_link() -> None:
    run = _run(host=Host(num_cpus=8, device="cpu", num_devices=0, instance_type="g5.xlarge"))
    found = _named(_told(run, _probe(100 * MIB)))
    assert "--window-size" not in found
    # 40 s of decoding beside 20 s of computing: two processes are as fast as the training.
    assert found["--workers"].flag == "--workers 2"
    assert float(found["--workers"].seconds_saved or 0) == pytest.approx(EPOCHS * 40)
    assert "preprocess" in found["--mode"].flag


def test_transfer_that_is_paid_for_is_told_even_without_a_wait() -> None:
    found = _told(_run(0.5), _probe(40 * MIB), transfer="nat+cross-region")
    [advice] = found.advice
    paid = sum(line.usd or 0 for line in found.lines if "transfer-" in line.item)
    assert (advice.flag, advice.usd_saved, advice.seconds_saved) == ("--transfer same-region", paid, None)


def test_a_network_that_is_full_is_told_of_a_faster_one() -> None:
    prices = load_prices()
    now = prices.machine("g5.xlarge")
    assert now is not None
    full = float(now.network_baseline_gbps or 0) * 1e9 / 8
    size = int(60 * full)
    meters = Meters(bytes_downloaded=EPOCHS * size, sample_bytes=EPOCHS * size, requests=sent(GET=9999))
    found = _named(_told(_run(meters=meters), _probe(full)))
    other = prices.machine(found["--instance-type"].flag.split()[1])
    assert other is not None
    assert (other.gpu, other.provider) == (now.gpu, now.provider)
    assert (other.network_baseline_gbps or 0) > (now.network_baseline_gbps or 0)


def test_other_ways_are_priced_as_the_one_that_was_gone() -> None:
    found = _told(_run(), _probe())
    measured, *others = found.ways
    assert measured.is_measured
    assert not any(each.is_measured for each in others)
    assert float(measured.wall_seconds) == pytest.approx(EPOCHS * 60)
    download = next(each for each in others if each.name.startswith("download-"))
    assert float(download.wall_seconds) == pytest.approx(60 + EPOCHS * COMPUTE, rel=0.02)
    assert download.usd < measured.usd
    node = next(line for line in found.lines if line.unit == "hour")
    assert float(measured.usd) == pytest.approx(float(node.usd or 0) * EPOCHS * 60 / _run().wall_seconds, rel=0.02)


def test_other_ways_are_not_told_of_a_link_whose_rate_is_not_known() -> None:
    """An average over a run that computed would make a larger window look slower."""
    found = _told(_run(stall_seconds=0.0))
    assert found.meanings
    assert not found.ways


def test_a_run_that_knows_what_it_waited_for_is_advised_without_an_if() -> None:
    meters = msgspec.structs.replace(_run().meters, fetching_microseconds=10**8, starved_microseconds=0)
    known, unknown = _told(_run(meters=meters)), _told(_run())
    assert known.advice
    assert not [each for each in known.advice if "was waited for" in each.told]
    assert [each for each in unknown.advice if each.told.endswith("if it was decoding that was waited for")]


def test_what_has_no_price_is_told_by_its_time() -> None:
    host = Host(num_cpus=4, device="cpu", num_devices=0)
    found = _told(_run(host=host), _probe())
    assert found.ways[0].unpriced
    times = [each.seconds_saved or Decimal(0) for each in found.advice if each.usd_saved is None]
    assert times
    assert times == sorted(times, reverse=True)


def test_nothing_is_said_of_a_run_without_an_epoch() -> None:
    found = _told(_run(epochs=()), _probe())
    assert (found.bottleneck, found.ways, found.advice, found.meanings) == ("", (), (), ())


def test_a_bill_with_all_of_it_reads_back_as_it_was() -> None:
    found = _told(_run(), _probe())
    assert decode_record(encode_record(found), CostReport) == found


def _waiting(cpu_seconds: float | None, *, seconds: float = 10.0) -> Timeline:
    interval = TimelineInterval(
        attempt=0,
        start_seconds=0.0,
        end_seconds=seconds,
        stall_seconds=0.9 * seconds,
        downloaded_bytes=int(RATE * seconds),
        cpu_seconds=cpu_seconds,
    )
    return Timeline(started_at="2026-11-21T10:15:12+00:00", stride_seconds=1.0, intervals=(interval,))


@pytest.mark.parametrize(
    ("timeline", "rate"),
    [
        (_waiting(1.0), RATE),
        (_waiting(9.5), None),
        (_waiting(None), None),
        (_waiting(0.1, seconds=1.0), None),
        (None, None),
    ],
    ids=["idle", "decoding", "unknown", "short", "none"],
)
def test_a_run_that_waits_for_nothing_else_measures_its_link(timeline: Timeline | None, rate: float | None) -> None:
    assert rate_while_waiting(timeline) == rate
    found = _told(_run(timeline=timeline))
    assert ("The download was the bottleneck" in found.bottleneck) is (rate is not None)
    assert any("W* =" in line for line in found.meanings) is (rate is not None)


def _breakeven(found: CostReport) -> int | None:
    [told] = [line for line in found.meanings if line.startswith("E*")]
    return int(told.removeprefix("E* = ").split(":")[0].replace(",", "")) if told.startswith("E* = ") else None


@pytest.mark.parametrize("object_bytes", [20_000, 10 * MIB], ids=["small", "large"])
@pytest.mark.parametrize("rate", [RATE, 400 * MIB], ids=["slow", "faster than disks"])
@pytest.mark.parametrize("stall_seconds", [0.1, 15.0, 40.0])
@pytest.mark.parametrize("transfer", ["same-region", "internet"])
def test_break_evens_and_ways_never_contradict_each_other(
    object_bytes: int, rate: float, stall_seconds: float, transfer: str
) -> None:
    """Requests, transfer, the disk's rate and its room are in both."""
    moved = EPOCHS * D
    requests = sent(GET=moved // object_bytes)
    meters = Meters(bytes_downloaded=moved, sample_bytes=moved, requests=requests, window_bytes=64 * MIB)
    found = _told(_run(stall_seconds, meters=meters), _probe(rate), transfer=transfer)
    downloads = [each for each in found.ways if each.name.startswith("download-") and each.fits]
    best = min((each for each in downloads if each.name != "download-fsx"), key=lambda each: each.usd)
    epochs = _breakeven(found)
    assert (epochs is not None and epochs <= EPOCHS) is (best.usd <= found.ways[0].usd)
    assert any(f"downloading first ({best.name})" in line for line in found.meanings)


def test_requests_for_small_objects_count_for_downloading_first() -> None:
    """Nothing waits, so that only requests are saved: 600 MiB of 2 kB cost more each epoch than its download waits."""
    meters = Meters(
        bytes_downloaded=EPOCHS * D,
        sample_bytes=EPOCHS * D,
        requests=sent(GET=EPOCHS * D // 2000),
        window_bytes=64 * MIB,
    )
    assert _breakeven(_told(_run(0.0, meters=meters), _probe(40 * MIB))) == 2
    assert _breakeven(_told(_run(0.0), _probe(40 * MIB))) is None


def test_a_break_even_of_what_has_no_price_is_not_told() -> None:
    host = Host(num_cpus=4, device="cpu", num_devices=0)
    found = _told(_run(host=host), _probe())
    assert any(line.startswith("E* is not known: there is no price of ") for line in found.meanings)


def test_from_how_many_epochs_a_download_pays_counts_requests() -> None:
    """4 KiB a request: an epoch asks for 157,286,400 of them, 62.91 dollars that a download pays once."""
    run, size, rate = _long_run()
    gets = LONG * size // 4096
    small = msgspec.structs.replace(run, meters=msgspec.structs.replace(run.meters, requests=sent(GET=gets)))
    told = [next(line for line in _told(each, _probe(rate)).meanings if "E*" in line) for each in (run, small)]
    assert told[1] == "E* = 2: from so many epochs on, downloading first (download-gp3) costs no more."
    assert told[0] != told[1]
