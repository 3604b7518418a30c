"""/v1/tariffs: the prices of an account, from an instant on."""

from decimal import Decimal
from typing import Final
from uuid import UUID

from pydantic import BaseModel, Field

from bridge.api.http import paging
from bridge.api.http.operations import Operation
from bridge.api.http.paging import Paged
from bridge.api.http.request import ApiRequest
from bridge.api.http.wire import Amount, Answer, GivenTime, Page, Price, Request, Time
from bridge.domain import money, notation
from bridge.domain.access.principal import Scope
from bridge.domain.billing.rating import TariffVersion
from bridge.usecases.billing.add_tariff import add_tariff


class NewTariff(Request):
    """A tariff version to add. It applies to stays that begin at `effective_from` or later."""

    account_id: UUID
    effective_from: GivenTime = Field(description="Instant from which these prices apply.")
    per_minute: Price = Field(description="Price of a minute, in the account's currency.")
    connect_fee: Price = Field(Decimal(0), description="Price of each stay, whatever its length.")
    first_increment_s: int = Field(60, ge=1, le=3600, description="Least seconds that are billed for a stay.")
    next_increment_s: int = Field(
        60, ge=1, le=3600, description="Seconds to whose multiples the rest of a stay is rounded up."
    )
    decimals: int | None = Field(
        None,
        ge=0,
        le=money.MAX_DECIMALS,
        description="Decimals to which a charge is rounded. Left out: those of the currency.",
    )
    bill_estimated: bool = Field(
        False, description="Bill the error bound of an estimated stay as well, on top of the time that is proved."
    )


class TariffSchema(Answer):
    """A tariff version: the prices of an account, until the next version takes effect."""

    id: UUID
    account_id: UUID
    effective_from: Time = Field(description="Instant from which these prices apply.")
    per_minute: Amount = Field(description="Price of a minute, in the account's currency.")
    connect_fee: Amount = Field(description="Price of each stay, whatever its length.")
    first_increment_s: int = Field(description="Least seconds that are billed for a stay.")
    next_increment_s: int = Field(description="Seconds to whose multiples the rest of a stay is rounded up.")
    decimals: int = Field(description="Decimals to which a charge is rounded.")
    bill_estimated: bool = Field(
        description="True if the error bound of an estimated stay is billed on top of the time that is proved."
    )

    @classmethod
    def of(cls, version: TariffVersion) -> "TariffSchema":
        return cls(
            id=version.id,
            account_id=version.account_id,
            effective_from=version.effective_from,
            per_minute=notation.amount(version.per_minute, version.decimals),
            connect_fee=notation.amount(version.connect_fee, version.decimals),
            first_increment_s=version.first_increment_s,
            next_increment_s=version.next_increment_s,
            decimals=version.decimals,
            bill_estimated=version.bill_estimated,
        )


class TariffsQuery(Paged):
    account_id: UUID | None = Field(
        None, description="Account; by default that of the API key. Operator keys have to name one."
    )


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
    return TariffSchema.of(made)


async def read_page(request: ApiRequest) -> BaseModel:
    versions = await request.services.tariffs.tariff_versions(request.account_id)
    page, cursor = paging.slice_of(versions, request.query, lambda version: notation.rfc3339(version.effective_from))
    return Page[TariffSchema](items=[TariffSchema.of(version) for version in page], next_cursor=cursor)


OPERATIONS: Final = (
    Operation(
        "create_tariff", "POST", "/v1/tariffs", "Add a tariff version to an account", create,
        TariffSchema, 201, body=NewTariff, refusals=(404, 409),
    ),
    Operation(
        "list_tariffs", "GET", "/v1/tariffs", "List the tariff versions of an account", read_page,
        Page[TariffSchema], query=TariffsQuery, refusals=(404,), scope=Scope.ACCOUNT,
    ),
)  # fmt: skip
