"""The database of a task server. Nothing in it is ever deleted but nonces; `events` says who did what, when.

    crawls --< warcs --< claims >-- tasks >-- miners
                                     └--< scores       events, nonces, rules

A WARC is open while it has fewer claims than the redundancy asks for; the claims of a task that expired or was released
are dead and count no more. migrations/ holds the same tables step by step; a test compares them.
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
    MetaData,
    SmallInteger,
    String,
    Table,
    Text,
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
"""SQLite numbers rows by itself only where the key is an INTEGER."""
TaskId = String(32)
"""UUIDv7, 32 hex digits: the ids of tasks sort by their age."""

rules = Table(
    "rules",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("redundancy", SmallInteger, nullable=False),  # for which warcs.open was computed
    CheckConstraint("id = 1", name="one_row"),
)

crawls = Table(
    "crawls",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", String(64), nullable=False, unique=True),
    Column("warcs", Integer, nullable=False, server_default=text("0")),
)

warcs = Table(
    "warcs",
    metadata,
    Column("id", Id, primary_key=True),  # in path order within a crawl
    Column("crawl_id", ForeignKey("crawls.id"), nullable=False),
    Column("path", Text, nullable=False, unique=True),
    Column("claims", SmallInteger, nullable=False, server_default=text("0")),
    Column("open", Boolean, nullable=False, server_default=true()),
    CheckConstraint("claims >= 0", name="claims"),
)
OPEN = text("open")
"""In this one spelling everywhere: to SQLite `open = 1` is another condition, and the index below of no use."""
Index("ix_warcs_open", warcs.c.crawl_id, warcs.c.id, postgresql_where=OPEN, sqlite_where=OPEN)

miners = Table(
    "miners",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("hotkey", String(64), nullable=False, unique=True),
    Column("last_block", BigInteger, nullable=False),  # of its last request for a lease
)

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
    CheckConstraint("state IN ('leased', 'finished', 'released', 'expired')", name="state"),
    CheckConstraint("(state = 'leased') = (closed_block IS NULL)", name="closed"),
    CheckConstraint("(state = 'finished') = (commitment IS NOT NULL)", name="finished"),
)
LEASED, FINISHED = tasks.c.state == text("'leased'"), tasks.c.state == text("'finished'")
"""Said in words, not as parameters: a partial index is used only where its condition is seen to hold."""
HELD = tasks.c.closed_block.is_(None)
"""LEASED in other words, those of a single index, so that PostgreSQL looks for a miner's open leases nowhere else."""
Index("uq_tasks_slot", tasks.c.miner_id, tasks.c.slot, unique=True, postgresql_where=HELD, sqlite_where=HELD)
Index("ix_tasks_expiry", tasks.c.expires_block, postgresql_where=LEASED, sqlite_where=LEASED)
Index(
    "uq_tasks_commitment", tasks.c.miner_id, tasks.c.commitment,
    unique=True, postgresql_where=FINISHED, sqlite_where=FINISHED,
)  # fmt: skip
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
    Column("returned", Boolean, nullable=False, server_default=false()),  # the miner gave the task back
)
LIVE = text("live")
Index("uq_claims_live", claims.c.warc_id, claims.c.miner_id, unique=True, postgresql_where=LIVE, sqlite_where=LIVE)
RETURNED = text("returned")
Index("ix_claims_returned", claims.c.warc_id, claims.c.miner_id, postgresql_where=RETURNED, sqlite_where=RETURNED)

scores = Table(
    "scores",
    metadata,
    Column("task_id", ForeignKey("tasks.id"), primary_key=True),
    Column("validator", String(64), primary_key=True),  # its last word; `events` has those before
    Column("verdict", String(16), nullable=False),
    Column("score", Float, nullable=False),
    Column("evidence_sha256", String(64)),
    Column("note", Text, nullable=False),
    Column("block", BigInteger, nullable=False),
)

events = Table(
    "events",
    metadata,
    Column("id", Id, primary_key=True),
    Column("block", BigInteger, nullable=False),
    Column("time_s", Float(53), nullable=False),
    Column("hotkey", String(64), nullable=False),
    Column("task_id", ForeignKey("tasks.id"), nullable=False),
    Column("what", String(8), nullable=False),
    Column("detail", JSON, nullable=False),
)
Index("ix_events_task", events.c.task_id, events.c.id)

# Unlogged on PostgreSQL: a crash of the database forgets the nonces of the last seconds, which no answer depends on.
nonces = Table(
    "nonces",
    metadata,
    Column("hotkey", String(64), primary_key=True),
    Column("nonce_ns", BigInteger, primary_key=True, autoincrement=False),
    Column("seen_s", Float(53), nullable=False),
)
Index("ix_nonces_seen", nonces.c.seen_s)
