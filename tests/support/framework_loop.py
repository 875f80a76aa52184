"""Training loops of frameworks, for tests of the loaders in them; run as a script it is one of two ranks.

framework_loop.py FRAMEWORK KIND SOURCE OUT

What a rank trains on is in ``OUT/rank-N.PHASE.jsonl``, a line a step. In the phase ``first`` it is killed at step
``LAST_STEP``, after the checkpoint of step ``SAVED_STEP``; in the phase ``second`` it goes on from that to the end.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import torch
import torch.distributed as dist

import penstock
from support.objects import number_of, write_objects
from support.rank_loop import prefetchers

NUM_SAMPLES = 48
BATCH = 4
NUM_EPOCHS = 2
SAVED_STEP, LAST_STEP = 4, 5
ROW_GROUP = 6


@dataclass(frozen=True, kw_only=True)
class Told:
    """What a rank was given to train on."""

    path: Path
    steps: list[tuple[int, int, list[int]]] = field(default_factory=list)

    def note(self, epoch: int, step: int, batch: dict[str, torch.Tensor]) -> None:
        """Write down a batch: its epoch, how many steps were taken before it, its numbers."""
        self.steps.append((epoch, step, batch["number"].tolist()))
        with self.path.open("a") as file:
            file.write(json.dumps(self.steps[-1]) + "\n")


def read_told(path: Path) -> list[tuple[int, int, list[int]]]:
    return [tuple(json.loads(line)) for line in path.read_text().splitlines()]


def numbers_by_epoch(told: Iterable[tuple[int, int, list[int]]]) -> list[list[int]]:
    """Return what was trained on in each epoch, in order of the numbers."""
    lines = list(told)
    return [sorted(n for at, _, numbers in lines if at == epoch for n in numbers) for epoch in range(NUM_EPOCHS)]


def write_source(kind: str, folder: Path) -> Path:
    """Make numbered samples: objects, or rows of two Parquet files."""
    if kind == "objects":
        return write_objects(folder, NUM_SAMPLES)
    folder.mkdir(parents=True)
    for part in range(2):
        numbers = list(range(part * NUM_SAMPLES // 2, (part + 1) * NUM_SAMPLES // 2))
        table = pa.table({"number": numbers, "unread": [str(number) for number in numbers]})
        pq.write_table(table, folder / f"{part}.parquet", row_group_size=ROW_GROUP)
    return folder


def to_row(data: memoryview, key: str) -> dict[str, torch.Tensor]:
    return {"number": torch.tensor(number_of(data, key))}


def open_loader(kind: str, source: str | Path, **changed: Any) -> penstock.Stream:
    """Open a loader as a user does, whose batches are ``{"number": tensor of BATCH}``."""
    options: dict[str, Any] = {"batch_size": BATCH, "window": "8Mi", "timeout_seconds": 60} | changed
    if kind == "objects":
        return penstock.Stream(source, decode=to_row, **options)
    where = {name: options.pop(name) for name in ("endpoint_url", "anonymous") if name in options}
    return penstock.parquet(source, columns=["number"], **where).loader(**options)


class Layer(torch.nn.Module):
    """A model that takes ``number`` and gives ``loss``, as the frameworks' trainers want it."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(1, 1)

    def forward(self, number: torch.Tensor, **_: Any) -> dict[str, torch.Tensor]:
        return {"loss": self.layer(number[:, None].float() / NUM_SAMPLES).square().mean()}


def die() -> None:
    """End as what is killed does: nothing is said, closed or saved."""
    os.kill(os.getpid(), signal.SIGKILL)


def lightning_trainer(out: Path, *, saved_step: int = SAVED_STEP, **options: Any) -> Any:
    import lightning as light

    every = light.pytorch.callbacks.ModelCheckpoint(
        dirpath=out / "saved", every_n_train_steps=saved_step, save_last=True, filename="{step}"
    )
    quiet = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False}
    return light.Trainer(
        accelerator="cpu", max_epochs=NUM_EPOCHS, num_sanity_val_steps=2, callbacks=[every], **quiet, **options
    )


def lightning_model(told: Callable[[], Told], at_step: Callable[[int], None]) -> Any:
    """Return a module that notes what it is given; ``at_step`` is called after each step with their number so far."""
    import lightning as light

    class Model(light.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.layer = Layer()
            self.valid: list[list[int]] = []

        def training_step(self, batch: dict[str, torch.Tensor], number: int) -> torch.Tensor:
            told().note(self.trainer.current_epoch, self.trainer.global_step, batch)
            return self.layer(**batch)["loss"]

        def on_train_batch_end(self, *_: Any) -> None:
            at_step(self.trainer.global_step)

        def on_validation_epoch_start(self) -> None:
            self.valid.append([])

        def validation_step(self, batch: dict[str, torch.Tensor], number: int) -> None:
            self.valid[-1] += batch["number"].tolist()

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return torch.optim.SGD(self.parameters(), lr=1e-3)

    return Model()


def lightning(kind: str, source: str, out: Path) -> None:
    """Train and validate with two ranks, of which Lightning starts the other itself."""
    from torch.utils.data import DataLoader

    is_first = os.environ["PHASE"] == "first"
    trainer = lightning_trainer(out, devices=2, strategy="ddp")
    model = lightning_model(
        lambda: _told(out, trainer.global_rank), lambda step: die() if is_first and step == LAST_STEP else None
    )
    with open_loader(kind, source) as train, open_loader(kind, source, shuffle=False) as valid:
        saved = None if is_first else str(out / "saved" / "last.ckpt")
        trainer.fit(model, train, DataLoader(valid, batch_size=None), ckpt_path=saved)
        state = train.state_dict()
    (out / f"rank-{trainer.global_rank}.json").write_text(json.dumps({"valid": model.valid, "state": state}))


def accelerate(kind: str, source: str, out: Path) -> None:
    """Train with a model that Accelerate prepared; the loader's place is in what it saves."""
    from accelerate import Accelerator

    accelerator = Accelerator(cpu=True)
    is_first = os.environ["PHASE"] == "first"
    model = Layer()
    model, optimiser = accelerator.prepare(model, torch.optim.SGD(model.parameters(), lr=1e-3))
    told, step = _told(out, accelerator.process_index), 0
    with open_loader(kind, source) as loader:
        accelerator.register_for_checkpointing(loader)
        if not is_first:
            accelerator.load_state(str(out / "saved"))
            step = SAVED_STEP
        while loader.epoch < NUM_EPOCHS:
            epoch = loader.epoch
            for batch in loader:
                told.note(epoch, step, batch)
                accelerator.backward(model(**batch)["loss"])
                optimiser.step()
                optimiser.zero_grad()
                step += 1
                if is_first and step == SAVED_STEP:
                    accelerator.save_state(str(out / "saved"))
                if is_first and step == LAST_STEP:
                    die()
        state = loader.state_dict()
        refused = _refused(kind, source, is_main=accelerator.is_main_process)
        accelerator.wait_for_everyone()
    (out / f"rank-{accelerator.process_index}.json").write_text(json.dumps({"state": state, "refused": refused}))


def _refused(kind: str, source: str, *, is_main: bool) -> list[str]:
    """Return what is said where Accelerate would share out again what a rank is given."""
    from accelerate.data_loader import prepare_data_loader
    from torch.utils.data import DataLoader

    said = []
    for dispatches in (False, True):
        with open_loader(kind, source, timeout_seconds=20) as loader:
            around = DataLoader(loader, batch_size=None if dispatches else 1)
            prepared = prepare_data_loader(around, put_on_device=True, dispatch_batches=dispatches)
            if is_main or not dispatches:
                try:
                    next(iter(prepared))
                except penstock.errors.StreamMisused as error:
                    said.append(str(error))
            dist.barrier()
    return said


def trainer_of(loader: Any, told: Told, out: Path, at_step: Callable[[int], None], **changed: Any) -> Any:
    """Return Hugging Face's Trainer over a loader, whose place it saves in each of its checkpoints."""
    from transformers import Trainer, TrainerCallback, TrainingArguments

    class Streamed(Trainer):
        def get_train_dataloader(self) -> Any:
            return loader

        def training_step(self, model: Any, inputs: Any, *rest: Any) -> torch.Tensor:
            told.note(self.state.global_step // len(loader), self.state.global_step, inputs)
            return super().training_step(model, inputs, *rest)

    class KeepsThePlace(TrainerCallback):
        def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            if state.is_world_process_zero:
                folder = Path(args.output_dir) / f"checkpoint-{state.global_step}"
                (folder / "place.json").write_text(json.dumps(loader.state_dict()))

        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            at_step(state.global_step)

    arguments: dict[str, Any] = {
        "output_dir": str(out / "saved"),
        "use_cpu": True,
        "max_steps": NUM_EPOCHS * len(loader),
        "save_steps": SAVED_STEP,
        "ignore_data_skip": True,
        "report_to": [],
        "disable_tqdm": True,
        "logging_strategy": "no",
        "dataloader_pin_memory": False,
    }
    return Streamed(model=Layer(), args=TrainingArguments(**(arguments | changed)), callbacks=[KeepsThePlace()])


def trainer(kind: str, source: str, out: Path) -> None:
    is_first = os.environ["PHASE"] == "first"
    rank = int(os.environ["RANK"])
    with open_loader(kind, source) as loader:
        made = trainer_of(
            loader,
            _told(out, rank),
            out,
            lambda step: die() if is_first and step == LAST_STEP else None,
            ddp_backend="gloo",
        )
        saved = out / "saved" / f"checkpoint-{SAVED_STEP}"
        if not is_first:
            loader.load_state_dict(json.loads((saved / "place.json").read_text()))
        made.train(resume_from_checkpoint=None if is_first else str(saved))
        state = loader.state_dict()
    (out / f"rank-{rank}.json").write_text(json.dumps({"state": state}))


def spawn(kind: str, source: str, out: Path) -> None:
    """Processes that nothing tells anything but torch.distributed, which is begun after the stream."""
    torch.multiprocessing.spawn(_spawned, (kind, source, out, str(out / "store")), nprocs=2)


def _spawned(rank: int, kind: str, source: str, out: Path, store: str) -> None:
    # Both begin as the only one there is, with a prefetcher of their own each.
    with open_loader(kind, source) as loader:
        dist.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=2)
        _read_twice(loader, _told(out, rank))
        dist.barrier()
        found = {"prefetchers": prefetchers(), "state": loader.state_dict()}
        dist.barrier()
    (out / f"rank-{rank}.json").write_text(json.dumps(found))
    dist.destroy_process_group()


def debug(kind: str, source: str, out: Path) -> None:
    """Processes that Accelerate forks, as in a notebook."""
    from accelerate import debug_launcher

    debug_launcher(_forked, (kind, source, out), num_processes=2)


def _forked(kind: str, source: str, out: Path) -> None:
    from accelerate import Accelerator

    accelerator = Accelerator(cpu=True)
    with open_loader(kind, source) as loader:
        _read_twice(loader, _told(out, accelerator.process_index))
        found = {"prefetchers": prefetchers(), "state": loader.state_dict()}
        accelerator.wait_for_everyone()
    (out / f"rank-{accelerator.process_index}.json").write_text(json.dumps(found))


def _read_twice(loader: Any, told: Told) -> None:
    for epoch in range(NUM_EPOCHS):
        for step, batch in enumerate(loader):
            dist.all_reduce(torch.ones(1))
            told.note(epoch, step, batch)


def _told(out: Path, rank: int) -> Told:
    return Told(path=out / f"rank-{rank}.{os.environ['PHASE']}.jsonl")


if __name__ == "__main__":
    assert os.environ["TMPDIR"]
    uses = {"lightning": lightning, "accelerate": accelerate, "trainer": trainer, "debug": debug, "spawn": spawn}
    uses[sys.argv[1]](sys.argv[2], sys.argv[3], Path(sys.argv[4]))
