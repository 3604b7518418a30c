"""/v1/audit-log: who changed what, and who saw a secret."""

from typing import Any, Final
from uuid import UUID

from pydantic import BaseModel, Field

from bridge.api.http import paging
from bridge.api.http.operations import Operation
from bridge.api.http.paging import Paged
from bridge.api.http.request import ApiRequest
from bridge.api.http.wire import Answer, GivenTime, Page, Text, Time
from bridge.domain.access.principal import Owner, Principal, Scope
from bridge.usecases.access.ports import AuditEntry, AuditFilter


class DeedAnswer(Answer):
    """What was done. `actor` is the id of an API key, `operator` (its own key) or `cli`."""

    id: UUID
    created_at: Time
    actor: str
    scope: str
    remote: str = Field(description="the address it came from; of the operator's deeds, told to the operator alone")
    action: str = Field(examples=["passcode.revoked"])
    subject: str = Field(examples=["passcode"])
    subject_id: UUID | None
    account_id: UUID | None
    sub_account_id: UUID | None
    detail: dict[str, Any]

    @classmethod
    def of(cls, deed: AuditEntry, asking: Principal) -> "DeedAnswer":
        told = cls.model_validate(deed, from_attributes=True)
        if deed.scope == Scope.OPERATOR and asking.scope is not Scope.OPERATOR:
            return told.model_copy(update={"actor": "operator", "remote": ""})
        return told


class AuditQuery(Paged):
    account_id: UUID | None = None
    sub_account_id: UUID | None = None
    subject: Text | None = None
    subject_id: UUID | None = None
    action: Text | None = None
    actor: Text | None = None
    since: GivenTime | None = Field(None, alias="from", description="done at or after")
    until: GivenTime | None = Field(None, alias="to", description="done before")


async def read_page(request: ApiRequest) -> BaseModel:
    query: AuditQuery = request.query
    whose = request.principal.confined(Owner(query.account_id, query.sub_account_id))
    wanted = AuditFilter(
        whose.account_id,
        whose.sub_account_id,
        query.subject,
        query.subject_id,
        query.action,
        query.actor,
        query.since,
        query.until,
    )
    found = await request.services.audit_log.entries(wanted, query.limit + 1, paging.after_id(query.cursor))
    page, cursor = paging.cut(found, query.limit, lambda deed: str(deed.id))
    return Page[DeedAnswer](items=[DeedAnswer.of(deed, request.principal) for deed in page], next_cursor=cursor)


OPERATIONS: Final = (
    Operation(
        "list_audit_log", "GET", "/v1/audit-log", "List what was done, in order of time", read_page,
        Page[DeedAnswer], query=AuditQuery, scope=Scope.ACCOUNT,
    ),
)  # fmt: skip
