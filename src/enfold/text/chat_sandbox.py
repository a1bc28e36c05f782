"""Where chat templates run: Jinja's sandbox, with a limit on time, on steps and on what may be built.

A chat template comes with a model, so it is a stranger's program. Jinja's sandbox keeps it from reaching Python through
attributes. It does not keep it from running for ever or from building gigabytes, so here every turn of a loop, call,
filter and test is a step, and a step looks at the clock; what could build something big is asked for its size before it
does. The limits are of one rendering and are kept beside it, so that threads may share a compiled template.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from functools import wraps
from typing import Any

from jinja2 import Environment, Undefined, nodes, pass_context
from jinja2.exceptions import SecurityError, TemplateError
from jinja2.ext import Extension, loopcontrols
from jinja2.parser import Parser
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import Namespace, _PassArg
from jinja2.visitor import NodeTransformer

__all__ = ["ChatLimits", "MessagesRefused", "TooMuch", "environment", "limited", "literals", "marks_of_generation"]

_JOINED, _COUNTED = "texts joined", "turns counted"  # names that no template can write
_LONGEST_NUMBER = 20_000
"""Bits of the longest whole number that a template may compute."""
_LARGEST_ARGUMENT = 1_000_000
"""The largest number that may be given to a filter or to a method of a text: most of them are widths."""
_WIDE_FIELD = re.compile(r"\d{5,}|\*|:[^{}]*\{")
"""In a format: a field wider than anybody needs, or one whose width is computed."""
_NOT_GIVEN = ("lipsum",)


@dataclass(frozen=True, slots=True)
class ChatLimits:
    """What one rendering of a chat template may take."""

    seconds: float = 5.0
    steps: int = 1_000_000
    """Turns of loops, calls, filters and tests."""
    characters: int = 50_000_000
    """Characters and list items that are built on the way, all together."""


class TooMuch(Exception):
    """A template went over a limit; the message says over which."""


class MessagesRefused(TemplateError):
    """A template called ``raise_exception``; the message is the template's own."""


class _Meter:
    """What is left of the limits of one rendering."""

    def __init__(self, limits: ChatLimits, marks: tuple[str, str] | None) -> None:
        self.limits = limits
        self.marks = marks
        self.steps = limits.steps
        self.room = limits.characters
        self.deadline = time.monotonic() + limits.seconds

    def step(self, built: int = 0) -> None:
        """Count one step that built, or is about to build, so many characters or items."""
        self.steps -= 1
        self.room -= built
        if self.steps < 0:
            raise TooMuch(f"it takes more than {self.limits.steps:,} steps")
        if self.room < 0:
            raise TooMuch(f"it builds more than {self.limits.characters:,} characters")
        if time.monotonic() > self.deadline:
            raise TooMuch(f"it takes longer than {self.limits.seconds:g} seconds")


_METER: ContextVar[_Meter] = ContextVar("meter")


@contextmanager
def limited(limits: ChatLimits, marks: tuple[str, str] | None = None) -> Iterator[None]:
    """Render under these limits.

    Args:
        limits: of what happens inside.
        marks: two characters to put around what stands in ``{% generation %}``; nothing is put there without them.
    """
    token = _METER.set(_Meter(limits, marks))
    try:
        yield
    finally:
        _METER.reset(token)


def _size(value: Any) -> int:
    return len(value) if isinstance(value, (str, bytes, list, tuple, dict)) else 0


# ---- operators -------------------------------------------------------------------------------------------------------


def _check_operation(operator: str, left: Any, right: Any) -> None:
    meter = _METER.get()
    numbers = isinstance(left, int) and isinstance(right, int)
    if operator == "*":
        if numbers:
            _check_bits(left.bit_length() + right.bit_length())
        else:
            texts, times = (right, left) if isinstance(left, int) else (left, right)
            meter.step(_size(texts) * max(times, 0) if isinstance(times, int) else 0)
    elif operator == "**":
        if not isinstance(right, (int, float)) or abs(right) > _LONGEST_NUMBER:
            raise TooMuch("it raises to a power that is too large")
        if numbers:
            _check_bits(left.bit_length() * abs(right))
    elif operator == "%" and isinstance(left, (str, bytes)):
        _check_format(left)
        meter.step(_size(left))
    else:
        meter.step(_size(left) + _size(right))


def _check_bits(bits: int) -> None:
    if bits > _LONGEST_NUMBER:
        raise TooMuch(f"it computes a number of more than {_LONGEST_NUMBER:,} bits")


def _check_format(form: Any) -> None:
    if isinstance(form, str) and _WIDE_FIELD.search(form):
        raise TooMuch("it formats with a field that is too wide, or whose width it computes")


# ---- filters and methods ---------------------------------------------------------------------------------------------


def _check_arguments(name: str, value: Any, arguments: Iterable[Any]) -> None:
    """Ask a filter, or a method of a text, how much it is about to build."""
    arguments = list(arguments)
    built = 0
    for argument in arguments:
        if isinstance(argument, int):
            if abs(argument) > _LARGEST_ARGUMENT:
                raise TooMuch(f"it gives {name} the number {argument}")
            lines = value.count("\n") + value.count("\t") + 1 if isinstance(value, str) else 1
            built += abs(argument) * lines
    texts: list[Any] = [argument for argument in arguments if isinstance(argument, (str, bytes))]
    if name == "replace" and len(texts) >= 2 and isinstance(value, type(texts[0])):
        built += value.count(texts[0]) * len(texts[1])
    elif name == "join" and isinstance(value, (str, bytes)):
        built += sum(len(value) + _size(part) for part in _items(arguments[0])) if arguments else 0
    elif name in ("join", "wordwrap"):
        built += _size(value) * sum(map(len, texts))
    elif name == "format" and isinstance(value, str):
        _check_format(value)
    elif name == "sum" and any(isinstance(argument, (list, tuple, str)) for argument in arguments[1:]):
        raise TooMuch("it adds lists up with the filter sum")
    _METER.get().step(built)


def _items(value: Any) -> Iterable[Any]:
    return value if isinstance(value, (list, tuple, str, dict)) else ()


def _metered(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """A filter or test that counts. It takes the context, so that it is never carried out while compiling."""
    passed = _PassArg.from_obj(function)

    @pass_context
    @wraps(function)
    def counting(context: Context, value: Any = None, /, *arguments: Any, **named: Any) -> Any:
        _check_arguments(name, value, [*arguments, *named.values()])
        first = {
            _PassArg.context: (context,),
            _PassArg.eval_context: (context.eval_ctx,),
            _PassArg.environment: (context.environment,),
        }.get(passed, ())  # type: ignore[arg-type]
        result = function(*first, value, *arguments, **named)
        _METER.get().step(_size(result))
        return result

    return counting


def _joined(context: Context, values: list[Any]) -> str:
    texts = [str(value) for value in values]
    _METER.get().step(sum(map(len, texts)))
    return "".join(texts)


def _counted(context: Context, values: Any, built: int) -> Any:
    """What a loop runs over, a step for each turn; ``built`` is the literal text that a turn may write.

    What has a length keeps it, because ``loop.length`` and ``loop.last`` ask for it.
    """
    meter = _METER.get()
    return _CountedTurns(values, meter, built) if hasattr(values, "__len__") else _turns(iter(values), meter, built)


def _turns(values: Iterable[Any], meter: _Meter, built: int) -> Iterator[Any]:
    for value in values:
        meter.step(built)
        yield value


class _CountedTurns:
    """Something with a length, whose turns are counted."""

    def __init__(self, values: Any, meter: _Meter, built: int) -> None:
        self._values, self._meter, self._built = values, meter, built

    def __len__(self) -> int:
        return len(self._values)

    def __iter__(self) -> Iterator[Any]:
        return _turns(self._values, self._meter, self._built)


class _Counting(NodeTransformer):
    """Puts the counting into a template's tree: around what loops run over, and in place of ``~``."""

    def visit_For(self, node: nodes.For) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        written = sum(len(data.data) for data in node.find_all(nodes.TemplateData))
        node.iter = _filter(_COUNTED, node.iter, nodes.Const(written))
        return node

    def visit_Concat(self, node: nodes.Concat) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        return _filter(_JOINED, nodes.List(node.nodes))


def _filter(name: str, value: Any, *arguments: nodes.Expr) -> nodes.Filter:
    made = nodes.Filter(value, name, list(arguments), [], None, None)
    return made.set_lineno(value.lineno or 1)  # type: ignore[return-value]


# ---- what templates are given ----------------------------------------------------------------------------------------


class _Names(Namespace):
    """``namespace(…)``, without names that begin with an underscore."""

    def __setitem__(self, name: str, value: Any) -> None:
        if name.startswith("_"):
            raise SecurityError(f"a namespace has no {name!r}")
        super().__setitem__(name, value)


def _namespace(*arguments: Any, **named: Any) -> _Names:
    made = _Names()
    for name, value in dict(*arguments, **named).items():
        made[name] = value
    return made


def _dict(*arguments: Any, **named: Any) -> dict[Any, Any]:
    return dict(*arguments, **named)


def _raise_exception(message: Any) -> None:
    raise MessagesRefused(str(message))


def _strftime_now(form: str) -> str:
    return datetime.now().strftime(form)


def _tojson(
    value: Any,
    ensure_ascii: bool = False,
    indent: int | str | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    """JSON that is not escaped for HTML, which Jinja's own is."""
    if (isinstance(indent, int) and indent > 16) or (isinstance(indent, str) and len(indent) > 16):
        raise TooMuch("it indents JSON by more than 16")
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


class _Generation(Extension):
    """``{% generation %}…{% endgeneration %}``: what the model itself says, in templates made for training."""

    tags = {"generation"}  # noqa: RUF012

    def parse(self, parser: Parser) -> nodes.Node:
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        return nodes.CallBlock(self.call_method("_marked"), [], [], body).set_lineno(line)

    def _marked(self, caller: Callable[[], str]) -> str:
        marks = _METER.get().marks
        return caller() if marks is None else f"{marks[0]}{caller()}{marks[1]}"


def marks_of_generation(text: str, marks: tuple[str, str]) -> tuple[str, list[tuple[int, int]]]:
    """A rendering without its marks, and the ranges that stood between them."""
    parts, spans, start, length = [], [], 0, 0
    for piece in re.split(f"([{marks[0]}{marks[1]}])", text):
        if piece == marks[0]:
            start = length
        elif piece == marks[1]:
            spans.append((start, length))
        else:
            parts.append(piece)
            length += len(piece)
    return "".join(parts), spans


# ---- the environment -------------------------------------------------------------------------------------------------


@pass_context
def _written(context: Context, value: Any) -> Any:
    """Count what an expression writes into the output."""
    if not isinstance(value, str):
        value = str(value)
    _METER.get().step(len(value))
    return value


class _ChatEnvironment(ImmutableSandboxedEnvironment):
    intercepted_binops = frozenset(["+", "-", "*", "/", "//", "**", "%"])

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        tree = _Counting().visit(super()._parse(source, name, filename))
        return tree.set_environment(self)

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        _check_operation(operator, left, right)
        return super().call_binop(context, operator, left, right)

    def call(__self, __context: Context, __obj: Any, *arguments: Any, **named: Any) -> Any:  # noqa: N805
        owner = getattr(__obj, "__self__", None)
        given = [*arguments, *named.values()]
        if isinstance(owner, (str, bytes, int)):
            _check_arguments(getattr(__obj, "__name__", "a method"), owner, given)
        else:
            _METER.get().step()
        result = super().call(__context, __obj, *arguments, **named)
        _METER.get().step(_size(result))
        return result

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        if isinstance(obj, str) and attr in ("translate", "maketrans"):  # a table may make a letter as long as it likes
            return False
        return super().is_safe_attribute(obj, attr, value)

    def getattr(self, obj: Any, attribute: str) -> Any:
        if attribute.startswith("__"):
            raise SecurityError(f"it reaches for the attribute {attribute!r} of a {type(obj).__name__}")
        return super().getattr(obj, attribute)

    def unsafe_undefined(self, obj: Any, attribute: str) -> Undefined:
        raise SecurityError(f"it reaches for the attribute {attribute!r} of a {type(obj).__name__}")

    def wrap_str_format(self, value: Any) -> Callable[..., str] | None:
        made = super().wrap_str_format(value)
        if made is not None:
            _check_format(value.__self__)
        return made


def environment() -> Environment:
    """The environment that chat templates are compiled in. Rendering must be `limited`."""
    made = _ChatEnvironment(
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=[_Generation, loopcontrols],
        finalize=_written,
        optimized=False,  # nothing is computed while compiling, where no limit holds
    )
    made.filters["tojson"] = _tojson
    tables: list[dict[str, Any]] = [made.filters, made.tests]
    for table in tables:
        table.update({name: _metered(name, function) for name, function in table.items()})
    made.filters[_JOINED] = pass_context(_joined)
    made.filters[_COUNTED] = pass_context(_counted)
    made.globals.update(raise_exception=_raise_exception, strftime_now=_strftime_now, dict=_dict, namespace=_namespace)
    for name in _NOT_GIVEN:
        del made.globals[name]
    return made


def literals(made: Environment, source: str) -> Mapping[str, None]:
    """The strings that a template's program mentions, which are not those it writes."""
    found = (node.value for node in made.parse(source).find_all(nodes.Const) if isinstance(node.value, str))
    return dict.fromkeys(found)
