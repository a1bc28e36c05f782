"""Who there is, what they have, and who may do what: the records of a hub, in SQLite or PostgreSQL.

A transaction is a session (`Records.read`, `Records.write`), and everything else is a function of one.
"""

from enfold.hub.records.errors import InvalidName, NameTaken, NotKnown, RecordsError, RefMoved
from enfold.hub.records.permissions import may, may_create
from enfold.hub.records.principals import ANONYMOUS, Grant, Principal
from enfold.hub.records.records import Records
from enfold.hub.records.root import HubRoot
from enfold.hub.records.tokens import TokenFault

__all__ = [
    "ANONYMOUS",
    "Grant",
    "HubRoot",
    "InvalidName",
    "NameTaken",
    "NotKnown",
    "Principal",
    "Records",
    "RecordsError",
    "RefMoved",
    "TokenFault",
    "may",
    "may_create",
]
