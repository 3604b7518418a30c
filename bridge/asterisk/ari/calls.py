"""Calls in the dialogue: one task and one inbox for each, from StasisStart until the call leaves the application."""

import asyncio
import contextlib
import itertools
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

import structlog

from bridge import telemetry
from bridge.asterisk.ari import events, prompts
from bridge.asterisk.ari.client import APPLICATION, REQUEST_TIMEOUT_S, Ari, AriFailed, AriUnreachable
from bridge.asterisk.ari.events import Channel, Event
from bridge.asterisk.ari.key_presses import KeyPresses
from bridge.asterisk.ari.liveness import LivenessCheck
from bridge.domain import phone
from bridge.domain.admission.grant import Grant
from bridge.domain.admission.prompt import Prompt
from bridge.domain.errors import BridgeError
from bridge.domain.provisioning import trunk as trunk_rules
from bridge.domain.provisioning.passcode import Role
from bridge.usecases.admission.ports import CallerGone

log = structlog.get_logger()

Greet = Callable[["StasisCall"], Awaitable[bool]]
REJECTED: Final = 21
"""The cause of Q.850 for a caller who is not admitted."""
UP: Final = "Up"
_GONE: Final = object()
_PROMPT_OVER: Final = object()


class StasisCall:
    """A channel in the application. Implements ports.Caller."""

    def __init__(self, ari: Ari, channel: Channel, playbacks: Sequence[str], greeted: bool) -> None:
        """`playbacks` are ids for the prompts, used in rotation: the end of an earlier prompt may be reported late."""
        self._ari = ari
        self._channel = channel
        self._inbox: asyncio.Queue[object] = asyncio.Queue()
        self._playing: str | None = None
        self._playbacks = itertools.cycle(playbacks)
        self._language = prompts.LANGUAGE
        self._greeting = ""
        self._presses = KeyPresses()
        self.greeted = greeted

    @property
    def id(self) -> str:
        return self._channel.id

    @property
    def caller(self) -> str:
        return phone.with_context(self._channel.caller, self._channel.sent)

    @property
    def trunk(self) -> str:
        return self._channel.trunk

    @property
    def trunk_id(self) -> str:
        return trunk_rules.of_channel(self._channel.name)

    @property
    def number(self) -> str:
        return self._channel.dialled or self._channel.number

    @property
    def trunk_calls(self) -> int:
        return self._channel.trunk_calls

    @property
    def answered(self) -> bool:
        return self._channel.state == UP

    @property
    def tries(self) -> int:
        return self._channel.tries

    def deliver(self, event: Event) -> None:
        """Put an event of this channel into the inbox."""
        match event:
            case events.ChannelDtmfReceived(_, digit, at):
                self._put_keys(self._presses.reported(digit, at))
                self._settle_later(at)
            case events.PlaybackFinished(playback, _) if playback == self._playing:
                self._playing = None
                self._inbox.put_nowait(_PROMPT_OVER)
            case events.StasisEnd() | events.ChannelDestroyed():
                self._inbox.put_nowait(_GONE)
            case _:
                pass

    def _settle_later(self, now: float) -> None:
        """Let a key that is in doubt count in time. `now` is the time of its report."""
        settles_at = self._presses.settles_at()
        if settles_at is not None:
            loop = asyncio.get_running_loop()
            loop.call_later(settles_at - now, lambda: self._put_keys(self._presses.settled(settles_at)))

    def _put_keys(self, keys: Sequence[str]) -> None:
        for key in keys:
            self._inbox.put_nowait(key)

    async def identify(self, caller: str, access_number: str) -> None:
        renumbered = access_number != phone.dialled(self._channel.number)
        if renumbered:
            await self._post("variable", variable="CALLERID(dnid)", value=access_number)
        if renumbered or caller != self._channel.caller:
            # Asterisk shows the journal both numbers anew once this one is set.
            await self._post("variable", variable="CALLERID(num)", value=caller)

    async def media_address(self) -> str:
        try:
            async with asyncio.timeout(REQUEST_TIMEOUT_S):
                found = await (await self._get("variable", variable="CHANNEL(rtp,dest)"))
        except AriFailed as error:
            if error.caller_gone:
                raise CallerGone from error
            raise
        except TimeoutError as error:
            raise AriUnreachable("ARI does not answer") from error
        return str(found["value"]).rpartition(":")[0].strip("[]")

    async def answer(self) -> None:
        if self.answered:
            # The dialplan has answered it to play music, so no answer in the journal shows that the dialogue has begun.
            await self._post("variable", variable="BRIDGE_OUTCOME", value="abandoned")
        else:
            await self._post("answer")

    async def speak(self, language: str, greeting: str) -> None:
        self._greeting = greeting
        if language != self._language:
            self._language = language
            # ConfBridge plays its own prompts in the language of the channel.
            await self._post("variable", variable="CHANNEL(language)", value=language)

    async def say(self, *prompt: Prompt) -> None:
        self._playing = next(self._playbacks)
        media = prompts.media(*prompt, greeting=self._greeting)
        await self._post(f"play/{self._playing}", media=media, lang=self._language)

    async def say_whole(self, *prompt: Prompt) -> None:
        await self.say(*prompt)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(prompts.LONGEST_S):
                while self._playing is not None:
                    await self._next()

    async def key(self, silence_s: float) -> str | None:
        """See `Caller.key`. A prompt whose end is never reported counts as over after `prompts.LONGEST_S`."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(prompts.LONGEST_S if self._playing else silence_s) as waiting:
                while True:
                    item = await self._next()
                    if item is _PROMPT_OVER:
                        waiting.reschedule(loop.time() + silence_s)
                    elif isinstance(item, str):
                        await self._stop_prompt()
                        return item
        except TimeoutError:
            return None

    async def count_try(self, tries: int) -> None:
        await self._post("variable", variable="BRIDGE_TRIES", value=str(tries))

    async def join(self, grant: Grant) -> None:
        await self._post("variable", variable="BRIDGE_TICKET", value=grant.ticket)
        extension = "listen" if grant.role is Role.LISTENER else "join"
        await self._finish(await self._post("continue", context="bridge-room", extension=extension, priority="1"))

    async def refuse(self, cause: int = REJECTED) -> None:
        await self._post("variable", variable="BRIDGE_OUTCOME", value="refused")
        await self._finish(await self._ari.send("DELETE", f"channels/{self.id}", {"reason_code": str(cause)}))

    async def _next(self) -> object:
        item = await self._inbox.get()
        if item is _GONE:
            raise CallerGone
        return item

    async def _stop_prompt(self) -> None:
        if self._playing is not None:
            playing, self._playing = self._playing, None
            await self._ari.send("DELETE", f"playbacks/{playing}")

    async def _get(self, action: str, **query: str) -> asyncio.Future[Any]:
        return await self._ari.send("GET", f"channels/{self.id}/{action}", query)

    async def _post(self, action: str, **query: str) -> asyncio.Future[Any]:
        """Send a command on this channel without waiting for its response: commands on one channel keep their order."""
        answer = await self._ari.send("POST", f"channels/{self.id}/{action}", query)
        answer.add_done_callback(self._notice_gone)
        return answer

    def _notice_gone(self, answer: asyncio.Future[Any]) -> None:
        """End the dialogue of a caller who left before events of the channel were read: commands fail then."""
        error = None if answer.cancelled() else answer.exception()
        if isinstance(error, AriFailed) and error.caller_gone:
            self._inbox.put_nowait(_GONE)

    async def _finish(self, answer: asyncio.Future[Any]) -> None:
        """Wait for the response to the last command. Raises CallerGone, AriFailed, AriUnreachable."""
        try:
            async with asyncio.timeout(REQUEST_TIMEOUT_S):
                await answer
        except AriFailed as error:
            if error.caller_gone:
                raise CallerGone from error
            raise
        except TimeoutError as error:
            raise AriUnreachable("ARI does not answer") from error


class Calls:
    """All calls in the application over one ARI connection.

    When the connection is lost, the tasks end. Callers hear silence until the next connection greets them again.
    """

    def __init__(self, greet: Greet) -> None:
        self._greet = greet
        self._open: dict[str, StasisCall] = {}
        self._liveness = LivenessCheck()

    @property
    def open(self) -> int:
        return len(self._open)

    async def serve(self, ari: Ari, on_ready: Callable[[], None]) -> None:
        """Serve one connection until it is lost, then raise AriUnreachable (in an ExceptionGroup or bare)."""
        self._open.clear()
        async with asyncio.TaskGroup() as tasks:
            reader = tasks.create_task(self._read(ari, tasks))
            try:
                await ari.filter_events()
                await self._adopt_orphans(ari, tasks)
            except AriFailed as error:
                raise AriUnreachable(f"ARI answers, but not as it should: {error}") from error
            on_ready()
            tasks.create_task(self._liveness.listen(ari), name="liveness")
            await reader

    async def _read(self, ari: Ari, tasks: asyncio.TaskGroup) -> None:
        async for event in ari.events():
            match event:
                case events.StasisStart(channel):
                    self._start(ari, tasks, channel, _playbacks(channel.id), greeted=False)
                case events.StasisEnd(channel_id) | events.ChannelDestroyed(channel_id):
                    call = self._open.pop(channel_id, None)
                    if call is not None:
                        call.deliver(event)
                case events.ChannelDtmfReceived(channel_id) | events.PlaybackFinished(_, channel_id):
                    call = self._open.get(channel_id)
                    if call is not None:
                        call.deliver(event)
                case events.ApplicationReplaced():
                    # For instance an earlier attempt of this daemon to connect, which a stalled link passes on late.
                    raise AriUnreachable("another connection to ARI took the calls over; taking them back")
                case events.ChannelUserevent():
                    self._liveness.heard()
                case events.UnusedEvent(kind):
                    log.debug("ari_event_unused", type=kind)

    async def _adopt_orphans(self, ari: Ari, tasks: asyncio.TaskGroup) -> None:
        """Greet callers again whom an earlier connection left in the middle of the dialogue."""
        application = await ari.request("GET", f"applications/{APPLICATION}")
        for channel_id in application.get("channel_ids", ()):
            if channel_id in self._open:
                continue
            try:
                channel = events.channel(await ari.request("GET", f"channels/{channel_id}"))
            except AriFailed:
                continue
            self._start(ari, tasks, channel, await _stop_prompts(ari, channel_id), greeted=True)
            log.info("call_adopted", call=channel_id, tries=channel.tries)

    def _start(
        self, ari: Ari, tasks: asyncio.TaskGroup, channel: Channel, playbacks: Sequence[str], greeted: bool
    ) -> None:
        if channel.id in self._open:
            return
        call = self._open[channel.id] = StasisCall(ari, channel, playbacks, greeted)
        tasks.create_task(self._converse(call), name=f"call {channel.id}")

    async def _converse(self, call: StasisCall) -> None:
        """Hold the dialogue of one call. An error in it ends that call alone."""
        began = time.monotonic()
        with structlog.contextvars.bound_contextvars(call=call.id):
            try:
                outcome = "admitted" if await self._greet(call) else "refused"
            except CallerGone:
                outcome = "gone"
            except AriUnreachable:
                outcome = "connection_lost"
            except AriFailed as error:
                outcome = "gone" if error.caller_gone else "failed"
                if outcome == "failed":
                    log.error("call_failed", error=str(error))  # noqa: TRY400  # the line says it all
            except Exception:
                outcome = "failed"
                log.exception("call_failed")
                with contextlib.suppress(BridgeError):
                    await call.refuse()
            finally:
                if self._open.get(call.id) is call:
                    del self._open[call.id]
            telemetry.DIALOGUES.labels(outcome=outcome).inc()
            log.info("call_dialogue", outcome=outcome, seconds=round(time.monotonic() - began, 3))


def _playbacks(channel_id: str) -> tuple[str, str]:
    """The ids of a channel's prompts, made of the channel's own id, so that a later daemon knows them too."""
    return f"{channel_id}-a", f"{channel_id}-b"


async def _stop_prompts(ari: Ari, channel_id: str) -> list[str]:
    """Stop prompts of an earlier daemon on a channel. Return the ids of the channel's prompts, a stopped one last.

    Asterisk carries out the next command on the channel only when the prompt is over, and until then no command on any
    other channel. Without this, every caller would wait for that prompt.
    """
    silent, stopped = [], []
    for playback in _playbacks(channel_id):
        try:
            await ari.request("DELETE", f"playbacks/{playback}")
            stopped.append(playback)
        except AriFailed:
            silent.append(playback)
    return silent + stopped
