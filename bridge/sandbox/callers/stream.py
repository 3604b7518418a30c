"""A caller's side of the audio: one RTP stream sent on time, and what comes back from the other side."""

import asyncio
import random
import socket
import struct
from collections import deque
from collections.abc import Iterable

from bridge.sandbox.callers import media as callers_media
from bridge.sandbox.callers.media import FRAME, FRAME_SECONDS, PCMU, Frame


class Stream:
    """Sends a tone (silence at 0 Hz) without end, and what is said in its place while it is said.

    A quiet stream sends what is said alone: no tone, and no silence either.
    """

    def __init__(self, media: socket.socket, hertz: int = 0, quiet: bool = False) -> None:
        self._media = media
        self._tone = callers_media.tone(hertz)
        self._quiet = quiet
        self._said: deque[Frame] = deque()
        self._speak = asyncio.Event()
        self._silent = asyncio.Event()
        self._source = random.getrandbits(32)
        self._sequence = random.getrandbits(15)

    async def say(self, frames: Iterable[Frame]) -> None:
        """Send these frames after those that wait already; returns when the last has been sent."""
        self._said.extend(frames)
        if self._said:
            self._silent.clear()
            self._speak.set()
            await self._silent.wait()

    async def run(self, remote: tuple[str, int]) -> None:
        """Send until cancelled. Frames that a busy machine delayed follow at once, so that the stream keeps time."""
        clock = asyncio.get_running_loop().time
        begin, number = clock(), 0
        while True:
            if not self._said:
                self._silent.set()
                if self._quiet:
                    self._speak.clear()
                    await self._speak.wait()
                    number = max(number, int((clock() - begin) / FRAME_SECONDS))
            self._send(self._said.popleft() if self._said else next(self._tone), number, remote)
            number += 1
            await asyncio.sleep(begin + number * FRAME_SECONDS - clock())

    def _send(self, frame: Frame, number: int, remote: tuple[str, int]) -> None:
        stamp = (number - frame.since) * FRAME & 0xFFFFFFFF
        for payload in frame.payloads:
            self._sequence = (self._sequence + 1) & 0xFFFF
            kind = frame.kind | (0x80 if frame.marker else 0)
            header = struct.pack("!BBHII", 0x80, kind, self._sequence, stamp, self._source)
            try:
                self._media.sendto(header + payload, remote)
            except OSError:
                # A full buffer, or nobody there any more: on a network the packet would be lost too.
                continue


def hear(media: socket.socket, heard: bytearray) -> None:
    """Append the µ-law audio that has arrived to `heard`."""
    while True:
        try:
            packet = media.recv(2048)
        except OSError:
            return
        if len(packet) > 12 and packet[1] & 0x7F == PCMU:
            heard += packet[12 + 4 * (packet[0] & 0x0F) :]
