"""Seats: their count is exact in whatever order events arrive."""

from hypothesis import given
from hypothesis import strategies as st

from bridge.domain.admission.grant import Grant, ParticipantLimits, RoomOwner
from bridge.domain.admission.refusal import Refusal
from bridge.domain.admission.seats import SETTLED_S, Seats
from bridge.domain.provisioning.passcode import Role

OWNERS = {"r-1": RoomOwner("a-1", "s-1"), "r-2": RoomOwner("a-1", "s-1"), "r-3": RoomOwner("a-1", "s-2")}


ANY = ParticipantLimits()


def entry(room: str, limits: ParticipantLimits = ANY) -> Grant:
    owner = OWNERS[room]
    return Grant(f"p-{room}", owner.account_id, owner.sub_account_id, room, Role.GUEST, limits)


def test_each_limit_is_over_all_that_belongs_to_it() -> None:
    seats = Seats(OWNERS.get)
    assert seats.take("c-1", entry("r-1", ParticipantLimits(room=1)), 0) is None
    assert seats.take("c-2", entry("r-1", ParticipantLimits(room=1)), 0) is Refusal.ROOM_FULL
    assert seats.take("c-2", entry("r-2", ParticipantLimits(sub_account=1)), 0) is Refusal.SUB_ACCOUNT_FULL
    assert seats.take("c-2", entry("r-2", ParticipantLimits(sub_account=2)), 0) is None
    assert seats.take("c-3", entry("r-3", ParticipantLimits(sub_account=1, account=2)), 0) is Refusal.ACCOUNT_FULL
    seats.left("c-1", 1)
    assert seats.take("c-3", entry("r-3", ParticipantLimits(sub_account=1, account=2)), 1) is None


def test_the_same_call_has_one_seat() -> None:
    seats = Seats(OWNERS.get)
    for _ in range(3):
        assert seats.take("c-1", entry("r-1", ParticipantLimits(room=1)), 0) is None


def test_those_found_in_a_room_count_for_its_owner() -> None:
    seats = Seats(OWNERS.get)
    seats.listed({"r-1": frozenset({"c-1", "c-2"}), "strange": frozenset({"c-9"})}, 10)
    assert seats.take("c-3", entry("r-1", ParticipantLimits(room=2)), 10) is Refusal.ROOM_FULL
    assert seats.take("c-3", entry("r-3", ParticipantLimits(account=2)), 10) is Refusal.ACCOUNT_FULL
    assert seats.take("c-3", entry("r-3", ParticipantLimits(account=3)), 10) is None


def test_an_owner_who_is_known_later_counts_then() -> None:
    owners: dict[str, RoomOwner] = {}
    seats = Seats(owners.get)
    seats.listed({"r-1": frozenset({"c-1"})}, 10)
    owners.update(OWNERS)
    seats.listed({"r-1": frozenset({"c-1"})}, 15)
    assert seats.take("c-2", entry("r-2", ParticipantLimits(account=1)), 15) is Refusal.ACCOUNT_FULL


def test_a_listing_does_not_free_those_who_are_on_the_way() -> None:
    seats = Seats(OWNERS.get)
    seats.take("c-1", entry("r-1"), 10)
    seats.listed({}, 9)
    seats.listed({}, 10 + SETTLED_S - 0.1)
    assert len(seats) == 1
    seats.listed({}, 10 + SETTLED_S)
    assert len(seats) == 0


def test_an_old_listing_does_not_bring_back_those_who_left() -> None:
    seats = Seats(OWNERS.get)
    seats.take("c-1", entry("r-1"), 0)
    seats.left("c-1", 10)
    seats.listed({"r-1": frozenset({"c-1"})}, 9.9)
    assert len(seats) == 0


def test_by_what_they_came_in() -> None:
    seats = Seats(OWNERS.get)
    seats.take("c-1", entry("r-1"), 0)
    seats.take("c-2", entry("r-3"), 0)
    nobody = {"account_id": None, "sub_account_id": None, "room_id": None, "passcode_id": None}
    assert seats.of(**{**nobody, "account_id": "a-1"}) == {"c-1", "c-2"}
    assert seats.of(**{**nobody, "account_id": "a-1", "passcode_id": "p-r-3"}) == {"c-2"}
    assert seats.of(**{**nobody, "room_id": "r-2"}) == set()


steps = st.lists(
    st.tuples(st.sampled_from(["take", "back", "left", "list"]), st.integers(0, 7), st.sampled_from(list(OWNERS))),
    max_size=80,
)


@given(steps)
def test_counts_are_those_of_the_seats_and_limits_are_never_passed(taken: list[tuple[str, int, str]]) -> None:
    seats, limits = Seats(OWNERS.get), ParticipantLimits(room=2, sub_account=3, account=4)
    inside: dict[str, str] = {}
    for now, (what, number, room) in enumerate(taken):
        caller = f"c-{number}-{now if what == 'take' else ''}"
        someone = sorted(inside)[number % len(inside)] if inside else ""
        match what:
            case "take":
                if seats.take(caller, entry(room, limits), now) is None:
                    inside[caller] = room
            case "back":
                seats.give_back(someone)
                inside.pop(someone, None)
            case "left":
                seats.left(someone, now)
                inside.pop(someone, None)
            case _:
                rooms = {name: frozenset(one for one, at in inside.items() if at == name) for name in OWNERS}
                seats.listed(rooms, now)
        assert len(seats) == len(inside) <= 4
        for name in OWNERS:
            of_room = seats.of(account_id=None, sub_account_id=None, room_id=name, passcode_id=None)
            assert of_room == {one for one, at in inside.items() if at == name}
            assert len(of_room) <= 2
