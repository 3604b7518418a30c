"""Conferences never mix, shown by recordings: each conference has its own tone, and no caller hears another's."""

import wave
from collections.abc import Iterable
from contextlib import AsyncExitStack, suppress
from pathlib import Path

import numpy as np
import numpy.typing as npt

from bridge.sandbox.callers import calls, media
from bridge.sandbox.callers.calls import Digits, SipCaller
from bridge.sandbox.company import Company
from bridge.sandbox.environment import ACCESS_NUMBER
from bridge.sandbox.rest import Rest
from bridge.sandbox.stack import Sandbox
from tests.e2e.watching import until

TONES = (450, 700, 1150)
RATE = 8000
LISTEN_S = 4.0
APART_DB = 30.0

Samples = npt.NDArray[np.float64]


def loudness_db(samples: Samples, hertz: int) -> float:
    """Return the loudness of a tone in a recording, within ±10 Hz, in dB over one unit of a 16-bit sample."""
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples)))) / len(samples)
    frequencies = np.fft.rfftfreq(len(samples), 1 / RATE)
    band = spectrum[np.abs(frequencies - hertz) <= 10]
    return float(20 * np.log10(max(float(band.max()), 1e-3)))


def assert_only(samples: Samples, own: int, others: Iterable[int]) -> None:
    loud = loudness_db(samples, own)
    assert loud > 40, f"{own} Hz is not to be heard: {loud:.0f} dB"
    for other in others:
        assert loud - loudness_db(samples, other) > APART_DB, f"{other} Hz is to be heard in the room of {own} Hz"


def recorded(folder: Path, tone: int) -> Samples | None:
    """The recording of the room with that tone, once Asterisk (which adds the time to its name) has finished it."""
    for path in folder.glob(f"{tone}*.wav"):
        # Its head is written at last: until then it is no recording.
        with suppress(wave.Error, EOFError), wave.open(str(path)) as file:
            assert file.getframerate() == RATE
            samples = np.frombuffer(file.readframes(file.getnframes()), dtype="<i2").astype(np.float64)
            if len(samples) > RATE:
                return samples
    return None


def all_there(tapes: list[Samples | None]) -> bool:
    return all(tape is not None for tape in tapes)


async def test_each_recording_holds_its_own_tone_and_none_of_the_others(
    sandbox: Sandbox, api: Rest, firm: Company, tmp_path: Path
) -> None:
    sandbox.asterisk.let_load("app_mixmonitor.so")
    sandbox.asterisk.cli("module load app_mixmonitor.so")
    rooms = [member.room_id for member in firm.members]
    heard = []
    async with AsyncExitStack() as stack:
        for member, tone in zip(firm.members, TONES, strict=True):
            talker = SipCaller(ACCESS_NUMBER, (Digits(member.digits["host"], 0.0),), stay=120.0, tone=tone)
            listener = SipCaller(ACCESS_NUMBER, (Digits(member.digits["guest"], 0.0),), stay=120.0, records=True)
            await stack.enter_async_context(calls.start(talker, sandbox.sip_address))
            heard.append(await stack.enter_async_context(calls.start(listener, sandbox.sip_address)))
        await until(
            lambda: api.all("/v1/minutes", account_id=firm.id, state="open"), lambda found: len(found) == len(rooms) * 2
        )
        for room, tone in zip(rooms, TONES, strict=True):
            sandbox.asterisk.cli(f"confbridge record start {room} {tmp_path}/{tone}.wav")
        marks = [len(call.heard) for call in heard]

        async def recorded_s() -> float:
            return min(len(call.heard) - mark for call, mark in zip(heard, marks, strict=True)) / RATE

        await until(recorded_s, lambda seconds: seconds >= LISTEN_S, seconds=LISTEN_S + 10)
        for room in rooms:
            sandbox.asterisk.cli(f"confbridge record stop {room}")

        async def recordings() -> list[Samples | None]:
            return [recorded(tmp_path, tone) for tone in TONES]

        tapes = await until(recordings, all_there)
    for own, tape, call, mark in zip(TONES, tapes, heard, marks, strict=True):
        others = [tone for tone in TONES if tone != own]
        assert tape is not None
        assert_only(tape, own, others)
        assert_only(np.asarray(media.linear(bytes(call.heard[mark:])), dtype=np.float64), own, others)


async def test_prompts_are_really_heard(sandbox: Sandbox) -> None:
    async with calls.start(SipCaller(ACCESS_NUMBER, stay=60.0, records=True), sandbox.sip_address) as call:
        await call.answered()

        async def seconds() -> float:
            return len(call.heard) / RATE

        await until(seconds, lambda heard: heard >= 2.0)
    speech = np.asarray(media.linear(bytes(call.heard)), dtype=np.float64)
    assert np.sqrt(np.mean(speech**2)) > 100
