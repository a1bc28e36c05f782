"""Repositories out of an exported file: everything is checked before anything can be seen."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from sqlalchemy.exc import IntegrityError

from enfold.errors import InputError
from enfold.hub.exchange.bundle import Bundle, Exported, Manifest, opened
from enfold.hub.exchange.exporting import TAKEN
from enfold.hub.records import Principal, audit, links
from enfold.hub.records.accounts import find_account, new_uid
from enfold.hub.records.errors import NameTaken, NotKnown
from enfold.hub.records.refs import MAIN, move_ref
from enfold.hub.records.repositories import create_repository, find_repository
from enfold.hub.records.schema import Repository
from enfold.hub.server import derived
from enfold.hub.server.routes import first_pieces
from enfold.hub.server.state import HubState
from enfold.hub.store import GitError, LargeFile, PackCaps, check_ref, is_oid

__all__ = ["import_repositories"]

_SIGNED = PackCaps(pack_bytes=1 << 50, inflated_bytes=1 << 52, objects=1 << 31, depth=512)
_UNSIGNED = PackCaps(depth=512)
_JOB = Principal.job("import")


def import_repositories(state: HubState, path: Path, trust: Ed25519PublicKey | None) -> Manifest:
    """Make the repositories of a file, all or none; git ids and large files are those of the hub they come from.

    Args:
        state: the hub; it may be serving meanwhile.
        path: of the file.
        trust: the key that must have signed it; None for a file from anybody.

    Raises:
        InputError: the signature or a hash does not hold, or the file is cut off.
        NameTaken: a repository is here already.
        NotKnown: the account of a repository is not here.
        OverQuota: an account may not keep so much.
    """
    with opened(path, trust) as bundle:
        _check_manifest(bundle)
        _check_names(state, bundle.manifest)
        bundle.check()
        with ExitStack() as undo:
            uids = [
                _packed(state, bundle, each, undo, is_signed=trust is not None) for each in bundle.manifest.repositories
            ]
            large = [_stored(state, bundle, place) for place in range(len(bundle.manifest.large))]
            made = _recorded(state, bundle.manifest, uids, large)
            undo.pop_all()
    for repository, exported in zip(made, bundle.manifest.repositories, strict=True):
        for ref, (_, commit) in exported.refs.items():
            if ref.startswith("refs/heads/"):
                state.after_commit(repository, commit)
    return bundle.manifest


def _check_manifest(bundle: Bundle) -> None:
    carried = {each.sha256 for each in bundle.manifest.large}
    for each in bundle.manifest.repositories:
        if MAIN not in each.refs:
            raise InputError(f"{each.name} in {bundle.path} has no branch main")
        for ref in each.refs:
            check_ref(ref)
            if not ref.startswith(TAKEN):
                raise InputError(f"{each.name} in {bundle.path} has the ref {ref!r}, which does not travel")
        lacking = set(each.large) - carried
        if lacking:
            raise InputError(f"{each.name} in {bundle.path} needs the large file {min(lacking)}, which is not in it")


def _check_names(state: HubState, manifest: Manifest) -> None:
    with state.records.read() as session:
        for each in manifest.repositories:
            if find_repository(session, each.type, each.name) is not None:
                raise NameTaken(f"the {each.type} {each.name} is here already; nothing was imported")
            owner, _, name = each.name.partition("/")
            account = find_account(session, owner) if name else None
            if name and (account is None or account.kind == "model"):
                raise NotKnown(
                    f"there is no user or organisation {owner!r} for {each.name}; add it first: "
                    f"enfold hub org add {owner}; nothing was imported"
                )


def _packed(state: HubState, bundle: Bundle, exported: Exported, undo: ExitStack, *, is_signed: bool) -> str:
    """Write the objects of a repository that is not in the records yet; its uid."""
    uid = new_uid()
    undo.callback(_remove, state, uid)
    state.root.make_repository(uid)
    store = state.objects(uid)
    try:
        store.ingest_pack(bundle.pieces(exported.pack), caps=_SIGNED if is_signed else _UNSIGNED)
        for ref, (target, commit) in exported.refs.items():
            if not (is_oid(target) and store.peel(target) == commit):
                raise InputError(f"{ref} of {exported.name} in {bundle.path} does not point where it says")
            if ref.startswith("refs/heads/") and target != commit:
                raise InputError(f"{ref} of {exported.name} in {bundle.path} points to a tag")
    except GitError as error:
        raise InputError(f"the objects of {exported.name} in {bundle.path} are refused: {error}") from None
    return uid


def _stored(state: HubState, bundle: Bundle, place: int) -> LargeFile:
    """Write one large file; no repository is linked to it yet."""
    content = bundle.manifest.large[place]
    with state.large_files.begin_upload(content.sha256, content.size) as upload:
        for piece in bundle.pieces(content):
            upload.write(piece)
        return upload.commit()


def _recorded(state: HubState, manifest: Manifest, uids: list[str], large: list[LargeFile]) -> list[Repository]:
    with state.records.write() as session:
        for file in large:
            links.put_arrived(session, file, state.blobs)
    facts = []
    for exported, uid in zip(manifest.repositories, uids, strict=True):
        store = state.objects(uid)
        facts.append(derived.read(store, store.commit(exported.refs[MAIN][1]).tree, state))
    made = []
    try:
        with state.records.write() as session:
            for exported, uid, found in zip(manifest.repositories, uids, facts, strict=True):
                repository = create_repository(
                    session,
                    exported.type,
                    exported.name,
                    uid=uid,
                    private=exported.private,
                    sdk=exported.sdk,
                    taken_by_routes=first_pieces(),
                )
                repository.gated = exported.gated
                repository.description = exported.description
                links.link(session, repository, exported.large, by_id=None)
                for ref, (target, commit) in exported.refs.items():
                    move_ref(session, repository, ref, None, target, commit=commit, reason="import")
                derived.write(session, repository, exported.refs[MAIN][1], found)
                about = f"{repository.type} {repository.full_name}"
                audit.note(session, _JOB, "repository.import", about, private=exported.private)
                made.append(repository)
    except IntegrityError:
        raise NameTaken("a repository of this name was made meanwhile; nothing was imported") from None
    return made


def _remove(state: HubState, uid: str) -> None:
    state.forget_objects(uid)
    state.root.remove_repository(uid)
