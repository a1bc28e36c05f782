"""What a scan says of pickles and archives, and what becomes of the child that looks at them."""

from __future__ import annotations

import collections
import gzip
import io
import pickle
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from evil import BY_STACK, GLOBAL, GOOD, INST, torch_file

from enfold.hub.scans import confinement, scanning
from enfold.hub.scans.scanning import Item, Verdict, scan


def item(data: bytes, named: bool = False) -> Item:
    def read(start: int, length: int) -> Iterator[bytes]:
        yield data[start : start + length]

    return Item(len(data), read, named)


def verdict(data: bytes, named: bool = False) -> Verdict:
    return scan([item(data, named)])[0]


def imports(data: bytes, named: bool = False) -> list[str]:
    found = verdict(data, named)
    assert found.status == "unsafe", found
    return [each["import"] for each in found.findings if "import" in each]


def tarred(data: bytes, mode: str = "w") -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as archive:  # type: ignore[call-overload]
        member = tarfile.TarInfo("inner.pkl")
        member.size = len(data)
        archive.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


@pytest.mark.parametrize("data", [GLOBAL, INST], ids=["global", "inst"])
def test_an_import_that_runs_things_is_named(data: bytes) -> None:
    assert imports(data) == ["os.system"]
    assert imports(data[:-1], named=True) == ["os.system"]  # it would have run before it broke off
    assert imports(data[:-1]) == ["os.system"]


def test_an_import_from_the_stack_and_through_the_memo() -> None:
    assert imports(BY_STACK) == ["posix.system"]
    # The texts are put into the memo, taken off the stack, and fetched again.
    again = b"\x80\x04\x8c\x02os\x94\x8c\x06system\x9400h\x00h\x01\x93)R."
    assert imports(again) == ["os.system"]


@pytest.mark.parametrize(
    "data",
    [
        b"\x80\x04\x8c\x02os\x8c\x06system\x85\x8c\x06system\x93.",  # a tuple where a name should be
        b"\x80\x04h\x07h\x08\x93.",  # from a memo that holds nothing known
        b"\x80\x02\x82\x01.",  # from the table of extensions
    ],
)
def test_an_import_whose_name_is_made_later_is_unsafe(data: bytes) -> None:
    found = verdict(data)
    assert found.status == "unsafe" and "named only when it runs" in found.words


@pytest.mark.parametrize("protocol", range(6))
def test_data_is_safe_in_every_protocol(protocol: int) -> None:
    value = {"a": collections.OrderedDict(x=1), "b": {1, 2}, "c": bytearray(b"x"), "d": 2**200, "e": 1.5, "f": [()]}
    assert verdict(pickle.dumps(value, protocol), named=True) == Verdict("safe")
    array = {"w": np.arange(6.0).reshape(2, 3), "n": np.float32(1)}
    assert verdict(pickle.dumps(array, protocol), named=True) == Verdict("safe")


def test_what_another_list_allows_is_not_on_ours() -> None:
    assert imports(pickle.dumps(getattr)) == ["builtins.getattr"]
    assert imports(pickle.dumps(pickle.loads)) == ["_pickle.loads"]
    assert imports(b"cbuiltins\neval\n(S'1'\ntR.") == ["builtins.eval"]


def test_weights_of_torch() -> None:
    torch = pytest.importorskip("torch")
    for form in (True, False):
        buffer = io.BytesIO()
        state = {
            "w": torch.ones(3, 4),
            "h": torch.zeros(2, dtype=torch.bfloat16),
            "p": torch.nn.Parameter(torch.ones(2)),
        }
        torch.save(state, buffer, _use_new_zipfile_serialization=form)
        assert verdict(buffer.getvalue(), named=True) == Verdict("safe")


@pytest.mark.parametrize("packed", [False, True])
def test_a_pickle_inside_an_archive(packed: bool) -> None:
    found = verdict(torch_file(BY_STACK, packed=packed))
    assert found.findings == [{"in": "archive/data.pkl", "import": "posix.system"}]
    assert verdict(torch_file(GOOD, packed=packed)) == Verdict("safe")
    within = verdict(torch_file(torch_file(GLOBAL)))
    assert within.findings == [{"in": "archive/data.pkl/archive/data.pkl", "import": "os.system"}]


def test_other_wrappings() -> None:
    assert imports(gzip.compress(GLOBAL)) == ["os.system"]
    assert imports(tarred(BY_STACK)) == ["posix.system"] and imports(tarred(BY_STACK, "w:xz")) == ["posix.system"]
    buffer = io.BytesIO()
    np.save(buffer, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    assert verdict(buffer.getvalue()) == Verdict("safe")
    header = buffer.getvalue()[:128]
    assert imports(header + GLOBAL) == ["os.system"]
    assert imports(GOOD + BY_STACK) == ["posix.system"]  # a second pickle behind the first


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        b"# a card\n",
        "中文\n".encode(),
        b"cat\ndog\nbird\n",
        b"I am a text\nof two lines.\n",
        b"\x80\x04" + bytes(6) + b'{"w": 1}',  # a safetensors file whose header has 1152 bytes
        bytes(range(256)) * 20,
        b"column,label\n1,2\n",
    ],
)
def test_what_is_no_pickle_is_safe(data: bytes) -> None:
    assert verdict(data) == Verdict("safe")


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (torch_file(GOOD)[:-30], "cannot be read"),
        (b"PK\x03\x04" + bytes(100), "cannot be read"),
        (b"7z\xbc\xaf\x27\x1c" + bytes(100), "of a kind that is not looked into"),
        (torch_file(torch_file(torch_file(torch_file(torch_file(GOOD))))), "archives in archives"),
    ],
)
def test_what_cannot_be_looked_into_is_not_scanned(data: bytes, why: str) -> None:
    found = verdict(data)
    assert found.status == "not scanned" and why in found.words


def test_a_child_that_dies_costs_only_the_file_it_was_at() -> None:
    bomb = gzip.compress(gzip.compress(b"(" * 60_000_000))
    found = scan([item(GLOBAL), item(bomb), item(BY_STACK), item(GOOD)])
    assert [each.status for each in found] == ["unsafe", "not scanned", "unsafe", "safe"]
    assert found[1].words == "the scan was ended by its limits"


def test_a_child_that_says_what_it_should_not_is_not_believed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for number, says in enumerate(['{"read": [0, 9999]}', '{"status": "fine"}', "[]", "no JSON", ""]):
        child = tmp_path / f"{number}.py"
        child.write_text(f"import sys\nsys.stdin.buffer.readline()\nprint({says!r}, flush=True)\n")
        monkeypatch.setattr(scanning, "_CHILD", child)
        assert verdict(GLOBAL).status == "not scanned", says


@pytest.mark.parametrize(
    ("does", "dies_of"),
    [
        ("open('OUT', 'wb', 0).write(b'x')", "File too large"),
        ("x = bytearray(600_000_000)", "MemoryError"),
        ("while True: pass", ""),
    ],
)
def test_the_limits_of_the_child(does: str, dies_of: str, tmp_path: Path) -> None:
    child = tmp_path / "child.py"
    program = does.replace("OUT", str(tmp_path / "out"))
    if not dies_of:
        program = f"import resource\nresource.setrlimit(resource.RLIMIT_CPU, (1, 1))\n{program}"
    child.write_text(program)
    command = [sys.executable, "-I", confinement.__file__, "all", str(child)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert ended.returncode != 0 and dies_of in ended.stderr
    assert not (tmp_path / "out").exists() or (tmp_path / "out").stat().st_size == 0
