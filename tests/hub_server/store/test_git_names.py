"""Names of files and refs: what git or a file system would stumble over is refused, everything else is kept."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from git_cases import ANN, bare, blob, git, store_of

from enfold.hub.store.commit_objects import Commit, Signature, parse_commit
from enfold.hub.store.git_errors import MalformedObject, MalformedPath
from enfold.hub.store.git_names import check_name, check_path, check_ref
from enfold.hub.store.git_objects import GitObject, TreeEntry, encode_tree
from enfold.hub.store.gitmodules import check_gitmodules
from enfold.hub.store.incoming import IncomingPack
from enfold.hub.store.object_store import ObjectStore
from enfold.hub.store.pack_files import PackWriter
from enfold.hub.store.pointer import DEFAULT_ATTRIBUTES, Pointer, parse_pointer


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("", "a path is empty"), ("/etc/passwd", "it is absolute"), ("\\etc", "it is absolute"),
        ("C:/x", "it is absolute"), ("a/./b", "would leave its folder"),
        ("a/../b", "piece '..': it would leave its folder"), ("..\\ddd", "it would leave its folder"),
        ("a//b", "piece '': it is empty"), ("a/", "piece '': it is empty"), ("a/.GIT/config", "git's own folder"),
        ("a\nb", "control character"), ("a\0b", "control character"), ("a\x7fb", "control character"),
        ("\udcff", "not UTF-8"), (b"\xff", "not UTF-8"), ("x" * 256, "longer than 255 bytes"),
        ("/".join(["x" * 200] * 30), "longer than 4096 bytes"), ("/".join("x" * 300), "more than 256 folders deep"),
    ],
)  # fmt: skip
def test_paths_that_a_repository_must_not_hold(path: str | bytes, words: str) -> None:
    with pytest.raises(MalformedPath, match=words):
        check_path(path)


@pytest.mark.parametrize(
    "path",
    ["a", "a b/c", ".gitignore", ".gitattributes", "..a", "...", "é/字", "git", "a\\b", "git~2", "x.git", "-rf", "~"],
)
def test_other_paths_are_kept_byte_for_byte(path: str) -> None:
    assert check_path(path) == path.encode()


@pytest.mark.parametrize(
    "ref",
    [
        "refs/heads/main", "refs/heads/a/b", "refs/pr/1", "refs/heads/ä", "refs/heads/a..b", "refs/heads/a b",
        "refs/heads/",
        "refs/heads/a.lock", "refs/heads/.a", "refs/heads/a.", "refs/heads/a@{1}", "refs/heads/@", "refs/heads/a~1",
        "refs/heads/a^", "refs/heads/a:b", "refs/heads/a?", "refs/heads/[a", "refs/heads/a\\b", "refs/heads//a",
        "refs/heads/a\x7f", "refs/heads/a*", "refs/heads/a.lock/b", "refs/heads/-a",
    ],
)  # fmt: skip
def test_refs_are_those_that_git_allows(tmp_path: Path, ref: str) -> None:
    git_allows = git(tmp_path, "check-ref-format", "--normalize", ref, check=False).decode().strip() == ref
    try:
        check_ref(ref)
        allowed = True
    except MalformedPath:
        allowed = False
    assert allowed == git_allows


def test_a_ref_needs_its_full_name() -> None:
    for ref in ("main", "heads/main", "refs/main"):
        with pytest.raises(MalformedPath, match="a full name begins with 'refs/' and a kind"):
            check_ref(ref)


NAMES = [
    b".git", b".GIT", b"git~1", b".git ", b".git.", b".git . .", b".git:x", "\u200c.git".encode(), b".git\\x",
    b"a\\.git",
    b"a\\.git\\b", b"GIT~1 ", b"..", b".", b"ordinary", b".gitx", b"git~10", b"\xe2\x80\x8b.git", b".git\\", b"a:.git",
]  # fmt: skip


def test_every_name_that_git_fsck_speaks_of_is_refused(tmp_path: Path) -> None:
    hub = bare(tmp_path / "hub")
    file = blob("x")
    trees = {name: GitObject("tree", b"100644 %s\0%s" % (name, bytes.fromhex(file.oid))) for name in NAMES}
    with PackWriter(hub / "objects/pack") as writer:
        for item in (file, *trees.values()):
            writer.add(bytes.fromhex(item.oid), item.kind, item.data)
        writer.finish()
    printed = subprocess.run(["git", "-C", str(hub), "fsck", "--strict"], capture_output=True, check=False)
    spoken = {line.split()[3].rstrip(":") for line in printed.stderr.decode().splitlines() if " in tree " in line}
    assert len(spoken) >= 12
    for name, tree in trees.items():
        if tree.oid in spoken:
            assert check_name(name), name
    assert not check_name(b"ordinary") and not check_name(b".gitx") and not check_name(b"git~10")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('[submodule "../x"]\n\tpath = x\n\turl = https://h/x\n', "would leave its folder"),
        ('[submodule "a\\\\..\\\\b"]\n\tpath = x\n\turl = https://h/x\n', "would leave its folder"),
        ('[submodule "x"]\n\tpath = -x\n\turl = https://h/x\n', "path of submodule b'x' reads as an option"),
        ('[submodule "x"]\n\tpath = x\n\turl = --upload-pack=touch\n', "url of submodule b'x' reads as an option"),
        ('[submodule "x"]\n\tpath = x\n\turl = https://h/%0ahost=x\n', "holds a line end"),
        ('[submodule "x"]\n\tpath = x\n\tupdate = !rm\n', "would run a command"),
        ('[submodule "x"]\n\turl = -first\n\tpath = x\n[submodule "x"]\n\turl = https://h/x\n', "reads as an option"),
        ("[submodule\n", "cannot be read"),
        ("#" * (1 << 20) + "#\n", "larger than 1,048,576 bytes"),
    ],
)
def test_submodules_that_would_harm_a_client_are_refused(tmp_path: Path, text: str, words: str) -> None:
    file = blob(text)
    with pytest.raises(MalformedObject, match=f"blob {file.oid} \\(.gitmodules\\).*{words}"):
        check_gitmodules(file.data, file.oid)
    tree = encode_tree([TreeEntry(b".gitmodules", 0o100644, file.oid)])
    origin, store = ObjectStore(tmp_path / "a"), ObjectStore(tmp_path / "b")
    with PackWriter(_made(origin.folder)) as writer:
        for item in (file, tree):
            writer.add(bytes.fromhex(item.oid), item.kind, item.data)
        pack = origin.folder / f"pack-{writer.finish()}.pack"
    with pytest.raises(MalformedObject, match=words), IncomingPack(store) as incoming:
        incoming.write(pack.read_bytes())
        incoming.finish()


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def test_an_ordinary_submodule_is_kept() -> None:
    check_gitmodules(b'[submodule "lib/x"]\n\tpath = lib/x\n\turl = ../x.git\n', "0" * 40)


def test_signatures_and_messages_read_as_git_shows_them(tmp_path: Path) -> None:
    hub = bare(tmp_path / "hub")
    store = store_of(hub)
    tree = encode_tree([])
    for name, message in (
        ("Ann <b> Bee\n", b"title\n\nbody\nmore\n"), ("  Ünal. ", b"two\nlines\n\n\nbody"), ("", b"\n\nlate title\n"),
        ("x", b""), ("y", "t\xfctle\n".encode("latin-1")),
    ):  # fmt: skip
        extra = ((b"encoding", b"ISO-8859-1"),) if b"\xfc" in message else ()
        who = Signature(name, "e@x", 1_700_000_000, -570)
        made = Commit(tree.oid, (), who, ANN, message, extra).encode()
        store.add([tree, made])
        ours = parse_commit(made.data)
        shown = git(hub, "-c", "log.showSignature=false", "log", "-1", "--format=%s%x00%an%x00%aI%x00%b", made.oid)
        title, author, when, body = shown.decode().split("\0")
        assert (ours.title, ours.author.name, ours.author.time.isoformat()) == (title, author, when)
        assert ours.body.strip("\n") == body.strip("\n")


def test_a_signed_commit_survives_being_read_and_written() -> None:
    data = (
        b"tree " + b"1" * 40 + b"\nauthor A <a> 1 +0000\ncommitter A <a> 1 +0000\n"
        b"gpgsig -----BEGIN PGP SIGNATURE-----\n \n abc\n -----END PGP SIGNATURE-----\nx-other 1\n\nsigned\n"
    )
    assert parse_commit(data).encode().data == data


def test_pointers_are_read_as_the_specification_says() -> None:
    sha = "0123456789abcdef" * 4
    pointer = Pointer(sha, 12)
    assert pointer.encode() == f"version https://git-lfs.github.com/spec/v1\noid sha256:{sha}\nsize 12\n".encode()
    assert parse_pointer(pointer.encode()) == pointer
    extended = pointer.encode().replace(b"oid", b"ext-0-foo sha256:" + b"a" * 64 + b"\noid")
    assert parse_pointer(extended) == pointer
    for wrong in (
        b"", b"text", pointer.encode()[:60], pointer.encode() + b"x" * 1000, pointer.encode().replace(b"12", b"-1"),
        pointer.encode().replace(b"12", b"012"), pointer.encode().replace(b"sha256", b"sha1"),
        pointer.encode().replace(b"\n", b"\r\n"), pointer.encode() + b"size 13\n",
        pointer.encode().replace(sha.encode(), sha.upper().encode()),
    ):  # fmt: skip
        assert parse_pointer(wrong) is None


def test_the_default_attributes_are_understood_by_git(tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet")
    (tmp_path / ".gitattributes").write_bytes(DEFAULT_ATTRIBUTES)
    names = ["model.safetensors", "a/b/x.bin", "x.bin.2", "events.out.tfevents.1", "README.md", "config.json", "a.txt"]
    printed = git(tmp_path, "check-attr", "filter", "--", *names).decode().splitlines()
    assert [line.endswith(": lfs") for line in printed] == [True] * 4 + [False] * 3
