"""How much an account may keep. What counts is each large file once a repository that may use it."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.orm import Session

from enfold.hub.records.errors import OverQuota
from enfold.hub.records.schema import Account, Quota, Repository

__all__ = ["check_quota"]


def check_quota(session: Session, repository: Repository, sizes: Sequence[int]) -> None:
    """Refuse large files of these bytes, new to the repository, that its account may not keep.

    Raises:
        OverQuota: one is too large, or all together are.
    """
    quota = session.get(Quota, repository.account_id)
    if quota is None or not sizes:
        return
    owner = session.get_one(Account, repository.account_id).name
    if quota.file_bytes is not None and max(sizes) > quota.file_bytes:
        raise OverQuota(f"the file has {max(sizes)} bytes; a file of {owner} may have at most {quota.file_bytes}")
    if quota.bytes is None:
        return
    mine = Repository.account_id == repository.account_id
    used = session.scalar(sa.select(sa.func.coalesce(sa.func.sum(Repository.used_storage), 0)).where(mine)) or 0
    if used + sum(sizes) > quota.bytes:
        raise OverQuota(
            f"{owner} may keep {quota.bytes} bytes and has {used}: {sum(sizes)} more do not fit; "
            "delete repositories, or ask an admin of the hub for more"
        )
