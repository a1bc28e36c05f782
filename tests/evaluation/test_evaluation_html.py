"""The HTML report: complete in itself, safe for any text, readable with any eyes."""

import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from known_answers import Known, random_answers

from enfold.errors import InputError
from enfold.evaluation import evaluate
from enfold.evaluation.html import ReportPage, render_report, write_report
from enfold.evaluation.printing import printable_decision, printable_report
from enfold.values import LabelSet
from enfold.values.reports import Cost, Decision, Mistake, PairedDifference, Report

HOSTILE = "<script>alert(1)</script> <img src=x onerror=alert(2)> \"'&{{ 7*7 }} $x^2$ \x00\x07"
VOID = {"meta", "link", "br", "img", "hr", "input"}
COST = Cost(bytes=90_900_000, latency_p50=0.0042, latency_p99=0.0071, throughput=820, accuracy=0.987)
KEPT = Decision(
    kept=True,
    reason="int8 is faster.",
    format="int8",
    before=COST,
    after=replace(COST, bytes=33_900_000, throughput=1480, accuracy=0.986),
    bound=0.005,
    difference=PairedDifference(-0.001, -0.003, 0.001, 0.8, 557),
    flips=3,
    largest_change=0.061,
    rows=557,
)


class Page(HTMLParser):
    """The elements of a page: checks that they are closed in order, and collects what tests ask about."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.headings: list[str] = []
        self.feed(html)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "style" not in self.open:
            self.text += data
        if self.open[-1:] == ["h2"]:
            self.headings.append(data)

    def count(self, tag):
        return sum(name == tag for name, _ in self.elements)


def _report(names, *, rows=120, seed=0, mistakes=5) -> Report:
    labels = LabelSet(tuple(names))
    right, scores = random_answers(rows, len(labels), seed=seed)
    texts = [" ".join(["w"] * (1 + row % 9)) + f" {row}" for row in range(rows)]
    model = Known(labels, dict(zip(texts, scores, strict=True)))
    data = [{"text": text, "label": labels.names[label]} for text, label in zip(texts, right, strict=True)]
    return evaluate(model, data, against={"baseline": model}, resamples=50, mistakes=mistakes)


@pytest.fixture(scope="module")
def report() -> Report:
    return _report(("ham", "spam", "eggs"))


def _full(report: Report) -> ReportPage:
    history = [{"step": step, "loss": 1 / step} for step in range(10, 60, 10)]
    history += [{"step": step, "eval_loss": 1.1 / step, "eval_accuracy": 0.9 + step / 1000} for step in (25, 50)]
    return ReportPage(
        title="SMS spam",
        report=report,
        verdict="Promoted.",
        profile={"rows": 5574, "classes": {"ham": {"train": 3}, "spam": {"train": 4}}, "notes": ["3 rows were empty"]},
        history=history,
        decision=KEPT,
        lineage={"base": "minilm", "settings": {"epochs": 1, "nested": {"seed": 17}}, "parent": None},
        made="4 March 2026",
    )


def test_a_full_report_shows_every_part(report):
    page = Page(render_report(_full(report)))
    assert page.headings == [
        *("Scores", "Data", "Training", "Classes", "Calibration", "Slices", "Worst mistakes", "Compression", "Lineage")
    ]
    assert page.count("svg") == 5
    for said in (
        "Promoted.",
        "3 rows were empty",
        "int8 is faster.",
        "33.9 MB",
        "1,480",
        "minilm",
        "4 March 2026",
        "17",
    ):
        assert said in page.text


def test_parts_that_are_not_given_are_left_out(report):
    page = Page(render_report(replace(report, mistakes=(), slices=(), comparisons=(), calibration=())))
    assert page.headings == ["Scores", "Classes", "Lineage"]
    assert "baseline" not in page.text
    ids = {attributes.get("id") for _, attributes in page.elements}
    links = [attributes["href"] for tag, attributes in page.elements if tag == "a"]
    assert links
    assert all(link.removeprefix("#") in ids for link in links)


def test_the_file_is_complete_in_itself(report):
    html = render_report(_full(report))
    page = Page(html)
    assert {"script", "link", "img", "iframe", "object"}.isdisjoint(tag for tag, _ in page.elements)
    assert "://" not in html
    assert "@import" not in html
    assert re.findall(r"url\((?!#)", html) == []
    for tag, attributes in page.elements:
        for name in ("src", "href", "xlink:href", "action"):
            assert (attributes.get(name) or "#").startswith("#"), (tag, attributes)
        assert not any(name.startswith("on") for name in attributes)
    policy = next(
        a["content"] for t, a in page.elements if t == "meta" and a.get("http-equiv") == "Content-Security-Policy"
    )
    assert "default-src 'none'" in policy


def test_texts_and_names_of_the_user_are_never_markup(report):
    hostile = replace(
        _report(("ham", HOSTILE, "eggs</title></svg><script>")),
        data=HOSTILE,
        model=HOSTILE,
        notes=(HOSTILE,),
        mistakes=(Mistake(row=0, text=HOSTILE, label="ham", predicted=HOSTILE, score=0.9, score_of_label=0.1),),
    )
    hostile = replace(hostile, comparisons=(replace(hostile.comparisons[0], name=HOSTILE),))
    html = render_report(
        ReportPage(
            title=HOSTILE,
            report=hostile,
            verdict=HOSTILE,
            profile={HOSTILE: HOSTILE, "table": {HOSTILE: {HOSTILE: HOSTILE}}, "notes": [HOSTILE]},
            decision=replace(KEPT, reason=HOSTILE, format=HOSTILE),
            lineage={HOSTILE: HOSTILE},
            made=HOSTILE,
        )
    )
    page = Page(html)
    assert {"script", "img"}.isdisjoint(tag for tag, _ in page.elements)
    assert "<script>alert(1)</script>" in page.text
    assert "{{ 7*7 }}" in page.text
    assert "\x00" not in html
    assert "\x07" not in html
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))


def test_everyone_can_read_it(report):
    page = Page(render_report(_full(report)))
    assert ("html", {"lang": "en"}) in page.elements
    assert page.count("h1") == page.count("main") == 1
    assert page.count("table") == page.count("caption")
    assert page.count("figure") == page.count("figcaption")
    ids = {attributes.get("id") for _, attributes in page.elements}
    for tag, attributes in page.elements:
        if tag == "svg":
            assert attributes["role"] == "img"
            assert set(attributes["aria-labelledby"].split()) <= ids
        if tag == "th":
            assert attributes["scope"] in ("row", "col")
        if attributes.get("role") == "region":
            assert attributes["aria-label"]
            assert attributes["tabindex"] == "0"
    assert 'name="viewport"' in render_report(report)


def test_chinese_labels_stay_text_in_the_plots():
    page = Page(render_report(_report(("体育", "娱乐新闻", "财经"))))
    assert page.text.count("娱乐新闻") >= 4  # class table, both sides of the confusion matrix, the plot


def test_many_classes_are_listed_from_the_weakest_with_their_confusions():
    page = Page(render_report(_report([f"intent {number}" for number in range(30)], rows=300)))
    assert "the weakest first" in page.text
    assert "Most frequent confusions" in page.text
    assert "Confusion matrix" not in page.text


def test_the_same_report_gives_the_same_bytes(report):
    assert render_report(_full(report)) == render_report(_full(report))


def test_the_file_is_written_whole(report, tmp_path):
    path = write_report(tmp_path / "new" / "report.html", report)
    assert path.read_text(encoding="utf-8").rstrip().endswith("</html>")
    assert [file.name for file in path.parent.iterdir()] == ["report.html"]


def test_a_format_that_is_not_kept_says_why(report):
    refused = replace(KEPT, kept=False, reason="int8 is not faster on this machine.")
    page = Page(render_report(ReportPage(title="x", report=report, decision=refused)))
    assert "int8 not kept" in page.text
    assert "int8 is not faster on this machine." in page.text


def test_the_terminal_shows_the_same_numbers_and_no_markup_of_the_user(report):
    from rich.console import Console

    console = Console(width=120, record=True, file=open("/dev/null", "w"))  # noqa: SIM115, PTH123
    shouting = replace(report.mistakes[0], text="[bold red]now[/] \x1b[31m")
    console.print(printable_report(replace(report, mistakes=(shouting,))))
    console.print(printable_decision(KEPT))
    text = console.export_text()
    assert f"Right on {100 * report['accuracy'].value:.1f} %" in text
    assert "[bold red]now[/] \ufffd[31m" in text
    assert "int8 kept" in text
    assert "33.9 MB" in text
    assert "−0.1 points" in text


def test_reports_of_another_shape_are_refused_with_every_fault(report):
    broken = report.to_json()
    del broken["rows"]
    broken["labels"] = 3
    with pytest.raises(InputError, match=r"not a Report: .*rows: Field required.*labels|labels.*rows: Field required"):
        Report.from_json(broken)


def test_forgotten_texts_leave_a_report(report):
    text = report.mistakes[1].text
    kept = report.without_texts([text])
    assert len(kept.mistakes) == len(report.mistakes) - 1
    assert text not in render_report(kept)
