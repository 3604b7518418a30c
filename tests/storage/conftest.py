"""A real Postgres for the session, migrated by Alembic, and a new empty copy of that database for each test."""

import itertools
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bridge.domain.metering.records import Identity, OpenStay, microseconds
from bridge.domain.provisioning.changes import AccountFields, SubAccountFields
from bridge.domain.provisioning.tenants import Account, SubAccount
from bridge.sandbox import postgres
from bridge.sandbox.postgres import Postgres
from bridge.storage import keys
from bridge.storage.billing.tariffs import PostgresTariffs
from bridge.storage.postgres import migration
from bridge.storage.postgres.database import Database
from bridge.storage.provisioning.tenants import PostgresTenants
from bridge.usecases.provisioning import provision
from bridge.usecases.provisioning.ports import Keys

TEMPLATE = "template_of_tests"
NOVEMBER = datetime(2026, 11, 20, 10, 0, 0, 123456, tzinfo=UTC)
_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    """A Postgres that is up."""
    here = postgres.at(tmp_path_factory.mktemp("postgres"))
    try:
        here.start()
        yield here
    finally:
        here.kill()
        here.remove()


@pytest.fixture(scope="session")
async def migrated(server: Postgres) -> Postgres:
    """A Postgres with a migrated database to copy from."""
    await migration.migrate(server.create(TEMPLATE))
    return server


@pytest.fixture
async def url(migrated: Postgres) -> str:
    """A new database with the schema."""
    return await fresh(migrated)


async def fresh(migrated: Postgres) -> str:
    """The URL of one more database with the schema."""
    name = f"test_{next(_numbers)}"
    async with Database(migrated.url, pool=0) as database, database.connection("tests") as connection:
        await connection.execute(f"CREATE DATABASE {name} TEMPLATE {TEMPLATE}")
    return migrated.url_of(name)


@pytest.fixture
async def database(url: str) -> AsyncIterator[Database]:
    async with Database(url) as database:
        yield database


@pytest.fixture
def tenants(database: Database) -> PostgresTenants:
    return PostgresTenants(database)


@pytest.fixture(scope="session")
def secrets() -> Keys:
    return keys.derive("5eed" * 16)


@pytest.fixture
async def account(tenants: PostgresTenants) -> Account:
    return await provision.create_account(tenants, AccountFields("Hale & Partner", "EUR", "Europe/Berlin"))


@pytest.fixture
async def sub_account(tenants: PostgresTenants, secrets: Keys, account: Account) -> SubAccount:
    return await provision.create_sub_account(tenants, secrets, account.id, SubAccountFields("1001", "Ada Hale"))


@pytest.fixture
def state_dir(tmp_path: Path) -> Path:
    return tmp_path


def stay_of(owner: SubAccount, uniqueid: str = "node1-1.1", at: datetime = NOVEMBER) -> OpenStay:
    """Somebody who has just joined the sub-account's room."""
    room = owner.rooms[0]
    return OpenStay(
        Identity("node1", uniqueid, "b-1", microseconds(at)),
        "node1-0.0",
        str(room.id),
        str(owner.account_id),
        str(owner.id),
        str(room.passcodes[0].id),
        "guest",
        "",
        f"PJSIP/trunk-{uniqueid}",
        "4930123456",
        "18005550100",
    )


@pytest.fixture
def tariffs(database: Database) -> PostgresTariffs:
    """Tariff versions in the test's own database."""
    return PostgresTariffs(database)
