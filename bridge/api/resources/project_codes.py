"""/v1/project-codes: billing references that callers enter on the phone."""

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

State = Annotated[Literal["active", "closed"], Field(description="A `closed` code is not accepted from callers.")]


class NewProjectCode(Request):
    """A project code to create."""

    account_id: UUID
    sub_account_id: UUID | None = Field(
        None, description="Only this sub-account may use the code. Null: the whole account may."
    )
    code: Text = Field(pattern=f"^{PROJECT_CODE}$", description="The code, 1 to 16 digits.", examples=["4711"])
    name: Name = Field(examples=["Harbour bridge v. city"])


class ProjectCodeChange(Change):
    """A change of a project code."""

    name: Name = kept()
    state: State = kept()


class ProjectCodeSchema(Answer):
    """A billing reference, such as a client or matter, that time in conferences is charged to."""

    id: UUID
    account_id: UUID
    sub_account_id: UUID | None = Field(description="Only this sub-account may use the code. Null: the whole account.")
    code: str
    name: str
    state: State
    created_at: Time
    version: int = Field(description="Number of the version, from 1. The ETag is this number in double quotes.")

    @classmethod
    def of(cls, code: ProjectCode) -> "ProjectCodeSchema":
        return cls.model_validate(code, from_attributes=True)


class ProjectCodesQuery(Paged):
    account_id: UUID | None = Field(None, description="Only codes of this account.")
    sub_account_id: UUID | None = Field(None, description="Only codes that this sub-account alone may use.")


async def create(request: ApiRequest) -> BaseModel:
    body: NewProjectCode = request.body
    made = await provision.add_project_code(
        request.services.tenants, body.account_id, body.sub_account_id, body.code, body.name
    )
    return ProjectCodeSchema.of(made)


async def read_page(request: ApiRequest) -> BaseModel:
    query: ProjectCodesQuery = request.query
    owner = Owner(query.account_id, query.sub_account_id)
    if request.principal.account_id is not None:
        # A sub-account may use the codes of its whole account too, so its key is not confined to its own codes.
        owner = Owner(request.principal.account_id, query.sub_account_id)
    find = partial(
        request.services.tenants.project_codes,
        account_id=owner.account_id,
        sub_account_id=owner.sub_account_id,
        usable_by=request.principal.sub_account_id,
    )
    return await listing.page(request, ProjectCodeSchema, ProjectCodeSchema.of, find)


async def read(request: ApiRequest) -> BaseModel:
    return ProjectCodeSchema.of(await request.services.tenants.project_code(request.ids["project_code_id"]))


async def change(request: ApiRequest) -> BaseModel:
    return ProjectCodeSchema.of(await _change(request, request.body.to(ProjectCodeChanges)))


async def close(request: ApiRequest) -> None:
    await _change(request, ProjectCodeChanges(state="closed"))


async def _change(request: ApiRequest, changes: ProjectCodeChanges) -> ProjectCode:
    code_id = request.ids["project_code_id"]
    return await update.change_project_code(request.services.tenants, code_id, changes, request.expected)


OPERATIONS: Final = (
    Operation(
        "create_project_code", "POST", "/v1/project-codes", "Add a project code", create,
        ProjectCodeSchema, 201, body=NewProjectCode, refusals=(404, 409), scope=Scope.ACCOUNT,
    ),
    Operation(
        "list_project_codes", "GET", "/v1/project-codes", "List project codes", read_page,
        Page[ProjectCodeSchema], query=ProjectCodesQuery, scope=Scope.SUB_ACCOUNT,
    ),
    Operation(
        "get_project_code", "GET", "/v1/project-codes/{project_code_id}", "Read a project code", read,
        ProjectCodeSchema, scope=Scope.SUB_ACCOUNT, versioned=True,
    ),
    Operation(
        "change_project_code", "PATCH", "/v1/project-codes/{project_code_id}", "Rename, close or reopen a project code",
        change, ProjectCodeSchema, body=ProjectCodeChange, scope=Scope.ACCOUNT, versioned=True,
    ),
    Operation(
        "close_project_code", "DELETE", "/v1/project-codes/{project_code_id}",
        "Close a project code; what was charged to it keeps it", close,
        None, 204, scope=Scope.ACCOUNT, versioned=True,
    ),
)  # fmt: skip
