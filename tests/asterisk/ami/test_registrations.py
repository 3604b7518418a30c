"""Registrations of trunks, as AMI lists them."""

from bridge.asterisk.ami import client
from bridge.asterisk.ami.registrations import Registration, registrations
from tests.asterisk.ami import fake_ami

TRUNK = "5b0c2c5e-64f3-4d0f-a7a5-6c6d5c5c0b11"
LISTED = f"""Response: Success\r
EventList: start\r
Message: Following are Events for each Outbound registration\r
\r
Event: OutboundRegistrationDetail\r
ObjectType: registration\r
ObjectName: {TRUNK}-registration\r
ServerUri: sip:sip.example:5060;transport=udp\r
Status: Rejected\r
\r
Event: OutboundRegistrationDetail\r
ObjectName: by-hand\r
ServerUri: sip:other.example\r
Status: Registered\r
\r
Event: OutboundRegistrationDetailComplete\r
EventList: Complete\r
Registered: 1\r
NotRegistered: 1\r
"""


async def test_registrations_of_trunks_are_told_and_no_others() -> None:
    async with fake_ami.running() as (wire, login), client.ami_connection(login) as session:
        wire.answers["PJSIPShowRegistrationsOutbound"] = LISTED
        [found] = await registrations(session)
    assert found == Registration(TRUNK, "Rejected", "sip:sip.example:5060;transport=udp")
    assert not found.registered


async def test_without_registrations_there_are_none() -> None:
    async with fake_ami.running() as (wire, login), client.ami_connection(login) as session:
        wire.answers["PJSIPShowRegistrationsOutbound"] = (
            "Response: Error\r\nMessage: No outbound registrations found\r\n"
        )
        assert await registrations(session) == []
