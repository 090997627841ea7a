"""The tables of a journal, as they are in the newest schema."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Integer, LargeBinary, MetaData, Table, Text

VERSION_TABLE = "journal_version"
"""Where the version of the schema is recorded."""

METADATA = MetaData()

# SQLite numbers its rows itself where the key is of this type: no second index is needed.
_BIG = BigInteger().with_variant(Integer, "sqlite")

RECORDS = Table(
    "journal",
    METADATA,
    Column("sequence", _BIG, primary_key=True, autoincrement=False),
    Column("micros", BigInteger, nullable=False),
    Column("session", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("payload", LargeBinary, nullable=False),
    Column("previous", LargeBinary, nullable=False),
    Column("own", LargeBinary, nullable=False),
)

HEADS = Table(
    "journal_head",
    METADATA,
    Column("number", _BIG, primary_key=True, autoincrement=True),
    Column("sequence", BigInteger, nullable=False),
    Column("own", LargeBinary, nullable=False),
    Column("micros", BigInteger, nullable=False),
    Column("public", LargeBinary, nullable=False),
    Column("signature", LargeBinary, nullable=False),
)

LEASES = Table(
    "journal_lease",
    METADATA,
    Column("name", Text, primary_key=True),
    Column("owner", Text, nullable=False),
    Column("token", BigInteger, nullable=False),
    Column("expires", BigInteger, nullable=False),
)

SNAPSHOTS = Table(
    "journal_snapshot",
    METADATA,
    Column("sequence", _BIG, primary_key=True, autoincrement=False),
    Column("fold_version", Text, primary_key=True),
    Column("own", LargeBinary, nullable=False),
    Column("checksum", LargeBinary, nullable=False),
    Column("data", LargeBinary, nullable=False),
)
