"""Every operation with every kind of API key: the status follows from the operation table alone.

`?nonsense=1` is refused after all that is about keys, and before anything is done: 422 says that a key was let through.
"""

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import pytest
from aiohttp.test_utils import TestClient
from sqlalchemy import update

from bridge.api import server, table
from bridge.api.http.operations import Operation
from bridge.api.openapi import problem_responses
from bridge.domain.access.principal import Scope
from bridge.domain.admission.grant import RoomOwner
from bridge.sandbox.postgres import Postgres
from bridge.storage.postgres.database import Database
from bridge.storage.postgres.tables.provisioning import accounts
from bridge.usecases.access.ports import OWNED
from tests.api.conftest import DOCUMENT, NOBODY, OPERATOR_KEY, Answer, Api, Served, World, fresh, services
from tests.api.fake_freshness import FakeFreshness
from tests.api.fake_live_rooms import FakeLiveRooms, conference_of_one
from tests.api.owned_resources import NOW, PAST, Holdings
from tests.storage.statements import counted

OPERATIONS: Final = pytest.mark.parametrize("operation", table.OPERATIONS, ids=lambda one: one.name)
REACH: Final = (Scope.SUB_ACCOUNT, Scope.ACCOUNT, Scope.OPERATOR)
WHOLE_ACCOUNTS: Final = frozenset({"account_id", "access_number_id", "webhook_id", "delivery_id"})
READ_BELOW: Final = frozenset({"access_number_id"})


@dataclass(frozen=True)
class Key:
    """A kind of key, and what it is to `mine`: good or not, its scope, whether it is the account's or sub-account's."""

    text: str
    scope: Scope | None
    read_only: bool = False
    of_account: bool = True
    of_sub_account: bool = True


@dataclass
class Town:
    """An account with two neighbours in it, and one next door, with a key of every kind."""

    api: Api
    database: Database
    mine: Holdings
    neighbour: Holdings
    other: Holdings
    keys: dict[str, Key]

    def ids_of_others(self) -> set[str]:
        return set(self.other.ids.values())


@pytest.fixture(scope="module")
async def town(migrated: Postgres) -> AsyncIterator[Town]:
    async with Database(await fresh(migrated)) as database:
        mine = await Holdings(database, 1).fill()
        neighbour = await Holdings(database, 2).fill(UUID(mine.ids["account_id"]))
        other = await Holdings(database, 3).fill()
        closed = await Holdings(database, 4).fill()
        directory, rooms = FakeFreshness(), FakeLiveRooms()
        for each in (mine, neighbour, other):
            room = each.ids["room_id"]
            directory.owners[room] = RoomOwner(each.ids["account_id"], each.ids["sub_account_id"])
            rooms.conferences.append(conference_of_one(room, NOW))
        keys = await _keys(mine, neighbour, other, closed)
        async with database.transaction() as connection:
            gone = update(accounts).where(accounts.c.id == UUID(closed.ids["account_id"]))
            await connection.execute(gone.values(state="closed"))
        served = services(World(database), directory, rooms)
        async with TestClient(Served(server.application(served))) as client:
            yield Town(Api(client), database, mine, neighbour, other, keys)


async def _keys(mine: Holdings, neighbour: Holdings, other: Holdings, closed: Holdings) -> dict[str, Key]:
    def whole(holdings: Holdings) -> dict[str, UUID]:
        return {"account_id": UUID(holdings.ids["account_id"])}

    def part(holdings: Holdings) -> dict[str, UUID]:
        return {**whole(holdings), "sub_account_id": UUID(holdings.ids["sub_account_id"])}

    mine_key = mine.ids["key_id"]
    keys = {
        "none": Key("", None),
        "unknown": Key("bk_" + "A" * 43, None),
        "revoked": Key(await mine.key("account", **whole(mine), revoked_at=PAST), None),
        "expired": Key(await mine.key("operator", expires_at=PAST), None),
        "closed": Key(await closed.key("account", **whole(closed)), None),
        "operator": Key(OPERATOR_KEY, Scope.OPERATOR),
    }
    for read_only in (False, True):
        for name, scope, holdings, of_account, of_sub_account in (
            ("operator of the table", Scope.OPERATOR, mine, True, True),
            ("account", Scope.ACCOUNT, mine, True, True),
            ("sub-account", Scope.SUB_ACCOUNT, mine, True, True),
            ("neighbour", Scope.SUB_ACCOUNT, neighbour, True, False),
            ("other account", Scope.ACCOUNT, other, False, False),
            ("other sub-account", Scope.SUB_ACCOUNT, other, False, False),
        ):
            owner = {Scope.OPERATOR: {}, Scope.ACCOUNT: whole(holdings), Scope.SUB_ACCOUNT: part(holdings)}[scope]
            text = await holdings.key(scope.value, **owner, read_only=read_only)
            keys[name + " (reads)" * read_only] = Key(text, scope, read_only, of_account, of_sub_account)
    mine.ids["key_id"] = mine_key
    return keys


def expected(operation: Operation, key: Key) -> int:
    """Return the status that this kind of key gets, for resources that belong to `mine`."""
    if key.scope is None:
        return 401
    if REACH.index(key.scope) < REACH.index(operation.scope) or (key.read_only and operation.method != "GET"):
        return 403
    return 422 if all(sees(key, kind, operation.method == "GET") for kind in kinds(operation)) else 404


def sees(key: Key, kind: str, reading: bool) -> bool:
    match key.scope:
        case Scope.OPERATOR:
            return True
        case Scope.ACCOUNT:
            return key.of_account
        case _ if kind in WHOLE_ACCOUNTS:
            return key.of_account and reading and kind in READ_BELOW
        case _:
            return key.of_sub_account


def kinds(operation: Operation) -> list[str]:
    return re.findall(r"{(\w+)}", operation.path)


async def ask(town: Town, operation: Operation, key: Key, ids: dict[str, str], **given: Any) -> Answer:
    path = re.sub(r"{(\w+)}", lambda kind: ids.get(kind[1], NOBODY), operation.path)
    # Where a body is wanted at all, an empty one gets as far as any other.
    body = {} if operation.body is not None else None
    return await town.api.with_key(key.text)(operation.method, path, given.pop("body", body), **given)


def test_whose_every_path_is_can_be_looked_up() -> None:
    """An operation that tenants may ask for names nothing whose owner is not known."""
    unknown = {(one.name, kind) for one in table.OPERATIONS for kind in kinds(one) if kind not in OWNED}
    assert {name for name, _ in unknown} <= {one.name for one in table.OPERATIONS if one.scope is Scope.OPERATOR}


def test_every_narrow_refusal_is_documented() -> None:
    for operation in table.OPERATIONS:
        told = DOCUMENT["paths"][operation.path][operation.method.lower()]["responses"]
        assert {str(status) for status in problem_responses.statuses(operation)} <= told.keys()


@OPERATIONS
async def test_keys_reach_as_far_as_the_table_says(town: Town, operation: Operation) -> None:
    for name, key in town.keys.items():
        answer = await ask(town, operation, key, town.mine.ids, params={"nonsense": "1"})
        assert answer.status == expected(operation, key), (name, answer)


OWNING: Final = [one for one in table.OPERATIONS if set(kinds(one)) & OWNED]


@pytest.mark.parametrize("operation", OWNING, ids=lambda one: one.name)
async def test_what_is_not_there_is_not_there_for_anybody(town: Town, operation: Operation) -> None:
    for name, key in town.keys.items():
        answer = await ask(town, operation, key, {}, params={"nonsense": "1"})
        wanted = expected(operation, key)
        assert answer.status == (404 if wanted == 422 else wanted), (name, answer)


@pytest.mark.parametrize("operation", OWNING, ids=lambda one: one.name)
async def test_what_is_not_yours_cannot_be_told_from_what_is_not_there(town: Town, operation: Operation) -> None:
    """Neither by the answer nor by the work it takes: the same statements go to Postgres."""
    for name, key in town.keys.items():
        if expected(operation, key) != 404:
            continue
        with counted(town.database) as for_theirs:
            theirs = await ask(town, operation, key, town.mine.ids)
        with counted(town.database) as for_nobodys:
            nobodys = await ask(town, operation, key, {})
        assert (theirs.status, theirs.body) == (nobodys.status, nobodys.body) == (404, theirs.body), name
        assert for_theirs == for_nobodys
        assert {k: v for k, v in theirs.headers.items() if k != "Date"} == {
            k: v for k, v in nobodys.headers.items() if k != "Date"
        }


def _required(operation: Operation) -> dict[str, str]:
    fields = operation.query.model_fields if operation.query else {}
    return {field.alias or name: str(field.examples[0]) for name, field in fields.items() if field.examples}


READS: Final = [one for one in table.OPERATIONS if one.method == "GET"]


@pytest.mark.parametrize("operation", READS, ids=lambda one: one.name)
async def test_reading_shows_nothing_of_others(town: Town, operation: Operation) -> None:
    """And everything of one's own that a list is of."""
    for name, key in town.keys.items():
        if key.scope is None or not key.of_account or expected(operation, key) != 422:
            continue
        query = _required(operation)
        if key.scope is Scope.OPERATOR and operation.query and "account_id" in operation.query.model_fields:
            query["account_id"] = town.mine.ids["account_id"]
        answer = await ask(town, operation, key, town.mine.ids, params=query)
        assert answer.status == 200, (name, answer)
        if key.scope is not Scope.OPERATOR:
            assert not [one for one in town.ids_of_others() if one in str(answer.body)], name
        if key.scope is Scope.SUB_ACCOUNT:
            shown = town.neighbour if key.of_sub_account else town.mine
            theirs = {one for kind, one in shown.ids.items() if kind not in WHOLE_ACCOUNTS}
            assert not [one for one in theirs if one in str(answer.body)], name


NAMED: Final = [
    (one, name, where)
    for one in table.OPERATIONS
    if one.scope is not Scope.OPERATOR
    for where, model in (("query", one.query), ("body", one.body))
    if model is not None
    for name in model.model_fields
    if name in OWNED
]


@pytest.mark.parametrize(("operation", "field", "where"), NAMED, ids=lambda part: getattr(part, "name", part))
async def test_ids_in_queries_and_bodies_are_no_way_around(
    town: Town, operation: Operation, field: str, where: str
) -> None:
    """Bodies are made of the fields' examples: those that are required want some."""
    for name, key in town.keys.items():
        if key.scope in (None, Scope.OPERATOR) or not key.of_account or expected(operation, key) != 422:
            continue
        answers = []
        for named in (town.other.ids[field], NOBODY):
            query, body = _required(operation), None
            if where == "query":
                query[field] = named
            if operation.body is not None:
                fields = operation.body.model_fields.items()
                body = {n: f.examples[0] for n, f in fields if f.examples}
                body |= {n: town.mine.ids[n] for n, f in fields if f.is_required() and n in OWNED}
                body |= {field: named} if where == "body" else {}
            answers.append(await ask(town, operation, key, town.mine.ids, params=query, body=body))
        theirs, nobodys = answers
        assert (theirs.status, theirs.body) == (404, nobodys.body), (name, answers)
