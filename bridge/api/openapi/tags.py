"""Descriptions of the tags, by which the document groups operations. A tag is named as the module of a resource."""

from collections.abc import Mapping
from typing import Final

TAGS: Final[Mapping[str, str]] = {
    "accounts": "An account is a company that pays: it has a currency, a time zone and a monthly bill.",
    "sub-accounts": "A sub-account is an employee, department, project or client of an account. It owns rooms and "
    "passcodes, and is one line of the account's bill.",
    "rooms": "A room is where the callers of a sub-account meet. Each room has its own passcodes.",
    "passcodes": "A passcode is the digits that a caller enters to join a room as host, guest or listener.",
    "known-callers": "A known caller is a phone number with a name. The name appears in minute records; the caller may "
    "be let in without a passcode.",
    "access-numbers": "An access number is a phone number that callers dial. All accounts share it, or it is dedicated "
    "to one.",
    "trunks": "A SIP trunk is a carrier's, or a PBX's, way to the bridge: where its calls come from, and how it writes "
    "numbers.",
    "project-codes": "A project code is a billing reference, such as a client or matter, that callers enter to charge "
    "their time to it.",
    "tariffs": "A tariff version is the prices of an account from an instant on.",
    "minutes": "A minute record is one stay of one participant in one conference, with its duration and its cost.",
    "statements": "A statement is the bill of one account for one calendar month in its time zone.",
    "conferences": "Conferences that are going on now, with their participants.",
    "admission-attempts": "Calls in which somebody tried to join a conference and was refused.",
    "blocks": "Callers, trunks and numbers that are slowed down or blocked after wrong passcodes.",
    "api-keys": "An API key authenticates a program.",
    "audit-log": "The audit log says who changed what, and who read secrets.",
    "webhooks": "A webhook is a URL to which events are sent as they happen, with a log of each delivery.",
}
