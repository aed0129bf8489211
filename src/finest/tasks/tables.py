"""Database tables of a task server. Only nonces are ever deleted; `events` records who did what and when.

    crawls --< warcs --< claims >-- tasks >-- miners
     └-- recipes                     ├--< scores       events, nonces, rules
                    ├-- packets      └--< verdict_seals
                    └-- merges

A row of `crawls` is one piece of work on the WARCs of a crawl: the crawl itself, or the crawl once more in another
language or with a new recipe (finest.tasks.work). Each piece of work has its own rows in `warcs`. If the work is some
pages of a crawl, such a row is a packet of them, whose path is the packet's name; if the work is to merge datasets, it
is some of them.

A WARC is open while it has fewer live claims than the redundancy. When a task expires, is released or fails, its claims
are no longer live. migrations/ builds the same tables step by step, and a test compares the two.
"""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    String,
    Table,
    Text,
    UniqueConstraint,
    exists,
    false,
    text,
    true,
)

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
    }
)

Id = BigInteger().with_variant(Integer(), "sqlite")
"""Type of row ids. SQLite assigns them itself only if the key is an INTEGER."""
TaskId = String(32)
"""Type of task ids: UUIDv7 as 32 hex digits, so that ids sort by age."""

rules = Table(
    "rules",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("redundancy", SmallInteger, nullable=False),  # for which warcs.open was computed
    Column("alive_block", BigInteger),  # the last block at which a server process was at work (outages.py)
    CheckConstraint("id = 1", name="one_row"),
)

crawls = Table(
    "crawls",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", String(64), nullable=False, unique=True),
    Column("warcs", Integer, nullable=False, server_default=text("0")),
    Column("root", String(64)),  # of the list of its WARCs (assignment.py); NULL while that is empty
    Column("kind", String(16), nullable=False, server_default=text("'crawl'")),
    Column("crawl", String(64)),  # whose WARCs these are; NULL if `name` says so
    Column("language", String(16)),
    Column("price", Float(53), nullable=False, server_default=text("1.0")),  # for new leases
    Column("pages_where", Text),  # the expression that chose the pages of packets
    Column("recipe_id", ForeignKey("recipes.id")),  # that its tasks ask for; NULL for any
)

warcs = Table(
    "warcs",
    metadata,
    Column("id", Id, primary_key=True),  # in the order of the list within a crawl
    Column("crawl_id", ForeignKey("crawls.id"), nullable=False),
    Column("path", Text, nullable=False),
    Column("claims", SmallInteger, nullable=False, server_default=text("0")),
    Column("open", Boolean, nullable=False, server_default=true()),
    Column("place", Integer),  # in the list of its crawl, from 0
    CheckConstraint("claims >= 0", name="claims"),
    UniqueConstraint("crawl_id", "path"),
)
Index("uq_warcs_place", warcs.c.crawl_id, warcs.c.place, unique=True)
OPEN = text("open")
"""Condition of an open WARC, in one spelling everywhere: for `open = 1` SQLite would not use the index below."""
Index("ix_warcs_open", warcs.c.crawl_id, warcs.c.place, postgresql_where=OPEN, sqlite_where=OPEN)

packets = Table(
    "packets",
    metadata,
    Column("warc_id", ForeignKey("warcs.id"), primary_key=True),
    Column("root", String(64), nullable=False),  # over its pages (finest.dataset.chosen)
    Column("pages", Integer, nullable=False),
    Column("packet", LargeBinary, nullable=False),  # JSON of finest.dataset.packet.Packet, compressed by zlib
)
Index("ix_packets_root", packets.c.root)

merges = Table(
    "merges",
    metadata,
    Column("warc_id", ForeignKey("warcs.id"), primary_key=True),
    Column("lease", JSON, nullable=False),  # finest.dataset.merge_inputs.MergeLease
    Column("gone", JSON(none_as_null=True)),  # places of its datasets that are gone; NULL unless it is withdrawn
)
WITHDRAWN = exists().where(merges.c.warc_id == warcs.c.id, merges.c.gone.is_not(None)).correlate(warcs)
"""Condition on an item of a list: it is a merge that nobody can make any more."""

miners = Table(
    "miners",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("hotkey", String(64), nullable=False, unique=True),
    Column("last_block", BigInteger, nullable=False),  # of its last request for a lease
    Column("coldkey", String(64)),  # at its last request for a lease
)
Index("ix_miners_coldkey", miners.c.coldkey)

tasks = Table(
    "tasks",
    metadata,
    Column("id", TaskId, primary_key=True),
    Column("miner_id", ForeignKey("miners.id"), nullable=False),
    Column("crawl_id", ForeignKey("crawls.id"), nullable=False),
    Column("state", String(8), nullable=False),
    Column("slot", SmallInteger, nullable=False),  # 0 to rules.open_leases - 1
    Column("warcs", SmallInteger, nullable=False),
    Column("leased_block", BigInteger, nullable=False),
    Column("expires_block", BigInteger, nullable=False),
    Column("closed_block", BigInteger),
    Column("repo", String(64)),
    Column("revision", String(40)),
    Column("root", String(64)),
    Column("commitment", String(128)),
    Column("due_block", BigInteger),  # expires_block before any renewal
    Column("price", Float(53), nullable=False, server_default=text("1.0")),  # of the work when it was leased
    Column("seal", String(80)),  # says whether it is a canary, to whoever has the key (canaries.py)
    Column("canary", String(4)),  # good or bad, once revealed
    Column("canary_key", String(64)),
    Column("revealed_block", BigInteger),
    CheckConstraint("state IN ('leased', 'finished', 'released', 'expired')", name="state"),
    CheckConstraint("(state = 'leased') = (closed_block IS NULL)", name="closed"),
    CheckConstraint("(state = 'finished') = (commitment IS NOT NULL)", name="finished"),
)
LEASED, FINISHED = tasks.c.state == text("'leased'"), tasks.c.state == text("'finished'")
"""Conditions on the state, as literals and not as parameters: a database uses a partial index only if it can see that
the index's condition holds."""
NOT_CLOSED = tasks.c.closed_block.is_(None)
"""Same meaning as LEASED, but worded like one index alone, so that PostgreSQL uses that index for a miner's open
leases."""
Index(
    "uq_tasks_slot", tasks.c.miner_id, tasks.c.slot, unique=True, postgresql_where=NOT_CLOSED, sqlite_where=NOT_CLOSED
)
Index("ix_tasks_expiry", tasks.c.expires_block, postgresql_where=LEASED, sqlite_where=LEASED)
Index(
    "uq_tasks_commitment", tasks.c.miner_id, tasks.c.commitment,
    unique=True, postgresql_where=FINISHED, sqlite_where=FINISHED,
)  # fmt: skip
REVEALED = tasks.c.canary.is_not(None)
Index("ix_tasks_canary", tasks.c.id, postgresql_where=REVEALED, sqlite_where=REVEALED)
Index("ix_tasks_window", tasks.c.miner_id, tasks.c.leased_block)
Index("ix_tasks_miner", tasks.c.miner_id, tasks.c.id)
Index("ix_tasks_state", tasks.c.state, tasks.c.id)

claims = Table(
    "claims",
    metadata,
    Column("task_id", ForeignKey("tasks.id"), primary_key=True),
    Column("warc_id", ForeignKey("warcs.id"), primary_key=True),
    Column("miner_id", ForeignKey("miners.id"), nullable=False),
    Column("live", Boolean, nullable=False, server_default=true()),
    Column("returned", Boolean, nullable=False, server_default=false()),  # the miner released the task, or it failed
)
LIVE = text("live")
Index("uq_claims_live", claims.c.warc_id, claims.c.miner_id, unique=True, postgresql_where=LIVE, sqlite_where=LIVE)
RETURNED = text("returned")
Index("ix_claims_returned", claims.c.warc_id, claims.c.miner_id, postgresql_where=RETURNED, sqlite_where=RETURNED)

scores = Table(
    "scores",
    metadata,
    Column("task_id", ForeignKey("tasks.id"), primary_key=True),
    Column("validator", String(64), primary_key=True),  # one row for its latest score; `events` keeps the earlier ones
    Column("verdict", String(16), nullable=False),
    Column("score", Float, nullable=False),
    Column("evidence_sha256", String(64)),
    Column("note", Text, nullable=False),
    Column("block", BigInteger, nullable=False),
    Column("tokens", BigInteger),  # verified tokens
    Column("evidence", String(320)),  # OWNER/NAME@REVISION#ROOT of the published evidence
)

verdict_seals = Table(
    "verdict_seals",
    metadata,
    Column("task_id", ForeignKey("tasks.id"), primary_key=True),
    Column("validator", String(64), primary_key=True),  # its first one counts
    Column("evidence_sha256", String(64), nullable=False),
    Column("block", BigInteger, nullable=False),
)

events = Table(
    "events",
    metadata,
    Column("id", Id, primary_key=True),
    Column("block", BigInteger, nullable=False),
    Column("time_s", Float(53), nullable=False),
    Column("hotkey", String(64), nullable=False),
    Column("task_id", ForeignKey("tasks.id")),  # NULL for an import
    Column("what", String(8), nullable=False),
    Column("detail", JSON, nullable=False),
    Column("number", BigInteger),  # in the public log (event_log.py); NULL until it is numbered
    Column("head", String(64)),
)
Index("ix_events_task", events.c.task_id, events.c.id)
UNNUMBERED = text("number IS NULL")
Index("uq_events_number", events.c.number, unique=True)
Index("ix_events_unnumbered", events.c.id, postgresql_where=UNNUMBERED, sqlite_where=UNNUMBERED)

recipes = Table(
    "recipes",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", String(64), nullable=False),
    Column("recipe_hash", String(64), nullable=False),
    Column("source", String(160), nullable=False),  # REPO@REVISION, or a shipped recipe's name
    Column("language", String(16), nullable=False),
    Column("since_block", BigInteger),  # from which it is the reference; NULL if only work that names it asks for it
)

# Unlogged on PostgreSQL: a crash of the database loses the nonces of the last seconds, which no answer depends on.
nonces = Table(
    "nonces",
    metadata,
    Column("hotkey", String(64), primary_key=True),
    Column("nonce_ns", BigInteger, primary_key=True, autoincrement=False),
    Column("seen_s", Float(53), nullable=False),
)
Index("ix_nonces_seen", nonces.c.seen_s)
