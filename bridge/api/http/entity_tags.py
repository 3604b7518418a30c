"""ETag, If-Match and If-None-Match (RFC 9110). The tag of a version is its number in quotes."""

import re
from typing import Final

from bridge.api.http.problems import Problem

UNKNOWN: Final = -1
"""A version that nothing has, so that every comparison with it fails."""
_TAG: Final = re.compile(r'(?P<weak>W/)?"(?P<opaque>[\x21\x23-\x7e\x80-\xff]*)"')
_NUMBER: Final = re.compile(r"[1-9][0-9]{0,17}", re.ASCII)


def of(version: int) -> str:
    """The tag of a version."""
    return f'"{version}"'


def expected(if_match: str | None) -> int | None:
    """The version that If-Match asks for: None for any, UNKNOWN for a tag that is not one of ours. Raises Problem."""
    if if_match is None or if_match.strip() == "*":
        return None
    tag = _TAG.fullmatch(if_match.strip())
    if tag is None:
        raise Problem(400, "Bad request", 'send If-Match as the ETag was, such as "3", or * for any version')
    # RFC 9110 has If-Match compare strongly: a weak tag matches nothing.
    if tag["weak"] or not _NUMBER.fullmatch(tag["opaque"]):
        return UNKNOWN
    return int(tag["opaque"])


def is_known(if_none_match: str | None, version: int) -> bool:
    """Return True if the client has that version already."""
    if if_none_match is None:
        return False
    known = [each.strip().removeprefix("W/") for each in if_none_match.split(",")]
    return "*" in known or of(version) in known
