"""Replay check: every nonce of a signed request is accepted once, by all server processes together.

Old nonces are purged. Of the purged nonces of a hotkey the newest one stays as a marker, and no nonce at or below the
marker is accepted any more. So a signature stays used even if the server's clock was ahead and is set back.
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy import bindparam

from finest.database import INSERTS
from finest.tasks.tables import nonces

NONCE_S = 3600.0
"""How long a nonce is kept. A signature is accepted for 30 s (btauth/1), measured by a clock that may be set back. As
long as nobody sets it back by more than this, the server still knows every nonce that it could be asked about."""
MARKER_S = 0.0
"""`seen_s` of a marker row: the newest purged nonce of its hotkey."""

_KEY = sa.tuple_(nonces.c.hotkey, nonces.c.nonce_ns)
_NEWEST = sa.select(nonces.c.hotkey, sa.func.max(nonces.c.nonce_ns)).group_by(nonces.c.hotkey)
_SET_MARKERS = (
    sa.update(nonces)
    .where(nonces.c.seen_s < bindparam("old_s"), _KEY.in_(_NEWEST.where(nonces.c.seen_s < bindparam("old_s"))))
    .values(seen_s=MARKER_S)
)
_PURGE = sa.delete(nonces).where(
    sa.or_(
        sa.and_(nonces.c.seen_s < bindparam("old_s"), nonces.c.seen_s > MARKER_S),
        sa.and_(nonces.c.seen_s == MARKER_S, _KEY.not_in(_NEWEST.where(nonces.c.seen_s == MARKER_S))),
    )
)
_MARKERS = nonces.alias("markers")
_IS_NEWER = ~sa.exists().where(
    _MARKERS.c.hotkey == bindparam("hotkey"),
    _MARKERS.c.seen_s == MARKER_S,
    _MARKERS.c.nonce_ns >= bindparam("nonce_ns"),
)
_ROW = sa.select(*(sa.cast(bindparam(one.name), one.type) for one in nonces.c)).where(_IS_NEWER)
_ACCEPT = {
    name: insert(nonces)
    .from_select([one.name for one in nonces.c], _ROW)
    .on_conflict_do_nothing()
    .returning(nonces.c.nonce_ns)
    for name, insert in INSERTS.items()
}


def accept_nonce(connection: sa.Connection, hotkey: str, nonce_ns: int, now_s: float) -> bool:
    """Record the nonce of a signed request. Returns False if it was used before: the request is a replay."""
    row = {"hotkey": hotkey, "nonce_ns": nonce_ns, "seen_s": now_s}
    return connection.execute(_ACCEPT[connection.dialect.name], row).first() is not None


def purge_nonces(connection: sa.Connection, old_s: float) -> None:
    """Delete the nonces that were seen before `old_s`, except for one marker per hotkey."""
    connection.execute(_SET_MARKERS, {"old_s": old_s})
    connection.execute(_PURGE, {"old_s": old_s})
