"""Content-Disposition (RFC 6266): the name under which a browser saves a download."""

import re
from typing import Final
from urllib.parse import quote

_UNSAFE: Final = re.compile(r'[\x00-\x1f\x7f-\x9f/\\:*?"<>|\u2028\u2029\u202a-\u202e\u2066-\u2069]+')
"""Control characters, path separators, what Windows refuses, and marks that make text read backwards."""
_NOT_ASCII: Final = re.compile(r"[^A-Za-z0-9._ -]")
NAME_MAX: Final = 150


def attachment(file_name: str) -> str:
    """The header's value for a download. Any text is made a safe name; one without a safe character is `download`."""
    name = _UNSAFE.sub("_", file_name).strip(" .")[-NAME_MAX:].lstrip(" .") or "download"
    ascii_name = _NOT_ASCII.sub("_", name)
    value = f'attachment; filename="{ascii_name}"'
    # Clients that know RFC 8187 prefer filename*, the others get the ASCII name.
    return value if ascii_name == name else f"{value}; filename*=UTF-8''{quote(name, safe='')}"
