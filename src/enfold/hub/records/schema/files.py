"""Large files: their extents, which repository may use them, uploads in progress, and what Xet knows of them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from enfold.hub.records.schema.columns import AccountKey, Base, Number, RepositoryKey, now

__all__ = [
    "BlobFact",
    "ExtentRecord",
    "LargeFileRecord",
    "Link",
    "ScanResult",
    "UploadRecord",
    "XetChunk",
    "XetFile",
    "XetTerm",
    "XorbOwner",
    "XorbRecord",
]

_SHA256 = sa.String(64)


class LargeFileRecord(Base):
    """A large file that is whole on the disk. ``named_at`` is when an upload or a commit last named it."""

    __tablename__ = "large_files"

    sha256: Mapped[str] = mapped_column(_SHA256, primary_key=True)
    size: Mapped[int]
    created_at: Mapped[datetime] = mapped_column(default=now)
    named_at: Mapped[datetime] = mapped_column(default=now)
    dead_at: Mapped[datetime | None]


class ExtentRecord(Base):
    """One run of bytes of a large file, inside a blob; a file's extents in order are the file."""

    __tablename__ = "extents"

    sha256: Mapped[str] = mapped_column(sa.ForeignKey("large_files.sha256", ondelete="CASCADE"), primary_key=True)
    position: Mapped[int] = mapped_column(sa.Integer, primary_key=True)
    blob_key: Mapped[str] = mapped_column(index=True)
    start: Mapped[int]
    length: Mapped[int]


class Link(Base):
    """A repository that may use a large file: its bytes came with a token for it, or were copied by a reader."""

    __tablename__ = "links"

    repository_id: Mapped[RepositoryKey] = mapped_column(primary_key=True)
    sha256: Mapped[str] = mapped_column(sa.ForeignKey("large_files.sha256"), primary_key=True, index=True)
    by_id: Mapped[int | None] = mapped_column(sa.ForeignKey("accounts.id", ondelete="SET NULL"))
    created_at: Mapped[datetime] = mapped_column(default=now)


class UploadRecord(Base):
    """An upload that is not complete: what was promised, and the parts that have come."""

    __tablename__ = "uploads"

    uid: Mapped[str] = mapped_column(primary_key=True)
    repository_id: Mapped[RepositoryKey] = mapped_column(index=True)
    user_id: Mapped[AccountKey]
    sha256: Mapped[str] = mapped_column(_SHA256)
    size: Mapped[int]
    parts: Mapped[list[Any]] = mapped_column(default=list)
    started_at: Mapped[datetime] = mapped_column(default=now, index=True)


class XorbRecord(Base):
    """A xorb that is kept: the lengths of its chunks end to end and as they came."""

    __tablename__ = "xorbs"

    hash: Mapped[str] = mapped_column(_SHA256, primary_key=True)
    blob_key: Mapped[str]
    length: Mapped[int]
    received: Mapped[int]
    chunks: Mapped[int]
    created_at: Mapped[datetime] = mapped_column(default=now)
    named_at: Mapped[datetime] = mapped_column(default=now)
    dead_at: Mapped[datetime | None]


class XorbOwner(Base):
    """A user who sent a xorb, and may therefore refer to it."""

    __tablename__ = "xorb_owners"

    user_id: Mapped[AccountKey] = mapped_column(primary_key=True)
    hash: Mapped[str] = mapped_column(sa.ForeignKey("xorbs.hash", ondelete="CASCADE"), primary_key=True, index=True)
    created_at: Mapped[datetime] = mapped_column(default=now)


class XetFile(Base):
    """A large file as Xet names it."""

    __tablename__ = "xet_files"

    hash: Mapped[str] = mapped_column(_SHA256, primary_key=True)
    sha256: Mapped[str] = mapped_column(sa.ForeignKey("large_files.sha256", ondelete="CASCADE"), index=True)


class XetTerm(Base):
    """One term of a Xet file: a run of chunks of a xorb (``end_chunk`` excluded)."""

    __tablename__ = "xet_terms"

    file_hash: Mapped[str] = mapped_column(sa.ForeignKey("xet_files.hash", ondelete="CASCADE"), primary_key=True)
    position: Mapped[int] = mapped_column(sa.Integer, primary_key=True)
    xorb_hash: Mapped[str] = mapped_column(sa.ForeignKey("xorbs.hash"), index=True)
    first_chunk: Mapped[int] = mapped_column(sa.Integer)
    end_chunk: Mapped[int] = mapped_column(sa.Integer)
    length: Mapped[int]


class XetChunk(Base):
    """A chunk that clients of the Xet protocol ask for, and a xorb that holds it. Derived from files and xorbs."""

    __tablename__ = "xet_chunks"

    chunk_hash: Mapped[str] = mapped_column(_SHA256, primary_key=True)
    xorb_hash: Mapped[str] = mapped_column(
        sa.ForeignKey("xorbs.hash", ondelete="CASCADE"), primary_key=True, index=True
    )


class BlobFact(Base):
    """What listings say of a blob without opening it: size, and the large file its pointer names. Derived."""

    __tablename__ = "blob_facts"

    repository_id: Mapped[RepositoryKey] = mapped_column(primary_key=True)
    oid: Mapped[str] = mapped_column(sa.String(40), primary_key=True)
    size: Mapped[int]
    lfs_sha256: Mapped[str | None] = mapped_column(_SHA256)
    lfs_size: Mapped[int | None]


class ScanResult(Base):
    """What a scan said of content, by its id (a blob's or a sha256): ``safe``, ``unsafe`` or ``not scanned``."""

    __tablename__ = "scan_results"

    id: Mapped[Number]
    content: Mapped[str] = mapped_column(unique=True)
    status: Mapped[str]
    findings: Mapped[list[Any]] = mapped_column(default=list)
    at: Mapped[datetime] = mapped_column(default=now)
