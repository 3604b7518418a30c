"""Types of settings, which say what makes a value malformed."""

import os
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Final

import pydantic
from pydantic import Field, Secret

from bridge.domain import phone
from bridge.domain.access import client_address, operator_key
from bridge.domain.errors import Invalid
from bridge.domain.provisioning import node_sip, trunk

Address = Annotated[str, Field(pattern=r"^[^\s:]+:[0-9]{1,5}$")]
Password = Secret[Annotated[str, Field(min_length=8, pattern=r"^[A-Za-z0-9_-]+$")]]
GuessOdds = Annotated[Decimal, Field(ge=Decimal("1e-9"), le=Decimal("1e-5"))]
HexKey = Secret[Annotated[str, Field(pattern=r"^[0-9a-fA-F]{64,}$")]]
JOURNAL_PATH_MAX = 79
"""The path is a section name of cel_custom.conf. Asterisk cuts a longer one, and would then write no journal."""


def _fits(path: Path) -> Path:
    if len(os.fsencode(path)) > JOURNAL_PATH_MAX:
        raise ValueError(f"Asterisk takes at most {JOURNAL_PATH_MAX} bytes of path here")
    return _absolute(path)


def _absolute(path: Path) -> Path:
    if not path.is_absolute():
        raise ValueError("the path must be absolute")
    return path


def _country(code: str) -> str:
    if code and not phone.is_country(code):
        raise ValueError("give two letters of ISO 3166 in capitals, such as DE")
    return code


def _networks(text: str) -> str:
    given = [each.strip() for each in text.split(",")] if text.strip() else []
    for each in given:
        try:
            trunk.network("", each)
        except Invalid as error:
            raise ValueError(error.reason) from None
    return ",".join(given)


def _proxies(text: str) -> str:
    try:
        return ",".join(map(str, client_address.networks(text)))
    except Invalid as error:
        raise ValueError(error.reason) from None


def _binds(text: str) -> str:
    if not text.strip():
        raise ValueError("give an ADDRESS:PORT, such as 0.0.0.0:5060")
    try:
        return ",".join(map(str, node_sip.binds(text)))
    except Invalid as error:
        raise ValueError(error.reason) from None


def _file_or_nothing(path: Path | None) -> Path | None:
    return path and _absolute(path)


def _ports(text: str) -> str:
    first, last = map(int, text.split("-"))
    if not 1024 <= first < last <= 65535:
        raise ValueError("give two ports from 1024 to 65535, the lower one first")
    return text


def _strong(key: str) -> str:
    if weakness := operator_key.weakness(key):
        mend = "set the one that `bridge key init` prints, here and in every program that uses the old one"
        raise ValueError(f"it is weak: {weakness}: {mend}")
    return key


OperatorKey = Secret[Annotated[str, pydantic.AfterValidator(_strong)]]
SipTrunks = Annotated[str, pydantic.AfterValidator(_networks)]
Proxies = Annotated[str, pydantic.AfterValidator(_proxies)]
Binds = Annotated[str, pydantic.AfterValidator(_binds)]
OptionalFile = Annotated[
    Path | None, pydantic.BeforeValidator(lambda text: text or None), pydantic.AfterValidator(_file_or_nothing)
]
RtpPorts = Annotated[str, Field(pattern=r"^[0-9]{1,5}-[0-9]{1,5}$"), pydantic.AfterValidator(_ports)]
TRUNKS_DIR: Final = Path("/var/lib/bridge/trunks")
JournalPath = Annotated[Path, pydantic.AfterValidator(_fits)]
Folder = Annotated[Path, pydantic.AfterValidator(_absolute)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,40}$")]
Country = Annotated[str, pydantic.AfterValidator(_country)]
