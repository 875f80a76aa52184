"""What a chat template may take: steps, and characters of what it makes; a template may come of anywhere.

Jinja's sandbox keeps a template from Python, not from looping for ever or filling memory. Here each turn of a loop and
each call is counted, and everything that a template makes is weighed (characters, and elements of lists) before it is
kept, and where one operation could make much of little, before it is done.
"""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextvars import ContextVar
from typing import Any, Final

from jinja2 import nodes, pass_context
from jinja2.runtime import Macro
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.visitor import NodeTransformer

from penstock.units import MIB

__all__ = ["MOST_STEPS", "MOST_TEXT", "Bounded", "TooMuch", "bounded"]

MOST_STEPS: Final = 5_000_000
"""Turns of loops, calls and elements of lists of one rendering; Jinja does about as many in a few seconds."""
MOST_TEXT: Final = 64 * MIB
"""Characters of a value, and of everything that one rendering puts out."""
_CALL: Final = 10
"""Steps of a call, which takes so much longer than a turn of a loop."""
_MOST_BITS: Final = 4096
_WIDE: Final = re.compile(r"\d{7,}")
_NESTED: Final = re.compile(r"\{[^{}]*\{|%[^a-zA-Z%]*\*")
_TO_WIDTH: Final = ("center", "ljust", "rjust", "zfill", "batch", "slice")
_BY_LINE: Final = ("indent", "expandtabs", "tojson")


class TooMuch(Exception):
    """A template takes more than it may."""


class _Left:
    """What is left of what one rendering may take."""

    def __init__(self) -> None:
        self.steps, self.text = MOST_STEPS, MOST_TEXT

    def step(self, number: int = 1) -> None:
        """Take steps."""
        self.steps -= number
        if self.steps < 0:
            raise TooMuch(f"it takes more than {MOST_STEPS} steps")

    def put_out(self, size: int) -> None:
        """Take characters."""
        self.text -= size
        if self.text < 0:
            raise TooMuch(f"it makes more than {MOST_TEXT} characters")


_LEFT: ContextVar[_Left] = ContextVar("_LEFT")


def bounded(render: Callable[[], str]) -> str:
    """Return what is rendered within the bounds.

    Raises:
        TooMuch: it takes more.
    """
    token = _LEFT.set(_Left())
    try:
        return render()
    except (RecursionError, MemoryError) as error:
        raise TooMuch("it calls itself too deeply" if isinstance(error, RecursionError) else "memory is full") from None
    finally:
        _LEFT.reset(token)


def _left() -> _Left:
    found = _LEFT.get(None)
    return _Left() if found is None else found


def _weighed(value: Any) -> Any:
    """Return a value, where it is not too large; lists are walked, each place that something stands in."""
    if isinstance(value, str):
        _refuse_above(len(value))
        return value
    if not isinstance(value, list | tuple | dict):
        return value
    left, size = _left(), 0
    waiting: list[Any] = [value]
    while waiting:
        each = waiting.pop()
        left.step()
        if isinstance(each, str):
            size += len(each)
            _refuse_above(size)
        elif isinstance(each, list | tuple):
            waiting.extend(each)
        elif isinstance(each, dict):
            waiting.extend(each)
            waiting.extend(each.values())
    return value


def _refuse_above(size: int) -> None:
    if size > MOST_TEXT:
        raise TooMuch(f"it makes more than {MOST_TEXT} characters")


def _foresee(name: str, value: Any, args: tuple[Any, ...], options: Mapping[str, Any]) -> None:
    """Refuse a method of text, or a filter, that would make too much of what it is given."""
    text = value if isinstance(value, str) else ""
    given = [*args, *options.values()]
    numbers = [abs(each) for each in given if isinstance(each, int)]
    if name in _TO_WIDTH:
        _refuse_above(max(numbers, default=0))
    elif name in _BY_LINE:
        lines = len(text) if isinstance(value, str) else MOST_STEPS
        widths = [*numbers, *(len(each) for each in given if isinstance(each, str))]
        _refuse_above((lines * max(widths, default=0)) // 16)
    elif name in ("replace", "wordwrap"):
        texts = [each for each in given if isinstance(each, str)]
        times = text.count(texts[0]) if name == "replace" and texts else len(text)
        _refuse_above(times * max((len(each) for each in texts), default=0))
    elif name in ("format", "format_map") and (_WIDE.search(text) or _NESTED.search(text)):
        raise TooMuch("it formats to a width beyond any")


class Bounded(ImmutableSandboxedEnvironment):
    """Jinja's sandbox, which counts what a template takes."""

    intercepted_binops = frozenset(("+", "*", "**", "%"))

    def __init__(self, **options: Any) -> None:
        super().__init__(**options, optimized=False, finalize=_put_out)  # nothing is made while it is compiled
        self.globals.pop("lipsum", None)
        self.filters.update({name: _filter(name, each) for name, each in self.filters.items()})
        self.filters.update(penstock_each=_each, penstock_made=_weighed, penstock_joined=_joined)

    def take(self, name: str, function: Callable[..., Any]) -> None:
        """Have a filter besides."""
        self.filters[name] = _filter(name, function)

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        """Return what an operator makes."""
        numbers = isinstance(left, int) and isinstance(right, int)
        if operator == "**" and numbers and abs(left).bit_length() * abs(right) > _MOST_BITS:
            raise TooMuch("it makes a number beyond any")
        if operator == "*" and numbers and left.bit_length() + right.bit_length() > _MOST_BITS:
            raise TooMuch("it makes a number beyond any")
        if operator == "*" and not numbers:
            for many, times in ((left, right), (right, left)):
                if isinstance(many, str | list | tuple) and isinstance(times, int):
                    _refuse_above(len(many) * times)
                    _left().step(0 if isinstance(many, str) else max(0, len(many) * times))
        if operator == "%" and isinstance(left, str):
            _foresee("format", left, (), {})
        return _weighed(super().call_binop(context, operator, left, right))

    def call(__self, __context: Any, __obj: Any, *args: Any, **options: Any) -> Any:  # noqa: N805 - as Jinja has it
        """Call what a template calls."""
        _left().step(_CALL)
        method = inspect.unwrap(__obj) if callable(__obj) else __obj
        owner = getattr(method, "__self__", None)
        if isinstance(owner, str):
            if method.__name__ == "join" and args:
                args = (_parts(args[0], owner), *args[1:])
            _foresee(method.__name__, owner, args, options)
        found = super().call(__context, __obj, *args, **options)
        return found if isinstance(method, Macro) else _weighed(found)

    def _generate(self, source: nodes.Template, *args: Any, **options: Any) -> str:
        return super()._generate(_Counting().visit(source), *args, **options)


class _Counting(NodeTransformer):
    """Has loops count their turns, and weighs lists and texts that are put together."""

    def visit_For(self, node: nodes.For) -> nodes.For:  # noqa: N802 - as Jinja names nodes
        """Count turns, and the text that stands in each."""
        size = sum(len(each.data) for each in node.find_all(nodes.TemplateData))
        self.generic_visit(node)
        node.iter = _by("penstock_each", node.iter, nodes.Const(size))
        return node

    def visit_Macro(self, node: nodes.Macro) -> nodes.Macro:  # noqa: N802
        """Count the text that stands in it, each time that it is called."""
        size = sum(len(each.data) for each in node.find_all(nodes.TemplateData))
        self.generic_visit(node)
        once = nodes.For(nodes.Name("penstock_once", "store"), nodes.Const((0,)), [], [], None, False)
        once.iter = _by("penstock_each", once.iter, nodes.Const(size))
        node.body.insert(0, once.set_lineno(node.lineno))
        return node

    def visit_Concat(self, node: nodes.Concat) -> Any:  # noqa: N802
        """Weigh what is joined before it is."""
        self.generic_visit(node)
        return _by("penstock_joined", nodes.List(node.nodes).set_lineno(node.lineno))

    def _made(self, node: Any) -> Any:
        self.generic_visit(node)
        return node if getattr(node, "ctx", "load") != "load" else _by("penstock_made", node)

    visit_List = visit_Dict = visit_Tuple = _made  # noqa: N815


def _by(name: str, node: Any, *args: nodes.Expr) -> Any:
    return nodes.Filter(node, name, list(args), [], None, None).set_lineno(node.lineno)


@pass_context
def _put_out(_: Any, value: Any) -> Any:
    """Weigh what is put out."""
    text = str(_weighed(value))
    _left().put_out(len(text))
    return text


def _each(values: Any, size: int) -> Iterator[Any]:
    """Return what is looped over, each time with what a turn takes."""
    left = _left()
    for value in values:
        left.step()
        left.put_out(size)
        yield value


def _joined(values: list[Any]) -> str:
    return str(_weighed("".join(_parts(values, ""))))


def _parts(values: Iterable[Any], between: str) -> list[str]:
    """Return texts that are to be joined, where all of them are not too large."""
    found, size, left = [], 0, _left()
    for value in values:
        left.step()
        found.append(value if isinstance(value, str) else str(_weighed(value)))
        size += len(found[-1]) + len(between)
        _refuse_above(size)
    return found


def _filter(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a filter that weighs what it makes."""
    first = 1 if getattr(function, "jinja_pass_arg", None) is not None else 0

    @functools.wraps(function)
    def weighing(*args: Any, **options: Any) -> Any:
        _left().step()
        value, *others = args[first:]
        if name == "join":
            value = _weighed(list(value))
            between = next((each for each in [*others[:1], options.get("d")] if each is not None), "")
            _parts(value, str(between))
        elif name in ("string", "tojson", "list", "pprint"):
            _weighed(value)
        elif name == "format":
            _weighed([value, *others, *options.values()])
        _foresee(name, value, tuple(others), options)
        return _weighed(function(*args[:first], value, *others, **options))

    return weighing
