"""ETag, If-Match and If-None-Match (RFC 9110): a version is the number in quotes."""

import re
from typing import Final

from bridge.api.http.problems import Problem

UNKNOWN: Final = -1
"""A version that nothing has."""
_TAG: Final = re.compile(r'(?P<weak>W/)?"(?P<opaque>[\x21\x23-\x7e\x80-\xff]*)"')
_NUMBER: Final = re.compile(r"[1-9][0-9]{0,17}", re.ASCII)


def of(version: int) -> str:
    """The tag of a version."""
    return f'"{version}"'


def expected(if_match: str | None) -> int | None:
    """The version that a change is meant for; None for any; UNKNOWN for a tag that is none of ours. Raises Problem."""
    if if_match is None or if_match.strip() == "*":
        return None
    tag = _TAG.fullmatch(if_match.strip())
    if tag is None:
        raise Problem(400, "Bad request", 'send If-Match as the ETag was, such as "3", or * for any version')
    # Weak tags match nothing where the comparison is strong.
    if tag["weak"] or not _NUMBER.fullmatch(tag["opaque"]):
        return UNKNOWN
    return int(tag["opaque"])


def is_known(if_none_match: str | None, version: int) -> bool:
    """Whether the client has that version already."""
    if if_none_match is None:
        return False
    known = [each.strip().removeprefix("W/") for each in if_none_match.split(",")]
    return "*" in known or of(version) in known
