"""/v1/admission-attempts: entries that let nobody in, without their digits."""

from typing import Final
from uuid import UUID

from pydantic import BaseModel, Field

from bridge.api.http import paging
from bridge.api.http.operations import Operation
from bridge.api.http.paging import Paged
from bridge.api.http.request import ApiRequest
from bridge.api.http.wire import Answer, GivenTime, Page, Time, rfc3339
from bridge.domain.access.principal import Scope
from bridge.domain.admission.refusal import Refusal, RefusedEntry
from bridge.usecases.admission.ports import RefusedEntryFilter


class AttemptAnswer(Answer):
    """One refused entry. `caller` is empty when the number was withheld. The ids of the account, sub-account and
    passcode are known only where the code was right and something else was not."""

    id: UUID
    created_at: Time
    node: str
    uniqueid: str
    caller: str
    access_number: str
    trunk: str
    reason: Refusal
    account_id: UUID | None
    sub_account_id: UUID | None
    passcode_id: UUID | None

    @classmethod
    def of(cls, attempt: RefusedEntry) -> "AttemptAnswer":
        return cls.model_validate(attempt, from_attributes=True)


class AttemptsQuery(Paged):
    account_id: UUID | None = None
    caller: str | None = Field(None, pattern=r"^[0-9]{0,20}$", description="digits only; empty: withheld")
    access_number: str | None = Field(None, pattern=r"^[0-9]{1,20}$")
    reason: Refusal | None = None
    since: GivenTime | None = Field(None, alias="from", description="at or after")
    until: GivenTime | None = Field(None, alias="to", description="before")


async def read_page(request: ApiRequest) -> BaseModel:
    query: AttemptsQuery = request.query
    wanted = RefusedEntryFilter(
        # An account's key sees what concerns the account, and may name no other.
        request.principal.account_id or query.account_id,
        query.caller,
        query.access_number,
        query.reason,
        query.since,
        query.until,
    )
    found = await request.services.attempts.page(wanted, query.limit + 1, paging.after_stay(query.cursor))
    page, cursor = paging.cut(found, query.limit, lambda one: f"{rfc3339(one.created_at)}|{one.id}")
    return Page[AttemptAnswer](items=[AttemptAnswer.of(attempt) for attempt in page], next_cursor=cursor)


OPERATIONS: Final = (
    Operation(
        "list_admission_attempts", "GET", "/v1/admission-attempts",
        "List refused entries, never their digits, in order of time", read_page,
        Page[AttemptAnswer], query=AttemptsQuery, scope=Scope.ACCOUNT,
    ),
)  # fmt: skip
