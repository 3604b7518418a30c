"""/v1/api-keys: the keys that authenticate programs."""

from datetime import timedelta
from typing import Final
from uuid import UUID

from pydantic import BaseModel, Field

from bridge.api.http import paging
from bridge.api.http.operations import Operation
from bridge.api.http.paging import Paged
from bridge.api.http.request import ApiRequest
from bridge.api.http.wire import Answer, GivenTime, Name, Page, Request, Time
from bridge.domain.access import api_key
from bridge.domain.access.api_key import ApiKey
from bridge.domain.access.principal import Owner, Scope
from bridge.usecases.access import issue_keys

OVERLAP_MAX_S: Final = api_key.OVERLAP_MAX // timedelta(seconds=1)


class NewApiKeySchema(Request):
    """An API key to create. It reaches no further, and lasts no longer, than the key that creates it."""

    scope: Scope = Field(
        description="How far the key reaches: the whole installation, an account or a sub-account.",
        examples=["account"],
    )
    account_id: UUID | None = Field(None, description="Account of the key; required for scope `account`.")
    sub_account_id: UUID | None = Field(None, description="Sub-account of the key; required for scope `sub_account`.")
    name: Name = Field(description="Purpose of the key.", examples=["payroll import"])
    read_only: bool = Field(False, description="Restrict the key to GET operations.")
    expires_at: GivenTime | None = Field(None, description="End of the key's validity. Left out: without end.")


class ApiKeyRotation(Request):
    """The terms of a rotation."""

    overlap_s: int = Field(
        0,
        ge=0,
        le=OVERLAP_MAX_S,
        description="Seconds for which the old key still works. 0: it is revoked at once.",
    )


class ApiKeySchema(Answer):
    """A key that authenticates a program."""

    id: UUID
    scope: Scope
    account_id: UUID | None = Field(description="Account of the key. Null for scope `operator`.")
    sub_account_id: UUID | None = Field(description="Sub-account of the key. Null unless the scope is `sub_account`.")
    name: str = Field(description="Purpose of the key.")
    read_only: bool = Field(description="True if the key can call only GET operations.")
    hint: str = Field(description="First characters of the key, to recognise it.")
    created_at: Time
    expires_at: Time | None = Field(description="End of the key's validity. Null: without end.")
    last_used_at: Time | None = Field(description="Last use, to within a minute. Null: never used.")
    revoked_at: Time | None
    replaces: UUID | None = Field(description="Id of the key that this one replaced by rotation.")
    key: str | None = Field(
        None, description="The key itself, on creation and rotation only: store it, it is not shown again."
    )

    @classmethod
    def of(cls, kept: ApiKey, key: str | None = None) -> "ApiKeySchema":
        return cls.model_validate(kept, from_attributes=True).model_copy(update={"key": key})


class ApiKeysQuery(Paged):
    account_id: UUID | None = Field(None, description="Only keys of this account and its sub-accounts.")
    sub_account_id: UUID | None = Field(None, description="Only keys of this sub-account.")


async def create(request: ApiRequest) -> BaseModel:
    body: NewApiKeySchema = request.body
    made, key = await issue_keys.create(
        request.services.api_keys,
        request.principal,
        body.scope,
        body.account_id,
        body.sub_account_id,
        body.name,
        body.expires_at,
        read_only=body.read_only,
    )
    return ApiKeySchema.of(made, key)


async def read_page(request: ApiRequest) -> BaseModel:
    query: ApiKeysQuery = request.query
    owner = request.principal.confined(Owner(query.account_id, query.sub_account_id))
    keys = await request.services.api_keys.keys(owner, query.limit + 1, paging.after_id(query.cursor))
    page, cursor = paging.cut(keys, query.limit, lambda key: str(key.id))
    return Page[ApiKeySchema](items=[ApiKeySchema.of(key) for key in page], next_cursor=cursor)


async def read(request: ApiRequest) -> BaseModel:
    return ApiKeySchema.of(await request.services.api_keys.key(request.ids["key_id"]))


async def revoke(request: ApiRequest) -> None:
    await request.services.api_keys.revoke(request.ids["key_id"])


async def rotate(request: ApiRequest) -> BaseModel:
    overlap = timedelta(seconds=request.body.overlap_s)
    made, key = await issue_keys.rotate(request.services.api_keys, request.principal, request.ids["key_id"], overlap)
    return ApiKeySchema.of(made, key)


OPERATIONS: Final = (
    Operation(
        "create_api_key", "POST", "/v1/api-keys", "Create an API key, which is shown only once", create,
        ApiKeySchema, 201, body=NewApiKeySchema, refusals=(403, 404, 409), scope=Scope.ACCOUNT,
    ),
    Operation(
        "list_api_keys", "GET", "/v1/api-keys", "List API keys, also expired and revoked ones", read_page,
        Page[ApiKeySchema], query=ApiKeysQuery, scope=Scope.ACCOUNT,
    ),
    Operation(
        "get_api_key", "GET", "/v1/api-keys/{key_id}", "Read an API key, without the key itself", read,
        ApiKeySchema, scope=Scope.ACCOUNT,
    ),
    Operation(
        "revoke_api_key", "DELETE", "/v1/api-keys/{key_id}", "Revoke an API key at once and for good", revoke,
        None, 204, scope=Scope.ACCOUNT,
    ),
    Operation(
        "rotate_api_key", "POST", "/v1/api-keys/{key_id}/rotate",
        "Replace an API key by a new one, which is shown only once", rotate,
        ApiKeySchema, 201, body=ApiKeyRotation, refusals=(403, 409), scope=Scope.ACCOUNT,
    ),
)  # fmt: skip
