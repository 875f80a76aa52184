"""What each rank of a job of Lightning or Accelerate does in tests of ``penstock.Stream``; run as a script.

framework_loop.py FRAMEWORK FOLDER OUT
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch.utils.data import DataLoader

from support.objects import to_number
from support.rank_loop import open_stream, prefetchers

BATCH = 4


def lightning(folder: str, out: Path) -> None:
    """Train and validate as Lightning does: it starts the other rank itself, and begins with two batches to see."""
    import lightning as light

    class Model(light.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.layer = torch.nn.Linear(1, 1)
            self.seen: dict[str, list[list[int]]] = {"train": [[]], "valid": []}
            self.prefetchers = 0

        def training_step(self, batch: torch.Tensor, number: int) -> torch.Tensor:
            self.seen["train"][-1] += batch.tolist()
            return self.layer(batch[:, None].float()).square().mean()

        def validation_step(self, batch: torch.Tensor, number: int) -> None:
            self.seen["valid"][-1] += batch.tolist()

        def on_validation_epoch_start(self) -> None:
            self.seen["valid"].append([])

        def on_train_epoch_end(self) -> None:
            self.seen["train"].append([])
            self.prefetchers = prefetchers()

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return torch.optim.SGD(self.parameters(), lr=1e-6)

    model = Model()
    trainer = light.Trainer(
        accelerator="cpu",
        devices=2,
        strategy="ddp",
        max_epochs=2,
        num_sanity_val_steps=2,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    with open_stream(folder) as train, open_stream(folder, shuffle=False) as valid:
        trainer.fit(model, train, DataLoader(valid, batch_size=None))
        state = train.state_dict()
    told = model.seen | {"prefetchers": model.prefetchers, "state": state}
    (out / f"rank-{trainer.global_rank}.json").write_text(json.dumps(told))


def accelerate(folder: str, out: Path) -> None:
    """Train with a model that Accelerate prepared, in processes that it forks."""
    from accelerate import Accelerator

    accelerator = Accelerator(cpu=True)
    layer = torch.nn.Linear(1, 1)
    model, optimiser = accelerator.prepare(layer, torch.optim.SGD(layer.parameters(), lr=1e-6))
    seen: list[list[int]] = []
    with open_stream(folder) as prepared:
        stream = accelerator.prepare(prepared)
        for _ in range(2):
            seen.append([])
            for batch in stream:
                loss = model(batch[:, None].float()).square().mean()
                accelerator.backward(loss)
                optimiser.step()
                seen[-1] += batch.tolist()
        told = {"train": seen, "prefetchers": prefetchers(), "state": stream.state_dict()}
        accelerator.wait_for_everyone()
    (out / f"rank-{accelerator.process_index}.json").write_text(json.dumps(told))


def debug_launcher(folder: str, out: Path) -> None:
    from accelerate import debug_launcher as launch

    launch(accelerate, (folder, out), num_processes=2)


def spawn(folder: str, out: Path) -> None:
    """Processes that nothing tells anything but torch.distributed, which is begun after the stream."""
    store = out / "store"
    torch.multiprocessing.spawn(_spawned, (folder, out, str(store)), nprocs=2)


def _spawned(rank: int, folder: str, out: Path, store: str) -> None:
    # Both begin as the only one there is, with a prefetcher of their own each.
    with open_stream(folder) as stream:
        dist.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=2)
        seen = [[number for batch in stream for number in batch.tolist()] for _ in range(2)]
        dist.barrier()
        told = {"train": seen, "prefetchers": prefetchers(), "state": stream.state_dict()}
        dist.barrier()
    (out / f"rank-{rank}.json").write_text(json.dumps(told))
    dist.destroy_process_group()


def main(framework: str, folder: str, out: str) -> None:
    uses: dict[str, Any] = {"lightning": lightning, "accelerate": accelerate, "debug": debug_launcher, "spawn": spawn}
    uses[framework](folder, Path(out))


if __name__ == "__main__":
    assert to_number is not None
    assert os.environ["TMPDIR"]
    main(*sys.argv[1:])
