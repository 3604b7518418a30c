"""Events of provisioning for webhooks. Each is emitted in the transaction of the change that it reports."""

from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID, uuid4

from sqlalchemy.ext.asyncio import AsyncConnection

from bridge.domain.access.principal import Owner
from bridge.domain.provisioning.tenants import Passcode, State, SubAccount
from bridge.domain.webhooks import event
from bridge.domain.webhooks.event import Event, EventKind
from bridge.storage.webhooks import outbox


async def has_subscribers(connection: AsyncConnection, account_id: UUID) -> bool:
    """Return True if a webhook asks for events of new sub-accounts or passcodes of an account.

    Call this before the code space is locked: all other writers wait while that lock is held.
    """
    kinds = (EventKind.SUB_ACCOUNT_CREATED, EventKind.PASSCODE_CREATED, EventKind.PASSCODE_ROTATED)
    return bool(await outbox.subscriptions(connection, {account_id}, kinds))


async def sub_accounts_created(connection: AsyncConnection, made: Sequence[SubAccount]) -> None:
    """Emit the creation of sub-accounts, and of the passcodes they come with."""
    events: list[Event] = []
    for one in made:
        owner = Owner(one.account_id, one.id)
        events.append(_event(EventKind.SUB_ACCOUNT_CREATED, owner, one))
        events += [_event(EventKind.PASSCODE_CREATED, owner, code) for room in one.rooms for code in room.passcodes]
    await outbox.emit(connection, events)


async def sub_account_changed(connection: AsyncConnection, before: State, after: SubAccount) -> None:
    """Emit the change of a sub-account that was in the state `before`. The two states decide the kind of event."""
    kind = event.kind_of_change(before, State(after.state))
    await outbox.emit(connection, [_event(kind, Owner(after.account_id, after.id), after)])


async def passcodes_created(
    connection: AsyncConnection, account_id: UUID, sub_account_id: UUID, made: Sequence[Passcode]
) -> None:
    """Emit the creation of passcodes of a sub-account; one that replaces another is reported as rotated."""
    kinds = (EventKind.PASSCODE_CREATED, EventKind.PASSCODE_ROTATED)
    owner = Owner(account_id, sub_account_id)
    await outbox.emit(connection, [_event(kinds[code.replaces is not None], owner, code) for code in made])


async def passcodes_revoked(
    connection: AsyncConnection, account_id: UUID, sub_account_id: UUID, revoked: Sequence[Passcode]
) -> None:
    """Emit the revocation of passcodes of a sub-account, given as they are now."""
    owner = Owner(account_id, sub_account_id)
    await outbox.emit(connection, [_event(EventKind.PASSCODE_REVOKED, owner, code) for code in revoked])


def _event(kind: EventKind, owner: Owner, subject: SubAccount | Passcode) -> Event:
    return event.of_owner(uuid4(), kind, datetime.now(UTC), owner, subject)
