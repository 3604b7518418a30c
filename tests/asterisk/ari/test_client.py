import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from bridge.asterisk.ari import calls, client, events, liveness
from bridge.asterisk.ari.calls import Calls, StasisCall
from bridge.asterisk.ari.client import Ari, AriFailed, AriLogin, AriRefused, AriUnreachable
from bridge.domain.admission.grant import Grant
from bridge.domain.admission.prompt import Prompt
from bridge.domain.provisioning.passcode import Role
from bridge.usecases.admission.ports import CallerGone
from tests.asterisk.ari.fake_ari import FakeAri, channel, running

ENTRY = Grant("p", "a", "s", "r", Role.HOST)


@pytest.fixture
async def wire() -> AsyncIterator[tuple[FakeAri, AriLogin]]:
    async with running() as pair:
        yield pair


async def reading(session: Ari) -> None:
    async for _ in session.events():
        pass


async def test_a_wrong_password_is_told_by_name(wire: tuple[FakeAri, AriLogin]) -> None:
    with pytest.raises(AriRefused, match="BRIDGE_ARI_PASSWORD"):
        async with client.ari_connection(replace(wire[1], password="wrong")):
            pass


async def test_nobody_there_is_told_with_the_address() -> None:
    with pytest.raises(AriUnreachable, match="http://127.0.0.1:9"):
        async with client.ari_connection(AriLogin("http://127.0.0.1:9", "bridge", "x")):
            pass


async def test_answers_find_their_requests(wire: tuple[FakeAri, AriLogin]) -> None:
    fake, login = wire
    fake.answers = {"one": (200, {"n": 1}), "gone": (404, None)}
    async with client.ari_connection(login) as session:
        task = asyncio.create_task(reading(session))
        assert await session.request("GET", "one") == {"n": 1}
        assert await session.request("GET", "two") is None
        with pytest.raises(AriFailed) as refused:
            await session.request("POST", "gone")
        assert refused.value.caller_gone
        task.cancel()


async def test_a_lost_connection_ends_what_waits(wire: tuple[FakeAri, AriLogin]) -> None:
    fake, login = wire
    fake.silent = True
    async with client.ari_connection(login) as session:
        task = asyncio.create_task(reading(session))
        asking = asyncio.create_task(session.request("GET", "one"))
        await fake.until("GET", "one")
        await fake.sockets[0].close()
        with pytest.raises(AriUnreachable):
            await asking
        with pytest.raises(AriUnreachable):
            await task


async def test_silence_is_not_taken_for_an_answer(
    wire: tuple[FakeAri, AriLogin], monkeypatch: pytest.MonkeyPatch
) -> None:
    fake, login = wire
    fake.silent = True
    monkeypatch.setattr(client, "REQUEST_TIMEOUT_S", 0.05)
    async with client.ari_connection(login) as session:
        with pytest.raises(AriUnreachable, match="did not answer"):
            await session.request("GET", "one")


@pytest.mark.parametrize("frame", [{}, {"type": 7}, {"type": "StasisStart"}, {"type": "StasisStart", "channel": None}])
def test_events_that_make_no_sense_survive(frame: dict[str, object]) -> None:
    assert isinstance(events.parse(frame), events.UnusedEvent)


class Serving:
    """Calls over a fake ARI, with a dialogue of the test's own."""

    def __init__(self, wire: tuple[FakeAri, AriLogin]) -> None:
        self.fake, self._login = wire
        self.offered: asyncio.Queue[StasisCall] = asyncio.Queue()
        self.release = asyncio.Event()
        self.calls = Calls(self._greet)

    async def _greet(self, call: StasisCall) -> bool:
        await self.offered.put(call)
        await self.release.wait()
        return True

    async def __aenter__(self) -> "Serving":
        ready = asyncio.Event()
        self._task = asyncio.create_task(self._serve(ready))
        async with asyncio.timeout(20):
            await ready.wait()
        return self

    async def _serve(self, ready: asyncio.Event) -> None:
        async with client.ari_connection(self._login) as session:
            await self.calls.serve(session, ready.set)

    async def __aexit__(self, *_: object) -> None:
        self.release.set()
        self._task.cancel()
        await asyncio.wait([self._task])


async def _let_in(call: StasisCall) -> bool:
    return True


@pytest.mark.parametrize("young", [True, False])
async def test_a_connection_that_answers_but_brings_no_events_is_given_up(
    wire: tuple[FakeAri, AriLogin], monkeypatch: pytest.MonkeyPatch, young: bool
) -> None:
    monkeypatch.setattr(liveness, "INTERVAL_S", 0.0)
    monkeypatch.setattr(liveness, "YOUNG_S", 60.0 if young else 0.0)
    monkeypatch.setattr(liveness, "YOUNG_TIMEOUT_S", 0.2 if young else 60.0)
    monkeypatch.setattr(liveness, "ECHO_TIMEOUT_S", 60.0 if young else 0.2)
    fake, login = wire
    async with client.ari_connection(login) as session:
        serving = asyncio.create_task(Calls(_let_in).serve(session, lambda: None))
        # As long as they come back, they go on.
        for _ in range(3):
            fake.echoed.clear()
            async with asyncio.timeout(20):
                await fake.echoed.wait()
        assert not serving.done()
        fake.taken = True
        await asyncio.wait([serving], timeout=5)
        [error] = [*getattr(serving.exception(), "exceptions", ())]
    assert isinstance(error, AriUnreachable)
    assert "offers no calls" in str(error)


async def test_the_event_filter_is_set_on_every_connection(wire: tuple[FakeAri, AriLogin]) -> None:
    for count in (1, 2):
        async with Serving(wire) as serving:
            await serving.fake.until("PUT", "applications/bridge/eventFilter", count)


async def test_a_call_is_answered_prompted_and_joined_in_order(wire: tuple[FakeAri, AriLogin]) -> None:
    async with Serving(wire) as serving:
        fake = serving.fake
        await fake.event("StasisStart", channel=channel("c1"))
        call = await serving.offered.get()
        assert (call.number, call.tries, call.greeted) == ("18005550100", 0, False)
        await call.answer()
        await call.say(Prompt.GREETING, Prompt.PASSCODE)
        await fake.key("c1", "7")
        assert await call.key(5) == "7"
        await call.join(ENTRY)
        assert [(method, uri) for method, uri, _ in fake.requests][2:] == [
            ("POST", "channels/c1/answer"),
            ("POST", "channels/c1/play/c1-a"),
            ("DELETE", "playbacks/c1-a"),
            ("POST", "channels/c1/variable"),
            ("POST", "channels/c1/continue"),
        ]
        assert (await fake.until("POST", "channels/c1/variable"))["value"] == "a:s:p:host:r"


async def test_a_language_is_the_channels_too_and_is_asked_for_with_every_prompt(
    wire: tuple[FakeAri, AriLogin],
) -> None:
    async with Serving(wire) as serving:
        fake = serving.fake
        await fake.event("StasisStart", channel=channel("c1"))
        call = await serving.offered.get()
        await call.speak("fr", "bienvenue")
        await call.say(Prompt.GREETING, Prompt.PASSCODE)
        assert await fake.until("POST", "channels/c1/variable") == {"variable": "CHANNEL(language)", "value": "fr"}
        asked = await fake.until("POST", "channels/c1/play/c1-a")
        assert asked == {"media": "sound:bienvenue,sound:conf-getpin", "lang": "fr"}


async def test_the_usual_language_costs_no_command(wire: tuple[FakeAri, AriLogin]) -> None:
    async with Serving(wire) as serving:
        fake = serving.fake
        await fake.event("StasisStart", channel=channel("c1"))
        call = await serving.offered.get()
        await call.speak("en", "")
        await call.say(Prompt.GREETING)
        assert await fake.until("POST", "channels/c1/play/c1-a") == {"media": "sound:hello", "lang": "en"}
        assert "channels/c1/variable" not in [uri for _, uri, _ in fake.requests]


async def test_a_listener_is_led_into_the_room_by_another_door(wire: tuple[FakeAri, AriLogin]) -> None:
    async with Serving(wire) as serving:
        await serving.fake.event("StasisStart", channel=channel("c1"))
        call = await serving.offered.get()
        await call.join(replace(ENTRY, role=Role.LISTENER))
        assert (await serving.fake.until("POST", "channels/c1/continue"))["extension"] == "listen"


async def test_a_refusal_has_its_cause(wire: tuple[FakeAri, AriLogin]) -> None:
    async with Serving(wire) as serving:
        await serving.fake.event("StasisStart", channel=channel("c1"))
        call = await serving.offered.get()
        await call.refuse(17)
        assert await serving.fake.until("DELETE", "channels/c1") == {"reason_code": "17"}


@pytest.mark.parametrize(
    ("told", "trunk"), [("192.0.2.7:5060", "192.0.2.7"), ("2001:db8::7:5060", "2001:db8::7"), ("", ""), (None, "")]
)
def test_a_trunk_is_known_by_the_address_it_calls_from(told: str | None, trunk: str) -> None:
    described = channel("c1")
    described["channelvars"]["BRIDGE_TRUNK"] = told
    assert events.channel(described).trunk == trunk


async def test_silence_counts_from_the_end_of_the_prompt(
    wire: tuple[FakeAri, AriLogin], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Serving(wire) as serving:
        await serving.fake.event("StasisStart", channel=channel("c1"))
        call = await serving.offered.get()
        await call.say(Prompt.PASSCODE)
        waiting = asyncio.create_task(call.key(0.01))
        done, _ = await asyncio.wait([waiting], timeout=0.2)
        assert not done
        await serving.fake.event("PlaybackFinished", playback={"id": "c1-a", "target_uri": "channel:c1"})
        assert await asyncio.wait_for(waiting, 20) is None
        monkeypatch.setattr(calls.prompts, "LONGEST_S", 0.05)
        await call.say(Prompt.PASSCODE)
        assert await asyncio.wait_for(call.key(60), 5) is None


@pytest.mark.parametrize("event", ["StasisEnd", "ChannelDestroyed"])
async def test_hanging_up_is_an_exception(wire: tuple[FakeAri, AriLogin], event: str) -> None:
    async with Serving(wire) as serving:
        await serving.fake.event("StasisStart", channel=channel("c1"))
        call = await serving.offered.get()
        await serving.fake.event(event, channel=channel("c1"))
        with pytest.raises(CallerGone):
            await call.key(5)


@pytest.mark.parametrize("status", [404, 409, 412])
async def test_a_caller_who_left_before_joining_is_gone(wire: tuple[FakeAri, AriLogin], status: int) -> None:
    async with Serving(wire) as serving:
        serving.fake.answers["channels/c1/continue"] = (status, None)
        await serving.fake.event("StasisStart", channel=channel("c1"))
        call = await serving.offered.get()
        with pytest.raises(CallerGone):
            await call.join(ENTRY)


async def test_orphans_are_greeted_again_with_their_tries(wire: tuple[FakeAri, AriLogin]) -> None:
    wire[0].answers["applications/bridge"] = (200, {"channel_ids": ["c7", "c8"]})
    wire[0].answers["channels/c7"] = (200, channel("c7", state="Up", tries="2"))
    wire[0].answers["channels/c8"] = (404, None)
    async with Serving(wire) as serving:
        call = await serving.offered.get()
        assert (call.id, call.tries, call.greeted) == ("c7", 2, True)
        assert serving.offered.empty()


@pytest.mark.parametrize(("playing", "following"), [("c7-a", "c7-b"), ("c7-b", "c7-a")])
async def test_what_an_orphan_was_being_told_is_stopped_before_anything_else(
    wire: tuple[FakeAri, AriLogin], playing: str, following: str
) -> None:
    fake = wire[0]
    fake.answers["applications/bridge"] = (200, {"channel_ids": ["c7"]})
    fake.answers["channels/c7"] = (200, channel("c7", state="Up"))
    fake.answers[f"playbacks/{following}"] = (404, None)
    async with Serving(wire) as serving:
        call = await serving.offered.get()
        stopped = [uri for method, uri, _ in fake.requests if method == "DELETE"]
        assert f"playbacks/{playing}" in stopped
        await call.say(Prompt.PASSCODE_AGAIN)
        await fake.until("POST", f"channels/c7/play/{following}")
        # Its end is told only now, and must not be taken for that of the new prompt.
        await fake.event("PlaybackFinished", playback={"id": playing, "target_uri": "channel:c7"})
        await fake.key("c7", "1")
        assert await call.key(5) == "1"
        await fake.until("DELETE", f"playbacks/{following}", 2)


async def test_a_bug_in_one_call_ends_that_call_alone(wire: tuple[FakeAri, AriLogin]) -> None:
    offered: asyncio.Queue[str] = asyncio.Queue()

    async def greet(call: StasisCall) -> bool:
        await offered.put(call.id)
        if call.id == "bad":
            raise ZeroDivisionError
        return True

    serving = Serving(wire)
    serving.calls = Calls(greet)
    async with serving:
        await serving.fake.event("StasisStart", channel=channel("bad"))
        await serving.fake.until("DELETE", "channels/bad")
        await serving.fake.event("StasisStart", channel=channel("good"))
        assert [await offered.get(), await offered.get()] == ["bad", "good"]


async def test_a_bug_in_a_call_whose_caller_has_gone_ends_nothing_else(wire: tuple[FakeAri, AriLogin]) -> None:
    async def greet(call: StasisCall) -> bool:
        raise ZeroDivisionError

    serving = Serving(wire)
    serving.calls = Calls(greet)
    async with serving:
        for name in ("bad-1", "bad-2"):
            serving.fake.answers[f"channels/{name}"] = (404, None)
            await serving.fake.event("StasisStart", channel=channel(name))
            await serving.fake.until("DELETE", f"channels/{name}")


async def test_an_orphan_that_left_while_it_was_adopted_is_let_go(wire: tuple[FakeAri, AriLogin]) -> None:
    wire[0].answers["applications/bridge"] = (200, {"channel_ids": ["c7"]})
    wire[0].answers["channels/c7"] = (200, channel("c7", state="Up"))
    wire[0].answers["channels/c7/variable"] = (409, None)
    async with Serving(wire) as serving:
        call = await serving.offered.get()
        await call.answer()
        with pytest.raises(CallerGone):
            await call.key(5)


async def test_ari_that_fails_at_the_start_is_tried_again_not_fatal(wire: tuple[FakeAri, AriLogin]) -> None:
    fake, login = wire
    fake.answers["applications/bridge/eventFilter"] = (500, None)
    with pytest.raises(ExceptionGroup) as failed:
        async with client.ari_connection(login) as session:
            await Calls(lambda _: asyncio.sleep(0, True)).serve(session, lambda: None)
    assert failed.group_contains(AriUnreachable)


@pytest.mark.parametrize(
    ("status", "what"), [(401, "BRIDGE_ARI_PASSWORD"), (503, "still starting"), (404, "is not Asterisk's ARI")]
)
def test_what_a_refusal_at_the_door_means(status: int, what: str) -> None:
    assert what in str(client.AriLogin("http://127.0.0.1:1", "bridge", "secretsecret").refused(status))
