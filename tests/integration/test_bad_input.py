"""What goes wrong for users: one line with what to do, an exit code of its class, nothing half-written."""

from __future__ import annotations

import json
import os
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from penstock.manifest import ManifestReader
from support.cli import Bucket, fails, penstock, succeed
from support.eeg import recordings, write_eeg

SPLIT = ("--split", "0.5,0.25,0.25")


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    return write_eeg(tmp_path / "data")


def list_words(source: object, out: Path, *more: object, task: str = "eeg-c1") -> list[object]:
    words = ["list", "--source", source, "--task", task, "--manifest", out / "m.parquet", "--plan", out / "plan.json"]
    return [*words, *SPLIT, *more]


def train_words(made: Path, *more: object) -> list[object]:
    words = ["train", "--manifest", made / "m.parquet", "--plan", made / "plan.json", "--epochs", 1]
    return [*words, "--checkpoints", made / "checkpoints", "--record", made / "run.json", *more]


@pytest.fixture
def made(dataset: Path, tmp_path: Path) -> Path:
    out = tmp_path / "made"
    succeed(*list_words(dataset, out))
    return out


def is_empty(folder: Path) -> bool:
    return not folder.exists() or not any(folder.iterdir())


def test_missing_bucket(bucket: Bucket, tmp_path: Path) -> None:
    fails(
        20,
        "bucket of s3://no-such-bucket-here does not exist",
        *list_words("s3://no-such-bucket-here", tmp_path / "o", *bucket.options),
    )
    assert is_empty(tmp_path / "o")


def test_missing_folder(tmp_path: Path) -> None:
    fails(20, "no folder .*nowhere", *list_words(tmp_path / "nowhere", tmp_path / "o"))


def test_object_that_may_not_be_read(bucket: Bucket, dataset: Path, tmp_path: Path) -> None:
    bucket.upload(dataset)
    fails(26, "denied .*s3:GetObject", *list_words(bucket.uri, tmp_path / "o", *bucket.options, "--anonymous"))
    assert is_empty(tmp_path / "o")


class _Forbidden(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = b"<Error><Code>AccessDenied</Code><Message>no</Message></Error>"
        self.send_response(403)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        return


@pytest.fixture
def forbidding_server() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Forbidden)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_bucket_that_may_not_be_listed(forbidding_server: str, tmp_path: Path) -> None:
    options = ("--endpoint-url", forbidding_server, "--anonymous")
    fails(
        21,
        r"denied \(HTTP 403 AccessDenied.*\).*s3:ListBucket",
        *list_words("s3://private/x", tmp_path / "o", *options),
    )


def test_no_credentials_at_all(tmp_path: Path, bucket: Bucket) -> None:
    environment = {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_EC2_METADATA_DISABLED": "true"}
    done = penstock(*list_words(bucket.uri, tmp_path / "o", *bucket.options), environment=environment)
    assert done.returncode == 21, done.stderr
    assert "--anonymous" in done.stderr


def test_wrong_prefix_names_what_lies_beside_it(bucket: Bucket, tmp_path: Path) -> None:
    bucket.put("NeurIPS25/R1_L100_bdf/participants.tsv", b"x")
    message = fails(22, "nothing lies under", *list_words(f"{bucket.uri}/NeurIPS2025", tmp_path / "o", *bucket.options))
    assert "NeurIPS2025" in message
    assert "NeurIPS25/" in message


def test_server_that_is_not_there(tmp_path: Path) -> None:
    options = ("--endpoint-url", "http://127.0.0.1:9", "--anonymous")
    fails(3, "did not answer.*--endpoint-url", *list_words("s3://bucket/x", tmp_path / "o", *options))


def test_truncated_recording(dataset: Path, tmp_path: Path) -> None:
    victim = recordings(dataset)[1]
    victim.write_bytes(victim.read_bytes()[:-9000])
    fails(31, victim.name, *list_words(dataset, tmp_path / "o"))
    assert is_empty(tmp_path / "o")


def test_header_that_lies_about_its_records(dataset: Path, tmp_path: Path) -> None:
    victim = recordings(dataset)[1]
    data = bytearray(victim.read_bytes())
    records = int(data[236:244])
    data[236:244] = str(records - 3).ljust(8).encode()
    victim.write_bytes(bytes(data))
    fails(32, victim.name, *list_words(dataset, tmp_path / "o"))


def test_bad_recording_can_be_skipped_and_is_named(dataset: Path, tmp_path: Path) -> None:
    victim = recordings(dataset)[1]
    victim.write_bytes(victim.read_bytes()[:-9000])
    printed = succeed(*list_words(dataset, tmp_path / "o", "--on-bad-object", "skip"))
    assert victim.name in printed


def test_samples_that_are_gone_can_be_skipped_and_are_named_in_record_and_report(made: Path, dataset: Path) -> None:
    with ManifestReader(made / "m.parquet") as manifest:
        splits = {split.name: split for split in manifest.info.splits}
        rows = {
            name: [manifest.row(split.first_row + n) for n in range(split.num_samples)]
            for name, split in splits.items()
        }
    victim = Path(rows["train"][0].spans[0].object).name
    next(path for path in recordings(dataset) if path.name == victim).unlink()
    gone = {name: [row.key for row in rows[name] if victim in row.spans[0].object] for name in ("train", "valid")}
    fails(24, victim, *train_words(made))
    told = succeed(*train_words(made, "--on-bad-sample", "skip"))
    record = json.loads((made / "run.json").read_text())
    skipped = [bad["key"] for bad in record["meters"]["skipped"]]
    assert sorted(skipped) == sorted(gone["train"] + gone["valid"])
    assert record["meters"]["num_skipped"] == len(skipped) > 0
    assert all(victim in bad["reason"] for bad in record["meters"]["skipped"])
    assert record["epochs"][0]["num_samples"] == splits["train"].num_samples - len(gone["train"])
    assert record["config"]["on-bad-sample"] == "skip"
    assert skipped[0] in told
    pages = ["--html", made / "report.html", "--markdown", made / "report.md", "--cost", made / "cost.json"]
    succeed("report", "--run-record", made / "run.json", *pages)
    assert skipped[0] in (made / "report.html").read_text()
    assert "Bad samples left out" in (made / "report.md").read_text()


def test_events_without_responses(dataset: Path, tmp_path: Path) -> None:
    for path in dataset.rglob("*_events.tsv"):
        lines = path.read_text().splitlines()
        path.write_text("\n".join(line for line in lines if "buttonPress" not in line) + "\n")
    fails(33, "response", *list_words(dataset, tmp_path / "o"))
    assert is_empty(tmp_path / "o")


def test_no_subject_with_a_label(dataset: Path, tmp_path: Path) -> None:
    path = dataset / "participants.tsv"
    header, *rows = path.read_text().splitlines()
    column = header.split("\t").index("externalizing")
    blanked = ["\t".join("n/a" if n == column else cell for n, cell in enumerate(row.split("\t"))) for row in rows]
    path.write_text("\n".join([header, *blanked]) + "\n")
    fails(34, "externalizing", *list_words(dataset, tmp_path / "o", task="eeg-c2"))


def test_subject_without_a_label_is_left_out_by_name(tmp_path: Path) -> None:
    dataset = write_eeg(tmp_path / "data", num_subjects=6)
    path = dataset / "participants.tsv"
    header, *rows, last = path.read_text().splitlines()
    column = header.split("\t").index("externalizing")
    cells = last.split("\t")
    cells[column] = "n/a"
    path.write_text("\n".join([header, *rows, "\t".join(cells)]) + "\n")
    assert cells[0] in succeed(*list_words(dataset, tmp_path / "o", task="eeg-c2"))


def test_unknown_option_of_a_task(dataset: Path, tmp_path: Path) -> None:
    fails(
        2, "no option 'epoch-lenght'.*epoch-seconds", *list_words(dataset, tmp_path / "o", "--option", "epoch-lenght=2")
    )


def test_window_smaller_than_one_sample(made: Path) -> None:
    message = fails(4, "cannot hold one sample", *train_words(made, "--window-size", "64Ki"))
    assert "--window-size of at least" in message
    # It was refused before it began: there is nothing to record, and nothing to go on from.
    assert not (made / "run.json").exists()
    assert is_empty(made / "checkpoints")


def test_output_that_cannot_be_written(dataset: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    fails(52, "cannot write", *list_words(dataset, tmp_path / "file" / "o"))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    if os.geteuid() != 0:
        pytest.skip("needs root, to mount a small file system")
    folder = tmp_path / "small"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(folder)], check=True)
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_full_disk_while_listing(dataset: Path, small_disk: Path) -> None:
    (small_disk / "filler").write_bytes(b"x" * 250 * 1024)
    fails(51, "no space", *list_words(dataset, small_disk / "o"))
    assert is_empty(small_disk / "o")


def test_full_disk_under_the_window(made: Path, small_disk: Path) -> None:
    window = small_disk / "window"
    fails(51, "no space .*window", *train_words(made, "--window", window, "--window-size", "2Mi"))
    assert not (window / "slots").exists()


def test_full_disk_under_the_checkpoints(made: Path, small_disk: Path) -> None:
    (small_disk / "filler").write_bytes(b"x" * 250 * 1024)
    words = [*train_words(made), "--checkpoints", small_disk / "c"]
    fails(51, "no space", *words)
    assert is_empty(small_disk / "c")


def test_corrupt_checkpoint(made: Path) -> None:
    succeed(*train_words(made))
    (checkpoint,) = (made / "checkpoints").glob("best-*.pt")
    data = bytearray(checkpoint.read_bytes())
    data[len(data) // 2] ^= 0xFF
    checkpoint.write_bytes(bytes(data))
    evaluate = (
        "evaluate",
        "--manifest",
        made / "m.parquet",
        "--plan",
        made / "plan.json",
        "--metrics",
        made / "e.json",
    )
    fails(61, checkpoint.name, *evaluate, "--checkpoint", checkpoint)
    fails(61, checkpoint.name, *evaluate, "--checkpoint", made / "checkpoints")
    checkpoint.write_bytes(b"not a checkpoint")
    fails(61, checkpoint.name, *evaluate, "--checkpoint", checkpoint)
    assert not (made / "e.json").exists()


def test_checkpoint_of_another_model(made: Path) -> None:
    succeed(*train_words(made))
    before = {path: path.read_bytes() for path in (made / "checkpoints").iterdir()}
    fails(62, "model .*small.*eegnex", *train_words(made, "--model", "eegnex"))
    assert {path: path.read_bytes() for path in (made / "checkpoints").iterdir()} == before


def test_checkpoint_of_another_task(made: Path, dataset: Path, tmp_path: Path) -> None:
    succeed(*train_words(made))
    other = tmp_path / "other"
    succeed(*list_words(dataset, other, task="eeg-c2"))
    evaluate = ("evaluate", "--manifest", other / "m.parquet", "--plan", other / "plan.json", "--metrics", other / "e")
    fails(62, "task eeg-c1.*eeg-c2", *evaluate, "--checkpoint", made / "checkpoints")


def test_missing_checkpoint(made: Path) -> None:
    evaluate = (
        "evaluate",
        "--manifest",
        made / "m.parquet",
        "--plan",
        made / "plan.json",
        "--metrics",
        made / "e.json",
    )
    fails(24, "nothing.pt", *evaluate, "--checkpoint", made / "nothing.pt")


def test_plan_of_another_manifest(made: Path) -> None:
    plan = json.loads((made / "plan.json").read_text())
    plan["manifest_fingerprint"] = "0" * 64
    (made / "plan.json").write_text(json.dumps(plan))
    fails(70, "same `penstock list`", *train_words(made))
    fails(70, "same `penstock list`", "prefetch", "--manifest", made / "m.parquet", "--plan", made / "plan.json")


def test_manifest_that_is_none(made: Path) -> None:
    (made / "m.parquet").write_bytes(b"PAR1 nothing of the kind")
    fails(70, "cannot read the manifest", *train_words(made))


def test_recording_that_changed_under_the_plan(made: Path, dataset: Path) -> None:
    for victim in recordings(dataset):
        victim.write_bytes(victim.read_bytes()[::-1])
    fails(23, "changed after the manifest was made", *train_words(made))


def test_unknown_step_and_option_are_usage_errors() -> None:
    assert penstock("teach").returncode == 2
    assert penstock("train", "--colour", "red").returncode == 2


def test_secrets_do_not_reach_messages_or_records(bucket: Bucket, dataset: Path, tmp_path: Path) -> None:
    bucket.upload(dataset)
    secret = "wJalrXUtnFEMI-a-secret-nobody-may-see"
    environment = {"AWS_SECRET_ACCESS_KEY": secret, "AWS_SESSION_TOKEN": f"token-{secret}"}
    done = penstock(*list_words(bucket.uri, tmp_path / "o", *bucket.options, "-v"), environment=environment)
    assert done.returncode == 0, done.stderr
    trained = penstock(*train_words(tmp_path / "o", "-v"), environment=environment)
    assert trained.returncode == 0, trained.stderr
    written = b"".join(path.read_bytes() for path in (tmp_path / "o").rglob("*") if path.is_file())
    assert secret not in done.stdout + done.stderr + trained.stdout + trained.stderr
    assert secret.encode() not in written
