"""Webhooks and the log of their deliveries."""

from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID, uuid4

from sqlalchemy import Select, Update, delete, exists, func, insert, select, tuple_, update
from sqlalchemy.engine import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from bridge.domain.access.principal import Owner
from bridge.domain.errors import Conflict, NotFound, Stale
from bridge.domain.provisioning import quotas
from bridge.domain.provisioning.quotas import Quota
from bridge.domain.webhooks import payload
from bridge.domain.webhooks.event import MOST, Delivery, DeliveryState, Event, EventKind, Webhook, WebhookState
from bridge.storage.access import audit_log
from bridge.storage.postgres import locks
from bridge.storage.postgres.database import Database
from bridge.storage.postgres.keyset import page
from bridge.storage.postgres.tables.provisioning import accounts
from bridge.storage.postgres.tables.webhooks import webhook_deliveries, webhooks
from bridge.usecases.webhooks.ports import WebhookUpdate

_HOOK: Final = webhooks.c
_WAY: Final = webhook_deliveries.c
_COLUMNS: Final = tuple(column for column in webhooks.columns if column.name not in {"secret", "updated_at"})


class PostgresWebhooks:
    """Implements webhook_ports.Webhooks."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(
        self, account_id: UUID | None, url: str, events: tuple[str, ...], label: str, secret: bytes
    ) -> Webhook:
        values = {
            "id": uuid4(),
            "account_id": account_id,
            "url": url,
            "events": list(events),
            "label": label,
            "secret": secret,
        }
        async with self._database.transaction() as connection:
            await locks.lock_webhook_count(connection)
            await _check_quota(connection, account_id)
            row = (await connection.execute(insert(webhooks).values(values).returning(*_COLUMNS))).mappings().one()
            made = _webhook(row)
            await _note(connection, "webhook.created", made, events=list(events))
        return made

    async def webhook(self, webhook_id: UUID) -> Webhook:
        async with self._database.transaction() as connection:
            return _webhook(await _one(connection, select(*_COLUMNS).where(_HOOK.id == webhook_id)))

    async def webhooks(self, account_id: UUID | None, limit: int, after: UUID | None = None) -> list[Webhook]:
        statement = select(*_COLUMNS)
        if account_id is not None:
            statement = statement.where(_HOOK.account_id == account_id)
        async with self._database.transaction() as connection:
            rows = await connection.execute(page(statement, webhooks, limit, after))
            return [_webhook(row) for row in rows.mappings()]

    async def change(self, webhook_id: UUID, changes: WebhookUpdate, expected: int | None = None) -> Webhook:
        values: dict[str, Any] = {
            "url": changes.url,
            "events": None if changes.events is None else list(changes.events),
            "label": changes.label,
            "state": changes.state,
        }
        given = {name: value for name, value in values.items() if value is not None}
        async with self._database.transaction() as connection:
            changed = _webhook(await _changed(connection, webhook_id, expected, given))
            if {"url", "state"} & given.keys():
                # A new URL or state may have repaired the receiver: pending deliveries are tried at once.
                await connection.execute(_wake(webhook_id))
            # A URL may have a secret in its path or query.
            harmless = {name: value for name, value in given.items() if name != "url"}
            await _note(connection, "webhook.updated", changed, fields=sorted(given), **harmless)
        return changed

    async def remove(self, webhook_id: UUID, expected: int | None = None) -> None:
        async with self._database.transaction() as connection:
            found = _webhook(await _one(connection, select(*_COLUMNS).where(_HOOK.id == webhook_id)))
            # Deliveries go first: whoever emits events waits for the row of the webhook alone, and only from here on.
            await connection.execute(delete(webhook_deliveries).where(_WAY.webhook_id == webhook_id))
            gone = await connection.execute(_versioned(delete(webhooks), webhook_id, expected).returning(_HOOK.id))
            if gone.first() is None:
                raise Stale("the webhook was changed since it was read: read it again")
            await _note(connection, "webhook.deleted", found)

    async def secret(self, webhook_id: UUID) -> bytes:
        async with self._database.transaction() as connection:
            return bytes((await _one(connection, select(_HOOK.secret).where(_HOOK.id == webhook_id)))["secret"])

    async def change_secret(self, webhook_id: UUID, secret: bytes, expected: int | None = None) -> Webhook:
        async with self._database.transaction() as connection:
            changed = _webhook(await _changed(connection, webhook_id, expected, {"secret": secret}))
            await _note(connection, "webhook.secret_rotated", changed)
        return changed

    async def secrets(self, limit: int, after: UUID | None = None) -> list[tuple[UUID, bytes]]:
        statement = select(_HOOK.id, _HOOK.secret).order_by(_HOOK.id).limit(limit)
        if after is not None:
            statement = statement.where(_HOOK.id > after)
        async with self._database.transaction() as connection:
            return [(row.id, bytes(row.secret)) for row in await connection.execute(statement)]

    async def seal_anew(self, webhook_id: UUID, before: bytes, secret: bytes) -> None:
        same = update(webhooks).where(_HOOK.id == webhook_id, _HOOK.secret == before)
        async with self._database.transaction() as connection:
            await connection.execute(same.values(secret=secret))

    # --- Deliveries -----------------------------------------------------------------------------------------------
    async def ping(self, webhook_id: UUID) -> Delivery:
        async with self._database.transaction() as connection:
            found = _webhook(await _one(connection, select(*_COLUMNS).where(_HOOK.id == webhook_id)))
            if found.state is WebhookState.PAUSED:
                raise Conflict("the webhook is paused: make it active first")
            about = {"webhook_id": str(found.id), "label": found.label}
            event = Event(uuid4(), EventKind.PING, datetime.now(UTC), found.account_id, f"ping {found.id}", about)
            values = {
                "webhook_id": webhook_id,
                "event_id": event.id,
                "event": event.kind.value,
                "lane": event.lane,
                "payload": payload.payload(event),
            }
            made = await _added(connection, values)
            await _note(connection, "webhook.tested", found)
        return made

    async def deliveries(
        self,
        webhook_id: UUID,
        state: DeliveryState | None,
        event: str | None,
        limit: int,
        after: UUID | None = None,
    ) -> list[Delivery]:
        statement = select(webhook_deliveries).where(_WAY.webhook_id == webhook_id)
        if state is not None:
            statement = statement.where(_WAY.state == state)
        if event is not None:
            statement = statement.where(_WAY.event == event)
        order = tuple_(_WAY.created_at, _WAY.id)
        if after is not None:
            other = webhook_deliveries.alias()
            place = select(other.c.created_at, other.c.id).where(other.c.id == after).scalar_subquery()
            statement = statement.where(order < place)
        statement = statement.order_by(_WAY.created_at.desc(), _WAY.id.desc()).limit(limit)
        async with self._database.transaction() as connection:
            await _one(connection, select(_HOOK.id).where(_HOOK.id == webhook_id))
            return [_delivery(row) for row in (await connection.execute(statement)).mappings()]

    async def delivery(self, delivery_id: UUID) -> Delivery:
        async with self._database.transaction() as connection:
            return _delivery(await _one(connection, select(webhook_deliveries).where(_WAY.id == delivery_id)))

    async def redeliver(self, delivery_id: UUID) -> Delivery:
        names = ("webhook_id", "event_id", "event", "lane", "payload")
        async with self._database.transaction() as connection:
            found = await _one(connection, select(webhook_deliveries).where(_WAY.id == delivery_id).with_for_update())
            hook = _webhook(await _one(connection, select(*_COLUMNS).where(_HOOK.id == found["webhook_id"])))
            waits = _WAY.webhook_id == hook.id, _WAY.event_id == found["event_id"], _WAY.state == "pending"
            if await connection.scalar(select(exists().where(*waits))):
                raise Conflict("this event is on its way to the webhook already")
            made = await _added(connection, {name: found[name] for name in names})
            await _note(connection, "webhook.redelivered", hook, event=found["event"], event_id=str(found["event_id"]))
        return made


async def _check_quota(connection: AsyncConnection, account_id: UUID | None) -> None:
    """Check that one more webhook may be added. Needs `locks.lock_webhook_count`. Raises Conflict, NotFound."""
    same = _HOOK.account_id.is_(None) if account_id is None else _HOOK.account_id == account_id
    used = (await connection.execute(select(func.count()).select_from(webhooks).where(same))).scalar_one() + 1
    if account_id is None:
        if used > MOST:
            raise Conflict(f"the operator has {MOST} webhooks already, as many as there may be: delete one first")
        return
    account = (
        await connection.execute(select(accounts.c.max_webhooks).where(accounts.c.id == account_id))
    ).one_or_none()
    if account is None:
        raise NotFound("there is no such account")
    quotas.check(Quota.WEBHOOKS, account.max_webhooks, used)


async def _one(connection: AsyncConnection, statement: Select[Any]) -> RowMapping:
    row: RowMapping | None = (await connection.execute(statement)).mappings().one_or_none()
    if row is None:
        raise NotFound("there is no such webhook or delivery, or it is not yours to see")
    return row


async def _changed(
    connection: AsyncConnection, webhook_id: UUID, expected: int | None, values: dict[str, Any]
) -> RowMapping:
    changing = _versioned(update(webhooks), webhook_id, expected).values(
        **values, version=_HOOK.version + 1, updated_at=func.clock_timestamp()
    )
    row: RowMapping | None = (await connection.execute(changing.returning(*_COLUMNS))).mappings().one_or_none()
    if row is None:
        await _one(connection, select(_HOOK.id).where(_HOOK.id == webhook_id))
        raise Stale("the webhook was changed since it was read: read it again")
    return row


def _versioned(statement: Any, webhook_id: UUID, expected: int | None) -> Any:
    at_version = () if expected is None else (_HOOK.version == expected,)
    return statement.where(_HOOK.id == webhook_id, *at_version)


def _wake(webhook_id: UUID) -> Update:
    waiting = (_WAY.webhook_id == webhook_id, _WAY.state == "pending", _WAY.next_at > func.clock_timestamp())
    return update(webhook_deliveries).where(*waiting).values(next_at=func.clock_timestamp())


async def _added(connection: AsyncConnection, values: dict[str, Any]) -> Delivery:
    making = insert(webhook_deliveries).values(id=uuid4(), **values).returning(webhook_deliveries)
    return _delivery((await connection.execute(making)).mappings().one())


async def _note(connection: AsyncConnection, action: str, about: Webhook, **detail: Any) -> None:
    await audit_log.note(connection, action, "webhook", about.id, Owner(about.account_id), detail)


def _webhook(row: RowMapping) -> Webhook:
    return Webhook(**{**row, "events": tuple(row["events"]), "state": WebhookState(row["state"])})


def _delivery(row: RowMapping) -> Delivery:
    state = DeliveryState(row["state"])
    return Delivery(
        row["id"],
        row["webhook_id"],
        row["event_id"],
        row["event"],
        state,
        row["attempts"],
        row["status"],
        row["error"],
        row["created_at"],
        row["next_at"] if state is DeliveryState.PENDING else None,
        row["delivered_at"],
        row["payload"],
    )
