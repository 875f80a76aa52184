"""What a cluster may have to have, by name."""

from __future__ import annotations

from enum import StrEnum

__all__ = ["Need"]


class Need(StrEnum):
    """What one may need a cluster to have."""

    INJECTION = "injection"
    ARGO = "argo"
    KUBEFLOW = "kubeflow"
    TRAINER = "trainer"
    JOBSET = "jobset"
    MONITORING = "monitoring"
    GPU = "gpu"
