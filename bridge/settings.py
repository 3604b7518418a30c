"""All settings, from environment variables `BRIDGE_*`.

Each class holds the settings of one kind of process. Each field's description is the operators' documentation:
`bridge settings` prints the table, and `make docs` writes it into docs/.
"""

import os
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Any, Final, Generic, Literal, TypeVar

import pydantic
from pydantic import Field, Secret
from pydantic_settings import BaseSettings, SettingsConfigDict

from bridge.domain import phone
from bridge.domain.admission.guessing import Allowance
from bridge.domain.errors import BridgeError
from bridge.domain.phone import CallerNumbers
from bridge.domain.provisioning import node_sip
from bridge.domain.provisioning.code_lengths import CodeLengths
from bridge.setting_types import (
    TRUNKS_DIR,
    Address,
    Binds,
    Country,
    Folder,
    GuessOdds,
    HexKey,
    JournalPath,
    Name,
    OperatorKey,
    OptionalFile,
    Password,
    Proxies,
    RtpPorts,
    SipTrunks,
)


class _Environment(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="BRIDGE_", extra="ignore", frozen=True)


class DatabaseSettings(_Environment):
    """The settings of commands that use Postgres."""

    database_url: Secret[str] = Field(
        description="URL of Postgres, as libpq writes it: postgresql://USER:PASSWORD@HOST:PORT/NAME. For a unix "
        "socket add ?host=FOLDER.",
    )
    guess_odds: GuessOdds = Field(
        Decimal("1e-7"),
        description="Highest odds that one entry of random digits opens any room. They decide how many digits new "
        "passcodes have: a tenth of the odds costs one more digit. From 1e-9 to 1e-5.",
    )

    @property
    def code_lengths(self) -> CodeLengths:
        """The lengths of new passcodes."""
        return CodeLengths(Fraction(self.guess_odds))


class Settings(DatabaseSettings):
    """The settings of commands that also use the keys of passcodes."""

    passcode_key: HexKey = Field(
        description="Secret of 64 or more hex digits. Passcodes are looked up and sealed under keys derived from it. "
        "It is not in the database: if it is lost, every passcode must be issued anew.",
    )
    passcode_keys_old: Secret[Annotated[str, Field(pattern=r"^([0-9a-fA-F]{64,}(,[0-9a-fA-F]{64,})*)?$")]] = Field(
        Secret(""),
        description="Earlier values of BRIDGE_PASSCODE_KEY, separated by commas. They are needed until "
        "`bridge key renew-passcodes` has renewed all passcodes.",
    )

    @property
    def passcode_secrets(self) -> list[str]:
        """The present secret first, then the earlier ones."""
        older = self.passcode_keys_old.get_secret_value()
        return [self.passcode_key.get_secret_value(), *filter(None, older.split(","))]


class DaemonSettings(Settings):
    """The settings of the daemon, `bridge serve`."""

    node: Annotated[str, Field(pattern=r"^[a-z0-9-]{1,20}$")] = Field(
        "node1",
        description="Name of this node. It is Asterisk's systemname, and part of every uniqueid and every record.",
    )
    state_dir: Path = Field(
        Path("/var/lib/bridge"),
        description="Folder of the local directory of passcodes, of the lockout's file and of the daemon's lock.",
    )
    journal: JournalPath = Field(
        Path("/var/lib/bridge/journal/cel.jsonl"),
        description="File that Asterisk appends channel events to. The daemon rotates it.",
    )
    journal_archive: Annotated[Folder | None, pydantic.BeforeValidator(lambda text: text or None)] = Field(
        None,
        description="Folder for archived journals (gzip), for example on another disk. It must exist, and no other "
        "node may use it. Empty: the journal's own folder.",
    )
    journal_keep_days: int = Field(
        400,
        ge=0,
        description="Days that an archived journal is kept after all its lines are committed. 0: for ever.",
    )
    journal_rotate_mb: int = Field(64, ge=1, le=4096, description="Size in MiB at which the journal is rotated.")
    journal_reserve_mb: int = Field(
        256,
        ge=1,
        le=1 << 20,
        description="Free space in MiB on the journal's disk that is reserved for calls in progress. With less, new "
        "callers are refused.",
    )
    clock_tolerance: float = Field(
        3.0, gt=0, le=3600, description="Seconds that this machine's clock may differ from the clock of Postgres."
    )
    refuse_unmetered: bool = Field(
        True, description="If true, callers are refused while their minutes cannot be metered."
    )
    api_address: Address = Field("127.0.0.1:8080", description="host:port that REST is served on.")
    trusted_proxies: Proxies = Field(
        "",
        description="Addresses or networks of your own reverse proxies in front of REST, separated by commas. From "
        "these alone X-Forwarded-For and X-Forwarded-Proto are read. Empty: each connection is a client's own.",
    )
    probes_address: Address = Field(
        "127.0.0.1:8081",
        description="host:port that /healthz, /readyz and /metrics are served on, for monitoring. They need no key and "
        "tell when an alarm is raised: let only the operator's own machines reach it.",
    )
    operator_key: OperatorKey = Field(
        description="The operator's API key: 32 random bytes, as 43 characters of base64url or 64 hex digits. "
        "`bridge key init` makes one. A weak one is refused."
    )
    ari_url: str = Field("http://127.0.0.1:8088", pattern=r"^https?://[^/\s]+$", description="URL of Asterisk's ARI.")
    ari_user: Name = Field("bridge", description="ARI user.")
    ari_password: Password = Field(description="ARI password: 8 or more letters, digits, - and _.")
    ami_address: Address = Field("127.0.0.1:5038", description="host:port of Asterisk's AMI.")
    ami_user: Name = Field("bridge", description="AMI user.")
    ami_password: Password = Field(description="AMI password: 8 or more letters, digits, - and _.")
    trunks_dir: Folder = Field(
        TRUNKS_DIR, description="Folder that the daemon writes the SIP trunks to, and Asterisk reads them from."
    )
    sip_trunks: SipTrunks = Field(
        "",
        description="Addresses or networks of the trunk without a name, separated by commas, such as "
        "192.0.2.7,198.51.100.0/24. What a trunk with a name has is taken off. Empty: there is no such trunk.",
    )
    sip_bind: Binds = Field(
        "0.0.0.0:5060",
        description="ADDRESS:PORT that Asterisk receives SIP on, over UDP and TCP; for IPv6 too, one more after a "
        "comma, such as 0.0.0.0:5060,[::]:5060.",
    )
    sip_tls_bind: Binds | Literal[""] = Field(
        "", description="ADDRESS:PORT that Asterisk receives SIP on over TLS, such as 0.0.0.0:5061. Empty: no TLS."
    )
    rtp_ports: RtpPorts = Field(
        "10000-20000", description="First and last UDP port of audio. Two of them are needed for each call."
    )
    rtp_timeout: int = Field(60, ge=60, description="Seconds without audio after which Asterisk ends a call.")
    first_digit_s: float = Field(10.0, gt=0, le=120, description="Seconds to wait for a caller's first digit.")
    inter_digit_s: float = Field(4.0, gt=0, le=60, description="Seconds to wait for each further digit.")
    entry_s: float = Field(30.0, gt=0, le=300, description="Seconds for entering one passcode, in all.")
    tries: int = Field(3, ge=1, le=10, description="Wrong or missing passcodes after which the call is refused.")
    country: Country = Field(
        "",
        description="Country (two letters of ISO 3166, such as DE) that national phone numbers are from: those of "
        "callers and of known callers. Empty: numbers without a + are international.",
    )
    withheld_callers: Annotated[str, Field(pattern=r"^([0-9]{1,20}(,[0-9]{1,20})*)?$")] = Field(
        "",
        description="Numbers, separated by commas, that networks send for callers who withhold theirs, beside "
        "266696687 (ANONYMOUS) and 7378742833 (RESTRICTED). No such caller is known or trusted by number.",
    )
    webhook_private: bool = Field(
        False,
        description="If true, webhooks may go to private addresses and without TLS. Anybody who has an account's key "
        "can then make this machine send requests into its own network.",
    )
    guess_openings: float = Field(
        0.1,
        gt=0,
        le=10,
        description="Rooms that all wrong entries of 30 days together may be expected to open by chance. Where guesses "
        "come faster, entries wait for their turn.",
    )
    usage_alarm_minutes: int = Field(
        2000,
        ge=0,
        description="Minutes a day from which on an account or an access number raises an alarm, if that is also more "
        "than three times its usual minutes a day.",
    )
    attempts_keep_days: int = Field(90, ge=1, le=3650, description="Days that refused entries are kept in Postgres.")

    @property
    def allowance(self) -> Allowance:
        """The rooms that guessing may be expected to open."""
        return Allowance(float(self.guess_odds), self.guess_openings)

    @property
    def caller_numbers(self) -> CallerNumbers:
        """The way in which callers' numbers are read."""
        more = frozenset(filter(None, self.withheld_callers.split(",")))
        return CallerNumbers(self.country, phone.WITHHELD | more)

    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Lowest level that is logged.")


class ClientSettings(_Environment):
    """The settings of commands that ask the daemon by REST."""

    api_url: str = Field(
        "", pattern=r"^(https?://[^/\s]+)?$", description="URL that commands reach REST at. Empty: BRIDGE_API_ADDRESS."
    )
    api_address: Address = Field("127.0.0.1:8080", description="As for the daemon.")
    operator_key: Secret[Annotated[str, Field(min_length=16)]] = Field(
        description="The API key that commands use: the operator's own, or any other key of scope operator."
    )

    @property
    def url(self) -> str:
        """The base URL of REST."""
        return self.api_url or f"http://{self.api_address}"


class JournalSettings(DatabaseSettings):
    """The settings of `bridge journal`."""

    node: Annotated[str, Field(pattern=r"^[a-z0-9-]{1,20}$")] = Field("node1", description="As for the daemon.")
    journal: JournalPath = Field(Path("/var/lib/bridge/journal/cel.jsonl"), description="As for the daemon.")
    journal_archive: Annotated[Folder | None, pydantic.BeforeValidator(lambda text: text or None)] = Field(
        None, description="As for the daemon."
    )
    rtp_timeout: int = Field(60, ge=60, description="As for the daemon.")
    longest_stay: int = Field(86400, ge=60, description="As for Asterisk.")


class NodeSettings(_Environment):
    """The settings that Asterisk's configuration is rendered from."""

    node: Annotated[str, Field(pattern=r"^[a-z0-9-]{1,20}$")] = Field("node1", description="As for the daemon.")
    journal: JournalPath = Field(Path("/var/lib/bridge/journal/cel.jsonl"), description="As for the daemon.")
    ari_url: str = Field("http://127.0.0.1:8088", pattern=r"^http://[^/\s:]+:[0-9]+$", description="As for the daemon.")
    ari_user: Name = Field("bridge", description="As for the daemon.")
    ari_password: Password = Field(description="As for the daemon.")
    ami_address: Address = Field("127.0.0.1:5038", description="As for the daemon.")
    ami_user: Name = Field("bridge", description="As for the daemon.")
    ami_password: Password = Field(description="As for the daemon.")
    sip_bind: Binds = Field("0.0.0.0:5060", description="As for the daemon.")
    sip_tls_bind: Binds | Literal[""] = Field("", description="As for the daemon.")
    sip_tls_certificate: OptionalFile = Field(
        None, description="File of the certificate for SIP over TLS, with its chain, as PEM."
    )
    sip_tls_key: OptionalFile = Field(None, description="File of the private key of that certificate, as PEM.")
    sip_trunks: SipTrunks = Field("", description="As for the daemon.")
    trunks_dir: Folder = Field(TRUNKS_DIR, description="As for the daemon.")
    when_away: Literal["hold", "refuse"] = Field(
        "hold",
        description="What new callers get while no daemon is connected. hold: music, and their turn once it is. "
        "refuse: no answer (SIP 503), on which carriers try another way.",
    )
    sip_public_address: str = Field(
        "", pattern=r"^[0-9A-Za-z.:-]*$", description="This node's public address, if it is behind NAT."
    )
    rtp_ports: RtpPorts = Field("10000-20000", description="As for the daemon.")
    rtp_timeout: int = Field(60, ge=60, description="As for the daemon.")
    rtp_timeout_hold: int = Field(
        300, ge=60, description="Seconds without audio for a caller who put the bridge on hold."
    )
    longest_stay: int = Field(86400, ge=60, description="Seconds after which a participant is removed from a room.")
    patience: int = Field(
        120,
        ge=1,
        description="Seconds that a caller hears music while no daemon is connected. Then an apology ends the call.",
    )
    asterisk_home: Path = Field(
        Path("/var/lib/bridge/asterisk"), description="Folder for Asterisk's own state, spool, sockets and logs."
    )
    asterisk_modules: Path = Field(
        Path("/usr/lib/x86_64-linux-gnu/asterisk/modules"), description="Folder of Asterisk's modules."
    )
    asterisk_data: Path = Field(Path("/usr/share/asterisk"), description="Folder of sounds, music and documentation.")


Kind = TypeVar("Kind", bound=_Environment)


def node_values(node: NodeSettings, folder: Path) -> dict[str, object]:
    """Return the variables of the templates in asterisk-conf/ and dialplan/, for a configuration folder."""
    ari_host, ari_port = node.ari_url.removeprefix("http://").rsplit(":", 1)
    ami_host, ami_port = node.ami_address.rsplit(":", 1)
    if node.sip_tls_bind and not (node.sip_tls_certificate and node.sip_tls_key):
        raise BridgeError("BRIDGE_SIP_TLS_BIND is set: set BRIDGE_SIP_TLS_CERTIFICATE and BRIDGE_SIP_TLS_KEY too")
    rtp_first, rtp_last = node.rtp_ports.split("-")
    return {
        **node.model_dump(),
        "ari_password": node.ari_password.get_secret_value(),
        "ami_password": node.ami_password.get_secret_value(),
        "etc": folder.resolve(),
        "home": node.asterisk_home,
        "modules": folder.resolve() / "modules",
        "data": node.asterisk_data,
        "ari_host": ari_host,
        "ari_port": ari_port,
        "ami_host": ami_host,
        "ami_port": ami_port,
        "transports": list(node_sip.transports(node.sip_bind, node.sip_tls_bind)),
        "rtp_first": rtp_first,
        "rtp_last": rtp_last,
    }


@dataclass(frozen=True, slots=True)
class SettingsResult(Generic[Kind]):
    """Settings, or else a complaint for each variable that is missing or malformed. No complaint shows a secret."""

    read: Kind | None
    complaints: tuple[str, ...] = ()


def attempt(kind: type[Kind]) -> SettingsResult[Kind]:
    """Read settings of one kind from the environment. Raises nothing."""
    try:
        return SettingsResult(kind())
    except pydantic.ValidationError as error:
        problems = error.errors(include_input=False, include_url=False)
        return SettingsResult(None, tuple(_complaint(kind, problem) for problem in problems))


def load(kind: type[Kind]) -> Kind:
    """Read settings of one kind from the environment.

    Raises BridgeError with a line for each variable that is missing or malformed. No line shows a secret.
    """
    result = attempt(kind)
    if result.read is None:
        raise BridgeError("\n".join(result.complaints))
    return result.read


def _complaint(kind: type[Kind], problem: Any) -> str:
    field = str(problem["loc"][0])
    said = str(problem["msg"]).removeprefix("Value error, ")
    what = "is not set" if problem["type"] == "missing" else f"is malformed ({said})"
    return f"BRIDGE_{field.upper()} {what}. It is: {kind.model_fields[field].description}"


GONE: Final = frozenset({"BRIDGE_DELAY_S", "BRIDGE_BLOCK_AFTER", "BRIDGE_BLOCK_S", "BRIDGE_GUESSING_PER_MINUTE"})
"""Settings of earlier versions: entries are not delayed or blocked any more, but wait for a slot where guesses come
too fast. BRIDGE_GUESS_ODDS and BRIDGE_GUESS_OPENINGS say how fast that is."""


def gone() -> list[str]:
    """Return the names of settings in the environment that have no effect any more."""
    return sorted(GONE & os.environ.keys())


def table() -> list[tuple[str, str, str]]:
    """Return every setting as (variable, default, description). The default of a required one is "required"."""
    rows = {}
    for kind in (NodeSettings, ClientSettings, Settings, DaemonSettings):
        for name, field in kind.model_fields.items():
            default = "required" if field.is_required() else "" if field.default is None else str(field.default)
            rows[f"BRIDGE_{name.upper()}"] = (f"BRIDGE_{name.upper()}", default, field.description or "")
    return sorted(rows.values())
