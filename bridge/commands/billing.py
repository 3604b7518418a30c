"""`bridge minutes` and `bridge statement`."""

from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer

from bridge.commands import bill, ids, rest, terminal
from bridge.commands.rest import RestClient
from bridge.commands.terminal import Json, Owner
from bridge.documents import text
from bridge.domain import notation
from bridge.domain.errors import Invalid
from bridge.domain.period import Period, month, month_of

Month = Annotated[str | None, typer.Option("--period", help="Month, as YYYY-MM. Default: this month.")]
When = "2026-11-23T14:00:00Z, or 2026-11-23 in the account's time zone."
COLUMNS = ("user_id", "caller", "role", "joined", "duration", "billed_s", "amount", "left_reason", "evidence")


class StayState(StrEnum):
    """`open` lasts still; `closed` is over."""

    OPEN = "open"
    CLOSED = "closed"


def minutes(
    owner: Owner,
    period: Month = None,
    since: Annotated[str | None, typer.Option("--from", help=f"Joined at or after: {When}")] = None,
    until: Annotated[str | None, typer.Option("--to", help=f"Joined before: {When}")] = None,
    sub_account: Annotated[str | None, typer.Option(help="Only this sub-account: its id or user ID.")] = None,
    room: Annotated[str | None, typer.Option(help="Only this room: its id.")] = None,
    conference: Annotated[str | None, typer.Option(help="Only this conference: its id.")] = None,
    caller: Annotated[str | None, typer.Option(help="Only this caller: a phone number.")] = None,
    state: Annotated[StayState | None, typer.Option(help="Only stays that are over, or that still last.")] = None,
    as_json: Json = False,
) -> None:
    """List the stays of callers in conferences, in order of joining.

    Lists one month, unless --from or --to is given. A stay that still lasts has
    no duration and no amount yet.
    """

    async def find(client: RestClient) -> tuple[dict[str, Any], list[Any]]:
        account = await ids.account(client, owner)
        start, end = _span(account["time_zone"], period, since, until)
        filters = {
            "account_id": account["id"],
            "sub_account_id": await ids.sub_account_id(client, sub_account, account["id"]) if sub_account else None,
            "room_id": str(terminal.identifier(room, "room")) if room else None,
            "conference_id": str(terminal.identifier(conference, "conference")) if conference else None,
            "caller": caller,
            "from": _rfc3339(start) if start else None,
            "to": _rfc3339(end) if end else None,
            "state": state.value if state else None,
        }
        query = {name: value for name, value in filters.items() if value is not None}
        return account, await client.list_all("/v1/minutes", query)

    account, stays = rest.run(find)
    if as_json:
        terminal.print_json(stays)
    else:
        zone = ZoneInfo(account["time_zone"])
        terminal.table([_row(stay, zone) for stay in stays], COLUMNS)
        typer.echo(f"\n{len(stays)} stays; times in {account['time_zone']}, amounts in {account['currency']}")


def statement(owner: Owner, period: Month = None, as_json: Json = False) -> None:
    """Print the bill of an account for a month, with a line for each user ID, conference and participant."""

    async def find(client: RestClient) -> tuple[dict[str, Any], dict[str, Any], Period]:
        account = await ids.account(client, owner)
        billed = _month(period, account["time_zone"])
        query = {"account_id": account["id"], "period": billed.name}
        [answer] = await client.list_all("/v1/statements", query)
        return account, answer, billed

    account, answer, billed = rest.run(find)
    if as_json:
        terminal.print_json(answer)
    else:
        typer.echo(text.statement(bill.statement(answer, account, billed)), nl=False)


def _month(name: str | None, time_zone: str) -> Period:
    return month(name or month_of(datetime.now(UTC), time_zone), time_zone)


def _span(
    time_zone: str, period: str | None, since: str | None, until: str | None
) -> tuple[datetime | None, datetime | None]:
    if since is None and until is None:
        whole = _month(period, time_zone)
        return whole.start, whole.end
    if period is not None:
        raise Invalid("period", "give either --period, or --from and --to")
    start = terminal.instant(since, "from", time_zone) if since else None
    return start, terminal.instant(until, "to", time_zone) if until else None


def _rfc3339(at: datetime) -> str:
    return at.astimezone(UTC).isoformat()


def _row(stay: Mapping[str, Any], zone: ZoneInfo) -> dict[str, object]:
    joined = datetime.fromisoformat(stay["joined_at"])
    return {
        **stay,
        "joined": notation.local_time(joined, zone),
        "duration": None if stay["duration_us"] is None else notation.duration(stay["duration_us"]),
        "billed_s": stay["billed_seconds"],
        "left_reason": stay["left_reason"] or ("in the room" if stay["left_at"] is None else None),
    }
