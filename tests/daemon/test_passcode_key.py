"""The daemon under a wrong BRIDGE_PASSCODE_KEY: it does not start. With Postgres away the local directory decides."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest

from bridge.daemon import passcode_key
from bridge.domain.errors import BridgeError
from bridge.sandbox.host import ports
from bridge.storage import keys
from bridge.storage.directory import key_check
from bridge.storage.postgres.database import Database
from bridge.usecases.provisioning.ports import Keys
from tests.storage.conftest import migrated, server, url
from tests.storage.directory.directories import alone

__all__ = ["migrated", "server", "url"]  # fixtures

RIGHT, WRONG = "5eed" * 16, "2ab1" * 16
NOBODY = "127.0.0.1:9"
AWAY = f"postgresql://someone:hidden@{NOBODY}/bridge"


async def fill(url: str, state_dir: Path, ring: Keys) -> None:
    """Make a local directory under a key."""
    async with Database(url) as database, alone(database, state_dir, ring) as directory:
        await directory.catch_up()


async def settle(url: str, ring: Keys) -> None:
    """Make a key the one of the installation."""
    async with Database(url) as database:
        await key_check.confirm(database, ring)


async def check(ring: Keys, state_dir: Path, url: str) -> None:
    await asyncio.to_thread(passcode_key.check, ring, state_dir, url)


async def test_a_new_node_asks_postgres_and_starts_without_it(url: str, tmp_path: Path) -> None:
    right, wrong = keys.derive(RIGHT), keys.derive(WRONG)
    await check(wrong, tmp_path, AWAY)
    await check(right, tmp_path, url)
    with pytest.raises(BridgeError, match="not the key that the passcodes in Postgres are kept under"):
        await check(wrong, tmp_path, url)


async def test_with_postgres_away_the_local_directory_decides(url: str, tmp_path: Path) -> None:
    right, wrong, both = keys.derive(RIGHT), keys.derive(WRONG), keys.derive(WRONG, RIGHT)
    await settle(url, right)
    await fill(url, tmp_path, right)
    for ring in (right, both):
        await check(ring, tmp_path, AWAY)
    with pytest.raises(BridgeError, match="not the key that .*directory.lmdb was made under") as refused:
        await check(wrong, tmp_path, AWAY)
    assert NOBODY in str(refused.value)
    assert "hidden" not in str(refused.value)
    # The refusal left the directory as it was.
    await check(right, tmp_path, AWAY)


async def test_a_node_that_missed_a_change_of_the_key_asks_postgres(url: str, tmp_path: Path) -> None:
    old, both, new = keys.derive(RIGHT), keys.derive(WRONG, RIGHT), keys.derive(WRONG)
    await fill(url, tmp_path, old)
    await settle(url, both)
    await check(new, tmp_path, url)


@pytest.mark.parametrize("local", ["none", "of the wrong key"])
async def test_the_daemon_says_what_is_wrong_and_ends(url: str, tmp_path: Path, local: str) -> None:
    """With a directory of the wrong key it has begun to serve when Postgres tells: another installation's directory."""
    await settle(url, keys.derive(RIGHT))
    state_dir = tmp_path / "state"
    if local != "none":
        await fill(url, state_dir, keys.derive(WRONG))
    with ports.claim(2) as port:
        settings = {
            "BRIDGE_DATABASE_URL": url,
            "BRIDGE_PASSCODE_KEY": WRONG,
            "BRIDGE_OPERATOR_KEY": "operator-key-of-the-tests-2Jt_sWZgQhRfLuNe4y",
            "BRIDGE_ARI_PASSWORD": "password-of-ari",
            "BRIDGE_AMI_PASSWORD": "password-of-ami",
            "BRIDGE_ARI_URL": f"http://{NOBODY}",
            "BRIDGE_AMI_ADDRESS": NOBODY,
            "BRIDGE_STATE_DIR": str(state_dir),
            "BRIDGE_TRUNKS_DIR": str(tmp_path / "trunks"),
            "BRIDGE_JOURNAL": str(tmp_path / "cel.jsonl"),
            "BRIDGE_API_ADDRESS": f"127.0.0.1:{port.first}",
            "BRIDGE_PROBES_ADDRESS": f"127.0.0.1:{port.first + 1}",
        }
        ran = await asyncio.to_thread(
            subprocess.run,
            [sys.executable, "-m", "bridge", "serve"],
            env={**{name: value for name, value in os.environ.items() if not name.startswith("BRIDGE_")}, **settings},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert ran.returncode == 1, ran.stderr
    assert ran.stderr.splitlines()[-1].startswith("BRIDGE_PASSCODE_KEY is not the key")
    assert "Traceback" not in ran.stderr
    assert WRONG not in ran.stderr
