"""The ARI client, fed with the recorded frames of a real Asterisk; see tests/asterisk/record.py."""

import asyncio
from typing import Any

import pytest

from bridge.asterisk.ari import events
from bridge.asterisk.ari.calls import Calls, StasisCall
from bridge.asterisk.ari.client import ari_connection
from bridge.asterisk.ari.events import (
    ChannelDtmfReceived,
    Event,
    PlaybackFinished,
    StasisEnd,
    StasisStart,
    UnusedEvent,
)
from bridge.usecases.admission.ports import CallerGone
from tests.asterisk import recordings
from tests.asterisk.ari import fake_ari

NAMES = sorted(path.stem for path in recordings.ARI.glob("*.jsonl"))


def recorded(name: str) -> list[Event]:
    """The events of a recording, without the answers to requests."""
    return [events.parse(frame) for frame in _event_frames(name)]


def _event_frames(name: str) -> list[dict[str, Any]]:
    return [frame for frame in recordings.ari_frames(name) if frame["type"] != "RESTResponse"]


def test_there_are_recordings() -> None:
    assert NAMES == ["connected", "hang_up_in_prompt", "right_code", "taken_over", "wrong_codes"]


@pytest.mark.parametrize("name", NAMES)
def test_every_recorded_event_is_one_that_was_asked_for_and_understood(name: str) -> None:
    frames = _event_frames(name)
    assert {frame["type"] for frame in frames} <= set(events.WANTED)
    assert [frame["type"] for frame in frames] == [type(events.parse(frame)).__name__ for frame in frames]


@pytest.mark.parametrize("name", NAMES)
def test_an_event_of_another_name_or_without_a_field_is_survived(name: str) -> None:
    for frame in _event_frames(name):
        assert events.parse({**frame, "type": "Invented"}) == UnusedEvent("Invented")
        for field in frame.keys() - {"type"}:
            lacking = {key: value for key, value in frame.items() if key != field}
            assert events.parse(lacking) in (events.parse(frame), UnusedEvent(frame["type"]))
            assert isinstance(events.parse({**frame, field: None}), Event)


def test_a_caller_is_offered_keys_a_code_and_leaves_for_the_room() -> None:
    calls: dict[str, list[Event]] = {}
    for event in recorded("right_code"):
        match event:
            case StasisStart(channel):
                assert (channel.number, channel.caller, channel.tries) == ("18005550100", "4930123456", 0)
                assert (channel.trunk, channel.state) == ("127.0.0.1", "Ring")
                assert channel.name.startswith("PJSIP/trunk-")
                calls[channel.id] = []
            case ChannelDtmfReceived(channel_id) | PlaybackFinished(_, channel_id) | StasisEnd(channel_id):
                calls[channel_id].append(event)
            case _:
                pass
    assert len(calls) == 2
    for channel_id, story in calls.items():
        digits = [event.digit for event in story if isinstance(event, ChannelDtmfReceived)]
        assert len(digits) >= 6
        assert set(digits) <= set("0123456789")
        assert story[-1] == StasisEnd(channel_id)


def test_a_refused_caller_ends_with_the_end_of_stasis() -> None:
    story = recorded("wrong_codes")
    [start] = [event for event in story if isinstance(event, StasisStart)]
    keyed = "".join(event.digit for event in story if isinstance(event, ChannelDtmfReceived))
    assert keyed == "9999999#" * 3
    # ChannelDestroyed does not come: when Stasis ends, the application is no longer subscribed to the channel.
    assert story[-1] == StasisEnd(start.channel.id)


def test_a_prompt_that_is_cut_by_the_hang_up_is_told_with_its_channel() -> None:
    story = recorded("hang_up_in_prompt")
    [start] = [event for event in story if isinstance(event, StasisStart)]
    playbacks = [event for event in story if isinstance(event, PlaybackFinished)]
    assert playbacks in ([], [PlaybackFinished(f"{start.channel.id}-a", start.channel.id)])
    assert StasisEnd(start.channel.id) in story


def test_a_takeover_is_told() -> None:
    assert events.ApplicationReplaced() in recorded("taken_over")


@pytest.mark.parametrize(
    ("name", "keys"), [("wrong_codes", "9999999#" * 3), ("hang_up_in_prompt", "")], ids=["wrong codes", "hang-up"]
)
async def test_a_dialogue_hears_the_recorded_keys_and_then_the_hang_up(name: str, keys: str) -> None:
    heard: list[str] = []
    gone = asyncio.Event()

    async def listen(call: StasisCall) -> bool:
        try:
            while True:
                heard.append(await call.key(20.0) or "silence")
        except CallerGone:
            gone.set()
            raise

    async with fake_ari.running() as (fake, login), ari_connection(login) as session, asyncio.timeout(10):
        ready = asyncio.Event()
        serving = asyncio.create_task(Calls(listen).serve(session, ready.set))
        await ready.wait()
        for frame in _event_frames(name):
            await fake.sockets[-1].send_json(frame)
        await gone.wait()
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)
    assert "".join(heard) == keys
