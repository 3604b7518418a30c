"""Keeps Asterisk's trunks as Postgres has them: writes their files, has them loaded, and follows registrations."""

import asyncio
import random
from collections.abc import Callable, Iterator
from typing import Final

import structlog

from bridge import telemetry
from bridge.asterisk.ami.client import Ami, AmiFailed
from bridge.asterisk.ami.registrations import Registration, registrations
from bridge.asterisk.ari.client import Ari, AriFailed
from bridge.asterisk.config import trunks as trunk_config
from bridge.asterisk.config.trunks import NodeTrunks, OpenTrunk, TrunkFiles
from bridge.domain import retry
from bridge.domain.errors import BridgeError, Unavailable
from bridge.domain.provisioning.node_sip import NodeSip
from bridge.domain.provisioning.trunk import Dtmf
from bridge.usecases.provisioning.ports import SealedTrunk, Tenants

log = structlog.get_logger()

RETRY_S: Final = 2.0
LOOK_S: Final = 60.0
"""The trunks are compared with Asterisk's this often even if nobody changed them: an operator may have."""
REGISTRATIONS_S: Final = 5.0
LOADING_S: Final = 0.1
LOADING_LOOKS: Final = 50


class TrunkKeeper:
    """The trunks of this node. `changed` is set whenever Postgres may have other trunks than before."""

    def __init__(
        self,
        tenants: Tenants,
        unseal: Callable[[bytes], str],
        files: TrunkFiles,
        node: NodeSip,
        changed: asyncio.Event,
    ) -> None:
        self._tenants = tenants
        self._unseal = unseal
        self._files = files
        self._node = node
        self._changed = changed
        self._said: dict[str, str] = {}
        self._registered: dict[str, Registration] = {}

    # --- Their configuration ------------------------------------------------------------------------------------------
    async def keep(self, ari: Ari) -> None:
        """Keep Asterisk's trunks up to date, for as long as the connection to it lasts."""
        delays = self._delays()
        while True:
            self._changed.clear()
            try:
                await self._apply(ari)
                wait_s, delays = LOOK_S, self._delays()
            except (Unavailable, AriFailed, OSError) as error:
                # What Asterisk has loaded goes on to serve.
                self._say("", f"trunks are not up to date: {error}")
                wait_s = next(delays)
            try:
                async with asyncio.timeout(wait_s):
                    await self._changed.wait()
            except TimeoutError:
                continue

    def _delays(self) -> Iterator[float]:
        return retry.delays(RETRY_S, LOOK_S, random.random)

    async def _apply(self, ari: Ari) -> None:
        sealed = await self._tenants.sealed_trunks()
        wanted = NodeTrunks([self._opened(each) for each in sealed], self._node)
        self._report(wanted)
        written = await asyncio.to_thread(self._files.write, wanted.texts())
        await trunk_config.hear_info(ari, any(each.trunk.dtmf is Dtmf.INFO for each in sealed))
        names = {str(each.trunk.id) for each in wanted.served}
        if written or not names <= await trunk_config.loaded(ari):
            await trunk_config.load(ari)
            await self._await_loaded(ari, names)
            log.info("trunks_loaded", trunks=len(names))
        self._say("", "")

    def _report(self, wanted: NodeTrunks) -> None:
        """Say which trunks this node can't serve."""
        unusable = wanted.unusable()
        telemetry.TRUNKS_UNUSABLE.set(len(unusable))
        for each in wanted.trunks:
            self._say(str(each.trunk.id), unusable.get(str(each.trunk.id), ""), each.trunk.name)

    async def _await_loaded(self, ari: Ari, names: set[str]) -> None:
        """Wait until Asterisk, which reloads in the background, has all of the trunks. Raises Unavailable."""
        for _ in range(LOADING_LOOKS):
            missing = names - await trunk_config.loaded(ari)
            if not missing:
                return
            await asyncio.sleep(LOADING_S)
        raise Unavailable(f"Asterisk did not load {', '.join(sorted(missing))}: see its log for pjsip.conf")

    def _opened(self, sealed: SealedTrunk) -> OpenTrunk:
        if sealed.password is None:
            return OpenTrunk(sealed.trunk, "")
        try:
            return OpenTrunk(sealed.trunk, self._unseal(sealed.password))
        except BridgeError as error:
            log.error("trunk_password_sealed", trunk=str(sealed.trunk.id), error=str(error))  # noqa: TRY400
            return OpenTrunk(sealed.trunk, "")

    # --- Their registrations ------------------------------------------------------------------------------------------
    async def watch_registrations(self, ami: Ami) -> None:
        """Tell whenever a registration is refused, lost or there again, for as long as the connection lasts."""
        while True:
            try:
                found = {each.trunk_id: each for each in await registrations(ami)}
            except AmiFailed as error:
                self._say("registrations", f"AMI does not list registrations: {error}")
                found = {}
            for trunk_id, now in found.items():
                before = self._registered.get(trunk_id)
                if before is None or before.state != now.state:
                    level = log.info if now.registered else log.warning
                    level("trunk_registration", trunk=trunk_id, state=now.state, registrar=now.server)
                telemetry.TRUNK_REGISTERED.labels(trunk=trunk_id).set(now.registered)
            for trunk_id in self._registered.keys() - found.keys():
                telemetry.TRUNK_REGISTERED.remove(trunk_id)
            self._registered = found
            await asyncio.sleep(REGISTRATIONS_S)

    def _say(self, subject: str, trouble: str, name: str = "") -> None:
        """Log a trouble once, and again when it has changed."""
        if trouble and self._said.get(subject) != trouble:
            log.warning("trunk_trouble", trunk=subject or "all", name=name, error=trouble)
        self._said[subject] = trouble
