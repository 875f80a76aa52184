"""An estimate of the CO2 of a run's nodes: watts by their type, hours as billed, and the grid's figure of the region.

A node draws the watts of its vCPUs at the utilisation of large clouds' servers, of its memory, and of its GPUs: in full
while the training computed, idle else. That times what a data centre draws for each watt, times the grid's grams for
a kWh. Figures are dated rows of ``carbon.yaml``. What is not known leaves the estimate open, and is told: never as 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from importlib import resources
from typing import Any

from penstock.cost.node_time import training_nodes
from penstock.cost.prices import Prices
from penstock.cost.setting import CostSetting
from penstock.cost.values import Machine, as_decimal, in_units
from penstock.records import CostLine, Emissions, RunRecord

__all__ = ["Grid", "Watts", "assumptions_of", "emissions_of", "grid_by_hand", "grid_of", "node_watts"]

_PACKAGED = "carbon.yaml"
_SECONDS_PER_HOUR = 3600


@dataclass(frozen=True, kw_only=True, slots=True)
class Grid:
    """What electricity emits somewhere.

    Attributes:
        gco2_per_kwh: grams of CO2 equivalents.
        told: of which year and from where, for people.
    """

    gco2_per_kwh: Decimal
    told: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Watts:
    """What a node draws, what its data centre adds included.

    Attributes:
        idle: with its GPUs idle.
        full: with its GPUs in full.
    """

    idle: Decimal
    full: Decimal


def emissions_of(run: RunRecord, lines: Sequence[CostLine], *, prices: Prices, setting: CostSetting) -> Emissions:
    """Estimate what the nodes' hours of a bill came to.

    Args:
        lines: of the bill; those of nodes are by the hour.
        setting: region, and the grid's figure where somebody gave it.
    """
    unknown: list[str] = []
    kwh = _kwh(run, lines, prices, training_nodes(run, setting.num_nodes), unknown)
    given = setting.grid_gco2_per_kwh
    grid = grid_of(setting.region) if given is None else grid_by_hand(given)
    if grid is None:
        place = f"of {setting.region}" if setting.region else "there: the region is not known"
        unknown.append(f"What a kWh emits {place} is not known: pass --grid-gco2-per-kwh.")
    return Emissions(
        kwh=kwh,
        gco2=None if kwh is None or grid is None else in_units(kwh * grid.gco2_per_kwh),
        grid_gco2_per_kwh=None if grid is None else grid.gco2_per_kwh,
        grid_source="" if grid is None else grid.told,
        unknown=tuple(unknown),
    )


def grid_by_hand(gco2_per_kwh: Decimal | float) -> Grid:
    """Return a figure that somebody gave."""
    return Grid(gco2_per_kwh=as_decimal(gco2_per_kwh), told="given by hand")


def grid_of(region: str | None) -> Grid | None:
    """Return what a kWh emits in a region, None where that is not known."""
    found = next((row for row in _table()["grid"] if row["region"] == region), None)
    if found is None:
        return None
    source = _table()["sources"][found["source"]].partition(", https://")[0]
    return Grid(gco2_per_kwh=_decimal(found["gco2_per_kwh"]), told=f"{source}, {found['year']}, {region}")


def node_watts(machine: Machine | None) -> Watts | None:
    """Return what a kind of node draws, None where that is not known."""
    if machine is None or machine.vcpus is None or machine.memory_gib is None:
        return None
    table = _table()
    provider = next((row for row in table["providers"] if row["provider"] == machine.provider), None)
    gpu = next((row for row in table["gpus"] if row["gpu"] == machine.gpu), None)
    if provider is None or (machine.num_gpus and gpu is None):
        return None
    idle, full = _decimal(provider["vcpu_idle_watts"]), _decimal(provider["vcpu_full_watts"])
    cpus = machine.vcpus * (idle + (full - idle) * _decimal(table["cpu_utilisation"]))
    still = cpus + machine.memory_gib * _decimal(table["memory_watts_per_gib"])
    pue, gpus = _decimal(provider["pue"]), machine.num_gpus
    idle_gpus, full_gpus = (
        (gpus * _decimal(gpu[name]) if gpu else Decimal(0)) for name in ("idle_watts", "full_watts")
    )
    return Watts(idle=(still + idle_gpus) * pue, full=(still + full_gpus) * pue)


def _kwh(
    run: RunRecord, lines: Sequence[CostLine], prices: Prices, num_nodes: int, unknown: list[str]
) -> Decimal | None:
    """Add up what nodes drew; None, with the reason appended, where that of one is not known."""
    hours = [line for line in lines if line.unit == "hour" and "transfer" not in line.item and line.quantity]
    busy = as_decimal(run.compute_seconds) / _SECONDS_PER_HOUR * num_nodes
    kwh = Decimal(0)
    for line in hours:
        machine = prices.machine(line.item)
        watts = node_watts(machine)
        if watts is None:
            named = "the node" if line.item == "node" else line.item
            told = f"What {named} draws is not known: its hours are in no estimate of CO2."
            unknown += [] if told in unknown else [told]
            continue
        in_full = min(busy, line.quantity) if machine is not None and machine.num_gpus else Decimal(0)
        busy -= in_full
        kwh += (watts.full * in_full + watts.idle * (line.quantity - in_full)) / 1000
    if not hours:
        unknown.append("No node's hours are known.")
    return None if unknown else in_units(kwh)


def assumptions_of(found: Emissions) -> tuple[str, ...]:
    """Say what an estimate takes for granted; nothing where there is none."""
    if found.kwh is None:
        return ()
    table = _table()
    share = _decimal(table["cpu_utilisation"]) * 100
    watts = f"Watts are Cloud Carbon Footprint's: vCPUs at {share.normalize():f} % of their load, all memory at "
    watts += f"{table['memory_watts_per_gib']} W a GiB, GPUs in full while the training computed and idle else, and "
    watts += "what the data centre adds. Making the machines, storage and networks are left out."
    if found.grid_gco2_per_kwh is None:
        return (watts,)
    return watts, f"The grid emits {found.grid_gco2_per_kwh:f} g of CO2e for a kWh ({found.grid_source})."


def _decimal(value: float) -> Decimal:
    return Decimal(str(value))


@cache
def _table() -> dict[str, Any]:
    import yaml  # here: `--help` does without it

    text = resources.files("penstock.cost").joinpath(_PACKAGED).read_text(encoding="utf-8")
    found: dict[str, Any] = yaml.safe_load(text)
    return found
