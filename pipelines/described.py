"""The sentences of a run form's fields and options, where a person who fills it in finds them.

The form of Kubeflow Pipelines lists the names alone. So the sentences stand in the pipeline's description, which the UI
shows beside the form, and as tables in docs/pipelines.md: both are made of the declarations, by the compiler.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from penstock.options import Option
from penstock.steps.options.kinds import kind_told
from penstock.steps.options.run_options import RunOption, run_options
from penstock.steps.options.steps import PIPELINE_STEPS, STEPS, options_of
from penstock.tasks.protocols import TaskOption
from penstock.tasks.registry import get_task, own_task_names
from pipelines.form import Form, Preset
from pipelines.parameters import choices_told, default_told, help_of

__all__ = ["DOCS_URL", "describe", "fields_table", "options_page", "options_table", "preset_table"]

DOCS_URL = "docs/pipelines.md"


def describe(preset: Preset, form: Form) -> str:
    """Write a pipeline's description: what it does, and a sentence for each field and option."""
    fields = [f"- {one.name}: {one.told}" for one in form.values()]
    options = [
        f"- {option.name} ({option.kind}{_default(option.first)}): {_sentence(option.first)}" for option in _options()
    ]
    return "\n\n".join(
        [
            preset.about,
            "Fields:\n\n" + "\n".join(fields),
            *_of_tasks(tuple(preset.tasks) or own_task_names()),
            'Options, as names in the JSON object of the field options, like {"seed": 1}:\n\n' + "\n".join(options),
            f"More in {DOCS_URL}.",
        ]
    )


def _of_tasks(names: Sequence[str]) -> Iterator[str]:
    """Write the options of tasks, those that have the same ones together."""
    found: dict[str, list[str]] = {}
    for name in names:
        lines = "\n".join(f"- {one.name}{_task_default(one)}: {_plain(one.help)}" for one in get_task(name).options)
        found.setdefault(lines, []).append(name)
    for lines, same in found.items():
        yield f"Of {' and '.join(same)}, as names in the JSON object of the field data_task_options:\n\n{lines}"


def _task_default(one: TaskOption) -> str:
    return "" if one.default in (None, "") else f" ({_text(one.default)} unless given)"


def fields_table(form: Form) -> str:
    """Write the table of a form's fields, in Markdown."""
    lines = ["| field | unless given | what it is |", "|---|---|---|"]
    for one in form.values():
        default = "must be given" if one.is_required else _shown(one.default)
        lines.append(f"| `{one.name}` | {default} | {_cell(one.told)} |")
    return "\n".join(lines)


def preset_table(preset: Preset) -> str:
    """Write the table of what a preset puts into the form, in Markdown."""
    lines = ["| field | unless given |", "|---|---|"]
    lines += [f"| `{name}` | {_shown(value)} |" for name, value in sorted(preset.values.items())]
    return "\n".join(lines)


def options_table() -> str:
    """Write the table of the options, in Markdown."""
    lines = ["| option | of | takes | unless given | what it is |", "|---|---|---|---|---|"]
    for option in _options():
        steps = ", ".join(f"`{step}`" for step in option.of)
        default = _shown(option.first.default) if option.first.default not in (None, "", ()) else ""
        lines.append(f"| `{option.name}` | {steps} | {option.kind} | {default} | {_sentence(option.first)} |")
    return "\n".join(lines)


def _options() -> Iterator[RunOption]:
    yield from (option for option in run_options().values() if not option.first.hidden)


def options_page() -> str:
    """Write the page of all options of all steps, in Markdown."""
    groups: dict[str, dict[str, tuple[Option, list[str]]]] = {}
    for step in STEPS:
        for one in options_of(step).declared().values():
            if not one.hidden:
                _, steps = groups.setdefault(one.group, {}).setdefault(
                    f"{one.name} {_unless_given(one)} {_sentence(one)}", (one, [])
                )
                steps.append(step)
    return "\n".join([_PAGE, *(line for title, rows in groups.items() for line in _group(title, rows))])


_PAGE = """# Options

Made by `python pipelines/compile.py` of the declarations that the command line is made of. *On resume* says how an
option may change when a job or a training that was stopped goes on ([training.md](training.md)); *in a pipeline* names
the field of a run's form, or its name among the options there, or says that the pipeline gives it itself
([pipelines.md](pipelines.md)). All of them can stand in a file ([config.md](config.md)). The options of a task, for
`--option`, are in the task's own page.
"""


def _group(title: str, rows: Mapping[str, tuple[Option, list[str]]]) -> Iterator[str]:
    yield f"## {title[:1].upper()}{title[1:]}\n" if title else "## Of the step itself\n"
    yield "| option | of | on resume | in a pipeline | takes | unless given | what it is |"
    yield "|---|---|---|---|---|---|---|"
    for one, steps in rows.values():
        yield f"| {_name(one)} | {', '.join(f'`{step}`' for step in steps)} | {_said(one, steps)} |"
    yield ""


def _name(one: Option) -> str:
    return f"`{one.name.upper()}`" if one.is_positional else f"`{one.flag}`"


def _said(one: Option, steps: Sequence[str]) -> str:
    """Write what is said of an option of some steps, but for its name."""
    run_option = f"`{one.run_option}`" if one.run_option and set(steps) & set(PIPELINE_STEPS) else ""
    own = "gives it itself" if one.by_pipeline else run_option
    place = f"field `{one.field}`" if one.field else own
    changes = str(one.change) if one.change is not None and {"run", "train"} & set(steps) else ""
    return " | ".join((changes, place, kind_told(one), _unless_given(one), _sentence(one)))


def _unless_given(one: Option) -> str:
    if one.is_required:
        return "must be given"
    return default_told(one) or _shown(None if one.default == () else one.default)


def _sentence(option: Option) -> str:
    """Return an option's help; its default and the names of flags are told otherwise."""
    return _cell(". ".join([help_of(option), *choices_told(option)]))


def _default(option: Option) -> str:
    return "" if option.default in (None, "", ()) else f", {_text(option.default)} unless given"


def _shown(value: Any) -> str:
    return f"`{_text(value)}`" if value not in ("", None) else ""


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    if isinstance(value, dict | list):
        return json.dumps(value)
    return str(int(value) if isinstance(value, float) and value.is_integer() else value)


def _plain(text: str) -> str:
    return " ".join(text.replace("%%", "%").split())


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
