"""A client that openapi-python-client generates from the document does what a customer's programmer needs first."""

import importlib
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from bridge.api import server, table
from bridge.api.openapi import document
from bridge.domain.period import SECOND_US
from tests.api.conftest import DOCUMENT, OPERATOR_KEY, World, services
from tests.api.fake_freshness import FakeFreshness
from tests.api.fake_live_rooms import FakeLiveRooms
from tests.api.http.test_operations import closed, stay_of

PACKAGE = "generated_bridge_client"


class Client:
    """The generated package, and what the generator printed."""

    def __init__(self, folder: Path, output: str) -> None:
        self.folder, self.output = folder, output

    def module(self, name: str) -> ModuleType:
        """A module of the package, by its name below the package."""
        return importlib.import_module(f"{PACKAGE}.{name}")

    def operation(self, tag: str, name: str) -> Any:
        """The coroutine function that carries out one operation and returns the parsed response."""
        return self.module(f"api.{tag}.{name}").asyncio


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """The client, generated into a folder of its own."""
    folder = tmp_path_factory.mktemp("client")
    (folder / "openapi.json").write_text(document.text(DOCUMENT))
    # The generated code is not formatted, so that no other program has to be on PATH.
    (folder / "config.json").write_text(json.dumps({"post_hooks": []}))
    command = ["generate", "--path", "openapi.json", "--meta", "none", "--config", "config.json"]
    run = subprocess.run(
        [sys.executable, "-m", "openapi_python_client", *command, "--output-path", PACKAGE],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    sys.path.insert(0, str(folder))
    yield Client(folder / PACKAGE, run.stdout + run.stderr)
    sys.path.remove(str(folder))
    for name in [name for name in sys.modules if name.partition(".")[0] == PACKAGE]:
        del sys.modules[name]


def test_the_generator_warns_of_csv_bodies_alone(client: Client) -> None:
    warnings = re.findall(r"WARNING parsing (\w+) (\S+) within \S+\s+([^\n]+)", client.output)
    assert client.output.count("WARNING") == len(warnings)
    bulk = {(one.method, one.path) for one in table.OPERATIONS if one.bulk}
    assert {(method, path) for method, path, _ in warnings} == bulk
    assert {about for *_, about in warnings} == {"Unsupported content type text/csv"}


def test_every_operation_is_generated_under_its_name(client: Client) -> None:
    generated = {(file.parent.name, file.stem) for file in client.folder.glob("api/*/*.py") if file.stem != "__init__"}
    expected = {
        (operation["tags"][0].replace("-", "_"), operation["operationId"])
        for methods in DOCUMENT["paths"].values()
        for operation in methods.values()
    }
    assert generated == expected
    for tag, name in generated:
        assert callable(client.operation(tag, name))


def test_models_are_named_as_the_schemas(client: Client) -> None:
    models = client.module("models")
    assert set(DOCUMENT["components"]["schemas"]) <= set(models.__all__)


async def test_it_creates_a_sub_account_rotates_a_code_and_lists_minutes(client: Client, world: World) -> None:
    models = client.module("models")
    async with server.serving(services(world, FakeFreshness(), FakeLiveRooms()), "127.0.0.1", 0) as (_, port):
        made = client.module("client").AuthenticatedClient(f"http://127.0.0.1:{port}", OPERATOR_KEY)
        async with made as api:
            account = await client.operation("accounts", "create_account")(
                client=api, body=models.NewAccount("Hale & Partner", currency="EUR", time_zone="Europe/Berlin")
            )
            sub_account = await client.operation("sub_accounts", "create_sub_account")(
                account.id, client=api, body=models.NewSubAccount("1001", "Ada Hale"), idempotency_key="one"
            )
            assert (sub_account.user_id, sub_account.kind) == ("1001", models.SubAccountKind.EMPLOYEE)
            [room] = sub_account.rooms
            host, guest = room.passcodes
            assert (host.role, guest.role) == (models.PasscodeRole.HOST, models.PasscodeRole.GUEST)

            rotated = await client.operation("passcodes", "rotate_passcode")(
                guest.id, client=api, body=models.PasscodeRotation(overlap_s=60)
            )
            assert rotated.replaces == guest.id
            assert rotated.digits not in {None, guest.digits}

            joined_at = datetime.now(UTC) - timedelta(minutes=5)
            await world.keep(closed(stay_of(sub_account.to_dict(), "node1-1.1", joined_at), 90 * SECOND_US))
            closed_ones = models.ListMinutesState.CLOSED
            page = await client.operation("minutes", "list_minutes")(
                client=api, account_id=account.id, state=closed_ones
            )
            [minute] = page.items
            assert (minute.sub_account_id, minute.duration_us) == (sub_account.id, 90 * SECOND_US)
            assert (minute.evidence, page.next_cursor) == (models.Evidence.MEASURED, None)

            refused = await client.operation("accounts", "get_account")(sub_account.id, client=api)
            assert isinstance(refused, models.Problem)
            assert refused.status == 404
