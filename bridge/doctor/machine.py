"""Checks of the machine: the journal, free space, the clock, ports, and the permissions of secret files."""

import asyncio
import stat
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Final

from bridge.asterisk.journal import watch
from bridge.asterisk.journal.watch import JournalWatch
from bridge.doctor.configured import Configured
from bridge.doctor.examination import Check, Result, failed, found, warned, well
from bridge.domain.metering import meter_health
from bridge.domain.metering.meter_health import MEBIBYTE
from bridge.domain.provisioning import node_sip
from bridge.host import kernel_clock
from bridge.settings import DaemonSettings, NodeSettings

Chosen = DaemonSettings | NodeSettings
HEARTBEAT_S: Final = 3.0
"""Asterisk writes a heartbeat each half second. A busy machine may delay a few."""
RESERVE: Final = 256 * MEBIBYTE
STATE_RESERVE: Final = 64 * MEBIBYTE
CROWDED: Final = 0.8
OTHERS: Final = 0o077
MEND_DISK: Final = "check the disks of BRIDGE_JOURNAL and of BRIDGE_STATE_DIR"


def journal(configured: Configured) -> Check | None:
    """Return the check that the journal can be written, is written and has room, or None without settings."""
    if configured.switch is None:
        return None
    path = configured.switch.journal
    reserve = configured.daemon.journal_reserve_mb * MEBIBYTE if configured.daemon else RESERVE

    async def work() -> AsyncIterator[Result]:
        journal_watch = JournalWatch(path)
        before = await asyncio.to_thread(journal_watch.look)
        if before.unwritable is not None:
            for finding in meter_health.writability(before):
                yield found("journal", finding)
            return
        for finding in meter_health.room(before.room, reserve):
            yield found("journal disk", finding)
            break
        else:
            yield well("journal disk", _room(before.room))
        seen = before
        deadline = time.monotonic() + HEARTBEAT_S
        while seen.heartbeat_us == before.heartbeat_us and time.monotonic() < deadline:
            await asyncio.sleep(0.1)
            seen = await asyncio.to_thread(journal_watch.look)
        if seen.heartbeat_us == before.heartbeat_us:
            heartbeat_age_s = journal_watch.heartbeat_age_s()
            since = (
                "there is none in the file" if heartbeat_age_s is None else f"the last is {heartbeat_age_s:.0f} s old"
            )
            yield failed(
                "journal", f"Asterisk wrote no heartbeat within {HEARTBEAT_S:g} s, {since}", meter_health.MEND_HEARTBEAT
            )
        else:
            yield well("journal", f"{path} grows, with Asterisk's heartbeat in it")

    return Check("journal", work, MEND_DISK)


def state(configured: Configured) -> Check | None:
    """Return the check that the daemon's folder has room and is closed to others, or None without settings."""
    if configured.daemon is None:
        return None
    folder = configured.daemon.state_dir

    async def work() -> AsyncIterator[Result]:
        for result in await asyncio.to_thread(lambda: list(_state(folder))):
            yield result

    return Check("state", work, MEND_DISK)


def clock(_: Configured) -> Check:
    """Return the check that a time server keeps this machine's clock right."""

    async def work() -> AsyncIterator[Result]:
        synchronised = kernel_clock.synchronised()
        for finding in meter_health.synchronisation(synchronised):
            yield found("time server", finding)
            return
        yield well(
            "time server",
            "a time server keeps the kernel's clock"
            if synchronised
            else "the kernel does not say if a time server keeps its clock",
        )

    return Check("time server", work, "")


def ports(configured: Configured) -> Check | None:
    """Return the check that Asterisk listens for SIP and that RTP has enough ports, or None without settings."""
    node = configured.node
    if node is None:
        return None

    async def work() -> AsyncIterator[Result]:
        for result in await asyncio.to_thread(lambda: [*_sip(node), _rtp(node)]):
            yield result

    return Check("ports", work, "see pjsip.conf and rtp.conf (`bridge asterisk render`)")


def _room(room: meter_health.DiskSpace | None) -> str:
    return "unknown" if room is None else f"{room.free_bytes // MEBIBYTE} MiB left"


def _state(folder: Path) -> Iterator[Result]:
    room = watch.room(folder)
    if room is None:
        yield failed(
            "state",
            f"there is no folder {folder}",
            "start the daemon, which makes it, or correct BRIDGE_STATE_DIR",
        )
        return
    if room.free_bytes < STATE_RESERVE:
        yield warned(
            "state",
            f"the disk of {folder} has {_room(room)}",
            "make room on that disk: the daemon keeps the passcodes there that let callers in while Postgres is away",
        )
    else:
        yield well("state", f"{folder}, {_room(room)}")
    shown = [path for path in (folder, *folder.glob("*.lmdb")) if _open_to_others(path)]
    if shown:
        names = ", ".join(map(str, shown))
        yield failed("secrets", f"other users may read the secrets in {names}", f"chmod go-rwx {names}")
    else:
        yield well("secrets", f"{folder} is closed to other users")


def _open_to_others(path: Path) -> bool:
    mode = path.stat().st_mode
    # A file in a folder that no other user may enter is closed, whatever its own mode.
    return bool(mode & OTHERS) and (stat.S_ISDIR(mode) or bool(path.parent.stat().st_mode & OTHERS))


def _sip(node: NodeSettings) -> Iterator[Result]:
    wanted = [(kind, node_sip.port(node.sip_bind)) for kind in ("udp", "tcp")]
    wanted += [("tls", node_sip.port(node.sip_tls_bind))] if node.sip_tls_bind else []
    unbound = [(kind, port) for kind, port in wanted if port not in _bound("udp" if kind == "udp" else "tcp")]
    if unbound:
        yield failed(
            "sip",
            f"nothing listens on {' and '.join(f'port {port} by {kind.upper()}' for kind, port in unbound)}",
            "start Asterisk: until it listens, no call comes in; its log says if another process uses the port, or if "
            "it cannot read the certificate",
        )
    else:
        tls = f", and on TLS at {node.sip_tls_bind}" if node.sip_tls_bind else ""
        yield well("sip", f"a program listens at {node.sip_bind}, on UDP and TCP{tls}")


def _rtp(node: NodeSettings) -> Result:
    first, last = map(int, node.rtp_ports.split("-"))
    mend = "correct BRIDGE_RTP_PORTS: a call needs two ports that no other program uses, or its caller hears nothing"
    if not 1024 <= first < last <= 65535:
        return failed("rtp", f"BRIDGE_RTP_PORTS {node.rtp_ports} is no range of ports from 1024 to 65535", mend)
    if first <= node_sip.port(node.sip_bind) <= last:
        return failed("rtp", f"the port of SIP lies in the range of BRIDGE_RTP_PORTS, {node.rtp_ports}", mend)
    taken = sum(first <= port <= last for port in _bound("udp"))
    text = f"{node.rtp_ports} has room for {(last - first + 1) // 2} calls, {taken} ports are in use"
    return warned("rtp", text, mend) if taken > CROWDED * (last - first + 1) else well("rtp", text)


def _bound(kind: str) -> set[int]:
    """Return the ports that any process of this network namespace listens on, by "udp" or "tcp"."""
    waiting = "07" if kind == "udp" else "0A"
    ports = set()
    for table in (Path(f"/proc/net/{kind}"), Path(f"/proc/net/{kind}6")):
        if table.exists():
            for fields in map(str.split, table.read_text().splitlines()[1:]):
                if fields[3] == waiting:
                    ports.add(int(fields[1].rpartition(":")[2], 16))
    return ports
