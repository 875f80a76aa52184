"""A package with tasks over Parquet, whose extents hold many samples, installed as pip does it."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

__all__ = ["install", "write_rows", "write_shards"]

_TASKS = '''
"""Rows of Parquet files: three numbers, and one that follows from them."""

import io
import os

import msgspec
import numpy as np
import pyarrow.parquet as pq

from penstock.formats.parquet import Parquet
from penstock.formats.tar import Tar
from penstock.tasks.metrics import classification_metrics, metric_value, regression_metrics
from penstock.tasks.protocols import SampleSet


class Rows:
    name = recipe = "toy-rows"
    score = "r2"
    options = ()
    format = Parquet(columns=["a", "b", "c", "y"])

    async def make_samples(self, source, *, limits, options):
        found = await source.list_all()

        async def rows():
            for info in found:
                table = pq.read_table(io.BytesIO(bytes(await source.get(info))), columns=["y"])
                targets, first = table["y"].to_pylist(), 0
                async for extent in self.format.index(source, info):
                    own = targets[first : first + extent.num_samples]
                    first += extent.num_samples
                    yield msgspec.structs.replace(extent, targets=tuple(map(float, own)))

        return SampleSet(rows=rows(), shape=(3,))

    def decode(self, data, about, codec, numbers):
        if "TOY_LOG" in os.environ:
            with open(os.environ["TOY_LOG"], "a") as log:
                log.write(about.key + "\\n")
        rows = self.format.decode(data, about, codec, numbers)
        assert all(float(row["y"]) == about.targets[n] for row, n in zip(rows, numbers.tolist()))
        return [{"x": np.array([row["a"], row["b"], row["c"]], np.float32), "targets": float(row["y"])} for row in rows]

    def transform(self, value, rng):
        noise = 0 if rng is None else rng.normal(0, 0.001, 3).astype(np.float32)
        return {"inputs": value["x"] + noise, "targets": value["targets"]}

    def metrics(self, truth, predicted, groups):
        return regression_metrics(truth, predicted)


class Auto:
    """Nothing to predict: the rows themselves, in float64, given to the network in a dictionary."""

    name = recipe = "toy-auto"
    score = "error"
    options = ()
    format = Parquet(columns=["a", "b", "c"])

    async def make_samples(self, source, *, limits, options):
        found = await source.list_all()

        async def rows():
            for info in found:
                async for extent in self.format.index(source, info):
                    yield extent

        return SampleSet(rows=rows(), shape=(3,))

    def decode(self, data, about, codec, numbers):
        rows = self.format.decode(data, about, codec, numbers)
        return [{"inputs": {"pair": np.array([row["a"], row["b"]]), "one": float(row["c"])}} for row in rows]

    def metrics(self, truth, predicted, groups):
        assert truth.shape == predicted.shape == (len(groups), 3)
        error = float(np.square(truth - predicted).mean())
        return {"error": metric_value("error", error, higher_is_better=False)}
'''

_TAR = '''

class Shards:
    """Samples of TAR files; what is to be told of each lies among its members, and the manifest knows nothing of it."""

    name = "toy-tar"
    recipe = "toy-rows"
    score = "accuracy"
    options = ()
    format = Tar(sample=["npy", "cls"], decoded=True)

    async def make_samples(self, source, *, limits, options):
        found = await source.list_all()

        async def rows():
            for info in found:
                async for extent in self.format.index(source, info):
                    yield extent

        return SampleSet(rows=rows(), shape=(3,), classes=("low", "high"))

    def decode(self, data, about, codec, numbers):
        found = self.format.decode(data, about, codec, numbers)
        return [{"inputs": each["npy"], "targets": each["cls"]} for each in found]

    def metrics(self, truth, predicted, groups):
        return classification_metrics(truth, predicted)
'''

_RECIPES = """
class Linear:
    models = ("linear",)

    def check_model(self, name, shape):
        pass

    def build_model(self, name, *, shape, num_outputs):
        from torch import nn

        return nn.Linear(shape[0], num_outputs)


class Auto:
    models = ("narrow",)

    def check_model(self, name, shape):
        pass

    def build_model(self, name, *, shape, num_outputs):
        from toyrows.networks import Narrow

        return Narrow()

    def make_objective(self, info):
        from toyrows.networks import Again

        return Again()

    def objective_from_state(self, state):
        return self.make_objective(None)
"""

_NETWORKS = """
import torch
from torch import nn


def whole(inputs):
    assert inputs["pair"].dtype == inputs["one"].dtype == torch.float64
    return torch.cat([inputs["pair"], inputs["one"][:, None]], dim=1)


class Narrow(nn.Module):
    def __init__(self, width=2):
        super().__init__()
        self.down, self.up = nn.Linear(3, width, dtype=torch.float64), nn.Linear(width, 3, dtype=torch.float64)

    def forward(self, inputs):
        return self.up(self.down(whole(inputs)))


def make_wide(*, shape, num_outputs):
    return Narrow(8)


class Again:
    num_outputs = 3

    def loss(self, outputs, batch):
        return (outputs - whole(batch["inputs"])).square().mean(), len(outputs)

    def predictions(self, outputs, batch):
        return outputs.detach().cpu().numpy()

    def truth(self, batch):
        return whole(batch["inputs"]).cpu().numpy()

    def state_dict(self):
        return {"objective": "again"}
"""


def install(site: Path) -> None:
    """Write the package to a folder for PYTHONPATH."""
    package, info = site / "toyrows", site / "toyrows-1.0.dist-info"
    package.mkdir()
    info.mkdir()
    (package / "__init__.py").touch()
    (package / "tasks.py").write_text(_TASKS + _TAR)
    (package / "recipes.py").write_text(_RECIPES)
    (package / "networks.py").write_text(_NETWORKS)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: toyrows\nVersion: 1.0\n")
    points = [
        *("[penstock.tasks]", "toy-rows = toyrows.tasks:Rows", "toy-auto = toyrows.tasks:Auto"),
        "toy-tar = toyrows.tasks:Shards",
        *("[penstock.recipes]", "toy-rows = toyrows.recipes:Linear", "toy-auto = toyrows.recipes:Auto"),
    ]
    (info / "entry_points.txt").write_text("\n".join(points))


def write_rows(folder: Path) -> None:
    """Write four files of row groups of unequal sizes."""
    folder.mkdir()
    chance = np.random.default_rng(0)
    for number in range(4):
        x = chance.normal(size=(300, 3))
        y = x @ [1, -2, 0.5] + 3 + chance.normal(size=300) * 0.01
        table = pa.table({"a": x[:, 0], "b": x[:, 1], "c": x[:, 2], "y": y})
        pq.write_table(table, folder / f"{number}.parquet", row_group_size=60 + number * 17)


def write_shards(folder: Path) -> None:
    """Write two TAR files of samples whose class is whether their numbers' sum is above zero."""
    folder.mkdir()
    chance = np.random.default_rng(0)
    for number in range(2):
        with tarfile.open(folder / f"{number}.tar", "w") as archive:
            for at in range(100):
                x = chance.normal(size=3).astype(np.float32)
                array = io.BytesIO()
                np.save(array, x)
                for name, data in (("npy", array.getvalue()), ("cls", str(int(x.sum() > 0)).encode())):
                    member = tarfile.TarInfo(f"{at:03}.{name}")
                    member.size = len(data)
                    archive.addfile(member, io.BytesIO(data))
