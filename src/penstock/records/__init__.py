"""Values that cross a process or a step: plan, run record, job, evaluation, cost."""

from __future__ import annotations

from typing import TYPE_CHECKING

from penstock.lazy import lazily

if TYPE_CHECKING:
    from penstock.records.attempts import (
        JOB,
        AttemptRecord,
        AttemptsRecord,
        Ended,
        ended_as,
        joined_attempts,
        seconds_of,
        time_text,
    )
    from penstock.records.classes import ClassSize
    from penstock.records.codec import Record, decode_record, encode_record, read_record, write_record
    from penstock.records.cost import AttemptCost, CostAdvice, CostLine, CostReport, CostWay, Emissions
    from penstock.records.evaluation import Evaluation, Prediction
    from penstock.records.failure import FailureRecord
    from penstock.records.figures import (
        Figure,
        LineFigure,
        Picture,
        PictureFigure,
        PictureRow,
        ScatterFigure,
        Series,
        TableFigure,
    )
    from penstock.records.forecast import ForecastLine, ForecastNode, ForecastRecord, ForecastWay, UsdRange
    from penstock.records.host import Host, Volume, VolumeKind
    from penstock.records.job import JobRecord
    from penstock.records.meters import Meters, Purpose, RequestCount, RequestKind, SkippedSample
    from penstock.records.metric_values import Baseline, Interval, MetricValue, MetricValues
    from penstock.records.modes import ModesComparison, ModeTaken
    from penstock.records.plan import (
        BlockShuffle,
        Mixing,
        MixLimit,
        MixTree,
        MixWeight,
        Order,
        Plan,
        RankShare,
        Repeat,
        Segment,
        Shuffle,
        StreamSpec,
    )
    from penstock.records.readiness import Finding, Readiness, State
    from penstock.records.run import (
        UNSAID,
        DatasetSize,
        EpochRecord,
        LossPoint,
        MixShare,
        RunRecord,
        Saves,
        StepEvaluation,
        StepRecord,
    )
    from penstock.records.timeline import Timeline, TimelineInterval, joined_in_pairs
else:
    __getattr__, __dir__ = lazily(
        __name__,
        {
            "attempts": "JOB AttemptRecord AttemptsRecord Ended ended_as joined_attempts seconds_of time_text",
            "classes": "ClassSize",
            "codec": "Record decode_record encode_record read_record write_record",
            "cost": "AttemptCost CostAdvice CostLine CostReport CostWay Emissions",
            "evaluation": "Evaluation Prediction",
            "failure": "FailureRecord",
            "figures": "Figure LineFigure Picture PictureFigure PictureRow ScatterFigure Series TableFigure",
            "forecast": "ForecastLine ForecastNode ForecastRecord ForecastWay UsdRange",
            "host": "Host Volume VolumeKind",
            "job": "JobRecord",
            "meters": "Meters Purpose RequestCount RequestKind SkippedSample",
            "metric_values": "Baseline Interval MetricValue MetricValues",
            "modes": "ModesComparison ModeTaken",
            "plan": "BlockShuffle Mixing MixLimit MixTree MixWeight Order Plan RankShare Repeat Segment Shuffle "
            "StreamSpec",
            "readiness": "Finding Readiness State",
            "run": "UNSAID DatasetSize EpochRecord LossPoint MixShare RunRecord Saves StepEvaluation StepRecord",
            "timeline": "Timeline TimelineInterval joined_in_pairs",
        },
    )

__all__ = [
    "JOB",
    "UNSAID",
    "AttemptCost",
    "AttemptRecord",
    "AttemptsRecord",
    "Baseline",
    "BlockShuffle",
    "ClassSize",
    "CostAdvice",
    "CostLine",
    "CostReport",
    "CostWay",
    "DatasetSize",
    "Emissions",
    "Ended",
    "EpochRecord",
    "Evaluation",
    "FailureRecord",
    "Figure",
    "Finding",
    "ForecastLine",
    "ForecastNode",
    "ForecastRecord",
    "ForecastWay",
    "Host",
    "Interval",
    "JobRecord",
    "LineFigure",
    "LossPoint",
    "Meters",
    "MetricValue",
    "MetricValues",
    "MixLimit",
    "MixShare",
    "MixTree",
    "MixWeight",
    "Mixing",
    "ModeTaken",
    "ModesComparison",
    "Order",
    "Picture",
    "PictureFigure",
    "PictureRow",
    "Plan",
    "Prediction",
    "Purpose",
    "RankShare",
    "Readiness",
    "Record",
    "Repeat",
    "RequestCount",
    "RequestKind",
    "RunRecord",
    "Saves",
    "ScatterFigure",
    "Segment",
    "Series",
    "Shuffle",
    "SkippedSample",
    "State",
    "StepEvaluation",
    "StepRecord",
    "StreamSpec",
    "TableFigure",
    "Timeline",
    "TimelineInterval",
    "UsdRange",
    "Volume",
    "VolumeKind",
    "decode_record",
    "encode_record",
    "ended_as",
    "joined_attempts",
    "joined_in_pairs",
    "read_record",
    "seconds_of",
    "time_text",
    "write_record",
]
