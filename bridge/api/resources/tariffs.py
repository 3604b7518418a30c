"""/v1/tariffs: prices, from an instant on."""

from decimal import Decimal
from typing import Final
from uuid import UUID

from pydantic import BaseModel, Field

from bridge.api.http import paging
from bridge.api.http.operations import Operation
from bridge.api.http.paging import Paged
from bridge.api.http.request import ApiRequest
from bridge.api.http.wire import Amount, Answer, GivenTime, Page, Price, Request, Time, plain, rfc3339
from bridge.domain import money
from bridge.domain.access.principal import Scope
from bridge.domain.billing.rating import TariffVersion
from bridge.usecases.billing.add_tariff import add_tariff


class NewTariff(Request):
    account_id: UUID
    effective_from: GivenTime
    per_minute: Price
    connect_fee: Price = Decimal(0)
    first_increment_s: int = Field(60, ge=1, le=3600)
    next_increment_s: int = Field(60, ge=1, le=3600)
    decimals: int | None = Field(
        None, ge=0, le=money.MAX_DECIMALS, description="of a charge; the currency's if left out"
    )
    bill_estimated: bool = Field(
        False, description="whether the error bound of an estimated stay is billed on top of what is proved"
    )


class TariffAnswer(Answer):
    id: UUID
    account_id: UUID
    effective_from: Time
    per_minute: Amount
    connect_fee: Amount
    first_increment_s: int
    next_increment_s: int
    decimals: int
    bill_estimated: bool

    @classmethod
    def of(cls, version: TariffVersion) -> "TariffAnswer":
        return cls(
            id=version.id,
            account_id=version.account_id,
            effective_from=version.effective_from,
            per_minute=plain(version.per_minute, version.decimals),
            connect_fee=plain(version.connect_fee, version.decimals),
            first_increment_s=version.first_increment_s,
            next_increment_s=version.next_increment_s,
            decimals=version.decimals,
            bill_estimated=version.bill_estimated,
        )


class TariffQuery(Paged):
    account_id: UUID | None = Field(None, description="the key's own, if left out; the operator has to name one")


async def create(request: ApiRequest) -> BaseModel:
    body: NewTariff = request.body
    made = await add_tariff(
        request.services.tenants,
        request.services.tariffs,
        body.account_id,
        body.effective_from,
        body.per_minute,
        body.connect_fee,
        body.first_increment_s,
        body.next_increment_s,
        body.decimals,
        bill_estimated=body.bill_estimated,
    )
    return TariffAnswer.of(made)


async def read_page(request: ApiRequest) -> BaseModel:
    found = await request.services.tariffs.tariff_versions(request.account_id)
    page, cursor = paging.slice_of(found, request.query, lambda version: rfc3339(version.effective_from))
    return Page[TariffAnswer](items=[TariffAnswer.of(version) for version in page], next_cursor=cursor)


OPERATIONS: Final = (
    Operation(
        "create_tariff", "POST", "/v1/tariffs", "Set the prices of an account from an instant on", create,
        TariffAnswer, 201, body=NewTariff, refusals=(404, 409),
    ),
    Operation(
        "list_tariffs", "GET", "/v1/tariffs", "List the tariff versions of an account", read_page,
        Page[TariffAnswer], query=TariffQuery, refusals=(404,), scope=Scope.ACCOUNT,
    ),
)  # fmt: skip
