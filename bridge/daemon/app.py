"""The daemon, which runs beside one Asterisk. This composition root is the only module that imports all layers."""

import asyncio
import contextlib
import fcntl
import gc
import os
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime
from pathlib import Path

import structlog

from bridge import settings, telemetry
from bridge.api import probes, server
from bridge.asterisk.ami.client import AmiLogin, ami_connection
from bridge.asterisk.ami.live_rooms import AmiLiveRooms
from bridge.asterisk.ari import heartbeat, log_rotation
from bridge.asterisk.ari.calls import Calls, StasisCall
from bridge.asterisk.ari.client import Ari, AriLogin, ari_connection
from bridge.asterisk.ari.hangup import ParticipantHangup
from bridge.asterisk.ari.room_listing import AriSwitch, Occupancy
from bridge.asterisk.config.trunks import TrunkFiles
from bridge.asterisk.connections import Connection
from bridge.asterisk.journal.file import JournalFile
from bridge.daemon import event_loop, passcode_key
from bridge.daemon.health import Health, Parts
from bridge.daemon.lockout import Lockout
from bridge.daemon.meter import Meter
from bridge.daemon.ports import Ports
from bridge.daemon.trunks import TrunkKeeper
from bridge.domain.access import client_address
from bridge.domain.access.wrong_keys import WrongKeys
from bridge.domain.admission.capacity import Capacity
from bridge.domain.admission.keypad import EntryTimeouts
from bridge.domain.admission.seats import Seats
from bridge.domain.errors import BridgeError
from bridge.domain.metering.meter_health import MeterLimits
from bridge.domain.metering.usage import DayUsage
from bridge.domain.period import SECOND_US
from bridge.domain.provisioning import code_lengths, node_sip
from bridge.domain.provisioning.node_sip import NodeSip
from bridge.domain.webhooks.event import unusual_usage
from bridge.host import private_files
from bridge.settings import DaemonSettings
from bridge.storage import keys
from bridge.storage.access import audit_log
from bridge.storage.access.api_keys import PostgresApiKeys
from bridge.storage.access.audit_log import PostgresAuditLog
from bridge.storage.access.idempotency import PostgresIdempotencyStore
from bridge.storage.access.ownership import PostgresOwnership
from bridge.storage.admission.attempts import PostgresRefusedEntries
from bridge.storage.admission.blocks import AuditedBlocks
from bridge.storage.admission.guess_stock import PostgresGuessStock
from bridge.storage.billing.billed_stays import PostgresBilledStays
from bridge.storage.billing.tariffs import PostgresTariffs
from bridge.storage.directory.lookup import LocalDirectory
from bridge.storage.metering.commit import PostgresLedger
from bridge.storage.metering.minutes import PostgresMinutes
from bridge.storage.metering.present_participants import PostgresPresentParticipants
from bridge.storage.metering.usage import PostgresUsage
from bridge.storage.postgres.clock import PostgresClock
from bridge.storage.postgres.database import Database
from bridge.storage.provisioning.tenants import PostgresTenants
from bridge.storage.webhooks.deliveries import PostgresDeliveries
from bridge.storage.webhooks.outbox import PostgresOutbox
from bridge.storage.webhooks.webhooks import PostgresWebhooks
from bridge.usecases.admission.admission_checks import AdmissionChecks
from bridge.usecases.admission.admit_caller import admit_caller
from bridge.usecases.metering.keep_minutes import keep_minutes
from bridge.usecases.metering.reconcile_rooms import reconcile_rooms
from bridge.usecases.metering.watch_usage import watch_usage
from bridge.usecases.provisioning.ports import Keys
from bridge.webhooks.deliverer import Deliverer

log = structlog.get_logger()


def serve(chosen: DaemonSettings) -> None:
    """Run the daemon until SIGTERM or SIGINT. Raises BridgeError if it cannot start, or must not beside another one."""
    telemetry.configure(chosen.log_level)
    for name in settings.gone():
        log.warning("setting_gone", setting=name, mend="it has no effect any more: see docs/admission.md")
    try:
        chosen.state_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise BridgeError(
            f"BRIDGE_STATE_DIR {chosen.state_dir} cannot be made ({error.strerror}): "
            "name a folder that the daemon's user may write to"
        ) from error
    with _only_daemon(chosen.state_dir):
        ring = keys.derive(*chosen.passcode_secrets)
        passcode_key.check(ring, chosen.state_dir, chosen.database_url.get_secret_value())
        # All objects that exist now stay until the end. Frozen, they do not lengthen garbage collections during calls.
        gc.collect()
        gc.freeze()
        try:
            asyncio.run(_Daemon(chosen, ring).run())
        except BaseExceptionGroup as group:
            first: BaseException = group
            while isinstance(first, BaseExceptionGroup):
                first = first.exceptions[0]
            if isinstance(first, BridgeError):
                raise first from group
            raise


@contextlib.contextmanager
def _only_daemon(state_dir: Path) -> Iterator[None]:
    """Hold the lock of the one daemon on this node. Raises BridgeError if another daemon holds it.

    Two daemons would take the ARI application, and so the calls, from each other again and again.
    """
    path = state_dir / "daemon.lock"
    try:
        opened = private_files.lock_file(path)
    except OSError as error:
        raise BridgeError(
            f"{path} cannot be opened ({error.strerror}): it must be a file of the daemon's user, and no link"
        ) from error
    with opened as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise BridgeError(
                f"a daemon runs on this node already, with pid {file.read().strip() or 'unknown'} "
                f"(lock {path}): stop it first"
            ) from None
        file.seek(0)
        file.truncate()
        file.write(str(os.getpid()))
        file.flush()
        yield


class _Daemon:
    """All parts of the daemon, connected to each other."""

    def __init__(self, chosen: DaemonSettings, ring: Keys) -> None:
        self._chosen = chosen
        self._rtp_timeout_us = chosen.rtp_timeout * SECOND_US
        self._keys = ring
        self._database = Database(chosen.database_url.get_secret_value())
        self._directory = LocalDirectory(
            self._database, chosen.state_dir, self._keys, chosen.node, chosen.caller_numbers
        )
        self._attempts = PostgresRefusedEntries(self._database)
        self._lockout = Lockout(
            chosen.node,
            chosen.state_dir,
            chosen.allowance,
            self._attempts,
            chosen.attempts_keep_days,
            PostgresGuessStock(self._database),
            lambda: float(max(map(code_lengths.odds, self._directory.worst_lengths()))),
            self._directory.known_by,
            PostgresOutbox(self._database).emit,
        )
        self._journal = JournalFile(
            chosen.journal, chosen.journal_rotate_mb << 20, chosen.journal_archive, chosen.journal_keep_days
        )
        self._calls = Calls(self._greet)
        seats = Seats(self._directory.owner)
        self._occupancy = Occupancy(seats)
        capacity = Capacity(node_sip.calls(chosen.rtp_ports))
        self._ports = Ports(capacity, lambda: len(seats))
        self._rooms = AmiLiveRooms(chosen.node, self._occupancy.left)
        self._participants = ParticipantHangup(chosen.node, seats, PostgresPresentParticipants(self._database))
        self._ari = Connection("ari", self._serve_ari)
        self._ami = Connection("ami", self._serve_ami)
        self._clock = PostgresClock(self._database)
        limits = MeterLimits(chosen.journal_reserve_mb << 20, chosen.clock_tolerance)
        self._meter = Meter(chosen.journal, chosen.state_dir, limits, self._clock, chosen.refuse_unmetered)
        waiting = PostgresDeliveries(self._database)
        self._webhooks = Deliverer(waiting, self._keys.unseal, chosen.webhook_private)
        self._trunks = TrunkKeeper(
            PostgresTenants(self._database),
            self._keys.unseal,
            TrunkFiles(chosen.trunks_dir),
            NodeSip.of(chosen.sip_trunks, chosen.sip_bind, chosen.sip_tls_bind),
            self._directory.trunks_changed,
        )
        self._health = Health(
            Parts(
                self._ari,
                self._ami,
                self._directory,
                self._journal,
                self._meter,
                self._rooms,
                self._lockout,
                self._ports,
            ),
        )
        timeouts = EntryTimeouts(chosen.first_digit_s, chosen.inter_digit_s, chosen.entry_s, chosen.tries)
        self._admission_checks = AdmissionChecks(
            self._directory, self._lockout.guard, seats, timeouts, self._health.barrier, capacity
        )

    async def run(self) -> None:
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        log.info("starting", node=self._chosen.node, pid=os.getpid())
        await self._lockout.remember()
        try:
            async with self._database, self._probes(), self._api(), asyncio.TaskGroup() as tasks:
                running = [
                    tasks.create_task(work, name=name)
                    for name, work in (
                        ("directory", self._directory.run()),
                        ("lockout", self._lockout.run()),
                        ("minutes", self._keep_minutes()),
                        ("journal sync", self._journal.sync()),
                        ("journal archives", self._journal.tidy(self._health.committed)),
                        ("ari", self._ari.keep()),
                        ("ami", self._ami.keep()),
                        ("clock", self._clock.run()),
                        ("meter", self._meter.run()),
                        ("gauges", self._health.keep_gauges()),
                        ("ports", self._ports.run()),
                        ("usage", self._watch_usage()),
                        ("event loop", event_loop.watch()),
                        ("webhooks", self._webhooks.run()),
                    )
                ]
                await stop.wait()
                log.info("stopping")
                for task in running:
                    task.cancel()
        finally:
            log.info("stopped")

    # --- Admission ------------------------------------------------------------------------------------------------
    async def _serve_ari(self, connection: Connection) -> None:
        login = AriLogin(self._chosen.ari_url, self._chosen.ari_user, self._chosen.ari_password.get_secret_value())
        async with ari_connection(login) as session, asyncio.TaskGroup() as tasks:

            def ready() -> None:
                connection.up()
                self._participants.connected(session)
                tasks.create_task(self._meter.watch(session), name="meter over ari")
                tasks.create_task(heartbeat.keep_beating(session), name="heartbeat")
                tasks.create_task(self._trunks.keep(session), name="trunks")
                tasks.create_task(log_rotation.keep_rotating(session), name="log rotation")

            tasks.create_task(self._reconcile(session), name="rooms over ari")
            try:
                await self._calls.serve(session, ready)
            finally:
                self._occupancy.forget()
                self._participants.connected(None)

    async def _reconcile(self, session: Ari) -> None:
        health, switch = self._health, AriSwitch(session, self._occupancy)
        silent_s = self._meter.silent_s
        await reconcile_rooms(switch, health.recorded, silent_s, health.on_difference, health.on_healing)

    async def _greet(self, call: StasisCall) -> bool:
        await self._occupancy.known()
        return await admit_caller(call, self._admission_checks)

    # --- The live view --------------------------------------------------------------------------------------------
    async def _serve_ami(self, connection: Connection) -> None:
        host, port = self._chosen.ami_address.rsplit(":", 1)
        login = AmiLogin(host, int(port), self._chosen.ami_user, self._chosen.ami_password.get_secret_value())
        async with ami_connection(login) as session, asyncio.TaskGroup() as tasks:
            tasks.create_task(session.watch())
            tasks.create_task(self._trunks.watch_registrations(session))
            await self._rooms.follow(session, connection.up)

    # --- Minutes --------------------------------------------------------------------------------------------------
    async def _keep_minutes(self) -> None:
        await keep_minutes(
            self._chosen.node,
            self._journal,
            PostgresLedger(self._database),
            self._rtp_timeout_us,
            self._health.on_progress,
            self._health.on_ledger_away,
        )

    async def _watch_usage(self) -> None:
        outbox = PostgresOutbox(self._database)

        async def tell(usage: DayUsage) -> None:
            await outbox.emit(unusual_usage(datetime.now(UTC), usage))
            log.warning(
                "usage_unusual",
                kind=usage.kind.value,
                value=usage.value,
                minutes=usage.minutes,
                usual=usage.usual,
                mend="see GET /v1/minutes of the last day: if a passcode has leaked, rotate it",
            )

        least = self._chosen.usage_alarm_minutes
        await watch_usage(PostgresUsage(self._database), least, tell, telemetry.UNUSUAL_USAGE.set)

    # --- REST -----------------------------------------------------------------------------------------------------
    @contextlib.asynccontextmanager
    async def _api(self) -> AsyncIterator[None]:
        chosen = self._chosen
        services = server.Services(
            tenants=PostgresTenants(self._database, chosen.code_lengths),
            tariffs=PostgresTariffs(self._database),
            minutes=PostgresMinutes(self._database),
            billed_stays=PostgresBilledStays(self._database),
            keys=self._keys,
            freshness=self._directory,
            rooms=self._rooms,
            participants=self._participants,
            attempts=self._attempts,
            blocks=AuditedBlocks(self._lockout.guard, self._database),
            api_keys=PostgresApiKeys(self._database),
            ownership=PostgresOwnership(self._database),
            idempotency=PostgresIdempotencyStore(self._database, self._keys),
            audit_log=PostgresAuditLog(self._database),
            webhooks=PostgresWebhooks(self._database),
            private_webhooks=chosen.webhook_private,
            unit_of_work=self._database.unit_of_work,
            acting=lambda principal, remote: audit_log.acting(audit_log.Actor(principal, remote)),
            operator_key=chosen.operator_key.get_secret_value(),
            wrong_keys=WrongKeys(),
            trusted_proxies=client_address.networks(chosen.trusted_proxies),
            caller_numbers=chosen.caller_numbers,
        )
        host, port = chosen.api_address.rsplit(":", 1)
        listener = server.serving(services, host, int(port))
        async with _listening(listener, "REST", "BRIDGE_API_ADDRESS", chosen.api_address):
            log.info("serving", address=chosen.api_address)
            yield

    @contextlib.asynccontextmanager
    async def _probes(self) -> AsyncIterator[None]:
        address = self._chosen.probes_address
        host, port = address.rsplit(":", 1)
        listener = probes.serving(self._health.readiness, host, int(port))
        async with _listening(listener, "Health and metrics", "BRIDGE_PROBES_ADDRESS", address):
            yield


@contextlib.asynccontextmanager
async def _listening(
    listener: AbstractAsyncContextManager[object], what: str, setting: str, address: str
) -> AsyncIterator[None]:
    """Run a listener for the length of a block. Raises BridgeError if it cannot listen on the address."""
    async with contextlib.AsyncExitStack() as stack:
        try:
            await stack.enter_async_context(listener)
        except OSError as error:
            raise BridgeError(
                f"{what} cannot be served on {address} ({error.strerror}): free the port, or set "
                f"{setting} to an address of this machine"
            ) from error
        yield
