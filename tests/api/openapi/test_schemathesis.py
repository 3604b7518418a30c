"""schemathesis on the whole document, against the API as the daemon serves it.

`ARGS="tests/api/openapi/test_schemathesis.py" SCHEMATHESIS_EXAMPLES=200 make test` looks further.
"""

import asyncio
import json
import os
import sys
from pathlib import Path
from uuid import UUID

import pytest

from bridge.api import server
from bridge.domain.admission.grant import RoomOwner
from bridge.usecases.access.ports import OWNED
from tests.api.conftest import OPERATOR_KEY, World, services
from tests.api.fake_freshness import FakeFreshness
from tests.api.fake_live_rooms import FakeLiveRooms, conference_of_one
from tests.api.owned_resources import NOW, Holdings

EXAMPLES = os.environ.get("SCHEMATHESIS_EXAMPLES", "5")
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
    "unsupported_method",
    "ignored_auth",
)
# What each field may be and may not be, one by one, once: that takes longest.
PHASES = {"operator": "examples,coverage,fuzzing,stateful", "account": "examples,fuzzing,stateful"}


def configured(key: str, holdings: list[Holdings]) -> str:
    """The configuration: the key, and ids that exist, which most paths and some queries use."""
    known = {name: sorted({each.ids[name] for each in holdings}) for name in OWNED}
    return "\n".join(
        [
            f'headers = {{ Authorization = "Bearer {key}" }}',
            *(f"[dictionaries.{name}]\nvalues = {json.dumps(ids)}" for name, ids in known.items()),
            "[parameters]",
            *(f'"path.{name}" = {{ dictionary = "{name}", probability = 0.8 }}' for name in known),
            *(f'"query.{name}" = {{ dictionary = "{name}", probability = 0.3 }}' for name in known),
        ]
    )


@pytest.mark.parametrize("scope", ["operator", "account"])
async def test_nothing_that_can_be_sent_breaks_the_document(world: World, tmp_path: Path, scope: str) -> None:
    mine = await Holdings(world.database, 1).fill()
    more = [await Holdings(world.database, number).fill(UUID(mine.ids["account_id"])) for number in range(2, 5)]
    key = OPERATOR_KEY
    if scope == "account":
        key = await mine.key("account", account_id=UUID(mine.ids["account_id"]))
    directory, rooms = FakeFreshness(), FakeLiveRooms([conference_of_one(mine.ids["room_id"], NOW)])
    directory.owners[mine.ids["room_id"]] = RoomOwner(mine.ids["account_id"], mine.ids["sub_account_id"])
    config = tmp_path / "schemathesis.toml"
    config.write_text(configured(key, [mine, *more]))
    async with server.serving(services(world, directory, rooms), "127.0.0.1", 0) as (_, port):
        run = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "schemathesis.cli", "--config-file", str(config)),
            *("run", f"http://127.0.0.1:{port}/openapi.json", "--checks", ",".join(CHECKS)),
            *(
                "--phases",
                PHASES[scope],
                "--max-examples",
                EXAMPLES,
                "--seed",
                "4",
                "--generation-database",
                "none",
                "--no-color",
            ),
            cwd=tmp_path,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output, _ = await run.communicate()
    assert run.returncode == 0, output.decode()
