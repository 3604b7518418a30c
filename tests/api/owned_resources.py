"""Writes one resource of each kind that can be owned straight into the tables, for two accounts."""

from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID, uuid4

from sqlalchemy import Table, insert

from bridge.domain.access import api_key
from bridge.domain.admission.refusal import Refusal
from bridge.storage.postgres.database import Database
from bridge.storage.postgres.tables.access import api_keys, audit_log
from bridge.storage.postgres.tables.admission import admission_attempts
from bridge.storage.postgres.tables.metering import open_stays
from bridge.storage.postgres.tables.provisioning import (
    access_numbers,
    accounts,
    known_callers,
    passcodes,
    project_codes,
    rooms,
    sub_accounts,
    trunks,
)
from bridge.storage.postgres.tables.webhooks import webhook_deliveries, webhooks
from tests.api.conftest import KEYS

NOW: Final = datetime(2026, 11, 20, 10, tzinfo=UTC)
NAMES: Final = {
    accounts: "account_id",
    sub_accounts: "sub_account_id",
    rooms: "room_id",
    passcodes: "passcode_id",
    access_numbers: "access_number_id",
    trunks: "trunk_id",
    project_codes: "project_code_id",
    known_callers: "known_caller_id",
    webhooks: "webhook_id",
    webhook_deliveries: "delivery_id",
}


class Holdings:
    """One resource of each kind that a sub-account and its account own. `ids` holds their ids by path parameter."""

    def __init__(self, database: Database, number: int) -> None:
        self._database = database
        self._number = number
        self.ids: dict[str, str] = {}

    async def fill(self, account_id: UUID | None = None) -> "Holdings":
        """Put all of it in, in a new account or in a given one."""
        name = f"holder-{self._number}"
        if account_id is None:
            account_id = await self._add(accounts, name=name, currency="EUR", time_zone="UTC")
        self.ids["account_id"] = str(account_id)
        owner = {"account_id": account_id}
        owner["sub_account_id"] = await self._add(sub_accounts, **owner, user_id=name, name=name, kind="employee")
        room_id = await self._add(rooms, **owner, name=name)
        code = {"digest": bytes([self._number]) * 32, "length": 8, "sealed": KEYS.seal("81502739")}
        await self._add(passcodes, account_id=account_id, room_id=room_id, role="host", **code)
        await self._add(access_numbers, account_id=account_id, number=f"4930{self._number}", kind="local")
        texts = dict.fromkeys(("registrar", "username", "prefix", "country", "public_address"), "")
        lists = {"addresses": [f"192.0.2.{self._number}"], "codecs": ["ulaw"], "media_networks": []}
        modes = {
            "transport": "udp",
            "dtmf": "auto",
            "number_form": "e164",
            "number_source": "to",
            "session_timers": "on",
        }
        await self._add(trunks, name=name, **texts, **lists, **modes)
        await self._add(project_codes, **owner, code=str(self._number), name=name)
        await self._add(known_callers, **owner, room_id=room_id, number=f"4940{self._number}", name=name)
        hook = await self._add(
            webhooks, account_id=account_id, url="https://example.com/", events=[], secret=KEYS.seal("secret")
        )
        told = {"event_id": uuid4(), "event": "x", "lane": "", "payload": {}}
        await self._add(webhook_deliveries, webhook_id=hook, **told)
        await self.key("sub_account", **owner)
        await self._add(audit_log, **owner, actor="x", scope="account", remote="", action="a", subject="s", detail={})
        called = {"node": "n", "uniqueid": f"n-{self._number}", "caller": "1", "access_number": "2"}
        attempt = {**called, "trunk": "t", "reason": next(iter(Refusal)).value}
        await self._add(admission_attempts, **owner, **attempt, created_at=NOW)
        stay = {
            **called,
            "boot": "b",
            "bridge_id": "b",
            "conference_id": uuid4(),
            "room": str(room_id),
            "joined_at": NOW,
        }
        stay |= {"role": "host", "project_code": "", "channel": "c", "evidence": "", "result": "", "error_bound_us": 0}
        stay |= {"deducted_us": 0, "doubt_us": 0, "seen_us": 0}
        await self._add(open_stays, **owner, room_id=room_id, **stay)
        return self

    async def key(self, scope: str, **values: Any) -> str:
        """The text of a new key."""
        text = api_key.text(uuid4().bytes + uuid4().bytes)
        wanted = {"name": "x", "hint": text[:8], "digest": api_key.digest(text), **values}
        self.ids["key_id"] = str(await self._add(api_keys, scope=scope, **wanted))
        return text

    async def _add(self, table: Table, **values: Any) -> UUID:
        one = uuid4()
        async with self._database.transaction() as connection:
            await connection.execute(insert(table).values(id=one, **values))
        if table in NAMES:
            self.ids[NAMES[table]] = str(one)
        return one


PAST: Final = datetime.now(UTC) - timedelta(days=1)
