"""The KFP pipeline ``penstock-eeg``: the general one, with the public data of the 2025 EEG challenge in its form."""

from __future__ import annotations

from pipelines.form import Preset
from pipelines.general import make_pipeline

__all__ = ["EEG", "penstock_eeg"]

EEG = Preset(
    name="penstock-eeg",
    title="Penstock EEG",
    about="Train on EEG straight from S3, through a window that is smaller than the dataset.\n\n"
    "The defaults train on the small version of one release of the 2025 EEG challenge, a public dataset.",
    values={
        "data_anonymous": True,
        "data_region": "us-east-2",
        "data_source": "s3://nmdatasets/NeurIPS25",
        "data_task": "eeg-c1",
        "model_name": "small",
        "options": {"mini": True, "on_bad_object": "skip", "release": "R1", "title": "Penstock EEG"},
    },
    tasks={"eeg-c1": "reaction time", "eeg-c2": "externalizing", "eeg-events": "which event"},
)

penstock_eeg = make_pipeline(EEG)
