"""Templates of strangers: none of them runs for ever, fills the memory, or gets at anything."""

from __future__ import annotations

import time
import tracemalloc

import pytest

from enfold.errors import CheckpointError, InputError
from enfold.text.chat import ChatLimits, render_chat

MESSAGES = [{"role": "user", "content": "hello", "number": 3}]
LIMITS = ChatLimits(seconds=1.0, steps=200_000, characters=2_000_000)


def render(template: str) -> str:
    return render_chat(template, MESSAGES, limits=LIMITS)


@pytest.mark.parametrize(
    "template",
    [
        "{{ ''.__class__ }}",
        "{{ messages.__class__.__mro__ }}",
        "{{ messages[0]['__class__'] if false else messages[0].content['__class__'] }}",
        "{{ messages | attr('__class__') }}",
        "{{ '{0.__class__}'.format(messages) }}",
        "{{ raise_exception.__globals__ }}",
        "{{ range.__self__ }}",
        "{{ namespace.__init__.__globals__ }}",
        "{{ messages.append(1) }}",
        "{{ messages[0].update(a=1) }}",
        "{{ (messages | map(attribute='content.__class__') | list)[0] }}",
        "{{ 'a'.translate({97: 'b'}) }}",
        "{% set ns = namespace() %}{% set ns.__class__ = 1 %}",
        "{{ dict.__mro__ }}",
        "{{ self.__init__ }}",
        "{{ cycler.__init__ }}",
    ],
)
def test_a_template_that_reaches_for_attributes_is_refused(template):
    with pytest.raises(CheckpointError, match="the chat template is refused: "):
        render(template)


ENDLESS = {
    "loops in loops": "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
    "a filtered loop": "{% for a in range(99999) %}{% for b in range(99999) if b < 0 %}{% endfor %}{% endfor %}",
    "macros that call themselves twice": "{% macro f(n) %}{% if n %}{{ f(n - 1) }}{{ f(n - 1) }}{% endif %}"
    "{% endmacro %}{{ f(60) }}",
    "a macro without end": "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
    "a recursive loop": "{% for a in [1, 2] recursive %}{{ loop([1, 2]) }}{% endfor %}",
    "filters": "{% for a in range(99999) %}{{ range(9999) | map('string') | join }}{% endfor %}",
    "tests": "{% for a in range(999) %}{{ range(99999) | select('odd') | list | length }}{% endfor %}",
    "rejected texts": "{% set s = 'a' * 1000000 %}{{ range(99999) | select('in', s) | list }}",
    "sums": "{% for a in range(99999) %}{{ range(99999) | sum }}{% endfor %}",
    "sums of lists": "{{ range(99999) | batch(1) | sum(start=[]) }}",
    "lists compared": "{% set ns = namespace(a=[1], b=[1]) %}{% for i in range(60) %}{% set ns.a = [ns.a, ns.a] %}"
    "{% set ns.b = [ns.b, ns.b] %}{% endfor %}{{ ns.a == ns.b }}",
    "sorting": "{% set a = 'x' * 900000 %}{% set b = 'x' * 450000 + 'x' * 450000 %}"
    "{{ ([a, b] * 20000) | sort | length }}",
    "a cycle of unpacking": "{% for a in range(99999) %}{% set b = messages * 1000 %}{% endfor %}",
}


@pytest.mark.parametrize("name", ENDLESS)
def test_a_template_without_end_is_stopped(name):
    began = time.monotonic()
    with pytest.raises((CheckpointError, InputError), match="the chat template (is stopped|cannot be applied)"):
        render(ENDLESS[name])
    assert time.monotonic() - began < 6


BIG = {
    "repeated": "{{ 'a' * 1000000000000 }}",
    "repeated the other way": "{{ 1000000000000 * 'a' }}",
    "doubled": "{% set ns = namespace(s='aaaaaaaa') %}{% for i in range(60) %}{% set ns.s = ns.s + ns.s %}{% endfor %}",
    "joined by tilde": "{% set ns = namespace(s='aaaaaaaa') %}{% for i in range(60) %}"
    "{% set ns.s = ns.s ~ ns.s %}{% endfor %}",
    "without a loop": "{% set s = 'aaaaaaaa' %}" + "{% set s = s ~ s %}" * 60,
    "lists doubled": "{% set ns = namespace(s=[1]) %}{% for i in range(60) %}{% set ns.s = ns.s + ns.s %}{% endfor %}",
    "printed": "{% for i in range(99999) %}{{ messages[0].content * 100 }}{% endfor %}",
    "literal text": "{% for i in range(99999) %}" + "x" * 1000 + "{% endfor %}",
    "literal text in a block": "{% set b %}{% for i in range(99999) %}" + "x" * 1000 + "{% endfor %}{% endset %}",
    "centred": "{{ 'a' | center(10000000000) }}",
    "a method": "{{ 'a'.zfill(10000000000) }}",
    "a method through an index": "{{ 'a'['ljust'](10000000000) }}",
    "tabs": "{{ ('\\t' * 10000).expandtabs(999999) }}",
    "indented": "{{ ('a\\n' * 10000) | indent(999999) }}",
    "replaced": "{{ ('a' * 100000) | replace('a', 'b' * 100000) }}",
    "replaced by a method": "{{ ('a' * 100000).replace('a', 'b' * 100000) }}",
    "joined": "{{ ('b' * 100000).join('a' * 100000) }}",
    "joined by a filter": "{{ range(99999) | list | join('b' * 100000) }}",
    "a list of itself": "{% set ns = namespace(a='x') %}{% for i in range(60) %}"
    "{% set ns.a = [ns.a, ns.a] %}{% endfor %}"
    "{{ ns.a }}",
    "a tuple of itself": "{% set ns = namespace(a='x') %}{% for i in range(60) %}"
    "{% set ns.a = (ns.a, ns.a) %}{% endfor %}"
    "{{ ns.a ~ '' }}",
    "a dict of itself": "{% set ns = namespace(a='x') %}{% for i in range(60) %}{% set ns.a = {1: ns.a, 2: ns.a} %}"
    "{% endfor %}{{ ns.a | tojson }}",
    "a dict of itself by name": "{% set ns = namespace(a='x') %}{% for i in range(60) %}"
    "{% set ns.a = dict(a=ns.a, b=ns.a) %}"
    "{% endfor %}{{ ns.a | string }}",
    "batches of itself": "{% set ns = namespace(a='x') %}{% for i in range(60) %}"
    "{% set ns.a = (ns.a, ns.a) | batch(2) | list %}{% endfor %}{{ '%s' % ns.a }}",
    "a list filled with it": "{% set ns = namespace(a='x') %}{% for i in range(60) %}"
    "{% set ns.a = [ns.a] * 2 %}{% endfor %}"
    "{{ [ns.a] | join }}",
    "a wide field": "{{ '%1000000000d' % 1 }}",
    "a wide field by a filter": "{{ '%1000000000d' | format(1) }}",
    "a computed field": "{{ '%*d' % (1000000000, 1) }}",
    "a new-style field": "{{ '{:1000000000}'.format(1) }}",
    "a nested field": "{{ '{:{w}}'.format(1, w=1000000000) }}",
    "bytes of a number": "{{ (1).to_bytes(1000000000, 'big') }}",
    "a large power": "{{ 10 ** 10000000000 }}",
    "a number squared again and again": "{% set ns = namespace(n=9) %}{% for i in range(60) %}"
    "{% set ns.n = ns.n * ns.n %}{% endfor %}",
    "indented JSON": "{{ messages | tojson(indent=1000000000) }}",
    "slices": "{{ [1] | slice(1000000000) | list }}",
    "batches": "{{ [1] | batch(1000000000, 'x') | list }}",
    "a long range": "{{ range(10 ** 9) | list }}",
}


@pytest.mark.parametrize("name", BIG)
def test_a_template_that_builds_gigabytes_is_stopped_before_it_does(name):
    tracemalloc.start()
    try:
        with pytest.raises(CheckpointError, match="the chat template is stopped: "):
            render(BIG[name])
        assert tracemalloc.get_traced_memory()[1] < 100_000_000
    finally:
        tracemalloc.stop()


def test_limits_are_of_one_rendering_and_named():
    template = "{% for i in range(900) %}{{ 'abc' | upper }}{% endfor %}"
    enough = ChatLimits(steps=10_000)
    for _ in range(20):
        assert render_chat(template, MESSAGES, limits=enough) == "ABC" * 900
    with pytest.raises(CheckpointError, match="it takes more than 1,000 steps"):
        render_chat(template, MESSAGES, limits=ChatLimits(steps=1000))
    with pytest.raises(CheckpointError, match="it builds more than 2,000 characters"):
        render_chat(template, MESSAGES, limits=ChatLimits(characters=2000))
    endless = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"
    with pytest.raises(CheckpointError, match="it takes longer than 0.1 seconds"):
        render_chat(endless, MESSAGES, limits=ChatLimits(seconds=0.1, steps=10**9))


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("{% for x in messages %}", "not valid: .*endfor.* .line 1"),
        ("\n{{ x | no_such_filter }}", "not valid: No filter named 'no_such_filter'. .line 2"),
        ("{% include 'other' %}", "cannot be applied|not valid|stopped|refused"),
        ("{{ " + "(" * 5000 + "1" + ")" * 5000 + " }}", "nested too deeply"),
        ("x" * 200_001, "has 200,001 characters; at most 200,000"),
        ("{{ lipsum() }}", "'lipsum' is undefined"),
        ("{{ 'a' | striptags }}", "not valid: No filter named 'striptags'"),
        ("{{ 1 / 0 }}", "division by zero"),
    ],
)
def test_templates_that_are_none(template, message):
    with pytest.raises((CheckpointError, InputError), match=message):
        render(template)


def test_nothing_is_computed_while_compiling():
    # There is no limit then, so a constant expression must wait for the rendering.
    assert render("{% if false %}{{ 'a' | center(10000000000) }}{{ 'a' * 10 ** 12 }}{% endif %}fine") == "fine"


def test_what_ordinary_templates_use_still_works():
    template = (
        "{% set ns = namespace(found=false, items=[]) %}{% for m in messages %}{{ loop.index }}/{{ loop.length }}"
        "{{ loop.first }}{{ loop.last }}{% set ns.found = true %}{% endfor %}{{ ns.found }}"
        "{{ dict(a=1) | tojson }}{{ [3, 1] | sort | join('-') }}{{ 'a-b'.split('-')[1] }}"
        "{{ messages[0].items() | list | length }}"
        "{{ '%s=%d' % ('x', 3) }}{{ '{} {}'.format('y', 4) }}{{ messages[0].get('none', 'd') }}{{ range(3) | list }}"
        "{% for k, v in {'p': 1}.items() %}{{ k }}{{ v }}{% endfor %}{{ strftime_now('%Y') | length }}"
        "{% for x in none_at_all %}{% else %}empty{% endfor %}"
    )
    assert render(template) == '1/1TrueTrueTrue{"a": 1}1-3b3x=3y 4d[0, 1, 2]p14empty'
