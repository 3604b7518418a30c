"""/v1/admission-attempts: refused callers, without the digits that they entered."""

from typing import Final
from uuid import UUID

from pydantic import BaseModel, Field

from bridge.api.http import paging
from bridge.api.http.operations import Operation
from bridge.api.http.paging import Paged
from bridge.api.http.request import ApiRequest
from bridge.api.http.wire import Answer, GivenTime, Page, Time
from bridge.domain import notation
from bridge.domain.access.principal import Scope
from bridge.domain.admission.bucket import BucketKind
from bridge.domain.admission.refusal import Refusal, RefusedEntry
from bridge.usecases.admission.ports import RefusedEntryFilter


class AdmissionAttemptSchema(Answer):
    """One refused entry of a passcode.

    The ids of the account, sub-account and passcode are null if the passcode itself was wrong. An account sees the
    entries that concern it, and those of numbers that entered no rooms but its own in the last 30 days.
    """

    id: UUID
    created_at: Time
    node: str = Field(description="Name of the node that took the call.")
    uniqueid: str = Field(description="Unique id of the call on the switch.")
    caller: str = Field(
        description="Number of the caller, E.164 with its +; without + if it is no number of the public network, such "
        "as an extension; empty if it was withheld."
    )
    access_number: str = Field(
        description="Number that was dialled, digits only; as the trunk sent it if it is no access number."
    )
    trunk: str = Field(description="Address that the call came from.")
    trunk_id: UUID | None = Field(description="Trunk that the call came over. Null: one without a name.")
    reason: Refusal
    account_id: UUID | None
    sub_account_id: UUID | None
    passcode_id: UUID | None
    waited_for: BucketKind | None = Field(
        description="What was short, so that the entry had to wait until it was judged. Null: it did not have to."
    )

    @classmethod
    def of(cls, attempt: RefusedEntry) -> "AdmissionAttemptSchema":
        return cls.model_validate(attempt, from_attributes=True)


class AdmissionAttemptsQuery(Paged):
    account_id: UUID | None = Field(None, description="Only entries that concern this account.")
    caller: str | None = Field(
        None, max_length=60, description="Only calls of this phone number, however it is written. Empty: withheld."
    )
    access_number: str | None = Field(None, pattern=r"^[0-9]{1,20}$", description="Only calls to this number.")
    reason: Refusal | None = Field(None, description="Only entries refused for this reason.")
    since: GivenTime | None = Field(None, alias="from", description="Only entries at this instant or later.")
    until: GivenTime | None = Field(None, alias="to", description="Only entries before this instant.")


async def read_page(request: ApiRequest) -> BaseModel:
    query: AdmissionAttemptsQuery = request.query
    wanted = RefusedEntryFilter(
        request.principal.account_id,
        query.account_id,
        None if query.caller is None else request.services.caller_numbers.searched(query.caller),
        query.access_number,
        query.reason,
        query.since,
        query.until,
    )
    found = await request.services.attempts.page(wanted, query.limit + 1, paging.after_stay(query.cursor))
    page, cursor = paging.cut(found, query.limit, lambda one: f"{notation.rfc3339(one.created_at)}|{one.id}")
    return Page[AdmissionAttemptSchema](
        items=[AdmissionAttemptSchema.of(attempt) for attempt in page], next_cursor=cursor
    )


OPERATIONS: Final = (
    Operation(
        "list_admission_attempts", "GET", "/v1/admission-attempts",
        "List refused entries, without their digits, in order of time", read_page,
        Page[AdmissionAttemptSchema], query=AdmissionAttemptsQuery, scope=Scope.ACCOUNT,
    ),
)  # fmt: skip
