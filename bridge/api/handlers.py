"""The operations under /v1: each asks a use case or a port, and answers with a model."""

from datetime import datetime
from typing import Final, Literal
from uuid import UUID, uuid5

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from bridge.api import models, paging
from bridge.api.models import Page
from bridge.api.operations import Operation
from bridge.api.paging import Paged
from bridge.api.services import Call
from bridge.domain.minutes import Stay
from bridge.usecases import provision
from bridge.usecases.issue_statement import issue_statement
from bridge.usecases.ports import StayFilter

_STATEMENTS: Final = UUID("b9d3f0c2-53c1-5d0a-8a55-0d7f7a2f6c44")


class TariffQuery(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    account_id: UUID


class StatementQuery(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    account_id: UUID
    period: str = Field(pattern=r"^[0-9]{4}-[0-9]{2}$", examples=["2026-11"])
    detail: bool = Field(True, description="open each line down to conferences and participants")


class MinutesQuery(Paged):
    account_id: UUID | None = None
    sub_account_id: UUID | None = None
    room_id: UUID | None = None
    conference_id: UUID | None = None
    caller: str | None = Field(None, pattern=r"^\+?[0-9]{1,20}$")
    joined_from: AwareDatetime | None = Field(None, alias="from", description="joined at or after")
    joined_until: AwareDatetime | None = Field(None, alias="to", description="joined before")
    state: Literal["open", "closed"] | None = None


async def create_account(call: Call) -> BaseModel:
    body: models.NewAccount = call.body
    made = await provision.create_account(call.services.tenants, body.name, body.currency, body.time_zone)
    return models.AccountAnswer.of(made)


async def list_accounts(call: Call) -> BaseModel:
    limit = call.query.limit
    found = await call.services.tenants.accounts(limit + 1, paging.after_id(call.query.cursor))
    page, cursor = paging.cut(found, limit, lambda account: str(account.id))
    return Page[models.AccountAnswer](items=[models.AccountAnswer.of(item) for item in page], next_cursor=cursor)


async def get_account(call: Call) -> BaseModel:
    return models.AccountAnswer.of(await call.services.tenants.account(call.ids["account_id"]))


async def create_sub_account(call: Call) -> BaseModel:
    body: models.NewSubAccount = call.body
    services = call.services
    made = await provision.create_sub_account(
        services.tenants, services.keys, call.ids["account_id"], body.user_id, body.name, body.kind
    )
    await services.freshness.catch_up()
    return models.SubAccountAnswer.of(made)


async def list_sub_accounts(call: Call) -> BaseModel:
    limit, account_id = call.query.limit, call.ids["account_id"]
    found = await call.services.tenants.sub_accounts(account_id, limit + 1, paging.after_id(call.query.cursor))
    page, cursor = paging.cut(found, limit, lambda sub_account: str(sub_account.id))
    return Page[models.SubAccountAnswer](items=[models.SubAccountAnswer.of(item) for item in page], next_cursor=cursor)


async def get_sub_account(call: Call) -> BaseModel:
    return models.SubAccountAnswer.of(await call.services.tenants.sub_account(call.ids["sub_account_id"]))


async def create_passcode(call: Call) -> BaseModel:
    body: models.NewPasscode = call.body
    services = call.services
    made = await provision.add_passcode(services.tenants, services.keys, call.ids["room_id"], body.role, body.digits)
    await services.freshness.catch_up()
    return models.PasscodeAnswer.of(made)


async def list_passcodes(call: Call) -> BaseModel:
    limit, room_id = call.query.limit, call.ids["room_id"]
    found = await call.services.tenants.passcodes(room_id, limit + 1, paging.after_id(call.query.cursor))
    page, cursor = paging.cut(found, limit, lambda passcode: str(passcode.id))
    return Page[models.PasscodeAnswer](items=[models.PasscodeAnswer.of(item) for item in page], next_cursor=cursor)


async def get_passcode(call: Call) -> BaseModel:
    return models.PasscodeAnswer.of(await call.services.tenants.passcode(call.ids["passcode_id"]))


async def revoke_passcode(call: Call) -> None:
    await call.services.tenants.revoke_passcode(call.ids["passcode_id"])
    await call.services.freshness.catch_up()


async def create_access_number(call: Call) -> BaseModel:
    body: models.NewAccessNumber = call.body
    made = await provision.add_access_number(call.services.tenants, body.number, body.kind)
    await call.services.freshness.catch_up()
    return models.AccessNumberAnswer.of(made)


async def list_access_numbers(call: Call) -> BaseModel:
    limit = call.query.limit
    found = await call.services.tenants.access_numbers(limit + 1, paging.after_id(call.query.cursor))
    page, cursor = paging.cut(found, limit, lambda number: str(number.id))
    items = [models.AccessNumberAnswer.of(item) for item in page]
    return Page[models.AccessNumberAnswer](items=items, next_cursor=cursor)


async def create_tariff(call: Call) -> BaseModel:
    body: models.NewTariff = call.body
    made = await provision.add_tariff(
        call.services.tenants,
        body.account_id,
        body.effective_from,
        body.per_minute,
        body.connect_fee,
        body.first_increment_s,
        body.next_increment_s,
        body.decimals,
    )
    return models.TariffAnswer.of(made)


async def list_tariffs(call: Call) -> BaseModel:
    found = await call.services.tenants.tariff_versions(call.query.account_id)
    return Page[models.TariffAnswer](items=[models.TariffAnswer.of(version) for version in found])


async def list_minutes(call: Call) -> BaseModel:
    query: MinutesQuery = call.query
    wanted = StayFilter(
        query.account_id,
        query.sub_account_id,
        query.room_id,
        query.conference_id,
        query.caller,
        query.joined_from,
        query.joined_until,
        None if query.state is None else query.state == "open",
    )
    found = await call.services.minutes.stays(wanted, query.limit + 1, paging.after_stay(query.cursor))
    page, cursor = paging.cut(found, query.limit, _stay_key)
    return Page[models.MinuteAnswer](items=[models.MinuteAnswer.of(stay) for stay in page], next_cursor=cursor)


def _stay_key(stay: Stay) -> str:
    at: datetime = stay.joined_at
    return f"{at.isoformat()}|{stay.id}"


async def list_statements(call: Call) -> BaseModel:
    query: StatementQuery = call.query
    services = call.services
    bill = await issue_statement(services.tenants, services.minutes, query.account_id, query.period)
    bill_id = uuid5(_STATEMENTS, f"{query.account_id}|{query.period}")
    return Page[models.StatementAnswer](items=[models.StatementAnswer.of(bill, bill_id, query.detail)])


async def list_conferences(call: Call) -> BaseModel:
    found = call.services.rooms.live()
    return Page[models.LiveConferenceAnswer](items=[models.LiveConferenceAnswer.of(live) for live in found])


OPERATIONS: Final = (
    Operation(
        "create_account", "POST", "/v1/accounts", "Create an account: who pays", create_account,
        models.AccountAnswer, 201, body=models.NewAccount,
    ),
    Operation(
        "list_accounts", "GET", "/v1/accounts", "List accounts", list_accounts,
        Page[models.AccountAnswer], query=Paged,
    ),
    Operation(
        "get_account", "GET", "/v1/accounts/{account_id}", "Read an account", get_account,
        models.AccountAnswer, refusals=(404,),
    ),
    Operation(
        "create_sub_account", "POST", "/v1/accounts/{account_id}/sub-accounts",
        "Create a sub-account with a room, a host and a guest passcode", create_sub_account,
        models.SubAccountAnswer, 201, body=models.NewSubAccount, refusals=(404, 409),
    ),
    Operation(
        "list_sub_accounts", "GET", "/v1/accounts/{account_id}/sub-accounts", "List sub-accounts", list_sub_accounts,
        Page[models.SubAccountAnswer], query=Paged, refusals=(404,),
    ),
    Operation(
        "get_sub_account", "GET", "/v1/sub-accounts/{sub_account_id}", "Read a sub-account", get_sub_account,
        models.SubAccountAnswer, refusals=(404,),
    ),
    Operation(
        "create_passcode", "POST", "/v1/rooms/{room_id}/passcodes", "Add a passcode to a room", create_passcode,
        models.PasscodeAnswer, 201, body=models.NewPasscode, refusals=(404, 409),
    ),
    Operation(
        "list_passcodes", "GET", "/v1/rooms/{room_id}/passcodes", "List the passcodes of a room, without digits",
        list_passcodes, Page[models.PasscodeAnswer], query=Paged, refusals=(404,),
    ),
    Operation(
        "get_passcode", "GET", "/v1/passcodes/{passcode_id}", "Read a passcode, without digits", get_passcode,
        models.PasscodeAnswer, refusals=(404,),
    ),
    Operation(
        "revoke_passcode", "DELETE", "/v1/passcodes/{passcode_id}", "Revoke a passcode, at once and for good",
        revoke_passcode, None, 204, refusals=(404,),
    ),
    Operation(
        "create_access_number", "POST", "/v1/access-numbers", "Add a number that callers dial", create_access_number,
        models.AccessNumberAnswer, 201, body=models.NewAccessNumber, refusals=(409,),
    ),
    Operation(
        "list_access_numbers", "GET", "/v1/access-numbers", "List access numbers", list_access_numbers,
        Page[models.AccessNumberAnswer], query=Paged,
    ),
    Operation(
        "create_tariff", "POST", "/v1/tariffs", "Set the prices of an account from an instant on", create_tariff,
        models.TariffAnswer, 201, body=models.NewTariff, refusals=(404, 409),
    ),
    Operation(
        "list_tariffs", "GET", "/v1/tariffs", "List the tariff versions of an account", list_tariffs,
        Page[models.TariffAnswer], query=TariffQuery, refusals=(404,),
    ),
    Operation(
        "list_minutes", "GET", "/v1/minutes", "List stays, open and closed, in order of joining", list_minutes,
        Page[models.MinuteAnswer], query=MinutesQuery,
    ),
    Operation(
        "list_statements", "GET", "/v1/statements", "The bill of one account for one month", list_statements,
        Page[models.StatementAnswer], query=StatementQuery, refusals=(404,),
    ),
    Operation(
        "list_conferences", "GET", "/v1/conferences", "Conferences that are going on", list_conferences,
        Page[models.LiveConferenceAnswer],
    ),
)  # fmt: skip
