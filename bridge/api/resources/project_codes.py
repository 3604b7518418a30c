"""/v1/project-codes: what stays are charged to, keyed on the phone."""

from functools import partial
from typing import Annotated, Final, Literal
from uuid import UUID

from pydantic import BaseModel, Field

from bridge.api.http import listing
from bridge.api.http.operations import Operation
from bridge.api.http.paging import Paged
from bridge.api.http.patch import Change, kept
from bridge.api.http.request import ApiRequest
from bridge.api.http.wire import Answer, Name, Page, Request, Text, Time
from bridge.domain.access.principal import Owner, Scope
from bridge.domain.provisioning.changes import ProjectCodeChanges
from bridge.domain.provisioning.tenants import ProjectCode
from bridge.domain.provisioning.validation import PROJECT_CODE
from bridge.usecases.provisioning import provision, update

State = Annotated[Literal["active", "closed"], Field(description="a closed one cannot be keyed")]


class NewProjectCode(Request):
    account_id: UUID
    sub_account_id: UUID | None = Field(None, description="whose it is alone; null: all of the account may use it")
    code: Text = Field(pattern=f"^{PROJECT_CODE}$", description="1 to 16 digits", examples=["4711"])
    name: Name = Field(examples=["Harbour bridge v. city"])


class ProjectCodeChange(Change):
    name: Name = kept()
    state: State = kept()


class ProjectCodeAnswer(Answer):
    id: UUID
    account_id: UUID
    sub_account_id: UUID | None
    code: str
    name: str
    state: State
    created_at: Time
    version: int

    @classmethod
    def of(cls, code: ProjectCode) -> "ProjectCodeAnswer":
        return cls.model_validate(code, from_attributes=True)


class ProjectCodesQuery(Paged):
    account_id: UUID | None = None
    sub_account_id: UUID | None = Field(None, description="those that are this sub-account's alone")


async def create(request: ApiRequest) -> BaseModel:
    body: NewProjectCode = request.body
    made = await provision.add_project_code(
        request.services.tenants, body.account_id, body.sub_account_id, body.code, body.name
    )
    return ProjectCodeAnswer.of(made)


async def read_page(request: ApiRequest) -> BaseModel:
    query: ProjectCodesQuery = request.query
    wanted = Owner(query.account_id, query.sub_account_id)
    if request.principal.account_id is not None:
        # Those of the whole account are open to its sub-accounts.
        wanted = Owner(request.principal.account_id, query.sub_account_id)
    find = partial(
        request.services.tenants.project_codes,
        account_id=wanted.account_id,
        sub_account_id=wanted.sub_account_id,
        usable_by=request.principal.sub_account_id,
    )
    return await listing.page(request, ProjectCodeAnswer, ProjectCodeAnswer.of, find)


async def read(request: ApiRequest) -> BaseModel:
    return ProjectCodeAnswer.of(await request.services.tenants.project_code(request.ids["project_code_id"]))


async def change(request: ApiRequest) -> BaseModel:
    return ProjectCodeAnswer.of(await _change(request, request.body.to(ProjectCodeChanges)))


async def close(request: ApiRequest) -> None:
    await _change(request, ProjectCodeChanges(state="closed"))


async def _change(request: ApiRequest, changes: ProjectCodeChanges) -> ProjectCode:
    code_id = request.ids["project_code_id"]
    return await update.change_project_code(request.services.tenants, code_id, changes, request.expected)


OPERATIONS: Final = (
    Operation(
        "create_project_code", "POST", "/v1/project-codes", "Add a project code", create,
        ProjectCodeAnswer, 201, body=NewProjectCode, refusals=(404, 409), scope=Scope.ACCOUNT,
    ),
    Operation(
        "list_project_codes", "GET", "/v1/project-codes", "List project codes", read_page,
        Page[ProjectCodeAnswer], query=ProjectCodesQuery, scope=Scope.SUB_ACCOUNT,
    ),
    Operation(
        "get_project_code", "GET", "/v1/project-codes/{project_code_id}", "Read a project code", read,
        ProjectCodeAnswer, scope=Scope.SUB_ACCOUNT, versioned=True,
    ),
    Operation(
        "change_project_code", "PATCH", "/v1/project-codes/{project_code_id}", "Rename, close or reopen a project code",
        change, ProjectCodeAnswer, body=ProjectCodeChange, scope=Scope.ACCOUNT, versioned=True,
    ),
    Operation(
        "close_project_code", "DELETE", "/v1/project-codes/{project_code_id}",
        "Close a project code: it stays, for what was charged to it", close,
        None, 204, scope=Scope.ACCOUNT, versioned=True,
    ),
)  # fmt: skip
