"""The registrations of trunks at their registrars, as Asterisk tells them by AMI."""

from dataclasses import dataclass
from typing import Final

from bridge.asterisk.ami.client import Ami, AmiFailed

REGISTERED: Final = "Registered"
_SUFFIX: Final = "-registration"
_NOTHING_THERE: Final = "No outbound registrations"


@dataclass(frozen=True, slots=True)
class Registration:
    """The registration of a trunk. `state` is Asterisk's own word: Registered, Unregistered, Rejected or Stopped."""

    trunk_id: str
    state: str
    server: str

    @property
    def registered(self) -> bool:
        return self.state == REGISTERED


async def registrations(ami: Ami) -> list[Registration]:
    """All registrations of trunks. Raises AmiFailed, AmiUnreachable."""
    try:
        messages = await ami.action("PJSIPShowRegistrationsOutbound")
    except AmiFailed as error:
        if str(error).startswith(_NOTHING_THERE):
            return []
        raise
    return [
        Registration(name.removesuffix(_SUFFIX), each.get("status", ""), each.get("serveruri", ""))
        for each in messages
        if each.get("event") == "OutboundRegistrationDetail" and (name := each.get("objectname", "")).endswith(_SUFFIX)
    ]
