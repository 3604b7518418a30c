"""docs/webhooks.md is true: its code verifies real messages, its examples have the form of real ones."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bridge import telemetry
from bridge.domain.metering.records import Stay
from bridge.domain.provisioning.tenants import Passcode, SubAccount
from bridge.domain.webhooks import signature
from bridge.domain.webhooks.event import Conference, EventKind
from bridge.domain.webhooks.signature import Secrets

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "webhooks.md").read_text()
SECRET = signature.secret(b"s" * 32)
BODY = '{"id": "1", "data": "é"}'.encode()
SUBJECTS = {"sub_account": SubAccount, "passcode": Passcode, "conference": Conference, "participant": Stay}


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture
def is_genuine() -> Callable[[str, Mapping[str, str], bytes], bool]:
    """The page's own code."""
    [code] = blocks("python")
    names: dict[str, Any] = {}
    exec(code, names)
    return names["is_genuine"]  # type: ignore[no-any-return]


def test_its_code_takes_what_we_sign(is_genuine: Callable[..., bool]) -> None:
    now = datetime.now(UTC)
    rotated = Secrets(SECRET).rotated(signature.secret(b"n" * 32), now + timedelta(hours=1))
    for secrets, receivers in ((Secrets(SECRET), [SECRET]), (rotated, [SECRET, rotated.current])):
        headers = signature.headers(secrets, "event-1", now, BODY)
        assert all(is_genuine(known, headers, BODY) for known in receivers)


def test_its_code_takes_nothing_else(is_genuine: Callable[..., bool]) -> None:
    now = datetime.now(UTC)
    headers = signature.headers(Secrets(SECRET), "event-1", now, BODY)
    assert not is_genuine(SECRET, headers, BODY + b" ")
    assert not is_genuine(signature.secret(b"x" * 32), headers, BODY)
    assert not is_genuine(SECRET, {**headers, "webhook-id": "event-2"}, BODY)
    assert not is_genuine(SECRET, {**headers, "webhook-signature": "v1,AAAA"}, BODY)
    for other in (timedelta(minutes=-6), timedelta(minutes=6)):
        assert not is_genuine(SECRET, signature.headers(Secrets(SECRET), "event-1", now + other, BODY), BODY)


def test_every_event_has_its_example() -> None:
    examples = [json.loads(block) for block in blocks("json")]
    assert sorted(example["type"] for example in examples) == sorted(EventKind)
    for example in examples:
        assert list(example) == ["id", "type", "created_at", "account_id", "data"]
        assert f"### {example['type']}" in PAGE
        subject = SUBJECTS.get(example["type"].partition(".")[0])
        if subject is not None:
            assert example["data"].keys() <= {field.name for field in fields(subject)}
        assert not re.search(r'"(digits|pin|secret)"', json.dumps(example))


def test_its_metrics_are_there() -> None:
    known = {metric.name for metric in telemetry.REGISTRY.collect()}
    named = {name.removesuffix("_total") for name in re.findall(r"`(bridge_\w+)", PAGE)}
    assert named
    assert named <= known
