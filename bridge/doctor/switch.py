"""Checks of Asterisk over ARI and AMI: that it answers, its version, its modules, and that a daemon is connected."""

import re
from collections.abc import AsyncIterator
from typing import Any, Final

from bridge.asterisk.ami import client
from bridge.asterisk.ari import query
from bridge.asterisk.ari.client import APPLICATION, AriLogin, AriRefused
from bridge.asterisk.config import files
from bridge.doctor.configured import Configured
from bridge.doctor.examination import Check, Result, failed, warned, well
from bridge.settings import DaemonSettings, NodeSettings

Chosen = DaemonSettings | NodeSettings
DOCTOR: Final = "doctor"
"""The endpoint of the doctor's own calls."""
LEAST: Final = (22, 10, 1)
_VERSION: Final = re.compile(r"([0-9]+)\.([0-9]+)\.([0-9]+)")
MEND_ARI: Final = "check that Asterisk runs, then http.conf and ari.conf (`bridge asterisk render` writes them)"
MEND_AMI: Final = "check that Asterisk runs, then manager.conf (`bridge asterisk render` writes it)"


def over_ari(configured: Configured) -> Check | None:
    """Return the check over ARI, or None without settings."""
    if configured.switch is None:
        return None
    chosen = configured.switch

    async def work() -> AsyncIterator[Result]:
        login = AriLogin(chosen.ari_url, chosen.ari_user, chosen.ari_password.get_secret_value())
        info = await query.asked(login, "asterisk/info")
        try:
            version, name = str(info["system"]["version"]), str(info["config"]["name"])
        except (TypeError, KeyError):
            raise AriRefused(f"what listens at {login.url} is not Asterisk's ARI") from None
        yield _version(version, login.url)
        yield _name(name, chosen.node)
        yield _modules(await query.asked(login, "asterisk/modules"))
        yield _trunks(await query.asked(login, "endpoints/PJSIP"))
        if await query.asked(login, f"applications/{APPLICATION}") is None:
            yield failed(
                "application",
                "no daemon is connected: new callers hear music and are not admitted",
                "start `bridge serve`; if it runs, its log says why it does not connect",
            )
        else:
            yield well("application", "a daemon is connected and takes calls")

    return Check("ari", work, MEND_ARI)


def over_ami(configured: Configured) -> Check | None:
    """Return the check over AMI, or None without settings."""
    if configured.switch is None:
        return None
    chosen = configured.switch

    async def work() -> AsyncIterator[Result]:
        host, port = chosen.ami_address.rsplit(":", 1)
        login = client.AmiLogin(host, int(port), chosen.ami_user, chosen.ami_password.get_secret_value())
        async with client.ami_connection(login):
            yield well("ami", f"answers at {chosen.ami_address}")

    return Check("ami", work, MEND_AMI)


def _version(version: str, url: str) -> Result:
    numbers = _VERSION.match(version)
    if numbers is None or tuple(map(int, numbers.groups())) < LEAST:
        least = ".".join(map(str, LEAST))
        return failed(
            "ari",
            f"Asterisk {version} is too old: {least} is the oldest that this version works with",
            f"install Asterisk {least} or newer",
        )
    return well("ari", f"Asterisk {version} answers at {url}")


def _name(name: str, node: str) -> Result:
    if name != node:
        return failed(
            "node",
            f"Asterisk calls itself {name!r}, and BRIDGE_NODE is {node!r}",
            "correct BRIDGE_NODE, or run `bridge asterisk render` and restart Asterisk while nobody talks",
        )
    return well("node", f"Asterisk and the settings name it {node!r}")


def _trunks(endpoints: Any) -> Result:
    names = {endpoint["resource"] for endpoint in endpoints or ()} - {DOCTOR}
    if not names:
        mend = "`bridge trunk add` makes one, or BRIDGE_SIP_TRUNKS names addresses"
        return warned("trunks", "Asterisk knows no trunk, so that no call can come in", mend)
    return well("trunks", f"Asterisk knows {len(names)}: `bridge doctor --trunk NAME` examines one")


def _modules(loaded: Any) -> Result:
    running = {module["name"] for module in loaded or () if module.get("status") == "Running"}
    needed = files.modules()
    missing = [name for name in needed if name not in running]
    if missing:
        return failed(
            "modules",
            f"Asterisk runs without {', '.join(missing)}, which calls and minutes need",
            f"`asterisk -rx 'module load {missing[0]}'`, and compare modules.conf with `bridge asterisk render`",
        )
    return well("modules", f"all {len(needed)} needed modules run")
