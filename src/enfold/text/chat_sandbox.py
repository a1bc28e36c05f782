"""Where chat templates run: Jinja's sandbox, with the limits of `enfold.text.chat_limits`.

A chat template comes with a model, so it is a stranger's program. Jinja's sandbox keeps it from reaching Python through
attributes, but not from running for ever or from building gigabytes. So the tree of a template is changed before it is
compiled: counting stands around everything that repeats or builds. The count is of one rendering and is kept beside it,
so that threads may share a compiled template.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
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

from enfold.text.chat_limits import METER, Meter, TooMuch, check_arguments, check_format, check_operation

__all__ = ["MessagesRefused", "environment", "literals", "marks_of_generation"]

_JOINED, _COUNTED, _MADE = "texts joined", "turns counted", "value made"  # names that no template can write
_FILTERS_NOT_GIVEN = ("pprint", "striptags", "urlize", "wordwrap", "xmlattr")
"""Made for web pages, and slow on long texts in ways that cannot be counted."""


class MessagesRefused(TemplateError):
    """A template called ``raise_exception``; the message is the template's own."""


# ---- counting --------------------------------------------------------------------------------------------------------


def _metered(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """A filter or test that counts. It takes the context, so that it is never carried out while compiling."""
    passed = _PassArg.from_obj(function)

    @pass_context
    @wraps(function)
    def counting(context: Context, value: Any = None, /, *arguments: Any, **named: Any) -> Any:
        check_arguments(name, value, [*arguments, *named.values()])
        first = {
            _PassArg.context: (context,),
            _PassArg.eval_context: (context.eval_ctx,),
            _PassArg.environment: (context.environment,),
        }.get(passed, ())  # type: ignore[arg-type]
        return METER.get().made(function(*first, value, *arguments, **named))

    return counting


def _joined(context: Context, values: list[Any]) -> str:
    meter = METER.get()
    texts = [str(meter.made(value)) for value in values]
    meter.step(sum(map(len, texts)))
    return "".join(texts)


def _made(context: Context, value: Any) -> Any:
    return METER.get().made(value)


def _counted(context: Context, values: Any, built: int) -> Any:
    """What a loop runs over, a step for each turn; ``built`` is the literal text that a turn may write.

    What has a length keeps it, because ``loop.length`` and ``loop.last`` ask for it.
    """
    meter = METER.get()
    return _CountedTurns(values, meter, built) if hasattr(values, "__len__") else _turns(iter(values), meter, built)


def _turns(values: Iterable[Any], meter: Meter, built: int) -> Iterator[Any]:
    for value in values:
        meter.step(built)
        yield value


class _CountedTurns:
    """Something with a length, whose turns are counted."""

    def __init__(self, values: Any, meter: Meter, built: int) -> None:
        self._values, self._meter, self._built = values, meter, built

    def __len__(self) -> int:
        return len(self._values)

    def __iter__(self) -> Iterator[Any]:
        return _turns(self._values, self._meter, self._built)


class _Counting(NodeTransformer):
    """Puts the counting into a template's tree: around what loops run over and lists that are made, in place of
    ``~``."""

    def visit_For(self, node: nodes.For) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        written = sum(len(data.data) for data in node.find_all(nodes.TemplateData))
        node.iter = _filter(_COUNTED, node.iter, nodes.Const(written))
        return node

    def visit_Concat(self, node: nodes.Concat) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        return _filter(_JOINED, nodes.List(node.nodes))

    def visit_List(self, node: nodes.List) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        return _filter(_MADE, node)

    def visit_Dict(self, node: nodes.Dict) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        return _filter(_MADE, node)

    def visit_Tuple(self, node: nodes.Tuple) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        return _filter(_MADE, node) if node.ctx == "load" else node


def _filter(name: str, value: Any, *arguments: nodes.Expr) -> nodes.Filter:
    made = nodes.Filter(value, name, list(arguments), [], None, None)
    return made.set_lineno(value.lineno or 1)  # type: ignore[return-value]


# ---- what templates are given ----------------------------------------------------------------------------------------


class _Names(Namespace):
    """``namespace(…)``, without names that begin with an underscore; written out it says nothing of what it holds."""

    def __repr__(self) -> str:
        return "<namespace>"

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
        marks = METER.get().marks
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
    meter = METER.get()
    if not isinstance(value, str):
        value = str(meter.made(value))
    meter.step(len(value))
    return value


class _ChatEnvironment(ImmutableSandboxedEnvironment):
    intercepted_binops = frozenset(["+", "-", "*", "/", "//", "**", "%"])

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        tree = _Counting().visit(super()._parse(source, name, filename))
        return tree.set_environment(self)

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        check_operation(operator, left, right)
        return METER.get().made(super().call_binop(context, operator, left, right))

    def call(__self, __context: Context, __obj: Any, *arguments: Any, **named: Any) -> Any:  # noqa: N805
        owner = getattr(__obj, "__self__", None)
        given = [*arguments, *named.values()]
        if isinstance(owner, (str, bytes, int)):
            check_arguments(getattr(__obj, "__name__", "a method"), owner, given)
        else:
            METER.get().step()
        return METER.get().made(super().call(__context, __obj, *arguments, **named))

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
            check_format(value.__self__)
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
    for name in _FILTERS_NOT_GIVEN:
        del made.filters[name]
    made.filters["tojson"] = _tojson
    tables: list[dict[str, Any]] = [made.filters, made.tests]
    for table in tables:
        table.update({name: _metered(name, function) for name, function in table.items()})
    made.filters[_JOINED] = pass_context(_joined)
    made.filters[_COUNTED] = pass_context(_counted)
    made.filters[_MADE] = pass_context(_made)
    made.globals.update(raise_exception=_raise_exception, strftime_now=_strftime_now, dict=_dict, namespace=_namespace)
    del made.globals["lipsum"]
    return made


def literals(made: Environment, source: str) -> Mapping[str, None]:
    """The strings that a template's program mentions, which are not those it writes."""
    found = (node.value for node in made.parse(source).find_all(nodes.Const) if isinstance(node.value, str))
    return dict.fromkeys(found)
