"""Webhooks of tests, and what waits for them."""

from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.dialects.postgresql import JSONB

from bridge.domain.webhooks.event import Webhook
from bridge.storage.postgres.database import Database
from bridge.storage.webhooks.webhooks import PostgresWebhooks
from bridge.usecases.provisioning.ports import Keys
from bridge.usecases.webhooks import keep_webhooks


async def subscribe(
    database: Database, keys: Keys, account_id: UUID | None, *events: str, url: str = "https://example.com/hook"
) -> tuple[Webhook, str]:
    """A webhook and its secret."""
    chosen = events or ("*",)
    return await keep_webhooks.create_webhook(PostgresWebhooks(database), keys, account_id, url, chosen, private=True)


async def waiting(database: Database, webhook: Webhook) -> list[dict[str, Any]]:
    """The payloads of all deliveries of a webhook, in their order."""
    statement = text("SELECT payload FROM webhook_deliveries WHERE webhook_id = :id ORDER BY number")
    async with database.transaction() as connection:
        return list((await connection.execute(statement.columns(payload=JSONB), {"id": webhook.id})).scalars())


def types(payloads: list[dict[str, Any]]) -> list[str]:
    return [payload["type"] for payload in payloads]
