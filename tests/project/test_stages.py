"""A stage runs once for the same inputs, and an interrupted one goes on."""

import pytest

from enfold.project.stages import code_version, run_stage


def run(root, inputs, work):
    return run_stage(root, "count", inputs=inputs, packages=("values",), work=work)


def test_the_same_inputs_are_not_worked_on_twice(tmp_path):
    calls = []

    def work(result, scratch):
        calls.append(1)
        (result / "out.txt").write_text("done")

    first = run(tmp_path, {"a": 1}, work)
    second = run(tmp_path, {"a": 1}, work)
    other = run(tmp_path, {"a": 2}, work)
    assert (first.reused, second.reused, other.reused) == (False, True, False)
    assert first.folder == second.folder != other.folder
    assert len(calls) == 2


def test_a_failing_stage_leaves_no_result_but_its_scratch(tmp_path):
    def fail(result, scratch):
        scratch.mkdir()
        (scratch / "half").write_text("50 %")
        (result / "out.txt").write_text("broken")
        raise RuntimeError

    with pytest.raises(RuntimeError):
        run(tmp_path, {"a": 1}, fail)
    assert [item.suffix for item in (tmp_path / "count").iterdir()] == [".partial"]

    def go_on(result, scratch):
        (result / "out.txt").write_text((scratch / "half").read_text())

    stage = run(tmp_path, {"a": 1}, go_on)
    assert (stage.folder / "out.txt").read_text() == "50 %"
    assert [item.name for item in (tmp_path / "count").iterdir()] == [stage.key]


def test_the_code_of_a_stage_is_part_of_its_key():
    assert code_version(("values",)) != code_version(("data",))
    assert code_version(("values/labels.py",)) != code_version(("values",))
    assert code_version(("values",)) == code_version(("values",))
