"""Creation, change and secrets of webhooks, of accounts and of the operator."""

import os
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from bridge.domain.errors import Invalid
from bridge.domain.webhooks import event, signature, target
from bridge.domain.webhooks.event import Webhook, WebhookState
from bridge.domain.webhooks.signature import SECRET_BYTES, Secrets
from bridge.usecases.provisioning.ports import Keys
from bridge.usecases.webhooks.ports import Webhooks, WebhookUpdate

OVERLAP_MAX: Final = timedelta(days=7)
RENEWED: Final = 500
"""Secrets that are read at a time while all are sealed anew."""


async def create_webhook(
    webhooks: Webhooks,
    keys: Keys,
    account_id: UUID | None,
    url: str,
    events: Sequence[str] = (event.EVERY,),
    label: str = "",
    *,
    private: bool = False,
) -> tuple[Webhook, str]:
    """Create a webhook; return it with its secret, which is shown only now. Raises Invalid, Conflict, NotFound."""
    address, wanted = target.url(url, private), event.wanted(events)
    secret = _secret()
    sealed = keys.seal(Secrets(secret).text)
    return await webhooks.add(account_id, address, wanted, event.labelled(label), sealed), secret


async def change_webhook(
    webhooks: Webhooks,
    webhook_id: UUID,
    *,
    url: str | None = None,
    events: Sequence[str] | None = None,
    label: str | None = None,
    state: WebhookState | None = None,
    expected: int | None = None,
    private: bool = False,
) -> Webhook:
    """Change a webhook. Raises Invalid, NotFound, Stale."""
    changes = WebhookUpdate(
        None if url is None else target.url(url, private),
        None if events is None else event.wanted(events),
        None if label is None else event.labelled(label),
        state,
    )
    return await webhooks.change(webhook_id, changes, expected)


async def rotate_secret(
    webhooks: Webhooks, keys: Keys, webhook_id: UUID, overlap: timedelta = timedelta(), expected: int | None = None
) -> tuple[Webhook, str]:
    """Replace the secret of a webhook. During `overlap`, messages are signed with the old and the new one.

    Returns the webhook and the new secret. Raises Invalid, NotFound, Stale.
    """
    if not timedelta() <= overlap <= OVERLAP_MAX:
        raise Invalid("overlap_s", f"0 to {OVERLAP_MAX // timedelta(seconds=1)} seconds")
    former = Secrets.of_text(keys.unseal(await webhooks.secret(webhook_id)))
    new = _secret()
    until = datetime.now(UTC) + overlap if overlap else None
    sealed = keys.seal(former.rotated(new, until).text)
    return await webhooks.change_secret(webhook_id, sealed, expected), new


async def renew_secrets(webhooks: Webhooks, keys: Keys) -> int:
    """Seal all secrets under the present key, and return their number.

    Doing it twice is harmless. Raises Unavailable.
    """
    renewed, after = 0, None
    while found := await webhooks.secrets(RENEWED, after):
        for webhook_id, sealed in found:
            await webhooks.seal_anew(webhook_id, sealed, keys.seal(keys.unseal(sealed)))
        renewed, after = renewed + len(found), found[-1][0]
    return renewed


def _secret() -> str:
    return signature.secret(os.urandom(SECRET_BYTES))
