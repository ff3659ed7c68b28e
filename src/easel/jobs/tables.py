"""The tables of the queue, the same on SQLite and PostgreSQL. Another layout is another number.

Tables and indexes that a database does not have yet are made when it is opened, and so need no other number.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Float, ForeignKey, Index, Integer, MetaData, String, Table, Text

LAYOUT = 1

metadata = MetaData()

layout = Table("easel_layout", metadata, Column("number", Integer, primary_key=True))

# number: order of submission. rank: order among the waiting jobs of one user and priority.
jobs = Table(
    "jobs",
    metadata,
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("id", String, nullable=False, unique=True),
    Column("user", String, nullable=False),
    Column("state", String, nullable=False),
    Column("priority", Integer, nullable=False),
    Column("rank", BigInteger, nullable=False),
    Column("created", Float(53), nullable=False),
    Column("started", Float(53)),
    Column("ended", Float(53)),
    Column("attempts", Integer, nullable=False),
    Column("worker", String),
    Column("error", Text),
    Column("progress", Text),
    Column("stem", String, nullable=False, unique=True),
    Index("jobs_waiting", "state", "priority", "user", "rank"),
    Index("jobs_of_users", "user", "number"),
    Index("jobs_of_states", "state", "number"),
    Index("jobs_ended", "ended"),
)

# Apart from jobs, for a request may carry pictures and a changed row is written whole.
requests = Table(
    "requests",
    metadata,
    Column("job", BigInteger, ForeignKey("jobs.number", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("body", Text, nullable=False),
    Column("words", Text, nullable=False),
)

pictures = Table(
    "pictures",
    metadata,
    Column("job", BigInteger, ForeignKey("jobs.number", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("place", Integer, primary_key=True, autoincrement=False),
    Column("file", String, nullable=False, unique=True),
    Column("seed", BigInteger, nullable=False),
    Column("infotext", Text, nullable=False),
    Column("width", Integer, nullable=False),
    Column("height", Integer, nullable=False),
    Column("bytes", BigInteger, nullable=False),
)

# When each user last had a turn, at each priority: a count, not a time.
turns = Table(
    "turns",
    metadata,
    Column("user", String, primary_key=True),
    Column("priority", Integer, primary_key=True, autoincrement=False),
    Column("last", BigInteger, nullable=False),
)

# Who runs jobs, and a count that grows as long as they live.
workers = Table(
    "workers",
    metadata,
    Column("name", String, primary_key=True),
    Column("beats", BigInteger, nullable=False),
)

# Pictures that someone likes: they and their jobs are never pruned.
favourites = Table(
    "favourites",
    metadata,
    Column("job", BigInteger, ForeignKey("jobs.number", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("place", Integer, primary_key=True, autoincrement=False),
)

# What jobs were asked, and under which circumstances, as a digest: where two are alike, their pictures are.
repeats = Table(
    "repeats",
    metadata,
    Column("job", BigInteger, ForeignKey("jobs.number", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("digest", String, nullable=False),
    Index("repeats_alike", "digest", "job"),
)

# What the files of forgotten jobs are named by, until they are gone too.
leavings = Table("leavings", metadata, Column("stem", String, primary_key=True))

# What users have set, as JSON. realm: whose words they are; each door has its own.
options = Table(
    "options",
    metadata,
    Column("user", String, primary_key=True),
    Column("realm", String, primary_key=True),
    Column("name", String, primary_key=True),
    Column("value", Text, nullable=False),
)
