"""The audio of a caller: one RTP stream sent on time, and the audio received from the other side."""

import asyncio
import random
import socket
import struct
from collections import deque
from collections.abc import Iterable

from bridge.sandbox.callers import media
from bridge.sandbox.callers.media import FRAME, FRAME_SECONDS, PCMU, Frame


class AudioStream:
    """Sends a tone without end (silence at 0 Hz), and other frames in place of the tone when asked to.

    A quiet stream sends only those other frames: no tone, and no silence either. With `stall` = (begin, length) in
    seconds, the stream stops once for so long, and then sends at once what it owes, as a network does.
    """

    def __init__(
        self,
        rtp_socket: socket.socket,
        hertz: int = 0,
        quiet: bool = False,
        stall: tuple[float, float] | None = None,
    ) -> None:
        self._socket = rtp_socket
        self._tone = media.tone(hertz)
        self._quiet = quiet
        self._stall = stall
        self._waiting: deque[Frame] = deque()
        self._speak = asyncio.Event()
        self._silent = asyncio.Event()
        self._source = random.getrandbits(32)
        self._sequence = random.getrandbits(15)

    async def say(self, frames: Iterable[Frame]) -> None:
        """Send these frames after those that wait already. Returns when the last has been sent."""
        self._waiting.extend(frames)
        if self._waiting:
            self._silent.clear()
            self._speak.set()
            await self._silent.wait()

    async def run(self, remote: tuple[str, int]) -> None:
        """Send until cancelled. If a busy machine delays frames, they follow at once, so that the stream keeps time."""
        clock = asyncio.get_running_loop().time
        begin, number = clock(), 0
        while True:
            if not self._waiting:
                self._silent.set()
                if self._quiet:
                    self._speak.clear()
                    await self._speak.wait()
                    number = max(number, int((clock() - begin) / FRAME_SECONDS))
            self._send(self._waiting.popleft() if self._waiting else next(self._tone), number, remote)
            number += 1
            if self._stall is not None and number * FRAME_SECONDS >= self._stall[0]:
                stalled, self._stall = self._stall[1], None
                await asyncio.sleep(stalled)
            await asyncio.sleep(begin + number * FRAME_SECONDS - clock())

    def _send(self, frame: Frame, number: int, remote: tuple[str, int]) -> None:
        stamp = (number - frame.since) * FRAME & 0xFFFFFFFF
        for payload in frame.payloads:
            self._sequence = (self._sequence + 1) & 0xFFFF
            kind = frame.kind | (0x80 if frame.marker else 0)
            header = struct.pack("!BBHII", 0x80, kind, self._sequence, stamp, self._source)
            try:
                self._socket.sendto(header + payload, remote)
            except OSError:
                # The buffer is full, or nothing listens any more. On a network the packet would be lost, too.
                continue


def hear(rtp_socket: socket.socket, heard: bytearray) -> None:
    """Append the µ-law audio that has arrived to `heard`."""
    while True:
        try:
            packet = rtp_socket.recv(2048)
        except OSError:
            return
        if len(packet) > 12 and packet[1] & 0x7F == PCMU:
            heard += packet[12 + 4 * (packet[0] & 0x0F) :]
