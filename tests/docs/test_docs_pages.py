"""The pages fit together: links lead somewhere, names are all there, the two READMEs are equal."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

import pytest
from docs_blocks import ROOT, page_names, read, without_blocks

import enfold

PAGES = [*page_names(), "CHANGELOG.md"]
_LINK = re.compile(r"\[(?:[^\]]*)\]\(([^)\s]+)\)")


def headings(page: str) -> list[tuple[int, str]]:
    found = re.findall(r"^(#+) (.+)$", without_blocks(page), re.MULTILINE)
    return [(len(marks), words) for marks, words in found]


def anchors(page: str) -> set[str]:
    """As GitHub makes them of headings."""
    words = [re.sub(r"[^\w\- ]", "", heading.lower()) for _, heading in headings(page)]
    return {word.replace(" ", "-") for word in words}


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str):
    for target in _LINK.findall(without_blocks(page)):
        if target.startswith("https://"):
            continue
        path, _, anchor = target.partition("#")
        there = (PurePosixPath(page).parent / path) if path else PurePosixPath(page)
        file = (ROOT / there).resolve()
        assert file.is_file(), f"{page} links to {target}, which is not there"
        if anchor:
            assert anchor in anchors(str(file.relative_to(ROOT))), f"{page} links to {target}: no such heading"


def test_every_page_is_in_the_index():
    index = read("docs/index.md")
    missing = [path.name for path in (ROOT / "docs").glob("*.md") if f"({path.name}" not in index]
    assert set(missing) <= {"index.md"}


def test_contributing_names_files_that_are_there():
    named = set(re.findall(r"`((?:[\w.]+/)*[\w.]+\.(?:py|toml|md|yml))`", without_blocks("CONTRIBUTING.md"))) - {
        "pipelines/NAME.py",
        "text_classification.py",
        "enfold.toml",
    }
    assert len(named) > 15
    for name in named:
        assert (ROOT / name).is_file() or (ROOT / "src" / "enfold" / name).is_file(), name
    folders = set(re.findall(r"`((?:[\w.]+/)+)`", without_blocks("CONTRIBUTING.md")))
    for folder in folders:
        assert (ROOT / folder).is_dir() or (ROOT / "src" / "enfold" / folder).is_dir(), folder


def test_every_public_name_is_in_the_documentation():
    words = set(re.findall(r"\w+", " ".join(read(page) for page in page_names())))
    assert set(enfold.__all__) <= words, sorted(set(enfold.__all__) - words)


def test_the_index_names_nothing_that_is_not_public():
    table = read("docs/index.md").split("## Public names")[1].split("| name | page |")[1]
    named = [
        name
        for line in table.splitlines()
        for name in re.findall(r"`(\w+)`", line.split("|")[1] if "|" in line else "")
    ]
    assert sorted(named) == sorted(enfold.__all__)


def shape(page: str) -> list[str]:
    """Headings by depth, tables by size, list items, images and links of a page, in order."""
    found = []
    for line in without_blocks(page).splitlines():
        if marks := re.match(r"(#+) ", line):
            found.append(marks[1])
        elif line.startswith("|"):
            found.append(f"row of {line.count('|') - 1}")
        elif line.startswith("- "):
            found.append("item")
        if line.startswith("<!--"):
            found.append(line)
        found += re.findall(r"!\[", line)
    return found


def test_the_two_readmes_have_the_same_shape():
    assert shape("README.zh-CN.md") == shape("README.md")
    links = [
        sorted(set(_LINK.findall(read(page))) - {"README.md", "README.zh-CN.md"})
        for page in ("README.md", "README.zh-CN.md")
    ]
    assert links[0] == links[1]


def test_the_two_readmes_have_the_same_numbers():
    cells = [
        [re.findall(r"\d(?:[\d.,]*\d)?|–", line) for line in read(page).splitlines() if line.startswith("|")]
        for page in ("README.md", "README.zh-CN.md")
    ]
    assert cells[0] == cells[1]


def test_the_changelog_knows_the_version():
    text = read("CHANGELOG.md")
    assert re.findall(r"^## \[(.+?)\]", text, re.MULTILINE)[0] == "Unreleased"
    assert f"## [{enfold.__version__}]" in text
    assert f'version = "{enfold.__version__}"' in (ROOT / "pyproject.toml").read_text(encoding="utf-8")


@pytest.mark.parametrize("page", PAGES)
def test_nothing_is_left_for_later(page: str):
    assert not re.search(r"\b(TODO|FIXME|TBD|XXX)\b", read(page))
