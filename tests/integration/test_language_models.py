"""The tasks `text` and `chat`, as a user runs them: real text of a Hub, patterns that are there and are not, killed."""

from __future__ import annotations

import json
import math
import signal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from penstock.manifest import ManifestReader
from penstock.records import Evaluation, RunRecord, TableFigure, read_record
from support.cli import Bucket, penstock, succeed
from support.hub_server import serve_hub
from support.jobs import run_until_saved
from support.texts import DIGITS, LETTERS, PERIOD, TIMES, conversations, jsonl, planted, real_texts

TRAINING = ("--model", "tiny", "--learning-rate", 0.003, "--threads", 1, "--window-size", "2Mi", "--batch-size", 16)


def words(source: object, out: Path, *options: str, task: str = "text", epochs: int = 1) -> list[object]:
    given = [word for option in options for word in ("--option", option)]
    return ["run", "--source", source, "--task", task, *given, *TRAINING, "--epochs", epochs, "--out", out]


def scores(out: Path) -> dict[str, tuple[float, float]]:
    """Return each metric's value and its baseline."""
    found = read_record(out / "evaluation.json", Evaluation).metrics
    return {
        name: (float(each.value or math.nan), each.baseline.value if each.baseline else math.nan)
        for name, each in found.items()
    }


def test_real_text_of_a_hub_is_learnt_and_a_killed_run_goes_on_to_the_same_weights(tmp_path: Path) -> None:
    out, killed = tmp_path / "out", tmp_path / "killed"
    with serve_hub() as hub:
        hub.files = {"data/train.jsonl": jsonl(real_texts(50, 2000))}
        hub.large = set(hub.files)
        source, asked = "hf://datasets/org/name", ("length=32", "group-column=year", "statistics=64Ki")
        told = succeed(*words(source, out, *asked, epochs=2), "--endpoint-url", hub.url)
        again = [*words(source, killed, *asked, epochs=2), "--endpoint-url", hub.url, "--checkpoint-every", 35]
        process = run_until_saved(again, killed, 70)
        process.send_signal(signal.SIGKILL)
        process.wait()
        succeed(*again)
    assert "test score  perplexity" in told
    found = scores(out)
    for name in ("perplexity", "loss", "bits_per_byte"):
        value, baseline = found[name]
        assert 0 < value < baseline
    accuracy, commonest = found["token_accuracy"]
    assert accuracy > commonest > 0.05
    assert found["perplexity"][0] == pytest.approx(math.exp(found["loss"][0]))
    ran, whole = (read_record(each / "run.json", RunRecord) for each in (killed, out))
    assert ran.num_resumes == 1
    assert ran.weights_sha256 == whole.weights_sha256
    assert [epoch.num_steps for epoch in ran.epochs] == [epoch.num_steps for epoch in whole.epochs]
    assert "perplexity" in (out / "report.html").read_text()


def test_letters_that_come_again_are_learnt_and_those_of_chance_are_not(bucket: Bucket, tmp_path: Path) -> None:
    chance = math.log(len(LETTERS))
    for name, shuffled in (("pattern", False), ("chance", True)):
        bucket.put(f"{name}/texts.jsonl", jsonl(planted(1200, shuffled=shuffled)))
        out = tmp_path / name
        succeed(*words(f"{bucket.uri}/{name}", out, f"length={PERIOD * TIMES + 1}", epochs=5), *bucket.options)
        loss, baseline = scores(out)["loss"]
        tokens = PERIOD * TIMES
        if shuffled:
            # The end of a text alone can be foretold, which is always behind as many letters.
            assert loss > 0.99 * chance * (tokens - 1) / tokens
        else:
            # What cannot be foretold is the first letters, but for the first, which nothing comes before.
            assert loss < 1.5 * chance * (PERIOD - 1) / tokens
        assert baseline > 0.95 * chance


def test_what_an_assistant_answers_is_learnt_and_nothing_else_is_scored(tmp_path: Path) -> None:
    folder, out = tmp_path / "chats", tmp_path / "out"
    folder.mkdir()
    pq.write_table(pa.Table.from_pylist(conversations(700)), folder / "chats.parquet", row_group_size=100)
    told = succeed(*words(folder, out, "length=72", task="chat", epochs=4), "--batch-size", 8)
    assert "test score  perplexity" in told
    with ManifestReader(out / "manifest.parquet") as reader:
        assert (reader.info.task, reader.info.shape) == ("chat", (72, 257))
    loss, baseline = scores(out)["loss"]
    # What a user says, which nothing foretells, would cost some 2.3 nats a conversation, and marks of turns are told.
    assert loss < 0.05 < 1 < baseline
    assert scores(out)["token_accuracy"][0] > 0.98
    figures = read_record(out / "evaluation.json", Evaluation).figures
    [shown] = [each for each in figures if isinstance(each, TableFigure) and "goes on" in each.title]
    assert len(shown.rows) == 6
    for _, given, made, truth in shown.rows:
        assert given.endswith("<|im_start|>assistant↵")
        assert made == truth
        assert any(made.startswith(digit) for digit in DIGITS)


def test_conversations_of_a_killed_run_go_on_to_the_same_weights(tmp_path: Path) -> None:
    folder, out, killed = (tmp_path / name for name in ("chats", "out", "killed"))
    folder.mkdir()
    pq.write_table(pa.Table.from_pylist(conversations(300)), folder / "chats.parquet", row_group_size=100)
    succeed(*words(folder, out, "length=72", task="chat", epochs=2))
    again = [*words(folder, killed, "length=72", task="chat", epochs=2), "--checkpoint-every", 7]
    process = run_until_saved(again, killed, 14)
    process.send_signal(signal.SIGKILL)
    process.wait()
    succeed(*again)
    ran, whole = (read_record(each / "run.json", RunRecord) for each in (killed, out))
    assert ran.num_resumes == 1
    assert ran.weights_sha256 == whole.weights_sha256


def test_a_tokenizer_is_trained_and_taken_again_by_another_listing(tmp_path: Path) -> None:
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "a.jsonl").write_bytes(jsonl(real_texts(20, 1500)))
    (tmp_path / "chats").mkdir()
    (tmp_path / "chats" / "a.jsonl").write_bytes(jsonl(conversations(40)))
    for name, task, option in (("texts", "text", "tokenizer=bpe"), ("chats", "chat", f"like={tmp_path / 'texts.pq'}")):
        extra = ["--option", "vocab-size=310"] if name == "texts" else []
        files = ["--manifest", tmp_path / f"{name}.pq", "--plan", tmp_path / f"{name}.json"]
        told = succeed("list", "--source", tmp_path / name, "--task", task, "--option", option, *extra, *files)
        assert "of 310 by the tokenizer bpe" in told
    infos = []
    for name in ("texts", "chats"):
        with ManifestReader(tmp_path / f"{name}.pq") as reader:
            infos.append(reader.info)
    assert infos[0].values == infos[1].values
    assert infos[0].shape == infos[1].shape == (256, 310)


def test_members_of_a_mix_have_the_first_ones_tokenizer(tmp_path: Path) -> None:
    for name, rows in (("one", real_texts(20, 800)), ("other", planted(30))):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.jsonl").write_bytes(jsonl(rows))
    members = [{"weight": 0.5, "source": str(tmp_path / name), "length": 32} for name in ("one", "other")]
    told = {"task": "text", "mix": [{**each, "tokenizer": "bpe", "vocab_size": 300} for each in members]}
    (tmp_path / "mix.yaml").write_text(json.dumps(told))
    succeed(
        *("list", "--dataset", tmp_path / "mix.yaml", "--manifest", tmp_path / "m.pq", "--plan", tmp_path / "p.json")
    )
    with ManifestReader(tmp_path / "m.pq") as reader:
        one, other = reader.info.members
    assert one.values == other.values
    assert one.shape == other.shape == (32, 300)


def test_a_run_that_ends_at_a_step_among_the_last_texts_goes_on_to_the_weights_of_one_that_did_not(
    tmp_path: Path,
) -> None:
    (tmp_path / "texts").mkdir()
    long = {"text": "and so on, " * 200}
    (tmp_path / "texts" / "a.jsonl").write_bytes(jsonl([*planted(20), *[long] * 4]))
    shared = ["--schedule", "constant", "--warmup", 0, "--batch-size", 4]
    whole, parts = (tmp_path / name for name in ("whole", "parts"))
    asked = [[*words(tmp_path / "texts", out, "length=32"), *shared] for out in (whole, parts)]
    succeed(*asked[0], "--evaluate-every", 5)
    ran = read_record(whole / "run.json", RunRecord)
    told = penstock(*asked[1], "--max-steps", 3).stderr  # of texts, how many each step takes is not known
    shown = [line for line in told.splitlines() if line.startswith("train: ")]
    assert shown[0] == "train: started, 0/3 steps"
    assert ", 3/3 steps" in shown[-1]
    succeed(*asked[1], "--max-steps", ran.epochs[0].num_steps - 1)
    succeed(*asked[1])
    again = read_record(parts / "run.json", RunRecord)
    assert again.weights_sha256 == ran.weights_sha256
    assert [epoch.num_samples for epoch in again.epochs] == [epoch.num_samples for epoch in ran.epochs]


def test_what_was_learnt_of_texts_is_where_conversations_begin(tmp_path: Path) -> None:
    for name, rows in (("texts", planted(40)), ("chats", conversations(40))):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.jsonl").write_bytes(jsonl(rows))
    succeed(*words(tmp_path / "texts", tmp_path / "before", "length=32"))
    begun = ["--init-from", tmp_path / "before" / "checkpoints"]
    done = penstock(*words(tmp_path / "chats", tmp_path / "after", "length=72", task="chat"), *begun)
    assert done.returncode == 0, done.stderr
    assert "15 of 15 tensors begin with the weights of" in done.stderr


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("column=txet",), "txet"),
        (("tokenizer=/nowhere",), "there is no /nowhere"),
        (("vocab-size=400",), "vocab-size means nothing of the tokenizer bytes"),
        (("length=1",), "length is 1"),
        (("pack=tight",), "use one of concat, best_fit, single"),
        (("eos=</s>",), "is no token of bytes"),
        (("like=nothing.parquet",), "nothing.parquet"),
        (("by=line",), "by means nothing of jsonl"),
        (("group-column=year", "split-unit=rows"), "contradicts"),
    ],
)
def test_what_cannot_be_is_one_line(options: tuple[str, ...], told: str, tmp_path: Path) -> None:
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "a.jsonl").write_bytes(jsonl(real_texts(5, 200)))
    files = ["--manifest", tmp_path / "m", "--plan", tmp_path / "p"]
    given = [word for option in options for word in ("--option", option)]
    done = penstock("list", "--source", tmp_path / "texts", "--task", "text", *given, *files)
    assert done.returncode not in (0, 1), done.stderr
    assert told in done.stderr
    assert "Traceback" not in done.stderr


def test_a_dataset_file_describes_texts(tmp_path: Path) -> None:
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "a.txt").write_text("\n\n".join(str(row["text"])[:300] for row in real_texts(30, 300)))
    path = tmp_path / "texts.yaml"
    path.write_text(
        json.dumps({"task": "text", "source": str(tmp_path / "texts"), "length": 32, "by": "document", "batch": 8})
    )
    given = ["--model", "tiny", "--epochs", 1, "--threads", 1, "--window-size", "2Mi"]
    succeed("run", "--dataset", path, *given, "--out", tmp_path / "out")
    assert scores(tmp_path / "out")["perplexity"][0] > 1
