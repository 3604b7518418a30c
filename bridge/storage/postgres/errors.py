"""Translation of the database driver's errors into the product's own: it happens here alone."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import asyncpg
from sqlalchemy.exc import DBAPIError, InvalidRequestError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from bridge.domain.errors import Unavailable
from bridge.storage.postgres.url import SETTING, PostgresUrl

UNIQUE_VIOLATION: Final = "23505"
CHECK_VIOLATION: Final = "23514"
_PASSING: Final = ("08", "40", "53", "55", "57", "58", "25006", "25P03", "25P04")
"""Prefixes of SQLSTATE of errors that may be gone at the next attempt: connection, rollback, resources, locks,
operator, system, transaction state (a standby that only reads, a time-out while idle)."""

_DRIVERS: Final = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)


@contextmanager
def translated(url: PostgresUrl) -> Iterator[None]:
    """Run a block that talks to Postgres. Raises Unavailable if Postgres can't serve now; other errors pass.

    The message names the server and what to check, never the password.
    """
    try:
        yield
    except PoolTimeout as error:
        raise Unavailable(f"All connections to Postgres at {url.where} are busy; try again shortly") from error
    except (DBAPIError, *_DRIVERS) as error:
        line = _line(error.orig if isinstance(error, DBAPIError) else error, url)
        if line is None:
            raise
        raise Unavailable(line) from error
    except InvalidRequestError as error:
        # SQLAlchemy raises this for a connection that died between two statements of a transaction.
        if "invalid transaction" not in str(error):
            raise
        raise Unavailable(f"The connection to Postgres at {url.where} was lost") from error


def sqlstate(error: BaseException | None) -> str:
    """Return the SQLSTATE of an error of the driver or of SQLAlchemy, empty if it has none."""
    if isinstance(error, DBAPIError):
        error = error.orig
    return str(getattr(error, "sqlstate", None) or "")


def _line(error: BaseException | None, url: PostgresUrl) -> str | None:
    state = sqlstate(error)
    # SQLAlchemy wraps a driver's error, and names it as the cause.
    wrapped = not isinstance(error, _DRIVERS)
    cause = error.__cause__ if error is not None and wrapped and error.__cause__ is not None else error
    if state.startswith("28"):
        return (
            f"Postgres at {url.where} does not let user {url.user!r} in: "
            f"check user and password in {SETTING}, and the server's pg_hba.conf"
        )
    if state == "3D000":
        return f"Postgres at {url.where} has no database {url.database!r}: create it, or correct {SETTING}"
    if state in {"42P01", "42703", "42883"}:
        return f"Database {url.database!r} of Postgres at {url.where} has another schema: run `bridge migrate`"
    if state == "42501":
        return f"User {url.user!r} of Postgres at {url.where} lacks a privilege: {cause}"
    if state.startswith(_PASSING):
        return f"Postgres at {url.where} can't do this now: {cause}"
    if state:
        return None
    if isinstance(cause, TimeoutError):
        return f"Postgres at {url.where} does not answer in time: is it overloaded, stopped or behind a firewall?"
    if isinstance(cause, OSError):
        return f"Postgres at {url.where} can't be reached ({_short(cause)}): is it running, and is {SETTING} right?"
    if isinstance(cause, asyncpg.ClientConfigurationError):
        return f"{SETTING} has a part that can't be understood ({cause})"
    if isinstance(cause, ValueError):
        return None
    # A server that ends a connection between two statements makes asyncpg raise InterfaceError ("another operation is
    # in progress"), which would mislead an operator.
    return f"The connection to Postgres at {url.where} was lost"


def _short(error: OSError) -> str:
    return error.strerror or str(error) or type(error).__name__
