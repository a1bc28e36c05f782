"""A day with a hub, as the unmodified client sees it; run by the python of the client that is to be tried.

    HF_ENDPOINT=… HF_TOKEN=… OTHER_TOKEN=… python scenario.py FOLDER

Alice's token is ``HF_TOKEN``, Bob's ``OTHER_TOKEN``. Each step is a function, and prints one line of JSON: its name,
how it went, and why. Steps build on each other and stand in their order. The file needs nothing but the client; steps
for a library or program that is not there say so.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import subprocess
import sys
import time
import traceback
import urllib.request
from collections.abc import Callable
from pathlib import Path

from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi, HfFileSystem, hf_hub_download
from huggingface_hub import __version__ as version
from huggingface_hub.errors import EntryNotFoundError, GatedRepoError, HfHubHTTPError, RepositoryNotFoundError

ENDPOINT = os.environ["HF_ENDPOINT"]
FOLDER = Path(sys.argv[1])
FOLDER.mkdir(parents=True, exist_ok=True)
NAME = f"day-{os.urandom(4).hex()}"
REPO = f"alice/{NAME}"

alice, bob = HfApi(), HfApi(token=os.environ["OTHER_TOKEN"])


class NotHere(Exception):
    """What a step needs is not in this environment."""


STEPS: list[Callable[[], None]] = []


def step(function: Callable[[], None]) -> Callable[[], None]:
    """Add a function to the day."""
    STEPS.append(function)
    return function


def noise(path: Path, size: int, seed: int) -> Path:
    """A file that does not compress."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(random.Random(seed + hash_of_name()).randbytes(size))
    return path


def hash_of_name() -> int:
    return int.from_bytes(hashlib.sha256(NAME.encode()).digest()[:4], "big")


def same(first: Path | str, second: Path | str) -> bool:
    return Path(first).read_bytes() == Path(second).read_bytes()


def run(*command: str | Path, folder: Path | None = None) -> str:
    """A program's output; its errors when it fails."""
    done = subprocess.run([str(each) for each in command], cwd=folder, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout


def hf(*words: str | Path) -> str:
    """The command of this client."""
    return run(Path(sys.executable).parent / "hf", *words)


def killed_midway(*words: str | Path, when: Callable[[], bool]) -> None:
    """Start the command, and kill it as soon as a condition holds; that it ends before is no fault."""
    command = [str(each) for each in (Path(sys.executable).parent / "hf", *words)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for _ in range(600):
        if when() or process.poll() is not None:
            break
        time.sleep(0.02)
    process.kill()
    process.wait()


def refused(status: int, call: Callable[[], object]) -> str:
    """The message of an answer that refuses with this status."""
    try:
        call()
    except HfHubHTTPError as error:
        assert error.response.status_code == status, error
        return str(error)
    raise AssertionError(f"this should have been refused with {status}")


@step
def who_am_i() -> None:
    assert alice.whoami()["name"] == "alice" and bob.whoami()["name"] == "bob"


@step
def create() -> None:
    made = alice.create_repo(REPO, private=True)
    assert (made.repo_id, made.endpoint) == (REPO, ENDPOINT)
    assert alice.create_repo(REPO, exist_ok=True).repo_id == REPO
    refused(409, lambda: alice.create_repo(REPO))
    assert not bob.repo_exists(REPO)
    alice.update_repo_settings(REPO, private=False)
    assert bob.repo_exists(REPO)


@step
def upload_a_file() -> None:
    small = FOLDER / "notes über alles #1.txt"
    small.write_text("wenig\n", encoding="utf-8")
    alice.upload_file(path_or_fileobj=small, path_in_repo=f"texts/{small.name}", repo_id=REPO)
    large = noise(FOLDER / "weights.bin", 3_000_000, 1)
    alice.upload_file(path_or_fileobj=large, path_in_repo="weights.bin", repo_id=REPO)
    alice.upload_file(path_or_fileobj=b"", path_in_repo="empty.bin", repo_id=REPO)
    with large.open("rb") as opened:  # an open file goes by LFS, whatever is installed
        alice.upload_file(path_or_fileobj=opened, path_in_repo="again.bin", repo_id=REPO)
    info = {each.rfilename: each for each in alice.model_info(REPO, files_metadata=True).siblings or []}
    assert info["weights.bin"].lfs is not None and info["weights.bin"].size == 3_000_000
    assert info["again.bin"].lfs == info["weights.bin"].lfs


@step
def upload_a_folder() -> None:
    folder = FOLDER / "folder"
    for number in range(40):
        (folder / f"part {number % 4}").mkdir(parents=True, exist_ok=True)
        (folder / f"part {number % 4}" / f"{number}.txt").write_text(str(number))
    noise(folder / "model.safetensors", 400_000, 2)
    before = len(alice.list_repo_commits(REPO))
    alice.upload_folder(folder_path=folder, path_in_repo="folder", repo_id=REPO, ignore_patterns="*/39.txt")
    files = alice.list_repo_files(REPO)
    assert "folder/part 0/0.txt" in files and "folder/part 3/39.txt" not in files
    alice.upload_folder(folder_path=folder, path_in_repo="folder", repo_id=REPO, ignore_patterns="*/39.txt")
    assert len(alice.list_repo_commits(REPO)) == before + 1, "nothing has changed, so nothing is committed"


@step
def upload_a_large_folder() -> None:
    folder = FOLDER / "large folder"
    for number in range(300):
        (folder / f"{number % 10}").mkdir(parents=True, exist_ok=True)
        (folder / f"{number % 10}" / f"{number}.json").write_text(json.dumps({"number": number}))
    for number in range(3):
        noise(folder / f"{number}.bin", 1_500_000, 10 + number)
    alice.create_repo(f"{REPO}-large", repo_type="dataset")
    if hasattr(alice, "upload_large_folder"):
        for _ in range(2):  # the second time it finds everything done
            alice.upload_large_folder(f"{REPO}-large", folder, repo_type="dataset", print_report=False, num_workers=4)
    else:
        alice.upload_folder(folder_path=folder, repo_id=f"{REPO}-large", repo_type="dataset")
    found = set(alice.list_repo_files(f"{REPO}-large", repo_type="dataset"))
    assert {f"{number % 10}/{number}.json" for number in range(300)} | {"0.bin", "1.bin", "2.bin"} <= found


@step
def resume_an_upload() -> None:
    file = noise(FOLDER / "long.bin", 30_000_000, 3)
    words = ("upload", REPO, file, "long.bin")
    started = time.monotonic()
    killed_midway(*words, when=lambda: time.monotonic() - started > 1.5)
    hf(*words)
    assert same(hf_hub_download(REPO, "long.bin", cache_dir=FOLDER / "cache"), file)


@step
def resume_a_download() -> None:
    target = FOLDER / "resumed"

    def begun() -> bool:
        return any(each.stat().st_size > 0 for each in target.rglob("*.incomplete"))

    killed_midway("download", REPO, "long.bin", "--local-dir", target, when=begun)
    hf("download", REPO, "long.bin", "--local-dir", target)
    assert same(target / "long.bin", FOLDER / "long.bin")


@step
def download() -> None:
    cache = FOLDER / "cache"
    name = "texts/notes über alles #1.txt"
    assert Path(bob.hf_hub_download(REPO, name, cache_dir=cache)).read_text(encoding="utf-8") == "wenig\n"
    assert same(bob.hf_hub_download(REPO, "weights.bin", cache_dir=cache), FOLDER / "weights.bin")
    assert Path(bob.hf_hub_download(REPO, "empty.bin", cache_dir=cache)).read_bytes() == b""
    for missing in ("nothing.bin", "texts"):
        try:
            bob.hf_hub_download(REPO, missing, cache_dir=cache)
        except EntryNotFoundError:
            continue
        raise AssertionError(f"{missing} is no file")


@step
def snapshot() -> None:
    found = Path(bob.snapshot_download(REPO, cache_dir=FOLDER / "cache"))
    files = sorted(each.relative_to(found).as_posix() for each in found.rglob("*") if each.is_file())
    assert files == sorted(alice.list_repo_files(REPO))
    assert same(found / "folder/model.safetensors", FOLDER / "folder/model.safetensors")


@step
def delete_files() -> None:
    alice.delete_file("again.bin", REPO)
    alice.delete_folder("folder/part 1", REPO)
    alice.create_commit(REPO, operations=[CommitOperationDelete("empty.bin")], commit_message="One less")
    files = alice.list_repo_files(REPO)
    assert "again.bin" not in files and "empty.bin" not in files
    assert not [each for each in files if each.startswith("folder/part 1/")]
    refused(404, lambda: alice.delete_file("never there.bin", REPO))


@step
def move() -> None:
    global REPO
    old, REPO = REPO, f"{REPO}-moved"
    alice.move_repo(old, REPO)
    assert bob.model_info(old).id == REPO, "the old name leads to the new one"
    assert Path(bob.hf_hub_download(old, ".gitattributes", cache_dir=FOLDER / "cache")).is_file()
    refused(409, lambda: (alice.create_repo(old), alice.move_repo(old, REPO)))
    alice.delete_repo(old)


@step
def branch() -> None:
    alice.create_branch(REPO, branch="dev")
    alice.upload_file(path_or_fileobj=b"dev", path_in_repo="dev.txt", repo_id=REPO, revision="dev")
    assert alice.file_exists(REPO, "dev.txt", revision="dev") and not alice.file_exists(REPO, "dev.txt")
    alice.create_branch(REPO, branch="gone", revision="dev")
    alice.delete_branch(REPO, branch="gone")
    assert {each.name for each in alice.list_repo_refs(REPO).branches} == {"main", "dev"}
    refused(409, lambda: alice.create_branch(REPO, branch="dev"))
    refused(403, lambda: alice.delete_branch(REPO, branch="main"))


@step
def tag() -> None:
    alice.create_tag(REPO, tag="v1.0", revision="dev", tag_message="The first")
    assert hf_hub_download(REPO, "dev.txt", revision="v1.0", cache_dir=FOLDER / "cache")
    assert [each.name for each in alice.list_repo_refs(REPO).tags] == ["v1.0"]
    alice.delete_tag(REPO, tag="v1.0")
    assert not alice.list_repo_refs(REPO).tags


@step
def pull_request_with_merge() -> None:
    card = b"---\nlicense: mit\ntags:\n- scenario\n---\n# A model\n"
    made = bob.create_commit(
        REPO,
        operations=[CommitOperationAdd("README.md", card), CommitOperationAdd("bob.bin", os.urandom(200_000))],
        commit_message="A card",
        create_pr=True,
    )
    assert made.pr_num is not None and made.pr_revision == f"refs/pr/{made.pr_num}"
    bob.upload_file(path_or_fileobj=b"more", path_in_repo="m.txt", repo_id=REPO, revision=made.pr_revision)
    found = alice.get_discussion_details(REPO, made.pr_num)
    assert found.is_pull_request and not found.conflicting_files and "# A model" in (found.diff or "")
    refused(403, lambda: bob.merge_pull_request(REPO, made.pr_num))
    alice.merge_pull_request(REPO, made.pr_num, comment="Thank you")
    assert alice.get_discussion_details(REPO, made.pr_num).status == "merged"
    assert alice.model_info(REPO).card_data.license == "mit"


@step
def pull_request_with_conflict() -> None:
    made = bob.create_commit(
        REPO, operations=[CommitOperationAdd("m.txt", b"bob's")], commit_message="Mine", create_pr=True
    )
    alice.upload_file(path_or_fileobj=b"alice's", path_in_repo="m.txt", repo_id=REPO)
    found = alice.get_discussion_details(REPO, made.pr_num)
    assert found.conflicting_files in (["m.txt"], True), found.conflicting_files
    try:
        alice.merge_pull_request(REPO, made.pr_num)
    except HfHubHTTPError as error:
        assert 400 <= error.response.status_code < 500
    else:
        raise AssertionError("it cannot be merged")
    alice.change_discussion_status(REPO, made.pr_num, "closed", comment="Later")
    assert alice.get_discussion_details(REPO, made.pr_num).status == "closed"


@step
def discussion() -> None:
    made = bob.create_discussion(REPO, title="  A question ", description="Why?")
    assert made.title == "A question"
    comment = alice.comment_discussion(REPO, made.num, comment="Becuase")
    alice.edit_discussion_comment(REPO, made.num, comment.id, new_content="Because")
    alice.rename_discussion(REPO, made.num, new_title="An answer")
    found = bob.get_discussion_details(REPO, made.num)
    assert found.title == "An answer" and [each.type for each in found.events][:2] == ["comment", "comment"]
    assert found.events[1].content == "Because" and found.events[1].edited
    assert made.num in [each.num for each in bob.get_repo_discussions(REPO)]


@step
def search() -> None:
    assert [each.id for each in bob.list_models(search=NAME)] == [REPO]
    assert [each.id for each in bob.list_models(author="alice", filter=["scenario", "license:mit"], search=NAME)] == [
        REPO
    ]
    assert [each.id for each in bob.list_datasets(search=NAME)] == [f"alice/{NAME}-large"]
    alice.update_repo_settings(REPO, private=True)
    assert list(bob.list_models(search=NAME)) == [] and [each.id for each in alice.list_models(search=NAME)] == [REPO]
    alice.update_repo_settings(REPO, private=False)


@step
def gating() -> None:
    alice.update_repo_settings(REPO, gated="manual")
    cache = FOLDER / "gated"
    try:
        bob.hf_hub_download(REPO, "README.md", cache_dir=cache)
    except GatedRepoError as error:
        assert "authorized list" in str(error)
    else:
        raise AssertionError("bob is not let in yet")
    ask = urllib.request.Request(f"{ENDPOINT}/{REPO}/ask-access", method="POST")
    ask.add_header("Authorization", f"Bearer {bob.token}")
    urllib.request.urlopen(ask).read()
    (waiting,) = alice.list_pending_access_requests(REPO)
    assert waiting.username == "bob"
    alice.accept_access_request(REPO, "bob")
    assert bob.hf_hub_download(REPO, "README.md", cache_dir=cache)
    alice.update_repo_settings(REPO, gated=False)


@step
def the_command() -> None:
    assert "alice" in hf("auth", "whoami")
    folder = FOLDER / "by command"
    (folder / "inner").mkdir(parents=True)
    (folder / "inner" / "a.txt").write_text("a")
    noise(folder / "b.bin", 100_000, 5)
    hf("upload", REPO, folder, "command")
    assert {"command/inner/a.txt", "command/b.bin"} <= set(alice.list_repo_files(REPO))
    target = FOLDER / "by command, back"
    hf("download", REPO, "--include", "command/*", "--local-dir", target)
    assert same(target / "command/b.bin", folder / "b.bin")
    assert f"{REPO}" in hf("models", "ls", "--search", NAME, "--format", "json")


@step
def the_file_system() -> None:
    fs = HfFileSystem()
    assert fs.isdir(f"{REPO}/folder") and f"{REPO}/README.md" in fs.ls(REPO, detail=False)
    assert fs.glob(f"{REPO}/command/**/*.txt") == [f"{REPO}/command/inner/a.txt"]
    with fs.open(f"{REPO}/written.txt", "w") as opened:
        opened.write("by the file system")
    assert fs.read_text(f"{REPO}/written.txt") == "by the file system"
    with fs.open(f"{REPO}/weights.bin", "rb", block_size=4096) as opened:
        opened.seek(2_999_990)
        assert opened.read() == (FOLDER / "weights.bin").read_bytes()[-10:]
    fs.rm(f"{REPO}/written.txt")
    assert not alice.file_exists(REPO, "written.txt")


@step
def transformers() -> None:
    try:
        from transformers import AutoModel, BertConfig, BertModel
    except ImportError as error:
        raise NotHere(str(error)) from None
    sizes = {"vocab_size": 30, "hidden_size": 16, "intermediate_size": 32}
    model = BertModel(BertConfig(**sizes, num_hidden_layers=1, num_attention_heads=2))
    model.push_to_hub(f"alice/{NAME}-bert", private=True)
    back = AutoModel.from_pretrained(f"alice/{NAME}-bert", cache_dir=FOLDER / "models")
    assert (back.pooler.dense.weight == model.pooler.dense.weight).all()
    try:
        AutoModel.from_pretrained(f"alice/{NAME}-bert", cache_dir=FOLDER / "bob's", token=bob.token)
    except OSError:
        return
    raise AssertionError("bob may not read it")


@step
def datasets() -> None:
    try:
        import datasets as library
    except ImportError as error:
        raise NotHere(str(error)) from None
    library.disable_progress_bars()
    rows = library.Dataset.from_dict({"text": ["a", "b", "c"], "label": [0, 1, 0]})
    library.DatasetDict({"train": rows, "test": rows.select([0])}).push_to_hub(f"alice/{NAME}-rows")
    back = library.load_dataset(f"alice/{NAME}-rows", cache_dir=str(FOLDER / "datasets"))
    assert back["train"]["text"][:] == ["a", "b", "c"] and back["test"].num_rows == 1
    streamed = library.load_dataset(f"alice/{NAME}-rows", split="train", streaming=True)
    assert [each["label"] for each in streamed] == [0, 1, 0]


@step
def git_clone_and_push() -> None:
    if shutil.which("git") is None:
        raise NotHere("git is not installed")
    work, address = FOLDER / "clone", ENDPOINT.replace("://", f"://alice:{os.environ['HF_TOKEN']}@")
    os.environ["GIT_LFS_SKIP_SMUDGE"] = "1"  # the files come in the next step
    run("git", "clone", "-q", f"{address}/{REPO}", work)
    for key, value in (("user.name", "Alice"), ("user.email", "alice@example.org"), ("push.default", "current")):
        run("git", "config", key, value, folder=work)
    assert run("git", "rev-parse", "HEAD", folder=work).strip() == alice.model_info(REPO).sha
    (work / "by git.txt").write_text("pushed\n")
    run("git", "add", "by git.txt", folder=work)
    run("git", "commit", "-q", "-m", "By git", folder=work)
    run("git", "push", "-q", folder=work)
    assert run("git", "rev-parse", "HEAD", folder=work).strip() == alice.model_info(REPO).sha
    assert alice.list_repo_commits(REPO)[0].title == "By git"


@step
def git_lfs() -> None:
    if shutil.which("git-lfs") is None:
        raise NotHere("git-lfs is not installed")
    work = FOLDER / "clone"
    run("git", "lfs", "install", "--local", folder=work)
    large = noise(work / "by git.bin", 700_000, 6)
    run("git", "add", "by git.bin", folder=work)
    run("git", "commit", "-q", "-m", "By git-lfs", folder=work)
    run("git", "push", "-q", folder=work)
    assert same(alice.hf_hub_download(REPO, "by git.bin", cache_dir=FOLDER / "cache"), large)
    address = ENDPOINT.replace("://", f"://alice:{os.environ['HF_TOKEN']}@")
    fresh = FOLDER / "clone with lfs"
    run("git", "clone", "-q", f"{address}/{REPO}", fresh)
    run("git", "lfs", "install", "--local", folder=fresh)
    run("git", "lfs", "pull", folder=fresh)
    assert same(fresh / "by git.bin", large) and same(fresh / "weights.bin", FOLDER / "weights.bin")


@step
def delete_the_repository() -> None:
    refused(403, lambda: bob.delete_repo(REPO))
    alice.delete_repo(REPO)
    alice.delete_repo(REPO, missing_ok=True)
    try:
        alice.model_info(REPO)
    except RepositoryNotFoundError:
        return
    raise AssertionError("it is still there")


def main() -> None:
    """The whole day, a line for each step; a step that fails does not end it."""
    print(json.dumps({"step": "client", "went": "well", "why": version}), flush=True)
    for function in STEPS:
        went, why, started = "well", "", time.monotonic()
        try:
            function()
        except NotHere as error:
            went, why = "not here", str(error)
        except Exception:
            went, why = "wrong", traceback.format_exc()
        seconds = round(time.monotonic() - started, 2)
        print(json.dumps({"step": function.__name__, "went": went, "why": why, "seconds": seconds}), flush=True)


if __name__ == "__main__":
    main()
