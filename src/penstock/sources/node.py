"""What a cloud says of the node that this runs on: type, region, zone, on demand or spot.

Asked of the node's metadata service, where the firmware says that it is a cloud's; nobody is asked elsewhere, so that
nothing waits off-cloud. Variables come first, which pods may fill from labels (``FROM_LABELS``). What cannot be found
stays open; nothing here ends a run, and nothing is waited for longer than ``PATIENCE_SECONDS`` a request.

``PENSTOCK_NODE_METADATA=off`` keeps it from asking, as does ``AWS_EC2_METADATA_DISABLED=true`` at AWS.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from penstock.texts import printable

if TYPE_CHECKING:
    from penstock.sources.stores.lending import Lent

__all__ = ["FROM_LABELS", "POD_LABELS", "Node", "find_node", "this_node"]

PATIENCE_SECONDS = 1.0
"""A metadata service is on the node itself; IMDSv2 never answers a container that is a hop too far away."""
FROM_LABELS = {
    "name": "PENSTOCK_NODE_NAME",
    "provider": "PENSTOCK_NODE_PROVIDER",
    "instance_type": "PENSTOCK_NODE_INSTANCE_TYPE",
    "region": "PENSTOCK_NODE_REGION",
    "zone": "PENSTOCK_NODE_ZONE",
    "lifecycle": "PENSTOCK_NODE_LIFECYCLE",
}
"""Variables by the field that they fill; empty ones fill nothing."""
POD_LABELS = {
    "instance_type": "node.kubernetes.io/instance-type",
    "region": "topology.kubernetes.io/region",
    "zone": "topology.kubernetes.io/zone",
    "lifecycle": "karpenter.sh/capacity-type",
}
"""Labels of a pod that fill the variables, by the downward API, where it has them: Kubernetes copies region and zone
from its node (1.35 on); type and lifecycle are there where whoever makes the pod labels it so."""
_SERVICE = "http://169.254.169.254"
_DMI = Path("/sys/class/dmi/id")
_AZURE_TAG = "7783-7084-3265-9085-8269-3286-77"
"""Asset tag of Azure's machines; those of Hyper-V elsewhere have another."""
_SPOT = ("spot", "preemptible", "low", "true", "capacity-spot")
_LONGEST = 128


@dataclass(frozen=True, kw_only=True, slots=True)
class Node:
    """What is known of a node; None where it is not.

    Attributes:
        name: of the cluster's node.
        provider: ``aws``, ``gcp`` or ``azure``.
        instance_type: the cloud's name for its type.
        lifecycle: how it was bought.
    """

    name: str | None = None
    provider: str | None = None
    instance_type: str | None = None
    region: str | None = None
    zone: str | None = None
    lifecycle: Literal["on-demand", "spot"] | None = None


@cache
def this_node() -> Node:
    """Return what is known of the node that this process runs on; it is asked once."""
    return find_node(os.environ)


def find_node(environ: Mapping[str, str], *, dmi: Path = _DMI, azure: str = _SERVICE) -> Node:
    """Return what labels and the metadata service say.

    Args:
        dmi: where the firmware tells what the machine is.
        azure: address of Azure's service, which has no variable of its own.
    """
    labels = {name: _text(environ.get(variable)) for name, variable in FROM_LABELS.items()}
    told = Node(**{**labels, "lifecycle": _lifecycle(labels["lifecycle"])})  # type: ignore[arg-type]
    if told.instance_type and told.region and told.lifecycle:
        return told
    found = _ask(environ, _cloud(environ, dmi), azure)
    given = {name: value for name in FROM_LABELS if (value := getattr(told, name)) is not None}
    return replace(found, **given)


def _cloud(environ: Mapping[str, str], dmi: Path) -> str:
    """Return whose the machine is, empty where it is nobody's whom we could ask."""
    if environ.get("PENSTOCK_NODE_METADATA", "").strip().lower() in ("off", "no", "false", "0"):
        return ""
    vendor, tag = _line(dmi / "sys_vendor"), _line(dmi / "chassis_asset_tag")
    if environ.get("AWS_EC2_METADATA_SERVICE_ENDPOINT") or vendor.startswith("Amazon"):
        return "" if environ.get("AWS_EC2_METADATA_DISABLED", "").lower() == "true" else "aws"
    if environ.get("GCE_METADATA_HOST") or vendor == "Google":
        return "gcp"
    return "azure" if tag == _AZURE_TAG else ""


def _ask(environ: Mapping[str, str], cloud: str, azure: str) -> Node:
    asking: dict[str, Callable[[], Node]] = {
        "aws": lambda: _aws(environ.get("AWS_EC2_METADATA_SERVICE_ENDPOINT") or _SERVICE),
        "gcp": lambda: _gcp(f"http://{environ.get('GCE_METADATA_HOST') or '169.254.169.254'}"),
        "azure": lambda: _azure(azure),
    }
    if cloud not in asking:
        return Node()
    from penstock.sources.stores.lending import NoLender  # here: off-cloud nobody is asked

    try:
        return asking[cloud]()
    except (NoLender, ValueError, TypeError, AttributeError, KeyError):  # no answer, or none that we can read
        return Node(provider=cloud)


def _aws(url: str) -> Node:
    """Ask IMDSv2: a token first."""
    url = url.rstrip("/")
    answer = _request(f"{url}/latest/api/token", method="PUT", headers={"X-aws-ec2-metadata-token-ttl-seconds": "60"})
    headers = {"X-aws-ec2-metadata-token": answer.data.decode("ascii").strip()}
    document = _json(_request(f"{url}/latest/dynamic/instance-identity/document", headers=headers))
    life = _request(f"{url}/latest/meta-data/instance-life-cycle", headers=headers, may_lack=True).data
    return Node(
        provider="aws",
        instance_type=_text(document.get("instanceType")),
        region=_text(document.get("region")),
        zone=_text(document.get("availabilityZone")),
        lifecycle=_lifecycle(life.decode("ascii")),
    )


def _gcp(url: str) -> Node:
    headers = {"Metadata-Flavor": "Google"}
    found = _json(_request(f"{url.rstrip('/')}/computeMetadata/v1/instance/?recursive=true", headers=headers))
    zone = _text(str(found.get("zone") or "").rpartition("/")[2])
    scheduling = found.get("scheduling") or {}
    is_spot = str(scheduling.get("preemptible")).lower() == "true"
    return Node(
        provider="gcp",
        instance_type=_text(str(found.get("machineType") or "").rpartition("/")[2]),
        region=zone.rpartition("-")[0] if zone else None,
        zone=zone,
        lifecycle=("spot" if is_spot else "on-demand") if scheduling else None,
    )


def _azure(url: str) -> Node:
    path = "/metadata/instance/compute?api-version=2021-02-01"
    found = _json(_request(f"{url.rstrip('/')}{path}", headers={"Metadata": "true"}))
    region, zone = _text(found.get("location")), _text(found.get("zone"))
    priority = str(found.get("priority") or "")
    return Node(
        provider="azure",
        instance_type=_text(found.get("vmSize")),
        region=region,
        zone=f"{region}-{zone}" if region and zone else None,
        lifecycle="spot" if priority.lower() in _SPOT else "on-demand",
    )


def _request(url: str, *, method: str = "GET", headers: Mapping[str, str], may_lack: bool = False) -> Lent:
    from penstock.sources.stores.lending import NoLender, ask_lender

    answer = ask_lender(url, method=method, headers=headers, timeout_seconds=PATIENCE_SECONDS)
    if answer.status != 200 and not (may_lack and answer.status == 404):
        raise NoLender(f"status {answer.status}")
    return answer


def _json(answer: Lent) -> dict[str, Any]:
    found = json.loads(answer.data)
    if not isinstance(found, dict):
        raise TypeError("no object")
    return found


def _lifecycle(text: str | None) -> Literal["on-demand", "spot"] | None:
    """Read how a node was bought, as clouds and their labels say it; other ways are not known."""
    word = (text or "").strip().lower().replace("_", "-")
    if word in _SPOT:
        return "spot"
    return "on-demand" if word in ("on-demand", "ondemand", "regular", "standard", "false") else None


def _text(value: object) -> str | None:
    """Return a short text as it may be shown, None of anything else."""
    text = value.strip() if isinstance(value, str) else ""
    return text if text and len(text) <= _LONGEST and printable(text) == text else None


def _line(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        return ""
