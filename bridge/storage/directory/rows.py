"""Rows of the local directory: how Postgres packs them, how the file stores them, and whom they admit.

The SQL that packs a kind of row stands beside the struct that unpacks it. Ids are 16 bytes. Times are Postgres' own:
microseconds since 2000, with infinities at the ends of 64 bits. A limit that is not set is 0.
"""

from collections.abc import Callable, Mapping
from functools import lru_cache
from struct import Struct
from typing import Final, NamedTuple
from uuid import UUID

import orjson

from bridge.domain.admission.grant import Bar, Barred, DialledNumber, Grant, ParticipantLimits, RoomOwner
from bridge.domain.admission.numbering import IncomingTrunk, Numbering
from bridge.domain.phone import CallerNumbers
from bridge.domain.provisioning.code_lengths import LiveCodes
from bridge.domain.provisioning.passcode import Role
from bridge.domain.provisioning.tenants import Space
from bridge.domain.provisioning.trunk import NumberForm, NumberSource

ID_BYTES: Final = 16
SHARED: Final = bytes(ID_BYTES)
EPOCH_2000_US: Final = 946_684_800_000_000

# A code: passcode id, room id, role; and if anything bounds it: valid from, valid until, whether uses are limited, PIN.
CODE: Final = """
uuid_send(passcodes.id) || uuid_send(passcodes.room_id) || convert_to(left(passcodes.role, 1), 'UTF8')
|| CASE WHEN num_nonnulls(valid_from, valid_until, max_uses, pin_digest) = 0 THEN ''::bytea
   ELSE timestamptz_send(coalesce(valid_from, '-infinity')) || timestamptz_send(coalesce(valid_until, 'infinity'))
     || boolsend(max_uses IS NOT NULL) || coalesce(pin_digest, ''::bytea) END
"""
_CODE: Final = Struct(">16s16sc")
_BOUNDS: Final = Struct(">qq?")
PLAIN_CODE_BYTES: Final = _CODE.size
# The uses of a passcode: how many it may have, and how many Postgres knows of.
USES: Final = "int4send(max_uses) || int8send(uses)"
_USES: Final = Struct(">iq")
# A room and its sub-account: ids of sub-account and account, both states, whether callers are trusted, both limits.
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
# An access number: its account or SHARED, how many trunks it is bound to and their ids, then language and greeting,
# with a zero byte between them (no text has one).
NUMBER: Final = (
    f"coalesce(uuid_send(account_id), '\\x{SHARED.hex()}') || int2send(cardinality(trunk_ids)::int2) "  # noqa: S608
    "|| coalesce((SELECT string_agg(uuid_send(each), ''::bytea) FROM unnest(trunk_ids) AS each), ''::bytea) "
    "|| convert_to(language, 'UTF8') || '\\x00' || convert_to(greeting, 'UTF8')"
)
# A caller's number: ids of known caller, sub-account and room (SHARED without one), and whether it skips the code, for
# each sub-account that knows it.
CALLERS: Final = (
    f"string_agg(uuid_send(id) || uuid_send(sub_account_id) || coalesce(uuid_send(room_id), '\\x{SHARED.hex()}') "
    "|| boolsend(skips_code), ''::bytea)"
)
_TRUNKS: Final = Struct(">h")
_CALLER: Final = Struct(">16s16s16s?")
# A trunk: how it writes numbers, and its limits, as JSON.
TRUNK: Final = (
    "convert_to(json_build_array(name, number_form, prefix, country, number_source, media_networks, max_calls, "
    "max_dialogues)::text, 'UTF8')"
)
# The live codes of a code space: for each length in use, the length and how many there are.
LENGTHS: Final = (
    "coalesce(string_agg(int2send(length) || int8send(live), ''::bytea ORDER BY length) FILTER (WHERE live > 0), "
    "''::bytea)"
)
_LENGTH: Final = Struct(">hq")

_ROLES: Final[Mapping[bytes, Role]] = {role.value[:1].encode(): role for role in Role}
_ALL_ACTIVE: Final = b"aaa"
_CLOSED: Final = b"c"[0]
_UNLIMITED: Final = ParticipantLimits()


class CodeRows(NamedTuple):
    """The rows of a code, its room, its account and its uses (None if unlimited), all as of the change `change`."""

    code: bytes
    room: bytes
    account: bytes
    uses: bytes | None
    change: int

    @property
    def passcode_id(self) -> bytes:
        return self.code[:ID_BYTES]


def answer(found: CodeRows, taken_here: int, number: DialledNumber, now_us: Callable[[], int]) -> Grant | Barred | None:
    """Decide whom a code admits on a number, or why it admits nobody now.

    None means that the code does not exist on this number. `taken_here` are uses that the row does not count yet;
    `now_us` returns µs since 1970. A closed or suspended owner is reported before another number, and that before
    the code's own bounds.
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
    """Decide whether a known caller enters as host without a code. None if the owners of its room don't allow it."""
    known_id, knower_id, room_id, _ = _CALLER.unpack(caller)
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
    """Split a number's row into the known callers who skip the code, each with the id of its room."""
    size = _CALLER.size
    every = [row[at : at + size] for at in range(0, len(row), size)]
    return [(each, each[2 * ID_BYTES : 3 * ID_BYTES]) for each in every if _CALLER.unpack(each)[3]]


def knowers(row: bytes) -> frozenset[str]:
    """The ids of the sub-accounts that know a number, from its row."""
    size = _CALLER.size
    return frozenset(text_of(row[at + ID_BYTES : at + 2 * ID_BYTES]) for at in range(0, len(row), size))


def number_of(dialled: str, row: bytes, account: bytes | None) -> DialledNumber:
    """Build an access number; `account` is the row of the account it is dedicated to."""
    owner, trunks, at = row[:ID_BYTES], *_TRUNKS.unpack_from(row, ID_BYTES), ID_BYTES + _TRUNKS.size
    texts = at + trunks * ID_BYTES
    trunk_ids = frozenset(text_of(row[each : each + ID_BYTES]) for each in range(at, texts, ID_BYTES))
    language, _, greeting = row[texts:].decode().partition("\0")
    if owner == SHARED:
        return DialledNumber(dialled, None, Space.SHARED, language, greeting, trunk_ids)
    own = account is not None and _ACCOUNT.unpack(account)[1]
    return DialledNumber(dialled, text_of(owner), Space.OWN if own else Space.SHARED, language, greeting, trunk_ids)


def trunk_of(trunk_id: str, row: bytes, numbers: CallerNumbers) -> IncomingTrunk:
    """Build a trunk. `numbers` says where numbers are from on a trunk that has no country of its own."""
    name, form, prefix, country, source, media_networks, max_calls, max_dialogues = orjson.loads(row)
    return IncomingTrunk(
        trunk_id,
        name,
        Numbering(NumberForm(form), country or numbers.country, prefix, numbers.withheld),
        NumberSource(source),
        tuple(media_networks),
        max_calls,
        max_dialogues,
    )


def live_codes(row: bytes) -> LiveCodes:
    """Return the live codes of a code space by length."""
    return dict(_LENGTH.iter_unpack(row))


def uses_left(row: bytes, taken_here: int) -> int:
    """Return how many uses a passcode has left. `taken_here` are uses that its row does not count yet."""
    most, taken = _USES.unpack(row)
    return max(0, int(most) - int(taken) - taken_here)


def owner(room: bytes) -> RoomOwner:
    """Return the owner of a room."""
    return RoomOwner(text_of(account_of(room)), text_of(room[:ID_BYTES]))


def account_of(room: bytes) -> bytes:
    """Return the id of a room's account."""
    return room[ID_BYTES : 2 * ID_BYTES]


def id_of(text: str) -> bytes | None:
    """Return the bytes of an id in its usual text form, None for any other text."""
    try:
        return UUID(text).bytes
    except ValueError:
        return None


def text_of(id_bytes: bytes) -> str:
    """Return an id in its usual text form. It takes a sixth of the time of uuid.UUID."""
    digits = id_bytes.hex()
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


# Accounts are few, and each has many callers: their texts are worth caching.
_text_of_account = lru_cache(4096)(text_of)


def _limits(in_room: int, of_sub_account: int, of_account: int) -> ParticipantLimits:
    if in_room or of_sub_account or of_account:
        return ParticipantLimits(in_room or None, of_sub_account or None, of_account or None)
    return _UNLIMITED
