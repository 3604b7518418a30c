"""/v1/api-keys: who may use REST, and for what."""

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


class NewKey(Request):
    scope: Scope = Field(
        description="how far it reaches: all of the installation, an account, or one of its sub-accounts",
        examples=["account"],
    )
    account_id: UUID | None = Field(None, description="of a key of scope account")
    sub_account_id: UUID | None = Field(None, description="of a key of scope sub_account")
    name: Name = Field(description="what it is used for", examples=["payroll import"])
    read_only: bool = False
    expires_at: GivenTime | None = Field(None, description="never, if left out")


class Rotation(Request):
    overlap_s: int = Field(0, ge=0, le=OVERLAP_MAX_S, description="how long the old key stays good")


class KeyAnswer(Answer):
    id: UUID
    scope: Scope
    account_id: UUID | None
    sub_account_id: UUID | None
    name: str
    read_only: bool
    hint: str = Field(description="how it begins")
    created_at: Time
    expires_at: Time | None
    last_used_at: Time | None = Field(description="to within a minute")
    revoked_at: Time | None
    replaces: UUID | None = Field(description="the key it was rotated from")
    key: str | None = Field(None, description="the key itself, on creation alone: it is not kept")

    @classmethod
    def of(cls, kept: ApiKey, key: str | None = None) -> "KeyAnswer":
        return cls.model_validate(kept, from_attributes=True).model_copy(update={"key": key})


class KeysQuery(Paged):
    account_id: UUID | None = None
    sub_account_id: UUID | None = None


async def create(request: ApiRequest) -> BaseModel:
    body: NewKey = request.body
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
    return KeyAnswer.of(made, key)


async def read_page(request: ApiRequest) -> BaseModel:
    query: KeysQuery = request.query
    owner = request.principal.confined(Owner(query.account_id, query.sub_account_id))
    found = await request.services.api_keys.keys(owner, query.limit + 1, paging.after_id(query.cursor))
    page, cursor = paging.cut(found, query.limit, lambda key: str(key.id))
    return Page[KeyAnswer](items=[KeyAnswer.of(key) for key in page], next_cursor=cursor)


async def read(request: ApiRequest) -> BaseModel:
    return KeyAnswer.of(await request.services.api_keys.key(request.ids["key_id"]))


async def revoke(request: ApiRequest) -> None:
    await request.services.api_keys.revoke(request.ids["key_id"])


async def rotate(request: ApiRequest) -> BaseModel:
    overlap = timedelta(seconds=request.body.overlap_s)
    made, key = await issue_keys.rotate(request.services.api_keys, request.principal, request.ids["key_id"], overlap)
    return KeyAnswer.of(made, key)


OPERATIONS: Final = (
    Operation(
        "create_api_key", "POST", "/v1/api-keys", "Create an API key, which is shown this once", create,
        KeyAnswer, 201, body=NewKey, refusals=(403, 404, 409), scope=Scope.ACCOUNT,
    ),
    Operation(
        "list_api_keys", "GET", "/v1/api-keys", "List API keys, good or not", read_page,
        Page[KeyAnswer], query=KeysQuery, scope=Scope.ACCOUNT,
    ),
    Operation(
        "get_api_key", "GET", "/v1/api-keys/{key_id}", "Read what an API key is good for", read,
        KeyAnswer, scope=Scope.ACCOUNT,
    ),
    Operation(
        "revoke_api_key", "DELETE", "/v1/api-keys/{key_id}", "Revoke an API key, at once and for good", revoke,
        None, 204, scope=Scope.ACCOUNT,
    ),
    Operation(
        "rotate_api_key", "POST", "/v1/api-keys/{key_id}/rotate",
        "Replace an API key by a new one, which is shown this once", rotate,
        KeyAnswer, 201, body=Rotation, refusals=(403, 409), scope=Scope.ACCOUNT,
    ),
)  # fmt: skip
