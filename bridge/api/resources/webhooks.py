"""/v1/webhooks: who is told what, and the log of it."""

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
from bridge.domain.webhooks import event as webhook
from bridge.domain.webhooks import target
from bridge.domain.webhooks.event import Delivery, DeliveryState, EventKind, Webhook, WebhookState
from bridge.usecases.webhooks import keep_webhooks

Url = Annotated[str, Field(max_length=target.URL_MAX, examples=["https://example.com/bridge-events"])]
Events = Annotated[
    list[Annotated[str, Field(max_length=40)]],
    Field(
        min_length=1,
        max_length=len(webhook.KINDS),
        description="names of events, or `*` alone for all of them: "
        + ", ".join(f"`{kind}`" for kind in webhook.KINDS),
        examples=[["conference.started", "conference.ended"]],
    ),
]
OVERLAP_MAX_S: Final = keep_webhooks.OVERLAP_MAX // timedelta(seconds=1)


class NewWebhook(Request):
    account_id: UUID | None = Field(
        None, description="whose events are told; left out by the operator: those of all accounts"
    )
    url: Url
    events: Events = Field([webhook.EVERY])
    label: Text = ""


class WebhookChanges(Request):
    """What is left out stays as it is."""

    url: Url | None = None
    events: Events | None = None
    label: Text | None = None
    state: WebhookState | None = Field(None, description="nothing is sent while it is paused")


class SecretRotation(Request):
    overlap_s: int = Field(0, ge=0, le=OVERLAP_MAX_S, description="how long messages are signed with both secrets")


class WebhookAnswer(Answer):
    id: UUID
    account_id: UUID | None = Field(description="null: the operator's, told of all accounts")
    url: str
    events: list[str]
    state: WebhookState
    label: str
    created_at: Time
    version: int
    secret: str | None = Field(None, description="what messages are signed with, on creation and rotation alone")

    @classmethod
    def of(cls, kept: Webhook, secret: str | None = None) -> "WebhookAnswer":
        given = {name: getattr(kept, name) for name in cls.model_fields if name not in {"events", "secret"}}
        return cls(**given, events=list(kept.events), secret=secret)


class DeliveryAnswer(Answer):
    id: UUID
    webhook_id: UUID
    event_id: UUID = Field(description="webhook-id of the message: the same at each attempt and redelivery")
    event: str
    state: DeliveryState
    attempts: int
    status: int | None = Field(description="what the receiver answered last")
    error: str = Field(description="what went wrong last; empty when nothing did")
    created_at: Time
    next_at: Time | None = Field(description="when it is tried, at the earliest; null once it is over")
    delivered_at: Time | None
    payload: dict[str, Any] = Field(description="the body of the message")

    @classmethod
    def of(cls, delivery: Delivery) -> "DeliveryAnswer":
        return cls.model_validate(delivery, from_attributes=True)


class WebhooksQuery(Paged):
    account_id: UUID | None = None


class DeliveriesQuery(Paged):
    state: DeliveryState | None = None
    event: EventKind | None = None


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
    return WebhookAnswer.of(made, secret)


async def read_page(request: ApiRequest) -> BaseModel:
    query: WebhooksQuery = request.query
    account_id = request.principal.confined(Owner(query.account_id)).account_id
    found = await request.services.webhooks.webhooks(account_id, query.limit + 1, paging.after_id(query.cursor))
    page, cursor = paging.cut(found, query.limit, lambda hook: str(hook.id))
    return Page[WebhookAnswer](items=[WebhookAnswer.of(hook) for hook in page], next_cursor=cursor)


async def read(request: ApiRequest) -> BaseModel:
    return WebhookAnswer.of(await request.services.webhooks.webhook(request.ids["webhook_id"]))


async def change(request: ApiRequest) -> BaseModel:
    body: WebhookChanges = request.body
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
    return WebhookAnswer.of(changed)


async def remove(request: ApiRequest) -> None:
    await request.services.webhooks.remove(request.ids["webhook_id"], request.expected)


async def rotate(request: ApiRequest) -> BaseModel:
    overlap = timedelta(seconds=request.body.overlap_s)
    changed, secret = await keep_webhooks.rotate_secret(
        request.services.webhooks, request.services.keys, request.ids["webhook_id"], overlap, request.expected
    )
    return WebhookAnswer.of(changed, secret)


async def test(request: ApiRequest) -> BaseModel:
    return DeliveryAnswer.of(await request.services.webhooks.ping(request.ids["webhook_id"]))


async def read_deliveries(request: ApiRequest) -> BaseModel:
    query: DeliveriesQuery = request.query
    found = await request.services.webhooks.deliveries(
        request.ids["webhook_id"], query.state, query.event, query.limit + 1, paging.after_id(query.cursor)
    )
    page, cursor = paging.cut(found, query.limit, lambda delivery: str(delivery.id))
    return Page[DeliveryAnswer](items=[DeliveryAnswer.of(delivery) for delivery in page], next_cursor=cursor)


async def read_delivery(request: ApiRequest) -> BaseModel:
    return DeliveryAnswer.of(await request.services.webhooks.delivery(request.ids["delivery_id"]))


async def redeliver(request: ApiRequest) -> BaseModel:
    return DeliveryAnswer.of(await request.services.webhooks.redeliver(request.ids["delivery_id"]))


OPERATIONS: Final = (
    Operation(
        "create_webhook", "POST", "/v1/webhooks", "Create a webhook, whose secret is shown this once", create,
        WebhookAnswer, 201, body=NewWebhook, refusals=(404, 409), scope=Scope.ACCOUNT, versioned=True,
    ),
    Operation(
        "list_webhooks", "GET", "/v1/webhooks", "List webhooks", read_page,
        Page[WebhookAnswer], query=WebhooksQuery, scope=Scope.ACCOUNT,
    ),
    Operation(
        "get_webhook", "GET", "/v1/webhooks/{webhook_id}", "Read a webhook", read,
        WebhookAnswer, scope=Scope.ACCOUNT, versioned=True,
    ),
    Operation(
        "change_webhook", "PATCH", "/v1/webhooks/{webhook_id}", "Change, pause or resume a webhook", change,
        WebhookAnswer, body=WebhookChanges, scope=Scope.ACCOUNT, versioned=True,
    ),
    Operation(
        "delete_webhook", "DELETE", "/v1/webhooks/{webhook_id}", "Remove a webhook, and the log of its deliveries",
        remove, None, 204, scope=Scope.ACCOUNT, versioned=True,
    ),
    Operation(
        "rotate_webhook_secret", "POST", "/v1/webhooks/{webhook_id}/rotate-secret",
        "Replace the secret of a webhook by a new one, which is shown this once", rotate,
        WebhookAnswer, body=SecretRotation, scope=Scope.ACCOUNT, versioned=True,
    ),
    Operation(
        "test_webhook", "POST", "/v1/webhooks/{webhook_id}/test", "Send a `ping` to a webhook", test,
        DeliveryAnswer, 201, refusals=(409,), scope=Scope.ACCOUNT,
    ),
    Operation(
        "list_webhook_deliveries", "GET", "/v1/webhooks/{webhook_id}/deliveries",
        "List what was sent to a webhook, or waits, the latest first", read_deliveries,
        Page[DeliveryAnswer], query=DeliveriesQuery, scope=Scope.ACCOUNT,
    ),
    Operation(
        "get_webhook_delivery", "GET", "/v1/webhook-deliveries/{delivery_id}", "Read what became of a delivery",
        read_delivery, DeliveryAnswer, scope=Scope.ACCOUNT,
    ),
    Operation(
        "redeliver", "POST", "/v1/webhook-deliveries/{delivery_id}/redeliver",
        "Send an event once more, under the same id", redeliver,
        DeliveryAnswer, 201, refusals=(409,), scope=Scope.ACCOUNT,
    ),
)  # fmt: skip
