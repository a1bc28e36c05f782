"""The child process that looks for code in strangers' pickles. It runs confined, and has nothing but two pipes.

The parent sends a line of JSON for each file, ``{"size": …, "named": …}``; the child asks for bytes with a line
``{"read": [start, length]}`` and gets exactly these, and ends with ``{"status": …, "findings": […]}``.

A pickle is a program. It is never run: its opcodes are walked as the unpickler would walk them, reading each argument
by its form and never by its value, so that the walk ends no earlier than the unpickler does. It is safe only if every
opcode was understood and every import is on the list below.

Source: Python's ``pickletools.opcodes``, which lists all opcodes with the forms of their arguments.
"""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import pickletools
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import IO, Any

MOST_MEMBERS = 20_000
MOST_FINDINGS = 50
LONGEST_LINE = 1 << 20
NESTED_BYTES = 64 << 20
BROKEN = (zipfile.BadZipFile, tarfile.TarError, lzma.LZMAError, OSError, EOFError, ValueError, RuntimeError)
"""What reading an archive that is none, or an odd one, ends with (NotImplementedError is a RuntimeError)."""
_DEEPEST = 2
_PIECE = 1 << 20
_PICKLE_NAMES = (".pkl", ".pickle", ".pt", ".pth", ".ckpt", ".joblib", ".dill", ".p")

_BUILTINS = "bool bytearray bytes complex dict float frozenset int list object range set slice str tuple"
_STORAGES = """Bool Byte Char Short Int Long Half BFloat16 Float Double ComplexFloat ComplexDouble QInt8 QUInt8 QInt32
Untyped Typed"""
_OF_TORCH = """bool uint8 uint16 uint32 uint64 int8 int16 int32 int64 half float16 bfloat16 float float32 double float64
complex32 complex64 complex128 float8_e4m3fn float8_e5m2 qint8 quint8 qint32 Size device Tensor strided
preserve_format contiguous_format channels_last"""
_REBUILDS = "tensor tensor_v2 tensor_v3 parameter parameter_with_state qtensor sparse_tensor meta_tensor_no_storage"
_LISTED = {
    "builtins __builtin__": _BUILTINS,
    "copyreg copy_reg": "_reconstructor",
    "collections": "OrderedDict defaultdict Counter deque",
    "datetime": "date datetime time timedelta timezone",
    "_codecs": "encode",
    "decimal": "Decimal",
    "fractions": "Fraction",
    "uuid": "UUID",
    "argparse": "Namespace",
    "numpy": "dtype ndarray",
    "numpy.core.multiarray numpy._core.multiarray": "_reconstruct scalar",
    "numpy.core.numeric numpy._core.numeric": "_frombuffer",
    "torch": _OF_TORCH,
    "torch torch.storage torch.cuda": " ".join(f"{name}Storage" for name in _STORAGES.split()),
    "torch._utils": " ".join(f"_rebuild_{name}" for name in _REBUILDS.split()),
    "torch.nn.parameter": "Parameter",
    "torch.serialization": "_get_layout",
}
ALLOWED = frozenset(
    (module, name) for modules, names in _LISTED.items() for module in modules.split() for name in names.split()
)
"""What a pickle may import: what gives data a shape, and nothing that runs what it is given."""
_DANGEROUS_NAMES = """os posix nt subprocess sys builtins __builtin__ importlib runpy socket shutil commands pty code
webbrowser ctypes multiprocessing operator functools pip urllib http httpx requests pickle _pickle cPickle dill torch
types asyncio bdb pdb timeit platform tempfile inspect site marshal"""
_DANGEROUS = frozenset(_DANGEROUS_NAMES.split())
"""Modules whose name alone tells that a text which looks like half a pickle is meant as one."""


class Unreadable(Exception):
    """What is there cannot be looked into; the text says why."""


@dataclass
class Walk:
    """What one pickle would import, and how its walk ended."""

    imports: list[tuple[str, str]] = field(default_factory=list)
    hidden: bool = False
    """An import whose name is made only when the pickle runs."""
    whole: bool = False
    """Whether it ends with a STOP."""

    def faults(self, named: bool) -> list[dict[str, str]]:
        """What keeps it from being safe.

        Args:
            named: whether it is a pickle in any case, by its name or by its first bytes.
        """
        foreign = [each for each in dict.fromkeys(self.imports) if each not in ALLOWED]
        if not self.whole and not named:
            foreign = [each for each in foreign if each[0].partition(".")[0] in _DANGEROUS]
            hidden = False
        else:
            hidden = self.hidden
        found = [{"import": f"{module}.{name}"} for module, name in foreign]
        if hidden:
            found.append({"reason": "imports what is named only when it runs"})
        if not self.whole and named and (self.imports or self.hidden):
            found.append({"reason": "has an opcode that is not understood"})
        return found


_OPCODES = {ord(each.code): each for each in pickletools.opcodes}
_FIXED = {"uint1": 1, "uint2": 2, "int4": 4, "uint4": 4, "uint8": 8, "float8": 8}
_COUNTED = {
    "string1": (1, True), "string4": (4, True), "bytes1": (1, True), "bytes4": (4, True), "bytes8": (8, True),
    "bytearray8": (8, True), "unicodestring1": (1, True), "unicodestring4": (4, True), "unicodestring8": (8, True),
    "long1": (1, False), "long4": (4, False),
}  # fmt: skip
_LINES = ("stringnl", "stringnl_noescape", "unicodestringnl", "decimalnl_short", "decimalnl_long", "floatnl")
_PUSHES_TEXT = ("SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8", "UNICODE", "STRING", "BINSTRING", "SHORT_BINSTRING")
_GETS, _PUTS = ("GET", "BINGET", "LONG_BINGET"), ("PUT", "BINPUT", "LONG_BINPUT")


class Stream:
    """A file that is read forwards, with a buffer, and that knows where it is."""

    def __init__(self, file: IO[bytes] | io.RawIOBase) -> None:
        self._file = file
        self._buffer = b""
        self._at = 0

    def peek(self, length: int) -> bytes:
        """The next bytes, which stay where they are; fewer at the end."""
        while len(self._buffer) - self._at < length:
            more = self._file.read(max(_PIECE if length > 1024 else 1 << 16, length))
            if not more:
                break
            self._buffer, self._at = self._buffer[self._at :] + more, 0
        return self._buffer[self._at : self._at + length]

    def read(self, length: int) -> bytes:
        """Exactly so many bytes.

        Raises:
            EOFError: there are fewer.
        """
        found = self.peek(length)
        if len(found) < length:
            raise EOFError
        self._at += length
        return found

    def skip(self, length: int) -> None:
        """Go past so many bytes."""
        inside = len(self._buffer) - self._at
        if length <= inside:
            self._at += length
            return
        length -= inside
        self._buffer, self._at = b"", 0
        if isinstance(self._file, Asked):
            self._file.seek(length, io.SEEK_CUR)
            return
        while length:
            gone = len(self._file.read(min(length, _PIECE)) or b"")
            if not gone:
                raise EOFError
            length -= gone

    def line(self) -> bytes:
        """What stands before the next newline, which is gone past."""
        width = 256
        while True:
            found = self.peek(width)
            end = found.find(b"\n")
            if end >= 0:
                self._at += end + 1
                return found[:end]
            if len(found) < width or width > LONGEST_LINE:
                raise EOFError
            width *= 4


def walk(stream: Stream) -> Walk:
    """Walk one pickle to its STOP, or to where the unpickler cannot go on."""
    found = Walk()
    memo: dict[int, str | None] = {}
    top: list[str | None] = []  # what is surely on top of the stack: texts, or None for anything else
    try:
        while True:
            opcode = _OPCODES.get(stream.read(1)[0])
            if opcode is None:
                return found
            name = opcode.name
            form = None if opcode.arg is None else opcode.arg.name
            value = b""
            if form in _FIXED:
                value = stream.read(_FIXED[form])
            elif form in _LINES:
                value = stream.line()
            elif form == "stringnl_noescape_pair":
                pair = (_text(stream.line()), _text(stream.line()))
                found.imports.append(pair)  # GLOBAL, and INST, which calls it too
            elif form is not None:
                width, is_text = _COUNTED[form]
                length = int.from_bytes(stream.read(width), "little")
                if is_text and name in _PUSHES_TEXT and length <= 4096:
                    value = stream.read(length)
                else:
                    stream.skip(length)
            if name in _PUSHES_TEXT:
                top.append(_text(value.strip(b"'\"") if name == "STRING" else value))
            elif name in _GETS:
                top.append(memo.get(_number(value, form)))
            elif name == "MEMOIZE":
                memo[len(memo)] = top[-1] if top else None
            elif name in _PUTS:
                memo[_number(value, form)] = top[-1] if top else None
            elif name == "STACK_GLOBAL":
                module, what = top[-2:] if len(top) > 1 else (None, None)
                if module is None or what is None:
                    found.hidden = True
                else:
                    found.imports.append((module, what))
                top = [None]
            elif name in ("EXT1", "EXT2", "EXT4"):
                found.hidden = True
                top = [None]
            elif name not in ("PROTO", "FRAME"):
                top = []
            del top[:-2]
            if name == "STOP":
                found.whole = True
                return found
    except (EOFError, ValueError):
        return found


def _text(data: bytes) -> str:
    return data.decode("utf-8", "backslashreplace")


def _number(value: bytes, form: str | None) -> int:
    """Where in the memo; a number that is not written plainly is one that the walk does not go on with."""
    if form in _FIXED:
        return int.from_bytes(value, "little")
    if not value.isdigit():
        raise ValueError(value)
    return int(value)


def faults_of_pickles(stream: Stream, named: bool) -> list[dict[str, str]]:
    """What keeps the pickles from being safe that a file holds one after the other, with anything behind the last."""
    faults: list[dict[str, str]] = []
    first = True
    while len(faults) < MOST_FINDINGS:
        head = stream.peek(2)
        if not head:
            break
        binary = head[0] == 0x80 and len(head) > 1 and head[1] <= 5
        walked = walk(stream)
        faults += walked.faults((named and first) or binary)
        if not walked.whole:
            break
        first = False
    return faults


def scan(file: Any, size: int, named: bool, depth: int = 0) -> list[dict[str, str]]:
    """What keeps a file from being safe.

    Args:
        file: can be read, and sought in where ``depth`` is 0.
        size: its bytes.
        named: whether its name says that it is a pickle.
        depth: in how many archives it lies.

    Raises:
        Unreadable: it is an archive that cannot be looked into.
    """
    stream = Stream(file)
    head = stream.peek(600)
    if (opener := _opener(head)) is not None:
        return scan(opener(_from_its_start(file, size, depth)), size, named, depth + 1)
    opened = _archive(file, head, size, depth)
    if opened is None:
        if head.startswith(b"\x93NUMPY"):
            return _array(stream)
        return faults_of_pickles(stream, named)
    faults: list[dict[str, str]] = []
    for count, (name, member, length) in enumerate(opened):
        if count >= MOST_MEMBERS:
            raise Unreadable(f"holds more than {MOST_MEMBERS} files")
        for fault in scan(member, length, name.lower().endswith(_PICKLE_NAMES), depth + 1):
            faults.append({"in": f"{name[:200]}/{fault['in']}" if "in" in fault else name[:200], **_without(fault)})
        if len(faults) >= MOST_FINDINGS:
            break
    return faults


def _without(fault: dict[str, str]) -> dict[str, str]:
    return {key: value for key, value in fault.items() if key != "in"}


def _array(stream: Stream) -> list[dict[str, str]]:
    """An array of objects is a header and a pickle (NumPy, "The npy format"); any other is only numbers."""
    stream.skip(6)
    major = stream.read(2)[0]
    width = 2 if major == 1 else 4
    header = stream.read(int.from_bytes(stream.read(width), "little") % (1 << 20))
    return faults_of_pickles(stream, True) if b"O" in header else []


def _opener(head: bytes) -> Any:
    """What opens a compressed file of one stream; None when it is none."""
    opens: dict[bytes, Any] = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ\0": lzma.open}
    return next((each for magic, each in opens.items() if head.startswith(magic)), None)


def _archive(file: Any, head: bytes, size: int, depth: int) -> Iterator[tuple[str, Any, int]] | None:
    """The files in an archive, by name; None when it is none."""
    if head.startswith((b"7z\xbc\xaf\x27\x1c", b"Rar!\x1a\x07", b"\x28\xb5\x2f\xfd")):
        raise Unreadable("is an archive of a kind that is not looked into")
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return _zip(_from_its_start(file, size, depth))
    return _tar(_from_its_start(file, size, depth)) if head[257:262] == b"ustar" else None


def _from_its_start(file: Any, size: int, depth: int) -> Any:
    """The file, at its beginning again; one that lies in an archive as bytes, within bounds."""
    file.seek(0)
    if not depth:
        return file
    if depth > _DEEPEST:
        raise Unreadable("holds archives in archives in archives")
    data = file.read(NESTED_BYTES + 1) if size <= NESTED_BYTES else None
    if data is None or len(data) > NESTED_BYTES:
        raise Unreadable("holds an archive that is too large to be looked into")
    return io.BytesIO(data)


def _zip(file: Any) -> Iterator[tuple[str, Any, int]]:
    with zipfile.ZipFile(file) as archive:
        for each in archive.infolist():
            if not each.is_dir():
                with archive.open(each) as member:
                    yield each.filename, member, each.file_size


def _tar(file: Any) -> Iterator[tuple[str, Any, int]]:
    with tarfile.open(fileobj=file, mode="r:") as archive:
        for each in archive:
            member = archive.extractfile(each) if each.isfile() else None
            if member is not None:
                yield each.name, member, each.size


class Asked(io.RawIOBase):
    """A file whose bytes the parent gives."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.at = 0

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a place."""
        self.at = max({io.SEEK_SET: 0, io.SEEK_CUR: self.at, io.SEEK_END: self.size}[whence] + offset, 0)
        return self.at

    def tell(self) -> int:
        """Where it is."""
        return self.at

    def readinto(self, buffer: Any) -> int:
        """Ask for what fits."""
        length = min(len(buffer), self.size - self.at, _PIECE)
        if length <= 0:
            return 0
        say({"read": [self.at, length]})
        data = sys.stdin.buffer.read(length)
        buffer[: len(data)] = data
        self.at += len(data)
        return len(data)


def say(value: dict[str, Any]) -> None:
    """Tell the parent."""
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


def main() -> None:
    """Look at one file after the other, until there are no more."""
    while line := sys.stdin.buffer.readline():
        asked = json.loads(line)
        try:
            faults = scan(Asked(asked["size"]), asked["size"], asked["named"])[:MOST_FINDINGS]
        except Unreadable as error:
            say({"status": "not scanned", "findings": [{"reason": str(error)}]})
        except BROKEN as error:
            reason = f"is an archive that cannot be read: {type(error).__name__}"
            say({"status": "not scanned", "findings": [{"reason": reason}]})
        else:
            say({"status": "unsafe" if faults else "safe", "findings": faults})


if __name__ == "__main__":
    main()
