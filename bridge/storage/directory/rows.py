"""The rows of the local directory, as Postgres packs them and the file keeps them, and what they say of a caller.

Each kind of row is one place: the SQL that packs it, and the struct that takes it apart. Ids are 16 bytes; times are
Postgres' own, in microseconds since 2000, with infinities at the ends of 64 bits; a bound that is not set is 0.
"""

from collections.abc import Callable, Mapping
from functools import lru_cache
from struct import Struct
from typing import Final, NamedTuple
from uuid import UUID

from bridge.domain.admission.grant import Bar, Barred, DialledNumber, Grant, ParticipantLimits, RoomOwner
from bridge.domain.provisioning.passcode import Role
from bridge.domain.provisioning.tenants import Space

ID_BYTES: Final = 16
SHARED: Final = bytes(ID_BYTES)
EPOCH_2000_US: Final = 946_684_800_000_000

# A code: passcode, room, role, and for those that are bounded in any way: from, until, whether uses are limited, PIN.
CODE: Final = """
uuid_send(passcodes.id) || uuid_send(passcodes.room_id) || convert_to(left(passcodes.role, 1), 'UTF8')
|| CASE WHEN num_nonnulls(valid_from, valid_until, max_uses, pin_digest) = 0 THEN ''::bytea
   ELSE timestamptz_send(coalesce(valid_from, '-infinity')) || timestamptz_send(coalesce(valid_until, 'infinity'))
     || boolsend(max_uses IS NOT NULL) || coalesce(pin_digest, ''::bytea) END
"""
_CODE: Final = Struct(">16s16sc")
_BOUNDS: Final = Struct(">qq?")
PLAIN_CODE_BYTES: Final = _CODE.size
# Of a passcode with limited uses: how many, and how many Postgres knows to be taken.
USES: Final = "int4send(max_uses) || int8send(uses)"
_USES: Final = Struct(">iq")
# A room with its sub-account, which has few: both ids, both states, whether callers are trusted, both limits.
ROOM: Final = (
    "uuid_send(rooms.sub_account_id) || uuid_send(rooms.account_id) || convert_to(left(rooms.state, 1), 'UTF8') "
    "|| convert_to(left(sub_accounts.state, 1), 'UTF8') || boolsend(trust_callers) "
    "|| int4send(coalesce(max_participants, 0)) || int4send(coalesce(sub_accounts.max_callers, 0))"
)
_ROOM: Final = Struct(">16s16scc?ii")
ACCOUNT: Final = (
    "convert_to(left(accounts.state, 1), 'UTF8') || boolsend(code_space = 'own') "
    "|| int4send(coalesce(accounts.max_callers, 0))"
)
_ACCOUNT: Final = Struct(">c?i")
# An access number: its account or SHARED, then language and greeting with a zero between them: no text has one.
NUMBER: Final = (
    f"coalesce(uuid_send(account_id), '\\x{SHARED.hex()}') "
    "|| convert_to(language, 'UTF8') || '\\x00' || convert_to(greeting, 'UTF8')"
)
# A number that somebody knows: id, sub-account and room for each who lets it skip the code.
CALLERS: Final = (
    "coalesce(string_agg(uuid_send(id) || uuid_send(sub_account_id) || uuid_send(room_id), ''::bytea) "
    "FILTER (WHERE skips_code), ''::bytea)"
)
_CALLER: Final = Struct(">16s16s16s")
LENGTH: Final = "int2send(max(length))"

_ROLES: Final[Mapping[bytes, Role]] = {role.value[:1].encode(): role for role in Role}
_ALL_ACTIVE: Final = b"aaa"
_CLOSED: Final = b"c"[0]
_UNLIMITED: Final = ParticipantLimits()


class CodeRows(NamedTuple):
    """The rows of a code, its room, its account and its uses (None where they are not limited), with the number of the
    change that all of them are as of."""

    code: bytes
    room: bytes
    account: bytes
    uses: bytes | None
    change: int

    @property
    def passcode_id(self) -> bytes:
        return self.code[:ID_BYTES]


def answer(found: CodeRows, taken_here: int, number: DialledNumber, now_us: Callable[[], int]) -> Grant | Barred | None:
    """Whom a code admits on a number, or why nobody now. `taken_here` are uses that the row does not count yet;
    `now_us` tells µs since 1970.

    What closes or suspends its owners goes before the rest, and that it belongs to another number before its bounds.
    """
    code, room, account, uses, _ = found
    passcode_id, room_id, role = _CODE.unpack_from(code)
    sub_account_id, account_id, room_state, sub_account_state, _, in_room, of_sub_account = _ROOM.unpack(room)
    account_state, own_space, of_account = _ACCOUNT.unpack(account)
    if own_space and number.space is not Space.OWN:
        return None
    bounded = len(code) > PLAIN_CODE_BYTES
    begin, end, limited = _BOUNDS.unpack_from(code, PLAIN_CODE_BYTES) if bounded else (0, 0, False)
    left = (uses_left(uses, taken_here) if uses else 0) if limited else None
    entry = Grant(
        text_of(passcode_id),
        _text_of_account(account_id),
        text_of(sub_account_id),
        text_of(room_id),
        _ROLES[role],
        _limits(in_room, of_sub_account, of_account),
        (code[PLAIN_CODE_BYTES + _BOUNDS.size :] or None) if bounded else None,
        left,
    )
    states = room_state + sub_account_state + account_state
    if states != _ALL_ACTIVE:
        return Barred(entry, Bar.CLOSED if _CLOSED in states else Bar.SUSPENDED)
    if number.account_id is not None and number.account_id != entry.account_id:
        return Barred(entry, Bar.OTHER_NUMBER)
    if bounded:
        now = now_us() - EPOCH_2000_US
        if now < begin:
            return Barred(entry, Bar.NOT_YET_VALID)
        if now >= end:
            return Barred(entry, Bar.EXPIRED)
        if left == 0:
            return Barred(entry, Bar.USED_UP)
    return entry


def trusted(caller: bytes, room: bytes, account: bytes, number: DialledNumber) -> Grant | None:
    """Whom a part of a known caller's row admits as host, without a code, if its room's owners let it."""
    known_id, knower_id, room_id = _CALLER.unpack(caller)
    sub_account_id, account_id, room_state, sub_account_state, trusts, in_room, of_sub_account = _ROOM.unpack(room)
    account_state, own_space, of_account = _ACCOUNT.unpack(account)
    payer = text_of(account_id)
    reached = payer == number.account_id or (number.account_id is None and not own_space)
    active = room_state + sub_account_state + account_state == _ALL_ACTIVE
    if not (reached and trusts and active and knower_id == sub_account_id):
        return None
    limits = _limits(in_room, of_sub_account, of_account)
    return Grant(text_of(known_id), payer, text_of(sub_account_id), text_of(room_id), Role.HOST, limits)


def callers(row: bytes) -> list[tuple[bytes, bytes]]:
    """The parts of a number's row, each with the id of its room."""
    size = _CALLER.size
    return [(row[at : at + size], row[at + 2 * ID_BYTES : at + size]) for at in range(0, len(row), size)]


def number_of(dialled: str, row: bytes, account: bytes | None) -> DialledNumber:
    """An access number; `account` is the row of the account it is dedicated to."""
    owner = row[:ID_BYTES]
    language, _, greeting = row[ID_BYTES:].decode().partition("\0")
    if owner == SHARED:
        return DialledNumber(dialled, None, Space.SHARED, language, greeting)
    own = account is not None and _ACCOUNT.unpack(account)[1]
    return DialledNumber(dialled, text_of(owner), Space.OWN if own else Space.SHARED, language, greeting)


def uses_left(row: bytes, taken_here: int) -> int:
    """How often a passcode may be used yet, when `taken_here` uses are not counted in its row."""
    most, taken = _USES.unpack(row)
    return max(0, int(most) - int(taken) - taken_here)


def owner(room: bytes) -> RoomOwner:
    """To whom a room belongs."""
    return RoomOwner(text_of(account_of(room)), text_of(room[:ID_BYTES]))


def account_of(room: bytes) -> bytes:
    """The id of the account that a room's row names."""
    return room[ID_BYTES : 2 * ID_BYTES]


def id_of(text: str) -> bytes | None:
    """The bytes of an id in its usual text form, None for any other text."""
    try:
        return UUID(text).bytes
    except ValueError:
        return None


def text_of(id_bytes: bytes) -> str:
    """An id in its usual text form, in a sixth of the time that UUID takes."""
    digits = id_bytes.hex()
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


# Accounts are few, and the same ones come again and again.
_text_of_account = lru_cache(4096)(text_of)


def _limits(in_room: int, of_sub_account: int, of_account: int) -> ParticipantLimits:
    if in_room or of_sub_account or of_account:
        return ParticipantLimits(in_room or None, of_sub_account or None, of_account or None)
    return _UNLIMITED
