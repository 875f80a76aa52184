"""Training in a pod through a window that the injected sidecar fills, in peace and with the sidecar killed."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from e2e.conftest import SECRET
from e2e.kube import Namespace, Object, sidecar_status, wait_until
from e2e.pods import container, pod
from penstock.records import RunRecord, Volume, decode_record
from support.cli import Bucket, succeed
from support.moto_s3 import CREDENTIALS

SOURCE = ("--region", "us-east-2", "--task", "eeg-c1", "--split", "0.5,0.25,0.25")
MADE = ("--manifest", "/work/manifest.parquet", "--plan", "/work/plan.json")
SMALL = {"penstock.dev/window-size": "2Mi"}
WORK: list[Object] = [{"name": "work", "mountPath": "/work"}, {"name": "tmp", "mountPath": "/tmp"}]
TRAINING = ("--batch-size", "8", "--threads", "1", "--window-size", "2Mi")


def training_pod(
    ready: tuple[Namespace, Bucket],
    name: str,
    *,
    epochs: int,
    last: str = "",
    annotations: Mapping[str, str] = SMALL,
    **spec: object,
) -> Object:
    """Return a pod that lists and then trains through the sidecar, and prints its run record at the end."""
    namespace, bucket = ready
    env = [{"name": key, "valueFrom": {"secretKeyRef": {"name": SECRET, "key": key}}} for key in CREDENTIALS]
    source = ("--source", bucket.uri, "--endpoint-url", bucket.url, *SOURCE)
    listing = container(
        "list", namespace.images["prefetch"], ["penstock", "list", *source, *MADE], env=env, volumeMounts=WORK
    )
    train = ["penstock", "train", *MADE, *TRAINING, "--epochs", str(epochs), "--prefetch", "sidecar"]
    train += ["--window", "/penstock/window"]
    train += ["--checkpoints", "/work/checkpoints", "--record", "/work/run.json"]
    script = f'{last}\n"$@" >&2\ncat /work/run.json'
    main = container("main", namespace.images["cpu"], ["sh", "-euc", script, "sh", *train], env=env)
    return pod(name, main, init=[listing], annotations=annotations, **spec)  # type: ignore[arg-type]


def record_of(namespace: Namespace, name: str) -> RunRecord:
    log = namespace.log(name, "main")
    return decode_record(log[log.index("{") : log.rindex("}") + 1].encode(), RunRecord)


def here(bucket: Bucket, folder: Path, *, epochs: int, options: Sequence[str] = ()) -> RunRecord:
    """Do the same on this machine, with no sidecar."""
    made = ("--manifest", folder / "m.parquet", "--plan", folder / "plan.json")
    succeed("list", "--source", bucket.uri, "--endpoint-url", bucket.url, *SOURCE, *made)
    where = ("--checkpoints", folder / "checkpoints", "--record", folder / "run.json")
    succeed("train", *made, *TRAINING, "--epochs", epochs, *options, *where)
    return decode_record((folder / "run.json").read_bytes(), RunRecord)


def test_pod_trains_through_the_sidecar_as_one_machine_does(ready: tuple[Namespace, Bucket], tmp_path: Path) -> None:
    namespace, bucket = ready
    namespace.apply(training_pod(ready, "peace", epochs=3))
    namespace.succeed("peace")
    record = record_of(namespace, "peace")
    assert record.weights_sha256 == here(bucket, tmp_path, epochs=3).weights_sha256
    assert record.meters.bytes_downloaded > 0
    assert record.meters.window_high_water_bytes <= 2 * 2**20
    assert record.window_disk is not None
    assert record.window_disk.kind != "memory"
    assert "session.window" in namespace.log("peace", "penstock-prefetch")
    stopped = sidecar_status(namespace.get("pod", "peace"))
    assert stopped["state"]["terminated"]["exitCode"] == 0
    assert stopped["restartCount"] == 0


FULL_SECONDS = 180
"""Three rounds of the kubelet's measuring, or more."""

STOP = 'for line in /proc/[0-9]*/cmdline; do if tr "\\0" " " < $line | grep -q "bin/penstoc[k] train"; then \
pid=${line#/proc/}; kill -TERM ${pid%/cmdline}; fi; done'
# A moment later and in the background, since what kills a container's only process dies with it.
KILL = 'for line in /proc/[0-9]*/cmdline; do if tr "\\0" " " < $line | grep -q "prefetc[h] --window"; then \
pid=${line#/proc/}; fi; done; \
[ -n "$pid" ] || exit 1; (sleep 0.3; kill -KILL ${pid%/cmdline}) > /dev/null 2>&1 < /dev/null &'


def test_killed_sidecar_is_back_and_the_run_goes_on(ready: tuple[Namespace, Bucket], tmp_path: Path) -> None:
    namespace, bucket = ready
    # One process namespace, since a process that is the first of its own cannot be killed from inside.
    in_memory = {"medium": "Memory", "sizeLimit": "16Mi"}
    namespace.apply(training_pod(ready, "killed", epochs=40, window=in_memory, shareProcessNamespace=True))

    def restarts() -> int:
        return int(sidecar_status(namespace.get("pod", "killed"))["restartCount"])

    def begun() -> bool | None:
        status = namespace.get("pod", "killed")["status"]
        assert status["phase"] in ("Pending", "Running"), namespace.told("killed")
        running = status["phase"] == "Running" and "running" in status["containerStatuses"][0]["state"]
        return (running and "session.window" in namespace.log("killed", "penstock-prefetch")) or None

    wait_until(begun, what="begin of training")
    # From the sidecar's own container: the trainer is another user, who may not.
    namespace.kubectl("exec", "killed", "-c", "penstock-prefetch", "--", "sh", "-c", KILL)
    wait_until(lambda: restarts() or None, what="restart of the sidecar", seconds=60)
    assert namespace.get("pod", "killed")["status"]["phase"] == "Running", "training ended before the sidecar was back"
    namespace.succeed("killed")
    assert sidecar_status(namespace.get("pod", "killed"))["lastState"]["terminated"]["exitCode"] == 137
    assert "session.window" in namespace.log("killed", "penstock-prefetch"), "the new sidecar served nothing"
    record = record_of(namespace, "killed")
    assert record.window_disk == Volume(kind="memory", filesystem="tmpfs")
    assert record.num_resumes == 0
    assert record.weights_sha256 == here(bucket, tmp_path, epochs=40).weights_sha256


def test_failure_is_the_trainer_s_own(ready: tuple[Namespace, Bucket]) -> None:
    namespace, _ = ready
    namespace.apply(training_pod(ready, "wrong", epochs=1, last="rm /work/plan.json"))
    assert namespace.finish("wrong") == "Failed"
    status = namespace.get("pod", "wrong")
    assert status["status"]["containerStatuses"][0]["state"]["terminated"]["exitCode"] not in (0, 1)
    assert sidecar_status(status)["state"]["terminated"]["exitCode"] == 0
    assert "/work/plan.json" in namespace.log("wrong", "main")


def test_source_that_is_gone_fails_the_step_with_its_error(ready: tuple[Namespace, Bucket]) -> None:
    namespace, bucket = ready
    # Waits, once it has listed, until the objects are gone.
    last = "until [ -e /work/go ]; do sleep 0.2; done"
    gone = Bucket(name="gone", url=bucket.url, client=bucket.client)
    gone.client.create_bucket(Bucket=gone.name, CreateBucketConfiguration={"LocationConstraint": "us-east-2"})
    for item in bucket.client.list_objects_v2(Bucket=bucket.name)["Contents"]:
        gone.client.copy_object(
            Bucket=gone.name, Key=item["Key"], CopySource={"Bucket": bucket.name, "Key": item["Key"]}
        )
    namespace.apply(training_pod((namespace, gone), "gone", epochs=1, last=last))

    def waiting() -> bool | None:
        status = namespace.get("pod", "gone")["status"]
        return (status["phase"] == "Running" and "running" in status["containerStatuses"][0]["state"]) or None

    wait_until(waiting, what="end of the listing")
    gone.empty()
    namespace.kubectl("exec", "gone", "-c", "main", "--", "touch", "/work/go")
    assert namespace.finish("gone") == "Failed"
    log = namespace.log("gone", "main")
    assert "penstock train: error:" in log
    assert f"s3://{gone.name}" in log, log


@pytest.mark.slow
def test_full_window_is_not_evicted_and_an_overfull_volume_is(ready: tuple[Namespace, Bucket]) -> None:
    namespace, _ = ready
    limit = {"sizeLimit": "4Mi"}
    began = time.monotonic()
    # It trains for as long as it is let, however fast: a stopped trainer saves, and its record is printed all the same.
    namespace.apply(training_pod(ready, "full", epochs=100_000, last="set +e", annotations={}, window=limit))
    # The kubelet measures volumes about once a minute: this pod shows that it does.
    fill = ["sh", "-euc", "head -c 8M /dev/zero > /penstock/window/x; sleep 600"]
    namespace.apply(pod("overfull", container("main", namespace.images["prefetch"], fill), labels={}, window=limit))
    assert namespace.finish("overfull", seconds=240) == "Failed"
    assert namespace.get("pod", "overfull")["status"]["reason"] == "Evicted"

    def full_for_long() -> bool | None:
        assert namespace.get("pod", "full")["status"]["phase"] == "Running", namespace.told("full")
        return time.monotonic() - began > FULL_SECONDS or None

    wait_until(full_for_long, what="minutes of a full window", seconds=FULL_SECONDS + 60)
    namespace.kubectl("exec", "full", "-c", "main", "--", "sh", "-c", STOP)
    namespace.succeed("full")
    record = record_of(namespace, "full")
    assert record.state == "interrupted"
    window_bytes = int(4 * 2**20 * 0.85)
    assert 0.9 * window_bytes < record.meters.window_high_water_bytes <= window_bytes
