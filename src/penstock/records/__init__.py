"""Values that cross a process or a step: manifest, plan, run record, evaluation, cost."""

from __future__ import annotations

from penstock.records.codec import Record, decode_record, encode_record, read_record, write_record
from penstock.records.cost import CostLine, CostReport, Price, PriceList
from penstock.records.evaluation import Evaluation, Prediction
from penstock.records.failure import FailureRecord
from penstock.records.job import JobRecord
from penstock.records.left_out import NOT_WANTED, LeftOutObjects
from penstock.records.listing import (
    ListingRecord,
    ListingWriter,
    is_listing,
    parts_folder,
    read_listing_record,
    wait_for_part,
)
from penstock.records.manifest import (
    SPLITS,
    Described,
    Extent,
    ManifestInfo,
    Sample,
    SkippedObject,
    SourceSpec,
    Span,
    Split,
    no_spread,
    sample_key,
    sample_of,
)
from penstock.records.manifest_columns import ExtentRows
from penstock.records.manifest_parts import ManifestParts
from penstock.records.manifest_reader import ManifestReader
from penstock.records.manifest_writer import ManifestWriter
from penstock.records.meters import Meters, Purpose, RequestCount, RequestKind, SkippedSample
from penstock.records.metric_values import Baseline, MetricValue, MetricValues
from penstock.records.plan import BlockShuffle, Order, Plan, RankShare, Segment, Shuffle, StreamSpec
from penstock.records.readiness import Finding, Readiness, State
from penstock.records.run import UNSAID, EpochRecord, Host, LossPoint, RunRecord, Saves, StepRecord

__all__ = [
    "NOT_WANTED",
    "SPLITS",
    "UNSAID",
    "Baseline",
    "BlockShuffle",
    "CostLine",
    "CostReport",
    "Described",
    "EpochRecord",
    "Evaluation",
    "Extent",
    "ExtentRows",
    "FailureRecord",
    "Finding",
    "Host",
    "JobRecord",
    "LeftOutObjects",
    "ListingRecord",
    "ListingWriter",
    "LossPoint",
    "ManifestInfo",
    "ManifestParts",
    "ManifestReader",
    "ManifestWriter",
    "Meters",
    "MetricValue",
    "MetricValues",
    "Order",
    "Plan",
    "Prediction",
    "Price",
    "PriceList",
    "Purpose",
    "RankShare",
    "Readiness",
    "Record",
    "RequestCount",
    "RequestKind",
    "RunRecord",
    "Sample",
    "Saves",
    "Segment",
    "Shuffle",
    "SkippedObject",
    "SkippedSample",
    "SourceSpec",
    "Span",
    "Split",
    "State",
    "StepRecord",
    "StreamSpec",
    "decode_record",
    "encode_record",
    "is_listing",
    "no_spread",
    "parts_folder",
    "read_listing_record",
    "read_record",
    "sample_key",
    "sample_of",
    "wait_for_part",
    "write_record",
]
