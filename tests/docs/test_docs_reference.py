"""The reference pages list what the code has: settings, commands, routes, arguments, short names."""

from __future__ import annotations

import runpy

import pytest
from docs_blocks import ROOT, blocks, read

REFERENCE = runpy.run_path(str(ROOT / "docs" / "reference.py"))


@pytest.mark.parametrize("page", REFERENCE["pages"]())
def test_the_tables_are_those_of_the_code(page: str):
    text = read(f"docs/{page}")
    assert REFERENCE["renewed"](page, text) == text, "run: python docs/reference.py"


def test_a_page_without_its_table_is_an_error():
    with pytest.raises(ValueError, match=r"settings\.md has the tables \[\], and should have \['settings'\]"):
        REFERENCE["renewed"]("settings.md", "# Settings\n")


def test_settings_lists_every_key_with_its_default_and_meaning():
    """The same once more without the script that makes the table."""
    from enfold.project.settings import Settings

    page = read("docs/settings.md")
    for name, section in Settings.model_fields.items():
        assert section.annotation is not None
        part = page.split(f"## `[{name}]`")[1].split("\n## ")[0]
        rows = [line.split(" | ") for line in part.splitlines() if line.startswith("| `")]
        fields = section.annotation.model_fields
        assert [row[0].strip("| `") for row in rows] == list(fields)
        for row, field in zip(rows, fields.values(), strict=True):
            assert row[3].removesuffix(" |").replace("`", "") == " ".join(field.description.replace("`", "").split())
            assert (row[2] == "required") == field.is_required()
            if isinstance(field.default, int) and not isinstance(field.default, bool):
                assert row[2] == f"`{field.default}`"


def test_the_faults_on_the_settings_page_are_what_the_code_says():
    from enfold.errors import SettingsError
    from enfold.project.settings import check_settings

    wrong = {
        "project": {"name": "spam"},
        "data": {"file": "sms-spam.csv", "text": "text", "label": "label", "labels": ["ham", "spam"]},
        "training": {"epoch": 1, "learning_rate": 5},
    }
    with pytest.raises(SettingsError) as raised:
        check_settings(wrong, source="enfold.toml")
    assert blocks("docs/settings.md")[0].code == f"{raised.value}\n"


def test_the_command_line_page_lists_every_command_and_option():
    page = read("docs/command-line.md")
    for name, command in REFERENCE["commands"]():
        part = page.split(f"## `{name}`\n")[1].split("\n## ")[0]
        rows = [line for line in part.splitlines() if line.startswith("| `")]
        assert len(rows) == len(command.params)
        for parameter in command.params:
            assert sum(parameter.help in row for row in rows) == 1
            for option in parameter.opts:
                if option.startswith("-"):
                    assert any(f"`{option}" in row for row in rows), f"{name} {option}"


def test_the_serving_page_lists_every_route():
    from enfold.serving import create_app

    app = create_app(None, None)
    described = {f"{method.upper()} {path}" for path, methods in app.openapi()["paths"].items() for method in methods}
    table = read("docs/serving.md").split("| route | what it does |")[1].split("<!-- end -->")[0]
    listed = {line.split("`")[1] for line in table.splitlines() if line.startswith("| `")}
    assert listed == described
    # Two more are not part of the description, being the description.
    assert [app.url_path_for("docs"), app.openapi_url] == ["/docs", "/openapi.json"]
    assert "`/docs`" in read("docs/serving.md") and "`/openapi.json`" in read("docs/serving.md")


def test_the_families_page_lists_every_file_with_its_model_types_heads_and_lines():
    """The same once more without the script that makes the table."""
    from enfold.models.auto import known_families

    page = read("docs/families.md")
    rows = [line.strip("| ").split(" | ") for line in page.splitlines() if line.startswith("| `")]
    files = sorted((ROOT / "src" / "enfold" / "models" / "families").glob("[!_]*.py"))
    assert [row[0] for row in rows] == [f"`{file.name}`" for file in files]
    assert [row[-1] for row in rows] == [str(file.read_text(encoding="utf-8").count("\n")) for file in files]
    for row, family in zip(rows, known_families(), strict=True):
        for prefix, config in family.members.items():
            assert f"`{config.model_type}` ({prefix}…)" in row[1]
        assert [f"`{head}`" for head in (*family.stacks, *family.heads)] == row[2].split(", ")
