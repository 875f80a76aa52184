"""Options as fields of frozen configs.

A group of options is a subclass of ``Options``, a step's config one that is made of groups: its bases, in the order of
its help. What is said of an option, is said at its field and nowhere else: parser, files, schemas, pipelines, tables
and what may change on resume follow it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import MISSING, Field, dataclass
from types import MappingProxyType
from typing import Any, ClassVar, Self, TypedDict, TypeVar, Unpack, dataclass_transform

from penstock.options.readers import read_switch
from penstock.options.rules import Change
from penstock.options.words import as_words

__all__ = ["PAIR", "Option", "Options", "choice", "flag", "option", "repeated", "switch"]

T = TypeVar("T")

PAIR = "NAME=VALUE"

_KEY = "option"


@dataclass(frozen=True, kw_only=True, slots=True)
class Option:
    """What is said of one option.

    Attributes:
        name: of the field; its flag has hyphens in place of underscores.
        group: title in the help; empty is none.
        told: what it is, for a person.
        metavar: what stands for its value in the help; None where there is none, or the choices do.
        read: makes the value of a text; raises ``argparse.ArgumentTypeError``. None is a text as it is.
        default: ``MISSING`` where it must be given.
        choices: all values that there are, or what gives them; None where they are not counted.
        change: how it may change when a job goes on; None for what is of no job.
        letter: short flag.
        is_bare: whether the flag takes no value.
        is_positional: whether it is given without its flag.
        is_repeated: whether it may be given more than once; the value is a tuple.
        is_joined: whether its text is several values with commas between them; a file may hold them as a list.
        one_of: of all options of a step with the same word here, exactly one is given.
        hidden: whether it is left out of the help, being for other programs.
        of_parent: whether a parent process or a pipeline alone gives it: no file does.
        field: of a pipeline's run form that it is given by, as a parameter of the step's component; empty where it has
            none of its own.
        by_pipeline: whether pipelines give it themselves, as a parameter of the step's component.
        run_option: its name among the options of a pipeline's run; empty where it is a parameter, or pipelines have no
            use for it.
        known: some of its values, where the choices follow from what is installed.
    """

    name: str = ""
    group: str = ""
    told: str
    metavar: str | None = None
    read: Callable[[str], Any] | None = None
    default: Any = MISSING
    choices: Sequence[Any] | Callable[[], Sequence[Any]] | None = None
    change: Change | None = None
    letter: str = ""
    is_bare: bool = False
    is_positional: bool = False
    is_repeated: bool = False
    is_joined: bool = False
    one_of: str = ""
    hidden: bool = False
    of_parent: bool = False
    field: str = ""
    by_pipeline: bool = False
    run_option: str | None = None
    known: Sequence[str] = ()

    @property
    def is_parameter(self) -> bool:
        """Whether the step's component has a parameter for it."""
        return bool(self.field) or self.by_pipeline

    @property
    def flag(self) -> str:
        """As it is written."""
        return f"--{self.name.replace('_', '-')}"

    @property
    def all_choices(self) -> Sequence[Any] | None:
        """All values that there are."""
        return self.choices() if callable(self.choices) else self.choices

    @property
    def takes_pairs(self) -> bool:
        """Whether it is given as names with values, one at a time; a file or an object holds them as a mapping."""
        return self.is_repeated and self.metavar == PAIR

    @property
    def is_required(self) -> bool:
        """Whether it must be given."""
        return self.default is MISSING

    @property
    def is_switch(self) -> bool:
        """Whether its flag alone is its value."""
        return self.read is read_switch


class _More(TypedDict, total=False):
    """What may be said of any option."""

    group: str
    change: Change
    letter: str
    is_positional: bool
    is_joined: bool
    one_of: str
    hidden: bool
    of_parent: bool
    field: str
    by_pipeline: bool
    run_option: str
    known: Sequence[str]


def option(
    *,
    read: Callable[[str], T],
    told: str,
    metavar: str,
    default: T = MISSING,  # type: ignore[assignment]
    **more: Unpack[_More],
) -> T:
    """Declare an option that a reader makes of a text; without a default it must be given."""
    made: T = _field(Option(read=read, told=told, metavar=metavar, default=default, **more))
    return made


def repeated(
    *,
    read: Callable[[str], T],
    told: str,
    metavar: str | None = None,
    choices: Sequence[str] | None = None,
    default: tuple[T, ...],
    **more: Unpack[_More],
) -> tuple[T, ...]:
    """Declare an option that may be given more than once."""
    made: tuple[T, ...] = _field(
        Option(read=read, told=told, metavar=metavar, choices=choices, default=default, is_repeated=True, **more)
    )
    return made


def choice(
    *,
    choices: Sequence[T] | Callable[[], Sequence[T]],
    told: str,
    default: T = MISSING,  # type: ignore[assignment]
    **more: Unpack[_More],
) -> T:
    """Declare an option that is one of a few words."""
    made: T = _field(Option(choices=choices, told=told, default=default, **more))
    return made


def switch(*, told: str, default: bool, **more: Unpack[_More]) -> bool:
    """Declare a switch that may be written ``--flag``, ``--flag true`` or ``--flag false``."""
    made: bool = _field(Option(read=read_switch, metavar="true|false", told=told, default=default, **more))
    return made


def flag(*, told: str, default: bool, **more: Unpack[_More]) -> bool:
    """Declare a flag that takes no value."""
    made: bool = _field(Option(is_bare=True, told=told, default=default, **more))
    return made


def _field(declared: Option) -> Any:
    return dataclasses.field(default=declared.default, metadata={_KEY: declared})


@dataclass_transform(
    kw_only_default=True, frozen_default=True, field_specifiers=(option, repeated, choice, switch, flag)
)
class Options:
    """A group of options, or a step's config: a frozen dataclass. Fields that are no options are set by code alone.

    Subclasses say with ``class Some(Options, group=..., change=..., in_pipelines=...)`` what their own options have in
    common.

    Attributes:
        goes_on: whether a step of these options goes on where one of the same was stopped.
    """

    goes_on: ClassVar[bool] = False
    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]

    def __init_subclass__(
        cls, *, group: str = "", change: Change | None = None, in_pipelines: bool = True, **more: Any
    ) -> None:
        super().__init_subclass__(**more)
        for name, field in vars(cls).items():
            if isinstance(field, Field) and _KEY in field.metadata:
                said: Option = field.metadata[_KEY]
                run_option = said.run_option if said.run_option is not None else name if in_pipelines else ""
                known = dataclasses.replace(
                    said,
                    name=name,
                    group=said.group or group,
                    change=said.change or change,
                    run_option="" if said.is_parameter or said.of_parent else run_option,
                )
                field.metadata = MappingProxyType({_KEY: known})
        # What each would have written and compiled for it alone took 20 ms of the start of a listing.
        dataclass(frozen=True, kw_only=True, eq=False, repr=False, match_args=False)(cls)

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and vars(other) == vars(self)

    def __hash__(self) -> int:
        return hash((type(self), *vars(self).items()))

    def __repr__(self) -> str:
        told = ", ".join(f"{name}={value!r}" for name, value in vars(self).items())
        return f"{type(self).__qualname__}({told})"

    @classmethod
    def declared(cls) -> Mapping[str, Option]:
        """Return what is said of each option, by name, in the order of the help."""
        fields = cls.__dataclass_fields__
        names = dict.fromkeys(_names(cls))
        return {name: fields[name].metadata[_KEY] for name in names if _KEY in fields[name].metadata}

    @classmethod
    def rules(cls) -> dict[str, Change]:
        """Return how each option may change when a job goes on, by name."""
        return {name: one.change for name, one in cls.declared().items() if one.change is not None}

    def but(self, **changes: Any) -> Self:
        """Return the same with some values changed."""
        return dataclasses.replace(self, **changes)

    def shared_with(self, cls: type[Options]) -> dict[str, Any]:
        """Return the values of the options that another config has of the same declaration."""
        ours, theirs = self.declared(), cls.declared()
        return {name: getattr(self, name) for name, one in ours.items() if theirs.get(name) is one}

    def to_argv(self) -> list[str]:
        """Return the words that are read as this; options that are as if they were not given are left out."""
        return [
            word
            for name, one in self.declared().items()
            if (value := getattr(self, name)) != one.default or one.is_required
            for word in as_words(one.flag, value, is_bare=one.is_bare, is_positional=one.is_positional)
        ]


def _names(cls: type) -> Iterator[str]:
    """Name the fields, those of the bases first; one that is declared anew is where that is."""
    own = [name for name in vars(cls).get("__annotations__", {}) if name in vars(cls).get("__dataclass_fields__", {})]
    for base in cls.__bases__:
        yield from (name for name in _names(base) if name not in own)
    yield from own
