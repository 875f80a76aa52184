"""What a shuffle by blocks is for: fewer requests for the same samples."""

from __future__ import annotations

from pathlib import Path

import msgspec

from penstock.loader import WindowStream
from penstock.options.window import ServingOptions
from penstock.records import BlockShuffle, Meters, Shuffle
from penstock.window import Prefetcher
from support.raw import RawDataset, make_raw_dataset
from support.samples import array_decoding
from unit.loader.test_stream import decode

NUM_SAMPLES, SAMPLE_BYTES = 4096, 2048


def read(data: RawDataset, folder: Path, shuffle: Shuffle) -> tuple[list[str], Meters]:
    plan = msgspec.structs.replace(data.plan, shuffle=shuffle)
    with Prefetcher(folder, ServingOptions(window_size=32 << 20)):
        stream = WindowStream(
            folder=folder,
            manifest=data.manifest,
            info=data.info,
            plan=plan,
            splits=[("train", True)],
            decoding=array_decoding(decode),
            batch_size=256,
            num_epochs=1,
        )
        keys = [key for batch in stream.segment(0).epoch(0) for key in batch.keys]
        stream.close()
        return keys, stream.meters()


def test_blocks_take_a_few_requests_where_single_samples_take_one_each(tmp_path: Path) -> None:
    data = make_raw_dataset(tmp_path, sizes=[SAMPLE_BYTES] * NUM_SAMPLES, per_object=1024)
    full, full_meters = read(data, tmp_path / "full", "full")
    block, block_meters = read(data, tmp_path / "block", BlockShuffle(block_samples=16, blocks_mixed=8))
    assert sorted(full) == sorted(block) == sorted(data.digests)
    assert full_meters.sample_bytes == block_meters.sample_bytes == NUM_SAMPLES * SAMPLE_BYTES
    # In whole groups each block would be one request; groups that two packs share take more.
    assert NUM_SAMPLES / 16 <= block_meters.get_requests < full_meters.get_requests / 5
    assert block_meters.bytes_downloaded < 1.07 * NUM_SAMPLES * SAMPLE_BYTES
