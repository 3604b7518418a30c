"""A caller written down as a SIPp scenario."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from xml.sax.saxutils import quoteattr

from bridge.sandbox import audio
from bridge.sandbox.caller import PAUSE_S, AwaitHangUp, Caller, Cancel, HangUp

SOUND = "sound.ulaw"
# SIPp plays a digit in 0.4 s; audio of its own that runs meanwhile would make Asterisk hear each digit many times.
EVENT_S, LOADED_EVENT_S, EVENT_MARGIN_S = 0.42, 0.6, 0.5
INFO_S = 0.1

SDP = """v=0
o=caller 1 1 IN IP4 [local_ip]
s=-
c=IN IP4 [media_ip]
t=0 0
"""
# A phone whose digits are tones offers no telephone events: with them offered, Asterisk listens for no tones.
TONES = "m=audio [rtpstream_audio_port] RTP/AVP 0\na=rtpmap:0 PCMU/8000\n"
EVENTS = """m=audio [rtpstream_audio_port] RTP/AVP 0 96
a=rtpmap:0 PCMU/8000
a=rtpmap:96 telephone-event/8000
a=fmtp:96 0-15
"""


@dataclass(frozen=True, slots=True)
class Scenario:
    """SIPp's XML, the sound files it plays (by name), and the longest it can take, in seconds."""

    xml: str
    sounds: dict[str, bytes]
    longest: float


def of(caller: Caller) -> Scenario:
    """The scenario of one caller."""
    user, name = _literal(caller.caller_id), _literal(caller.caller_name)
    return _Writer(caller, _literal(caller.number), user, name).scenario()


def of_many(hold: float, before_digits: float, sends_audio: bool, longest_digits: int) -> Scenario:
    """One scenario for many callers whose number, caller ID and digits are columns 0 to 2 of SIPp's injection file."""
    template = Caller("", "", ending=HangUp(hold), audio=sends_audio)
    writer = _Writer(template, "[field0]", "[field1]", "")
    keying = [_pause(before_digits), *writer.events("[field2]", LOADED_EVENT_S * longest_digits + EVENT_MARGIN_S)]
    return writer.scenario(keying)


class _Writer:
    """Gathers the elements of one scenario, and counts CSeq and time."""

    def __init__(self, caller: Caller, number: str, user: str, name: str) -> None:
        self.caller, self.number, self.user, self.name = caller, number, user, name
        self.sequence = 1
        self.longest = 0.0
        sound = audio.silence(1.0) if caller.tone is None else audio.tone(caller.tone, 1.0)
        self.sounds = {SOUND: sound}

    def scenario(self, keying: list[str] | None = None) -> Scenario:
        if keying is None:
            keying = [element for keys in self.caller.keys for element in self.keyed(keys.digits, keys.after)]
        body = [*self.dial(), *self.answered(), *keying, *self.leave(), *self.given_up()]
        xml = '<?xml version="1.0" encoding="ISO-8859-1" ?>\n<scenario name="caller">\n{}\n</scenario>\n'
        return Scenario(xml.format("\n".join(body)), self.sounds, self.longest)

    def dial(self) -> Iterator[str]:
        """INVITE, until the answer; on refusal SIPp acknowledges and ends by itself."""
        patience = self.caller.ending.after if isinstance(self.caller.ending, Cancel) else self.caller.answer_within
        self.longest += patience
        offer = SDP + (TONES if self.caller.dtmf == "inband" else EVENTS)
        yield self.request("INVITE", branch="invite", body=offer, attributes='retrans="500"')
        # SIPp minds only the time-out of the message that it expects next, be it an optional one.
        timeout = f'timeout="{_ms(patience)}" ontimeout="give_up"'
        for provisional in (100, 180, 183):
            yield f'<recv response="{provisional}" optional="true" {timeout}/>'
        yield f'<recv response="200" rrs="true" {timeout}/>'

    def answered(self) -> Iterator[str]:
        yield self.request(
            "ACK",
            branch="ack",
            sequence=1,
        )
        if isinstance(self.caller.ending, Cancel):
            return
        if self.caller.audio:
            yield self.play()

    def keyed(self, digits: str, after: float) -> Iterator[str]:
        self.longest += after
        yield _pause(after)
        for part in re.findall(r"p+|[^p]+", digits):
            if part.startswith("p"):
                self.longest += len(part) * PAUSE_S
                yield _pause(len(part) * PAUSE_S)
                continue
            match self.caller.dtmf:
                case "rfc4733":
                    yield from self.events(part, EVENT_S * len(part) + EVENT_MARGIN_S)
                case "info":
                    yield from self.messages(part)
                case "inband":
                    yield from self.tones(part)

    def events(self, digits: str, seconds: float) -> Iterator[str]:
        """RFC 4733, which SIPp plays in a thread of its own."""
        self.longest += seconds
        if self.caller.audio:
            yield _exec("rtp_stream", "pause")
        yield _exec("play_dtmf", digits)
        yield _pause(seconds)
        if self.caller.audio:
            yield _exec("rtp_stream", "resume")

    def messages(self, digits: str) -> Iterator[str]:
        """SIP INFO, one request a digit."""
        for digit in digits:
            self.longest += INFO_S
            self.sequence += 1
            body = f"Signal={digit}\nDuration=160\n"
            yield self.request("INFO", branch=f"info{self.sequence}", body=body, attributes='retrans="500"')
            yield '<recv response="200"/>'
            yield _pause(INFO_S)

    def tones(self, digits: str) -> Iterator[str]:
        """Sound in the audio stream."""
        name = f"digits{len(self.sounds)}.ulaw"
        self.sounds[name] = audio.digits(digits)
        seconds = len(self.sounds[name]) / audio.RATE + 0.1
        self.longest += seconds
        yield _exec("rtp_stream", f"{name},1,0")
        yield _pause(seconds)
        if self.caller.audio:
            yield self.play()

    def leave(self) -> Iterator[str]:
        """BYE by whoever is first."""
        match self.caller.ending:
            case HangUp(after=seconds) | AwaitHangUp(patience=seconds):
                self.longest += seconds
                yield f'<recv request="BYE" timeout="{_ms(seconds)}" ontimeout="hang_up" next="hung_up"/>'
            case Cancel():
                pass
        yield '<label id="hang_up"/>'
        self.sequence += 1
        yield self.request("BYE", branch="bye", attributes='retrans="500"')
        yield '<recv response="200" next="end"/>'
        yield '<label id="hung_up"/>'
        headers = "[last_Via:]\n[last_From:]\n[last_To:]\n[last_Call-ID:]\n[last_CSeq:]\nContent-Length: 0\n"
        yield f'<send next="end"><![CDATA[\n\nSIP/2.0 200 OK\n{headers}\n]]></send>'

    def given_up(self) -> Iterator[str]:
        """CANCEL; the answer may cross it, and is then hung up on."""
        yield '<label id="give_up"/>'
        yield self.request("CANCEL", branch="invite", sequence=1, attributes='retrans="500"')
        for provisional in (100, 180, 183):
            yield f'<recv response="{provisional}" optional="true"/>'
        yield '<recv response="487" optional="true" next="cancelled"/>'
        invited = '<ereg regexp="INVITE" search_in="hdr" header="CSeq:" assign_to="crossed"/>'
        yield f'<recv response="200" rrs="true" next="crossed" test="crossed"><action>{invited}</action></recv>'
        yield '<recv response="200" optional="true" rrs="true" next="crossed"/>'
        yield '<recv response="487" next="cancelled"/>'
        yield '<label id="crossed"/>'
        yield self.request("ACK", branch="ack", sequence=1, attributes='next="hang_up"')
        yield '<label id="cancelled"/>'
        yield self.request("ACK", branch="invite", sequence=1, attributes='next="end"')
        yield '<label id="end"/>'
        yield "<nop/>"

    def play(self) -> str:
        return _exec("rtp_stream", f"{SOUND},-1,0")

    def request(
        self, method: str, branch: str, attributes: str = "", sequence: int | None = None, body: str = ""
    ) -> str:
        target = f"sip:{self.number}@[remote_ip]:[remote_port]"
        tag = "[peer_tag_param]" if method in ("ACK", "BYE", "INFO") else ""
        lines = [
            f"{method} {target} SIP/2.0",
            f"Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=z9hG4bK-[pid]-[call_number]-{branch}",
            f'From: "{self.name}" <sip:{self.user}@[local_ip]:[local_port]>;tag=[pid]-[call_number]',
            f"To: <{target}>{tag}",
            "Call-ID: [call_id]",
            f"CSeq: {sequence or self.sequence} {method}",
            "Contact: <sip:caller@[local_ip]:[local_port]>",
            "Max-Forwards: 70",
        ]
        if body:
            kind = "application/sdp" if method == "INVITE" else "application/dtmf-relay"
            lines += [f"Content-Type: {kind}", "Content-Length: [len]", "", body]
        else:
            lines += ["Content-Length: 0", ""]
        text = "\n".join(lines)
        return f"<send {attributes}><![CDATA[\n\n{text}\n]]></send>"


def _literal(text: str) -> str:
    """Text that SIPp sends as it is: `[` would begin one of its keywords, `]]>` end the XML's section."""
    return text.replace("\\", "\\\\").replace("[", "\\[").replace("]]>", "]]]]><![CDATA[>")


def _exec(action: str, value: str) -> str:
    return f"<nop><action><exec {action}={quoteattr(value)}/></action></nop>"


def _pause(seconds: float) -> str:
    return f'<pause milliseconds="{_ms(seconds)}"/>'


def _ms(seconds: float) -> int:
    return max(1, round(seconds * 1000))
