"""The loaders in other people's training loops: each sample once, over ranks, sanity checks and what was broken off.

What is not installed is skipped; ``.ci/frameworks`` has an environment of its own for them.
"""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils.data import DataLoader

import penstock
from integration.test_stream_ranks import TESTS, launch, torchrun
from support import framework_loop as loops
from support.framework_loop import BATCH, LAST_STEP, NUM_EPOCHS, NUM_SAMPLES, SAVED_STEP, Told, numbers_by_epoch
from support.small_s3 import small_s3

EVERYTHING = list(range(NUM_SAMPLES))
STEPS_OF_ONE = NUM_SAMPLES // BATCH
KINDS = ("objects", "parquet")


def needs(name: str) -> None:
    if importlib.util.find_spec(name) is None:
        pytest.skip(f"{name} is not installed: .ci/frameworks has it")


def stateful(loader: Any, **options: Any) -> Any:
    from torchdata.stateful_dataloader import StatefulDataLoader

    return StatefulDataLoader(loader, batch_size=None, **options)


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    made = tmp_path_factory.mktemp("sources")
    return {kind: loops.write_source(kind, made / kind) for kind in KINDS}


@pytest.fixture(scope="module")
def buckets(sources: dict[str, Path]) -> Iterator[dict[str, Any]]:
    """Arguments that say where the same lies on a server."""
    objects = {
        f"{kind}/{path.name}": path.read_bytes() for kind, folder in sources.items() for path in folder.iterdir()
    }
    with small_s3(objects=objects, is_open=True) as server:
        yield {kind: {"source": f"s3://{kind}", "endpoint_url": server.url, "anonymous": True} for kind in KINDS}


def two_ranks(
    how: str, kind: str, source: Path, out: Path, *, phase: str, is_killed: bool = False
) -> list[dict[str, Any]]:
    words = [str(TESTS / "support" / "framework_loop.py"), how, kind, str(source), str(out)]
    own = (torchrun("framework_loop.py", *words[1:])) if how in ("accelerate", "trainer") else [sys.executable, *words]
    return launch(own, out=out, is_clean=not is_killed, is_killed=is_killed, PHASE=phase)


def told_by(out: Path, rank: int, phase: str) -> list[tuple[int, int, list[int]]]:
    return loops.read_told(out / f"rank-{rank}.{phase}.jsonl")


@pytest.mark.parametrize(("how", "kind"), [("lightning", "objects"), ("accelerate", "parquet"), ("trainer", "objects")])
def test_two_ranks_that_are_killed_go_on_where_they_saved(
    sources: dict[str, Path], tmp_path: Path, how: str, kind: str
) -> None:
    """What was trained on up to the checkpoint and after it is everything once in each epoch, over both ranks."""
    needs({"trainer": "transformers"}.get(how, how))
    two_ranks(how, kind, sources[kind], tmp_path, phase="first", is_killed=True)
    ended = two_ranks(how, kind, sources[kind], tmp_path, phase="second")
    kept = []
    for rank in range(2):
        first, second = told_by(tmp_path, rank, "first"), told_by(tmp_path, rank, "second")
        assert [step for _, step, _ in first] == list(range(LAST_STEP))
        assert [step for _, step, _ in second] == list(range(SAVED_STEP, NUM_EPOCHS * STEPS_OF_ONE // 2))
        kept += [line for line in first if line[1] < SAVED_STEP] + second
    assert numbers_by_epoch(kept) == [EVERYTHING] * NUM_EPOCHS
    assert ended[0]["state"] == ended[1]["state"]
    assert ended[0]["state"]["next_index"] == NUM_EPOCHS * NUM_SAMPLES
    if how == "lightning":
        for number in range(NUM_EPOCHS):
            assert sorted(one for rank in ended for one in rank["valid"][number]) == EVERYTHING
    if how == "accelerate":
        for rank, said in enumerate(ended):
            assert len(said["refused"]) == (2 if rank == 0 else 1)
            assert all("loop over the Stream itself" in each for each in said["refused"])


@pytest.mark.parametrize("how", ["debug", "spawn"])
def test_ranks_that_are_forked_or_told_late_are_given_their_shares(
    sources: dict[str, Path], tmp_path: Path, how: str
) -> None:
    if how == "debug":
        needs("accelerate")
    ended = two_ranks(how, "objects", sources["objects"], tmp_path, phase="first")
    assert numbers_by_epoch(line for rank in range(2) for line in told_by(tmp_path, rank, "first")) == [EVERYTHING] * 2
    assert ended[0]["state"] == ended[1]["state"]
    assert [rank["prefetchers"] for rank in ended] == [1, 1]


@pytest.mark.parametrize(
    ("kind", "ends_by", "saved_step", "wrapped"),
    [
        ("objects", "SIGTERM", SAVED_STEP, False),
        ("parquet", "error", STEPS_OF_ONE, False),
        ("parquet", "error", SAVED_STEP, True),
    ],
)
def test_lightning_goes_on_from_its_own_checkpoint(
    buckets: dict[str, Any], tmp_path: Path, *, kind: str, ends_by: str, saved_step: int, wrapped: bool
) -> None:
    """In mid-epoch or at an epoch's end; by itself and in torchdata's loader."""
    needs("lightning")
    first, second = Told(path=tmp_path / "first"), Told(path=tmp_path / "second")

    def ends(step: int) -> None:
        if step == saved_step + 1 and ends_by == "SIGTERM":
            os.kill(os.getpid(), signal.SIGTERM)
        elif step == saved_step + 1:
            raise ValueError("broken off")

    with loops.open_loader(kind, **buckets[kind]) as loader:
        trainer = loops.lightning_trainer(tmp_path, saved_step=saved_step)
        with pytest.raises((SystemExit, ValueError)):
            trainer.fit(loops.lightning_model(lambda: first, ends), stateful(loader) if wrapped else loader)
    with loops.open_loader(kind, **buckets[kind]) as loader:
        model = loops.lightning_model(lambda: second, lambda step: None)
        saved = str(tmp_path / "saved" / f"step={saved_step}.ckpt")
        loops.lightning_trainer(tmp_path).fit(model, stateful(loader) if wrapped else loader, ckpt_path=saved)
    # Told to end, Lightning saves nothing: what counts is what was trained on before the last checkpoint.
    assert [step for _, step, _ in second.steps] == list(range(saved_step, NUM_EPOCHS * STEPS_OF_ONE))
    kept = [line for line in first.steps if line[1] < saved_step] + second.steps
    assert numbers_by_epoch(kept) == [EVERYTHING] * NUM_EPOCHS


@pytest.mark.parametrize("wrapped", [False, True])
def test_lightnings_look_at_two_batches_takes_none_of_the_validation(
    sources: dict[str, Path], tmp_path: Path, *, wrapped: bool
) -> None:
    needs("lightning")
    with (
        loops.open_loader("objects", sources["objects"]) as train,
        loops.open_loader("parquet", sources["parquet"]) as valid,
    ):
        model = loops.lightning_model(lambda: Told(path=tmp_path / "told"), lambda step: None)
        loops.lightning_trainer(tmp_path).fit(model, train, DataLoader(valid, batch_size=None) if wrapped else valid)
    assert [len(seen) for seen in model.valid] == [2 * BATCH, NUM_SAMPLES, NUM_SAMPLES]
    assert [sorted(seen) for seen in model.valid[1:]] == [EVERYTHING] * NUM_EPOCHS


@pytest.mark.parametrize(("kind", "saved_step"), [("objects", STEPS_OF_ONE), ("parquet", SAVED_STEP)])
def test_hugging_faces_trainer_goes_on_from_the_place_that_it_saved(
    buckets: dict[str, Any], tmp_path: Path, kind: str, saved_step: int
) -> None:
    needs("transformers")
    first, second = Told(path=tmp_path / "first"), Told(path=tmp_path / "second")

    def ends(step: int) -> None:
        if step == saved_step + 1:
            raise KeyboardInterrupt

    with loops.open_loader(kind, **buckets[kind]) as loader, pytest.raises(KeyboardInterrupt):
        loops.trainer_of(loader, first, tmp_path, ends, save_steps=saved_step).train()
    saved = tmp_path / "saved" / f"checkpoint-{saved_step}"
    with loops.open_loader(kind, **buckets[kind]) as loader:
        loader.load_state_dict(json.loads((saved / "place.json").read_text()))
        made = loops.trainer_of(loader, second, tmp_path, lambda step: None, save_steps=saved_step)
        made.train(resume_from_checkpoint=str(saved))
    kept = [line for line in first.steps if line[1] < saved_step] + second.steps
    assert [step for _, step, _ in kept] == list(range(NUM_EPOCHS * STEPS_OF_ONE))
    assert numbers_by_epoch(kept) == [EVERYTHING] * NUM_EPOCHS


@pytest.mark.parametrize("kind", KINDS)
def test_a_stateful_loader_of_torchdata_keeps_the_place(buckets: dict[str, Any], kind: str) -> None:
    needs("torchdata")
    with loops.open_loader(kind, **buckets[kind]) as loader:
        around = stateful(loader)
        assert len(around) == STEPS_OF_ONE
        batches = iter(around)
        seen = [next(batches)["number"].tolist() for _ in range(SAVED_STEP)]
        saved = [around.state_dict()]
        rest = [batch["number"].tolist() for batch in batches]
        assert sorted(number for batch in (*seen, *rest) for number in batch) == EVERYTHING
        saved.append(around.state_dict())
        following = [batch["number"].tolist() for batch in around]
        assert following != [*seen, *rest]
        saved = json.loads(json.dumps(saved))
    for state, wanted in zip(saved, [[rest, following], [following]], strict=True):
        with loops.open_loader(kind, **buckets[kind]) as loader:
            around = stateful(loader)
            around.load_state_dict(state)
            for epoch in wanted:
                assert [batch["number"].tolist() for batch in around] == epoch


@pytest.mark.parametrize("kind", ["parquet"])
def test_accelerates_stateful_loader_keeps_the_place_of_one_process(buckets: dict[str, Any], kind: str) -> None:
    """Its loaders read a batch ahead: the place is what it says, and not what the loader itself says."""
    needs("accelerate")
    needs("torchdata")
    from accelerate import Accelerator, DataLoaderConfiguration

    accelerator = Accelerator(cpu=True, dataloader_config=DataLoaderConfiguration(use_stateful_dataloader=True))
    seen = []
    with loops.open_loader(kind, **buckets[kind]) as loader:
        prepared = accelerator.prepare(DataLoader(loader, batch_size=None))
        for step, batch in enumerate(prepared):
            seen += batch["number"].tolist()
            if step == SAVED_STEP:
                state = prepared.state_dict()
                break
    with loops.open_loader(kind, **buckets[kind]) as loader:
        prepared = accelerator.prepare(DataLoader(loader, batch_size=None))
        prepared.load_state_dict(state)
        seen += [number for batch in prepared for number in batch["number"].tolist()]
        assert sorted(seen) == EVERYTHING
        assert sorted(number for batch in prepared for number in batch["number"].tolist()) == EVERYTHING


def test_hugging_faces_trainer_takes_single_samples_as_its_dataset(buckets: dict[str, Any], tmp_path: Path) -> None:
    """It makes the batches then, and reads what it skips when it goes on."""
    needs("transformers")
    from transformers import Trainer, TrainingArguments

    seen: list[list[int]] = [[], []]

    class Noting(Trainer):
        def training_step(self, model: Any, inputs: Any, *rest: Any) -> torch.Tensor:
            seen[self.args.seed] += inputs["number"].tolist()
            return super().training_step(model, inputs, *rest)

    saved = tmp_path / f"checkpoint-{SAVED_STEP}"
    for attempt, max_steps in enumerate((SAVED_STEP, STEPS_OF_ONE)):
        told = {"use_cpu": True, "report_to": [], "disable_tqdm": True, "per_device_train_batch_size": BATCH}
        arguments = TrainingArguments(
            str(tmp_path), max_steps=max_steps, save_steps=SAVED_STEP, seed=attempt, dataloader_pin_memory=False, **told
        )
        with loops.open_loader(
            "objects", batch_size=1, collate=lambda values: values[0], **buckets["objects"]
        ) as loader:
            made = Noting(model=loops.Layer(), args=arguments, train_dataset=loader)
            made.train(resume_from_checkpoint=str(saved) if attempt else None)
    assert len(seen[0]) == SAVED_STEP * BATCH
    assert sorted([*seen[0], *seen[1]]) == EVERYTHING


@pytest.mark.parametrize("around", ["torchdata", "accelerate"])
def test_workers_of_a_loader_around_it_are_refused_with_what_to_do(sources: dict[str, Path], around: str) -> None:
    needs(around)
    with loops.open_loader("parquet", sources["parquet"]) as loader:
        if around == "torchdata":
            made = stateful(loader, num_workers=2)
        else:
            from accelerate import Accelerator

            made = Accelerator(cpu=True).prepare(DataLoader(loader, batch_size=None, num_workers=2))
        with pytest.raises(penstock.errors.StreamMisused, match=r"(?s)loading worker.*workers="):
            next(iter(made))
        assert sorted(number for batch in loader for number in batch["number"].tolist()) == EVERYTHING
