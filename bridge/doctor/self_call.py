"""A call from this machine to its own Asterisk, which echoes what it hears: proof that audio and keys go both ways.

This is no SIP stack. It places one call over UDP, with PCMU and telephone-event (RFC 4733), and hangs it up.
"""

import asyncio
import re
import secrets
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from bridge.domain.errors import Unavailable
from bridge.domain.provisioning.trunk import DOCTOR

SOURCE: Final = str(DOCTOR.network_address)
"""The address that pjsip.conf knows the doctor by. No other machine can send from it."""
ANSWER_S: Final = 2.0
TALK_S: Final = 1.0
PACKET_S: Final = 0.02
RESENT_S: Final = 0.5
PCMU, EVENT = 0, 101
KEY: Final = 5
_AUDIO: Final = re.compile(r"^m=audio (\d+) ", re.MULTILINE)
_ADDRESS: Final = re.compile(r"^c=IN IP[46] (\S+)", re.MULTILINE)
_EVENT: Final = re.compile(r"^a=rtpmap:(\d+) telephone-event/8000", re.MULTILINE)
_TO: Final = re.compile(r"^To\s*:\s*(.*?)\r$", re.MULTILINE | re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class SelfCall:
    """The result of the call: packets of audio that were sent, and that came back; whether a key came back; and where
    Asterisk asked for audio, as ADDRESS:PORT."""

    sent: int
    heard: int
    key_heard: bool
    takes_events: bool
    media: str


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, received: Callable[[bytes], None]) -> None:
        self._received = received

    def datagram_received(self, data: bytes, _: object) -> None:
        self._received(data)


async def place(host: str, port: int) -> SelfCall:
    """Place the call to an Asterisk at this address, and return what came of it. Raises Unavailable."""
    loop = asyncio.get_running_loop()
    answers: asyncio.Queue[bytes] = asyncio.Queue()
    heard: list[bytes] = []
    sip, _ = await loop.create_datagram_endpoint(
        lambda: _Datagrams(answers.put_nowait), local_addr=(SOURCE, 0), remote_addr=(host, port)
    )
    media, _ = await loop.create_datagram_endpoint(lambda: _Datagrams(heard.append), local_addr=(SOURCE, 0))
    dialogue = _Dialogue(host, port, sip.get_extra_info("sockname")[1], media.get_extra_info("sockname")[1])
    try:
        answer = await _answered(sip, dialogue, answers)
        sip.sendto(dialogue.request("ACK", answer))
        audio, address = _AUDIO.search(answer), _ADDRESS.search(answer)
        if audio is None or address is None:
            raise Unavailable("Asterisk answered the call without audio")
        sent = await _talk(media, (host, int(audio[1])))
        sip.sendto(dialogue.request("BYE", answer))
        kinds = [packet[1] & 0x7F for packet in heard if len(packet) > 12]
        where = f"{address[1]}:{audio[1]}"
        return SelfCall(sent, kinds.count(PCMU), EVENT in kinds, _EVENT.search(answer) is not None, where)
    finally:
        sip.close()
        media.close()


@dataclass(frozen=True, slots=True)
class _Dialogue:
    """The call as its requests name it."""

    host: str
    port: int
    sip_port: int
    media_port: int
    call_id: str = ""
    tag: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "call_id", secrets.token_hex(8))
        object.__setattr__(self, "tag", secrets.token_hex(8))

    def request(self, method: str, answer: str = "") -> bytes:
        """A request of the call; `answer` is the response that established it."""
        uri = f"sip:echo@{self.host}:{self.port}"
        to = _TO.search(answer)
        body = self._offer() if method == "INVITE" else ""
        lines = [
            f"{method} {uri} SIP/2.0",
            f"Via: SIP/2.0/UDP {SOURCE}:{self.sip_port};rport;branch=z9hG4bK{self.tag}{method}",
            "Max-Forwards: 70",
            f"From: <sip:doctor@{SOURCE}>;tag={self.tag}",
            f"To: {to[1] if to else f'<{uri}>'}",
            f"Call-ID: {self.call_id}",
            f"CSeq: {2 if method == 'BYE' else 1} {method}",
            f"Contact: <sip:doctor@{SOURCE}:{self.sip_port}>",
            *(["Content-Type: application/sdp"] if body else []),
            f"Content-Length: {len(body)}",
        ]
        return ("\r\n".join(lines) + "\r\n\r\n" + body).encode()

    def _offer(self) -> str:
        lines = [
            "v=0",
            f"o=- 1 1 IN IP4 {SOURCE}",
            "s=-",
            f"c=IN IP4 {SOURCE}",
            "t=0 0",
            f"m=audio {self.media_port} RTP/AVP {PCMU} {EVENT}",
            f"a=rtpmap:{EVENT} telephone-event/8000",
            f"a=fmtp:{EVENT} 0-15",
            "a=ptime:20",
        ]
        return "\r\n".join(lines) + "\r\n"


async def _answered(sip: asyncio.DatagramTransport, dialogue: _Dialogue, answers: "asyncio.Queue[bytes]") -> str:
    """Send INVITE, again if need be, and return the 200. Raises Unavailable."""
    try:
        async with asyncio.timeout(ANSWER_S):
            while True:
                sip.sendto(dialogue.request("INVITE"))
                try:
                    async with asyncio.timeout(RESENT_S):
                        while (text := (await answers.get()).decode("utf-8", "replace")).startswith("SIP/2.0 1"):
                            continue
                except TimeoutError:
                    continue
                if text.startswith("SIP/2.0 200"):
                    return text
                sip.sendto(dialogue.request("ACK", text))
                raise Unavailable(f"Asterisk refuses the doctor's own call: {text.splitlines()[0][8:60]}")
    except TimeoutError:
        raise Unavailable(f"Asterisk does not answer the doctor's own call within {ANSWER_S:g} s") from None


async def _talk(media: asyncio.DatagramTransport, target: tuple[str, int]) -> int:
    """Send audio, then a key, and wait for the echo. Return the number of packets of audio that were sent."""
    source, packets = 0x0D0C, int(TALK_S / PACKET_S)
    for number in range(packets):
        media.sendto(_rtp(PCMU, number, 160 * number, source) + bytes([0x20 + number % 2] * 160), target)
        await asyncio.sleep(PACKET_S)
    for number in range(6):
        # RFC 4733: event, end bit and volume, duration. The end is sent three times.
        event = struct.pack(">BBH", KEY, 0x8A if number >= 3 else 0x0A, 160 * min(number + 1, 4))
        media.sendto(_rtp(EVENT, packets + number, 160 * packets, source, marker=number == 0) + event, target)
        await asyncio.sleep(PACKET_S)
    await asyncio.sleep(10 * PACKET_S)
    return packets


def _rtp(kind: int, number: int, time: int, source: int, *, marker: bool = False) -> bytes:
    return struct.pack(">BBHII", 0x80, kind | (0x80 if marker else 0), number, time, source)
