"""Checks of one SIP trunk: this node can serve it, the carrier is there, and its numbers are understood."""

import asyncio
import ipaddress
import socket
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509

from bridge.asterisk.ami import client as ami
from bridge.asterisk.ami.registrations import registrations
from bridge.asterisk.ari import query
from bridge.asterisk.ari.client import AriLogin
from bridge.doctor import self_call, sip_probe
from bridge.doctor.configured import Configured
from bridge.doctor.examination import Check, Result, failed, warned, well
from bridge.domain.admission.numbering import Numbering
from bridge.domain.errors import NotFound, Unavailable
from bridge.domain.provisioning.node_sip import NodeSip
from bridge.domain.provisioning.trunk import SIP_PORT, SIPS_PORT, Trunk
from bridge.settings import DaemonSettings
from bridge.storage.admission import attempts
from bridge.storage.admission.attempts import TrunkNumbers
from bridge.storage.postgres.database import Database
from bridge.storage.provisioning.tenants import PostgresTenants

COMMAND_S: Final = 3.0
WEEK: Final = timedelta(days=7)
ASKED_MOST: Final = 8
CERTIFICATE_DAYS: Final = 14
LIST_MOST: Final = 1000
MEND: Final = "see `bridge trunk list`, and docs/trunks.md"


async def find(chosen: DaemonSettings, name: str) -> Trunk:
    """The trunk with this name or id. Raises NotFound, which names those that there are, and Unavailable."""
    async with _database(chosen) as database:
        return await _named(PostgresTenants(database), name)


def checks(configured: Configured, trunk: Trunk) -> list[Check]:
    """Return the checks of a trunk. Without the daemon's settings there are none."""
    chosen, node = configured.daemon, configured.node
    if chosen is None:
        return []

    async def here() -> AsyncIterator[Result]:
        yield well("trunk", f"{trunk.name} is {trunk.id}, version {trunk.version}")
        yield await _served(chosen, trunk)

    async def audio() -> AsyncIterator[Result]:
        yield await _echo(configured)

    async def carrier() -> AsyncIterator[Result]:
        path = node.sip_tls_certificate if node else None
        if trunk.secure and path is not None:
            yield await asyncio.to_thread(certificate, path)
        for result in await asyncio.gather(*(_reached(trunk, host, port) for host, port in _servers(trunk))):
            yield result

    async def registration() -> AsyncIterator[Result]:
        async for result in _registration(chosen, trunk):
            yield result

    async def numbers() -> AsyncIterator[Result]:
        async with _database(chosen) as database, database.transaction() as connection:
            numbering = Numbering(trunk.number_form, trunk.country or chosen.country, trunk.prefix)
            seen = await attempts.numbers_of_trunk(connection, trunk.id, datetime.now(UTC) - WEEK, numbering)
        for result in _numbers(trunk, seen):
            yield result

    return [
        Check("node", here, MEND),
        Check("audio", audio, MEND),
        Check("carrier", carrier, MEND),
        Check("registration", registration, MEND),
        Check("numbers", numbers, MEND),
    ]


def _database(chosen: DaemonSettings) -> Database:
    return Database(chosen.database_url.get_secret_value(), "bridge doctor", pool=0, command_s=COMMAND_S)


async def _named(tenants: PostgresTenants, name: str) -> Trunk:
    there = await tenants.trunks(LIST_MOST)
    found = [one for one in there if name in (one.name, str(one.id))]
    if not found:
        named = ", ".join(one.name for one in there[:ASKED_MOST]) or "there is none yet: `bridge trunk add` makes one"
        raise NotFound(f"there is no trunk named {name!r}; trunks are: {named}")
    return found[0]


# --- This node ----------------------------------------------------------------------------------------------------
async def _served(chosen: DaemonSettings, trunk: Trunk) -> Result:
    obstacle = NodeSip.of(chosen.sip_trunks, chosen.sip_bind, chosen.sip_tls_bind).obstacle(trunk)
    if obstacle:
        return failed("node", f"trunk {trunk.name} cannot work here", obstacle)
    login = AriLogin(chosen.ari_url, chosen.ari_user, chosen.ari_password.get_secret_value())
    loaded = {each["resource"] for each in await query.asked(login, "endpoints/PJSIP") or ()}
    if str(trunk.id) not in loaded:
        return failed(
            "node",
            "Asterisk has not loaded this trunk: its calls are rejected",
            "start `bridge serve`; if it runs, look for trunk_trouble in its log, and whether Asterisk may read "
            f"{chosen.trunks_dir}",
        )
    return well("node", f"Asterisk has it loaded, over {trunk.transport}{' with SRTP' if trunk.srtp else ''}")


async def _echo(configured: Configured) -> Result:
    """Call this node's own Asterisk, and listen to the echo."""
    binds = configured.node.sip_bind if configured.node else "0.0.0.0:5060"
    own = next((each for each in binds.split(",") if not each.startswith("[")), None)
    if own is None:
        return warned("audio", "not tried, because this node has no SIP over IPv4", "add one to BRIDGE_SIP_BIND")
    host, port = own.rsplit(":", 1)
    mend = "check BRIDGE_RTP_PORTS, the firewall of this machine, and that pjsip.conf is what the settings render"
    try:
        call = await self_call.place("127.0.0.1" if host == "0.0.0.0" else host, int(port))  # noqa: S104
    except Unavailable as error:
        return failed("audio", str(error), mend)
    if not call.heard:
        return failed("audio", f"a call to itself got no audio back from {call.media}", mend)
    if not (call.takes_events and call.key_heard):
        return failed("audio", "a call to itself got audio back, but not its key by telephone-event", mend)
    said = f"a call to itself got {call.heard} of {call.sent} packets back, and its key by telephone-event"
    return well("audio", f"{said}; audio is asked for at {call.media}")


def certificate(path: Path) -> Result:
    """Return whether a certificate for SIP over TLS, with its chain, is still valid, and for how long."""
    mend = "renew it, put it at BRIDGE_SIP_TLS_CERTIFICATE, and restart Asterisk while nobody talks"
    try:
        chain = x509.load_pem_x509_certificates(path.read_bytes())
        until = min(each.not_valid_after_utc for each in chain)
    except (OSError, ValueError) as error:
        return failed("certificate", f"{path} cannot be read as a certificate ({type(error).__name__})", mend)
    days, said = sip_probe.days_left(until), f"{path} is valid until {until:%Y-%m-%d}"
    if days < 0:
        return failed("certificate", f"{path} has expired on {until:%Y-%m-%d}: callers reject it", mend)
    if days < CERTIFICATE_DAYS:
        return warned("certificate", f"{said}, {days} days", mend)
    return well("certificate", f"{said}, {days} days")


async def _registration(chosen: DaemonSettings, trunk: Trunk) -> AsyncIterator[Result]:
    if not trunk.registrar:
        return
    host, port = chosen.ami_address.rsplit(":", 1)
    login = ami.AmiLogin(host, int(port), chosen.ami_user, chosen.ami_password.get_secret_value())
    async with ami.ami_connection(login) as session:
        found = [each for each in await registrations(session) if each.trunk_id == str(trunk.id)]
    state = found[0].state if found else "not loaded"
    if found and found[0].registered:
        yield well("registration", f"registered at {trunk.registrar} as {trunk.username}")
        return
    mend = {
        "Rejected": "the registrar refuses the user or the password, or does not answer: see below whether it "
        "is reached, and correct them by `bridge trunk change`",
        "Stopped": "the registrar refused for good; once its cause is mended, a `bridge trunk change` starts it again",
    }.get(state, "the registrar does not answer: see below whether it is reached, and the firewall")
    yield failed("registration", f"at {trunk.registrar} as {trunk.username}: {state}", mend)


# --- The carrier --------------------------------------------------------------------------------------------------
def _servers(trunk: Trunk) -> list[tuple[str, int]]:
    """The hosts that are asked: the registrar, and single addresses; networks are too many to ask."""
    usual = SIPS_PORT if trunk.secure else SIP_PORT
    single = [each for each in trunk.addresses if "/" not in each]
    found = [(each, usual) for each in single[:ASKED_MOST]]
    if trunk.registrar:
        host, _, port = (
            trunk.registrar.rpartition(":")
            if trunk.registrar.rpartition("]")[2].count(":")
            else (trunk.registrar, "", "")
        )
        found.insert(0, (host.strip("[]"), int(port) if port else usual))
    return found


async def _reached(trunk: Trunk, host: str, port: int) -> Result:
    where = f"{host}:{port} over {trunk.transport}"
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_DGRAM)
    except OSError as error:
        return failed(
            "dns", f"{host} has no address ({error.strerror})", "correct the registrar, or mend this machine's DNS"
        )
    addresses = ", ".join(dict.fromkeys(str(each[4][0]) for each in found))
    named = "" if _is_address(host) else f" ({addresses})"
    try:
        answer = await sip_probe.options(host, port, trunk.transport)
    except Unavailable as error:
        return warned(
            "options",
            f"{where}{named}: {error}",
            "if calls come in, the carrier just does not answer such requests; if not, see firewall and transport",
        )
    said = f"{where}{named} answers {answer.status} {answer.reason} in {1000 * answer.seconds:.0f} ms"
    if answer.certificate_until is not None:
        said += f"; its certificate is trusted, {sip_probe.days_left(answer.certificate_until)} days left"
    return well("options", said)


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


# --- Its numbers --------------------------------------------------------------------------------------------------
def _numbers(trunk: Trunk, seen: TrunkNumbers) -> Sequence[Result]:
    if not seen.calls and not seen.advice and not seen.refused:
        return [warned("numbers", "no call has come over this trunk within 7 days", "call it once, and run this again")]
    results = []
    if seen.advice:
        results.append(failed("dialled", "; ".join(seen.advice), f"`bridge trunk change {trunk.name!r} …`"))
    else:
        results.append(well("dialled", f"{seen.calls} calls within 7 days, each to a known access number"))
    bare = seen.bare_callers
    if bare and 2 * bare > seen.callers:
        mend = "set the trunk's number_form and country, so that callers are recognised in whatever form they come"
        what = f"{bare} of {seen.callers} callers have no possible number in the form that is set"
        results.append(warned("callers", what, mend))
    elif seen.callers:
        results.append(well("callers", f"{seen.callers - bare} of {seen.callers} callers have a number in E.164"))
    return results
