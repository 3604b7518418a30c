"""A statement as REST returns it, read back into the domain's value, so that one renderer prints both."""

from collections.abc import Mapping
from typing import Any, Final

from pydantic import TypeAdapter

from bridge.domain.billing.statement import Statement
from bridge.domain.period import Period

_STATEMENT: Final = TypeAdapter(Statement)
_OWNER: Final = ("sub_account_id", "user_id", "name", "kind")
_CONFERENCE: Final = ("conference_id", "room_name")


def statement(answer: Mapping[str, Any], account: Mapping[str, Any], period: Period) -> Statement:
    """Read a statement with its detail. All figures are the daemon's own; nothing is computed here."""
    lines = [_line(line) for line in answer["lines"]]
    return _STATEMENT.validate_python({**answer, "account": account, "period": period, "lines": lines})


def _line(line: Mapping[str, Any]) -> dict[str, Any]:
    # In the domain each stay names its owner and its conference. REST says both once, a level above.
    owner = {name: line[name] for name in _OWNER}
    return {**line, "conferences": [_conference(conference, owner) for conference in line["detail"]]}


def _conference(conference: Mapping[str, Any], owner: Mapping[str, Any]) -> dict[str, Any]:
    shared = {**owner, **{name: conference[name] for name in _CONFERENCE}}
    return {**conference, "participants": [{**shared, **stay} for stay in conference["participants"]]}
