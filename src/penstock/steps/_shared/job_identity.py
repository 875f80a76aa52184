"""Which job a folder of `penstock run` holds: the options that it was begun with, each written in one way.

Options bind a job once something was learnt with them (a step was saved). Before that a job that was refused, or
that could not list, is begun anew with mended options, in the same folder.
"""

from __future__ import annotations

import json
import shutil
import sys
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from penstock.errors import ConfigError
from penstock.manifest import parts_folder
from penstock.options import Change
from penstock.records import JobRecord, read_record, write_record
from penstock.sources import find_scheme
from penstock.steps._shared.job_files import JobFiles
from penstock.steps._shared.task_options import as_flags, read_options
from penstock.steps._shared.train_config import one_place
from penstock.steps.options.run import JobOptions, ListedJobOptions
from penstock.tasks.registry import get_task
from penstock.train.resuming import Changed, binds, changed_options

__all__ = ["begin_job", "job_options"]

_PORTS = {"http": 80, "https": 443}


def begin_job(files: JobFiles, args: JobOptions, *, dataset_sha256: str = "") -> JobRecord:
    """Take up the job that the folder holds, or begin it.

    Args:
        dataset_sha256: of the text that describes the dataset.

    Raises:
        ConfigError: the folder holds a job of other options, with which something was learnt.
    """
    options = job_options(args, dataset_sha256=dataset_sha256)
    if not files.job.exists():
        return _written(files, JobRecord(run_id=uuid.uuid4().hex[:12], options=options))
    job = read_record(files.job, JobRecord)
    asked, now = (_as_given(each) for each in (job.options, options))
    defaults = {name: _text(option.default) for name, option in JobOptions.declared().items()}
    changed = list(changed_options(asked, now, rules=JobOptions.rules(), defaults=defaults))
    if changed and has_learnt(files.checkpoints):
        raise _refusal(files.folder, changed)
    if changed:
        _forget(files, is_relisted=any(change.name in ListedJobOptions.declared() for change in changed))
        sys.stderr.write(f"penstock run: {files.folder} is begun anew ({'; '.join(map(str, changed))})\n")
    return job if job.options == options else _written(files, JobRecord(run_id=job.run_id, options=options))


def job_options(args: JobOptions, *, dataset_sha256: str = "") -> dict[str, str]:
    """Return the options that a job is bound to, as text that is the same however they are spelt.

    Those that were not given are left out. A job is bound to what a file says of its dataset, wherever it lies.

    Raises:
        ConfigError: an option of the task is unknown or no value of its kind, or the source is none.
    """
    task = get_task(args.task)
    values: dict[str, object] = {name: getattr(args, name) for name, rule in args.rules().items() if binds(rule)}
    values["source"] = _one_place(args.source) if args.source else ""
    values["dataset"] = f"sha256:{dataset_sha256[:12]}" if dataset_sha256 else ""
    values["init_from"] = one_place(args.init_from)
    values["endpoint_url"] = _one_url(args.endpoint_url)
    values["release"] = ",".join(sorted({name.strip() for name in args.release.split(",")} - {""}))
    del values["option"]
    chosen = as_flags(read_options(task, args.option, args.task_options))
    values["task_options"] = msgspec.json.encode(chosen, order="sorted").decode()
    return {name: _text(value) for name, value in sorted(values.items()) if value not in (None, "", ())}


def _as_given(options: Mapping[str, str]) -> dict[str, str]:
    """Return the options of a job without those of its task that are as they are where nobody gives them.

    Those of another task, or that a later release added, are no change then.
    """
    found = dict(options)
    try:
        defaults = as_flags(read_options(get_task(options.get("task", "")), (), ""))
        chosen = json.loads(options.get("task_options", "{}"))
    except (ConfigError, ValueError):  # a task that is not there any more
        return found
    if isinstance(chosen, dict):
        left = {name: value for name, value in chosen.items() if name not in defaults or value != defaults[name]}
        found["task_options"] = msgspec.json.encode(left, order="sorted").decode()
    return found


def has_learnt(checkpoints: Path) -> bool:
    """Tell whether a step was saved; a place that cannot be made out counts as one that holds something."""
    pointer = checkpoints / "latest.json"
    try:
        return bool(msgspec.json.decode(pointer.read_bytes(), type=_Pointer).step)
    except FileNotFoundError:
        return False
    except (OSError, msgspec.MsgspecError):
        return True


class _Pointer(msgspec.Struct):
    step: int


def _written(files: JobFiles, job: JobRecord) -> JobRecord:
    write_record(files.job, job)
    return job


def _refusal(folder: Path, changed: Sequence[Changed]) -> ConfigError:
    said = ", ".join(map(_way_back, changed))
    return ConfigError(
        f"{folder} holds a job with {'; '.join(map(str, changed))}",
        fix=f"pass {said} to go on with it, or another --out to begin a new one",
        about=str(folder),
    )


def _way_back(change: Changed) -> str:
    return f"{change.way_back}{' or more' if change.rule is Change.LARGER and change.before is not None else ''}"


def _forget(files: JobFiles, *, is_relisted: bool) -> None:
    """Remove what was made with other options, by its own names."""
    for pattern in ("latest.json", "previous.json", "best.json", "step-*.pt", "best-*.pt"):
        for path in files.checkpoints.glob(pattern):
            path.unlink()
    made = [files.run_record, files.metrics]
    made += [files.manifest, files.plan, files.list_record, files.forecast, files.probe_record] if is_relisted else []
    for path in made:
        path.unlink(missing_ok=True)
    if is_relisted:
        shutil.rmtree(parts_folder(files.manifest), ignore_errors=True)


def _one_place(uri: str) -> str:
    return find_scheme(uri).same_place(uri)


def _one_url(url: str | None) -> str | None:
    if url is None:
        return None
    try:
        parts = urlsplit(url)
        port = parts.port if parts.port != _PORTS.get(parts.scheme.lower()) else None
    except ValueError:  # what is none is refused where it is used
        return url
    place = f"{parts.hostname or ''}{f':{port}' if port else ''}"
    return f"{parts.scheme.lower()}://{place}{parts.path.rstrip('/')}"


def _text(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, tuple | list):
        return ",".join(map(_text, value))
    return str(value)
