"""Columns and types that many tables share, and the metadata that all tables belong to.

Times are timestamptz in UTC with microseconds, durations bigint in microseconds, amounts NUMERIC(18,6).
"""

from typing import Any, Final

from sqlalchemy import ARRAY, BigInteger, Boolean, Column, DateTime, MetaData, Numeric, Text, Uuid, false, func
from sqlalchemy.dialects.postgresql import JSONB

metadata: Final = MetaData(
    naming_convention={
        "pk": "%(table_name)s_pkey",
        "uq": "%(table_name)s_%(column_0_N_name)s_key",
        "ix": "%(table_name)s_%(column_0_N_name)s_idx",
        "fk": "%(table_name)s_%(column_0_N_name)s_fkey",
        "ck": "%(table_name)s_%(constraint_name)s_check",
    }
)
MONEY: Final = Numeric(18, 6)
TIME: Final = DateTime(timezone=True)


def primary_id() -> Column[object]:
    return Column("id", Uuid, primary_key=True)


def created_at() -> Column[object]:
    return Column("created_at", TIME, nullable=False, server_default=func.clock_timestamp())


def text(name: str) -> Column[object]:
    return Column(name, Text, nullable=False)


def time(name: str, nullable: bool = False) -> Column[object]:
    return Column(name, TIME, nullable=nullable)


def count(name: str) -> Column[object]:
    return Column(name, BigInteger, nullable=False)


def text_or_empty(name: str) -> Column[object]:
    return Column(name, Text, nullable=False, server_default="")


def texts(name: str) -> Column[object]:
    return Column(name, ARRAY(Text), nullable=False)


def flag(name: str) -> Column[object]:
    return Column(name, Boolean, nullable=False, server_default=false())


def labels() -> Column[object]:
    return Column("labels", JSONB, nullable=False, server_default="{}")


def version() -> list[Column[Any]]:
    """Counts changes, so that nobody overwrites what they have not seen."""
    return [
        Column("version", BigInteger, nullable=False, server_default="1"),
        Column("updated_at", TIME, nullable=False, server_default=func.clock_timestamp()),
    ]
