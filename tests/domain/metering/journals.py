"""Journals as Asterisk writes them, made for tests: lines of calls, boots and heartbeats."""

from dataclasses import dataclass, field

import orjson

ACCOUNT = "11111111-1111-4111-8111-111111111111"
SUB_ACCOUNT = "22222222-2222-4222-8222-222222222222"
PASSCODE = "33333333-3333-4333-8333-333333333333"
ROOM = "44444444-4444-4444-8444-444444444444"
SECOND = 1_000_000
BEAT = SECOND // 2
START = 1_795_435_399 * SECOND
HEART = "Local/boot@heart-00000000;1"


def line(event: str, at: int, uniqueid: str, extra: object = "", **fields: str) -> bytes:
    """One line, with the fields of asterisk-conf/cel_custom.conf."""
    return _json(
        {
            "eventtype": event,
            "userdeftype": "",
            "eventtime": f"{at // SECOND}.{at % SECOND:06d}",
            "uniqueid": uniqueid,
            "linkedid": uniqueid,
            "channame": f"PJSIP/trunk-{uniqueid}",
            "num": "4930123456",
            "exten": "join",
            "context": "bridge-room",
            "appname": "",
            "appdata": "",
            "accountcode": "",
            "tenantid": "",
            "userfield": "",
            "eventextra": _json(extra) if extra else "",
        }
        | fields
    ).encode()


def _json(value: object) -> str:
    return orjson.dumps(value).decode()


def boot(at: int, uniqueid: str = "n-1.0") -> bytes:
    return line("BOOT", at, uniqueid, {"extra": boot_name(uniqueid)}, channame=HEART)


def boot_name(uniqueid: str, began: int = 1_500_000) -> str:
    return f"{uniqueid}:{began // SECOND}.{began % SECOND:06d}"


def booting(at: int, uniqueid: str = "n-1.0") -> list[bytes]:
    """All that a boot writes: the heart's two channels begin before BOOT is told."""
    heart, other = {"channame": "Local/boot@heart-00000000;1"}, {"channame": "Local/boot@heart-00000000;2"}
    second = uniqueid + "1"
    return [
        line("CHAN_START", at - 800, uniqueid, **heart),
        line("CHAN_START", at - 700, second, **other),
        line("ANSWER", at - 600, second, **other),
        line("ANSWER", at - 500, uniqueid, **heart),
        boot(at, uniqueid),
    ]


def alive(
    at: int,
    count: int | None = None,
    uniqueid: str = "n-1.0",
    clock: tuple[int, int] | None = None,
    began: int = 1_500_000,
) -> bytes:
    """One beat; its count is that of a heart that began at START, if not given."""
    said = f"{clock[0]}.{clock[1]}" if clock else ""
    beat = (at - START) // BEAT if count is None else count
    return line("ALIVE", at, uniqueid, {"extra": f"{beat}:{boot_name(uniqueid, began)}:{said}"}, channame=HEART)


def living(seconds: float, start: int = START, **named: object) -> list[bytes]:
    """A heart that beats from `start` on."""
    return [alive(start + beat * BEAT, **named) for beat in range(int(seconds * SECOND / BEAT))]  # type: ignore[arg-type]


@dataclass(frozen=True)
class CallLines:
    """One call: when it came, joined, left and was hung up (µs), and how."""

    uniqueid: str
    called: int
    joined: int | None = None
    left: int | None = None
    result: str = "HANGUP"
    cause: int = 16
    source: str | None = None
    outcome: str = ""
    bridge: str = "bridge-1"
    answered_by: str = "Stasis"
    stamps: dict[str, str] = field(
        default_factory=lambda: {
            "tenantid": ACCOUNT,
            "accountcode": SUB_ACCOUNT,
            "userfield": f"{PASSCODE}:guest:",
            "appname": "ConfBridge",
            "appdata": f"{ROOM},room,guest,guest_menu",
        }
    )

    def entering(self) -> bytes:
        assert self.joined is not None
        return line("APP_START", self.joined - 50, self.uniqueid, **self.stamps)

    def enter(self) -> bytes:
        assert self.joined is not None
        extra = {"bridge_id": self.bridge, "bridge_technology": "softmix"}
        return line("BRIDGE_ENTER", self.joined, self.uniqueid, extra, **self.stamps)

    def exit(self) -> bytes:
        assert self.left is not None
        extra = {"bridge_id": self.bridge, "bridge_technology": "softmix"}
        return line("BRIDGE_EXIT", self.left, self.uniqueid, extra, **self.stamps)

    def lines(self) -> list[bytes]:
        """All of it, in the order in which Asterisk writes it."""
        found = [
            line("CHAN_START", self.called, self.uniqueid),
            line("CALLED", self.called + 100, self.uniqueid, {"extra": "18005550100:call-1@pbx"}),
            line("ANSWER", self.called + 200, self.uniqueid, appname=self.answered_by),
        ]
        end = self.called + 5 * SECOND
        if self.joined is not None and self.left is not None:
            found += [self.entering(), self.enter(), self.exit()]
            end = self.left + 300
        if self.joined is not None:
            found.append(line("LEFT", end, self.uniqueid, {"extra": f"{self.result}:{self.cause}"}))
        source = f"PJSIP/trunk-{self.uniqueid}" if self.source is None else self.source
        return [
            *found,
            line("ENDED", end + 10, self.uniqueid, {"extra": f"{self.outcome}:call-1@pbx"}),
            line("HANGUP", end + 20, self.uniqueid, {"hangupcause": self.cause, "hangupsource": source}),
            line("CHAN_END", end + 20, self.uniqueid),
            line("LINKEDID_END", end + 20, self.uniqueid),
        ]
