"""/v1/audit-log: the record of who changed what, and who read secrets."""

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


class AuditEntrySchema(Answer):
    """One action of a program or a person."""

    id: UUID
    created_at: Time
    actor: str = Field(
        description="Id of the API key, `operator` for the operator's own key, `cli` for the command line."
    )
    scope: str = Field(description="Scope of the API key that was used.")
    remote: str = Field(
        description="IP address that the request came from. Only operators see it for actions of the operator."
    )
    action: str = Field(description="What was done.", examples=["passcode.revoked"])
    subject: str = Field(description="Kind of resource that it was done to.", examples=["passcode"])
    subject_id: UUID | None
    account_id: UUID | None
    sub_account_id: UUID | None
    detail: dict[str, Any] = Field(description="Details of the action, such as the new values.")

    @classmethod
    def of(cls, entry: AuditEntry, asking: Principal) -> "AuditEntrySchema":
        shown = cls.model_validate(entry, from_attributes=True)
        if entry.scope == Scope.OPERATOR and asking.scope is not Scope.OPERATOR:
            return shown.model_copy(update={"actor": "operator", "remote": ""})
        return shown


class AuditLogQuery(Paged):
    account_id: UUID | None = Field(None, description="Only actions on this account and everything in it.")
    sub_account_id: UUID | None = Field(None, description="Only actions on this sub-account and everything in it.")
    subject: Text | None = Field(None, description="Only actions on this kind of resource.", examples=["passcode"])
    subject_id: UUID | None = Field(None, description="Only actions on the resource with this id.")
    action: Text | None = Field(None, description="Only this action.", examples=["passcode.revoked"])
    actor: Text | None = Field(None, description="Only actions of this API key (its id), `operator` or `cli`.")
    since: GivenTime | None = Field(None, alias="from", description="Only actions at this instant or later.")
    until: GivenTime | None = Field(None, alias="to", description="Only actions before this instant.")


async def read_page(request: ApiRequest) -> BaseModel:
    query: AuditLogQuery = request.query
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
    entries = await request.services.audit_log.entries(wanted, query.limit + 1, paging.after_id(query.cursor))
    page, cursor = paging.cut(entries, query.limit, lambda entry: str(entry.id))
    return Page[AuditEntrySchema](
        items=[AuditEntrySchema.of(entry, request.principal) for entry in page], next_cursor=cursor
    )


OPERATIONS: Final = (
    Operation(
        "list_audit_entries", "GET", "/v1/audit-log", "List the entries of the audit log, in order of time", read_page,
        Page[AuditEntrySchema], query=AuditLogQuery, scope=Scope.ACCOUNT,
    ),
)  # fmt: skip
