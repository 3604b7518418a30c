"""/v1/webhooks: URLs to which events are sent, and the log of deliveries."""

from datetime import timedelta
from typing import Annotated, Any, Final
from uuid import UUID

from pydantic import BaseModel, Field

from bridge.api.http import paging
from bridge.api.http.operations import Operation
from bridge.api.http.paging import Paged
from bridge.api.http.request import ApiRequest
from bridge.api.http.wire import Answer, Page, Request, Text, Time
from bridge.domain.access.principal import Owner, Scope
from bridge.domain.webhooks import event, target
from bridge.domain.webhooks.event import Delivery, DeliveryState, EventKind, Webhook, WebhookState
from bridge.usecases.webhooks import keep_webhooks

Url = Annotated[str, Field(max_length=target.URL_MAX, examples=["https://example.com/bridge-events"])]
Events = Annotated[
    list[Annotated[str, Field(max_length=40)]],
    Field(
        min_length=1,
        max_length=len(event.KINDS),
        description="Names of events, or `*` alone for all of them, also those that later versions add: "
        + ", ".join(f"`{kind}`" for kind in event.KINDS),
        examples=[["conference.started", "conference.ended"]],
    ),
]
OVERLAP_MAX_S: Final = keep_webhooks.OVERLAP_MAX // timedelta(seconds=1)


class NewWebhook(Request):
    """A webhook to create."""

    account_id: UUID | None = Field(
        None,
        description="Account whose events are sent. Left out: that of the API key; all accounts with an operator key.",
    )
    url: Url
    events: Events = Field([event.EVERY])
    label: Text = ""


class WebhookChange(Request):
    """A change of a webhook."""

    url: Url | None = None
    events: Events | None = None
    label: Text | None = None
    state: WebhookState | None = Field(None, description="Nothing is sent while the webhook is `paused`.")


class WebhookSecretRotation(Request):
    """The terms of a rotation."""

    overlap_s: int = Field(
        0, ge=0, le=OVERLAP_MAX_S, description="Seconds for which messages are signed with both secrets."
    )


class WebhookSchema(Answer):
    """A URL to which events are sent."""

    id: UUID
    account_id: UUID | None = Field(description="Account whose events are sent. Null: those of all accounts.")
    url: str
    events: list[str] = Field(description="Names of events, or `*` alone for all of them.")
    state: WebhookState
    label: str = Field(description="Free text; may be empty.")
    created_at: Time
    version: int = Field(description="Number of the version, from 1. The ETag is this number in double quotes.")
    secret: str | None = Field(
        None, description="Secret that messages are signed with, on creation and rotation only; otherwise null."
    )

    @classmethod
    def of(cls, kept: Webhook, secret: str | None = None) -> "WebhookSchema":
        given = {name: getattr(kept, name) for name in cls.model_fields if name not in {"events", "secret"}}
        return cls(**given, events=list(kept.events), secret=secret)


class WebhookDeliverySchema(Answer):
    """One event on its way to one webhook."""

    id: UUID
    webhook_id: UUID
    event_id: UUID = Field(
        description="Id of the event, sent in the header `webhook-id`. It is the same in each attempt and redelivery."
    )
    event: str = Field(description="Name of the event.", examples=["conference.started"])
    state: DeliveryState
    attempts: int = Field(description="Number of attempts so far.")
    status: int | None = Field(description="Status code of the receiver's last response. Null: there was none.")
    error: str = Field(description="Error of the last attempt; empty if there was none.")
    created_at: Time
    next_at: Time | None = Field(description="Earliest instant of the next attempt. Null: there will be none.")
    delivered_at: Time | None
    payload: dict[str, Any] = Field(description="Body of the message.")

    @classmethod
    def of(cls, delivery: Delivery) -> "WebhookDeliverySchema":
        return cls.model_validate(delivery, from_attributes=True)


class WebhooksQuery(Paged):
    account_id: UUID | None = Field(None, description="Only webhooks of this account.")


class WebhookDeliveriesQuery(Paged):
    state: DeliveryState | None = Field(None, description="Only deliveries in this state.")
    event: EventKind | None = Field(None, description="Only deliveries of this event.")


async def create(request: ApiRequest) -> BaseModel:
    body: NewWebhook = request.body
    services = request.services
    made, secret = await keep_webhooks.create_webhook(
        services.webhooks,
        services.keys,
        request.principal.confined(Owner(body.account_id)).account_id,
        body.url,
        body.events,
        body.label,
        private=services.private_webhooks,
    )
    return WebhookSchema.of(made, secret)


async def read_page(request: ApiRequest) -> BaseModel:
    query: WebhooksQuery = request.query
    account_id = request.principal.confined(Owner(query.account_id)).account_id
    found = await request.services.webhooks.webhooks(account_id, query.limit + 1, paging.after_id(query.cursor))
    page, cursor = paging.cut(found, query.limit, lambda hook: str(hook.id))
    return Page[WebhookSchema](items=[WebhookSchema.of(hook) for hook in page], next_cursor=cursor)


async def read(request: ApiRequest) -> BaseModel:
    return WebhookSchema.of(await request.services.webhooks.webhook(request.ids["webhook_id"]))


async def change(request: ApiRequest) -> BaseModel:
    body: WebhookChange = request.body
    changed = await keep_webhooks.change_webhook(
        request.services.webhooks,
        request.ids["webhook_id"],
        url=body.url,
        events=body.events,
        label=body.label,
        state=body.state,
        expected=request.expected,
        private=request.services.private_webhooks,
    )
    return WebhookSchema.of(changed)


async def remove(request: ApiRequest) -> None:
    await request.services.webhooks.remove(request.ids["webhook_id"], request.expected)


async def rotate(request: ApiRequest) -> BaseModel:
    overlap = timedelta(seconds=request.body.overlap_s)
    changed, secret = await keep_webhooks.rotate_secret(
        request.services.webhooks, request.services.keys, request.ids["webhook_id"], overlap, request.expected
    )
    return WebhookSchema.of(changed, secret)


async def test(request: ApiRequest) -> BaseModel:
    return WebhookDeliverySchema.of(await request.services.webhooks.ping(request.ids["webhook_id"]))


async def read_deliveries(request: ApiRequest) -> BaseModel:
    query: WebhookDeliveriesQuery = request.query
    found = await request.services.webhooks.deliveries(
        request.ids["webhook_id"], query.state, query.event, query.limit + 1, paging.after_id(query.cursor)
    )
    page, cursor = paging.cut(found, query.limit, lambda delivery: str(delivery.id))
    return Page[WebhookDeliverySchema](
        items=[WebhookDeliverySchema.of(delivery) for delivery in page], next_cursor=cursor
    )


async def read_delivery(request: ApiRequest) -> BaseModel:
    return WebhookDeliverySchema.of(await request.services.webhooks.delivery(request.ids["delivery_id"]))


async def redeliver(request: ApiRequest) -> BaseModel:
    return WebhookDeliverySchema.of(await request.services.webhooks.redeliver(request.ids["delivery_id"]))


OPERATIONS: Final = (
    Operation(
        "create_webhook", "POST", "/v1/webhooks", "Create a webhook, whose secret is shown only once", create,
        WebhookSchema, 201, body=NewWebhook, refusals=(404, 409), scope=Scope.ACCOUNT, versioned=True,
    ),
    Operation(
        "list_webhooks", "GET", "/v1/webhooks", "List webhooks", read_page,
        Page[WebhookSchema], query=WebhooksQuery, scope=Scope.ACCOUNT,
    ),
    Operation(
        "get_webhook", "GET", "/v1/webhooks/{webhook_id}", "Read a webhook", read,
        WebhookSchema, scope=Scope.ACCOUNT, versioned=True,
    ),
    Operation(
        "change_webhook", "PATCH", "/v1/webhooks/{webhook_id}", "Change, pause or resume a webhook", change,
        WebhookSchema, body=WebhookChange, scope=Scope.ACCOUNT, versioned=True,
    ),
    Operation(
        "delete_webhook", "DELETE", "/v1/webhooks/{webhook_id}", "Delete a webhook and the log of its deliveries",
        remove, None, 204, scope=Scope.ACCOUNT, versioned=True,
    ),
    Operation(
        "rotate_webhook_secret", "POST", "/v1/webhooks/{webhook_id}/rotate-secret",
        "Replace the secret of a webhook by a new one, which is shown only once", rotate,
        WebhookSchema, body=WebhookSecretRotation, scope=Scope.ACCOUNT, versioned=True,
    ),
    Operation(
        "test_webhook", "POST", "/v1/webhooks/{webhook_id}/test", "Send a `ping` event to a webhook", test,
        WebhookDeliverySchema, 201, refusals=(409,), scope=Scope.ACCOUNT,
    ),
    Operation(
        "list_webhook_deliveries", "GET", "/v1/webhooks/{webhook_id}/deliveries",
        "List deliveries of a webhook, the latest first", read_deliveries,
        Page[WebhookDeliverySchema], query=WebhookDeliveriesQuery, scope=Scope.ACCOUNT,
    ),
    Operation(
        "get_webhook_delivery", "GET", "/v1/webhook-deliveries/{delivery_id}", "Read a delivery",
        read_delivery, WebhookDeliverySchema, scope=Scope.ACCOUNT,
    ),
    Operation(
        "redeliver_webhook_delivery", "POST", "/v1/webhook-deliveries/{delivery_id}/redeliver",
        "Send the event of a delivery once more", redeliver,
        WebhookDeliverySchema, 201, refusals=(409,), scope=Scope.ACCOUNT,
    ),
)  # fmt: skip
