"""All settings, from environment variables `BRIDGE_*`.

`Settings` is what any command may need, `DaemonSettings` what `bridge serve` needs on top, `NodeSettings` what the
configuration of Asterisk is rendered from. Each field's description is the operators' documentation:
`bridge settings` prints the table.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Generic, Literal, TypeVar

import pydantic
from pydantic import Field, Secret
from pydantic_settings import BaseSettings, SettingsConfigDict

from bridge.domain.errors import BridgeError

Address = Annotated[str, Field(pattern=r"^[^\s:]+:[0-9]{1,5}$")]
Password = Secret[Annotated[str, Field(min_length=8, pattern=r"^[A-Za-z0-9_-]+$")]]
HexKey = Secret[Annotated[str, Field(pattern=r"^[0-9a-fA-F]{64,}$")]]
JOURNAL_PATH_MAX = 79
"""The path is a section name of cel_custom.conf; Asterisk cuts a longer one, and the journal would go nowhere."""


def _fits(path: Path) -> Path:
    if len(os.fsencode(path)) > JOURNAL_PATH_MAX:
        raise ValueError(f"Asterisk takes at most {JOURNAL_PATH_MAX} bytes of path here")
    return _absolute(path)


def _absolute(path: Path) -> Path:
    if not path.is_absolute():
        raise ValueError("the path must be absolute")
    return path


JournalPath = Annotated[Path, pydantic.AfterValidator(_fits)]
Folder = Annotated[Path, pydantic.AfterValidator(_absolute)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,40}$")]


class _Environment(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="BRIDGE_", extra="ignore", frozen=True)


class DatabaseSettings(_Environment):
    """Where the ledger is."""

    database_url: Secret[str] = Field(
        description="Postgres, as postgresql://USER:PASSWORD@HOST:PORT/NAME (libpq form; ?host=FOLDER for a socket).",
    )


class Settings(DatabaseSettings):
    """What every command that touches the ledger needs."""

    passcode_key: HexKey = Field(
        description="64 or more hex digits. Passcodes are looked up and sealed under keys derived from it; it is "
        "nowhere in the database. Whoever loses it has to issue every passcode anew.",
    )
    passcode_keys_old: Secret[Annotated[str, Field(pattern=r"^([0-9a-fA-F]{64,}(,[0-9a-fA-F]{64,})*)?$")]] = Field(
        Secret(""),
        description="Earlier values of BRIDGE_PASSCODE_KEY, with commas between them, that passcodes may still be kept "
        "under: until `bridge key renew-passcodes` has renewed them all.",
    )

    @property
    def passcode_secrets(self) -> list[str]:
        """The present secret of passcodes, then the earlier ones."""
        older = self.passcode_keys_old.get_secret_value()
        return [self.passcode_key.get_secret_value(), *filter(None, older.split(","))]


class DaemonSettings(Settings):
    """What `bridge serve` needs."""

    node: Annotated[str, Field(pattern=r"^[a-z0-9-]{1,20}$")] = Field(
        "node1", description="This node's name: Asterisk's systemname, part of every uniqueid and of every record."
    )
    state_dir: Path = Field(
        Path("/var/lib/bridge"),
        description="Folder of the local directory of passcodes, of what lockout knows, and of the daemon's lock.",
    )
    journal: JournalPath = Field(
        Path("/var/lib/bridge/journal/cel.jsonl"),
        description="The file that Asterisk appends channel events to; the daemon rotates it.",
    )
    journal_archive: Annotated[Folder | None, pydantic.BeforeValidator(lambda text: text or None)] = Field(
        None,
        description="Folder that archived journals are gzipped into, on another disk perhaps; it must be there, for "
        "this node alone. Empty: beside the journal.",
    )
    journal_keep_days: int = Field(
        400,
        ge=0,
        description="Days that archived journals are kept once all of them is committed; 0 keeps them for ever.",
    )
    journal_rotate_mb: int = Field(64, ge=1, le=4096, description="Size in MiB at which the journal is rotated.")
    journal_reserve_mb: int = Field(
        256,
        ge=1,
        le=1 << 20,
        description="Room in MiB on the journal's disk that is kept for the stays that are open: callers are refused "
        "when less is left.",
    )
    clock_tolerance: float = Field(
        3.0, gt=0, le=3600, description="Seconds that this machine's clock may differ from that of Postgres."
    )
    refuse_unmetered: bool = Field(
        True, description="Whether callers are refused while their minutes could not be metered."
    )
    api_address: Address = Field("127.0.0.1:8080", description="host:port that REST is served on.")
    operator_key: Secret[Annotated[str, Field(min_length=16)]] = Field(
        description="The bearer key of the operator, 16 characters or more."
    )
    ari_url: str = Field(
        "http://127.0.0.1:8088", pattern=r"^https?://[^/\s]+$", description="Where Asterisk serves ARI."
    )
    ari_user: Name = Field("bridge", description="ARI user.")
    ari_password: Password = Field(description="ARI password: 8 or more letters, digits, - and _.")
    ami_address: Address = Field("127.0.0.1:5038", description="host:port where Asterisk serves AMI.")
    ami_user: Name = Field("bridge", description="AMI user.")
    ami_password: Password = Field(description="AMI password: 8 or more letters, digits, - and _.")
    rtp_timeout: int = Field(60, ge=60, description="Seconds without audio after which Asterisk ends a call.")
    first_digit_s: float = Field(10.0, gt=0, le=120, description="Seconds a caller may take for the first digit.")
    inter_digit_s: float = Field(4.0, gt=0, le=60, description="Seconds between two digits.")
    entry_s: float = Field(30.0, gt=0, le=300, description="Seconds for one passcode in all.")
    tries: int = Field(3, ge=1, le=10, description="Wrong or missing passcodes before the call is refused.")
    webhook_private: bool = Field(
        False,
        description="Whether webhooks may go to addresses of one's own network, and without TLS: anybody with the key "
        "of an account could then send requests there.",
    )
    delay_s: float = Field(
        1.0,
        ge=0,
        le=60,
        description="Seconds that an entry waits after a first few wrong ones; twice as long with each more, 16 times "
        "that at most. Right and wrong ones wait alike.",
    )
    block_after: int = Field(
        10, ge=3, le=1000, description="Wrong entries, within about half an hour, that block a caller's number."
    )
    block_s: float = Field(
        300.0, gt=0, le=86400, description="Seconds of a first block; each further one is twice as long, a day at most."
    )
    guessing_per_minute: float = Field(
        30.0,
        gt=0,
        le=1_000_000,
        description="Wrong entries a minute, in the whole installation (on one access number: half of them), from "
        "which on guessing is taken to be under way: an alarm is told, and callers who are not known wait.",
    )
    attempts_keep_days: int = Field(90, ge=1, le=3650, description="Days that refused entries are kept in Postgres.")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least level that is logged.")


class ClientSettings(_Environment):
    """What a command needs that asks the daemon."""

    api_url: str = Field(
        "", pattern=r"^(https?://[^/\s]+)?$", description="Where commands reach REST; empty: at BRIDGE_API_ADDRESS."
    )
    api_address: Address = Field("127.0.0.1:8080", description="As for the daemon.")
    operator_key: Secret[Annotated[str, Field(min_length=16)]] = Field(
        description="The bearer key that commands use: the operator's own, or any other operator key."
    )

    @property
    def url(self) -> str:
        """Where REST is."""
        return self.api_url or f"http://{self.api_address}"


class JournalSettings(DatabaseSettings):
    """What an audit of the journal needs."""

    node: Annotated[str, Field(pattern=r"^[a-z0-9-]{1,20}$")] = Field("node1", description="As for the daemon.")
    journal: JournalPath = Field(Path("/var/lib/bridge/journal/cel.jsonl"), description="As for the daemon.")
    journal_archive: Annotated[Folder | None, pydantic.BeforeValidator(lambda text: text or None)] = Field(
        None, description="As for the daemon."
    )
    rtp_timeout: int = Field(60, ge=60, description="As for the daemon.")
    longest_stay: int = Field(86400, ge=60, description="As for Asterisk.")


class NodeSettings(_Environment):
    """What asterisk-conf/ and dialplan/ are rendered from."""

    node: Annotated[str, Field(pattern=r"^[a-z0-9-]{1,20}$")] = Field("node1", description="As for the daemon.")
    journal: JournalPath = Field(Path("/var/lib/bridge/journal/cel.jsonl"), description="As for the daemon.")
    ari_url: str = Field("http://127.0.0.1:8088", pattern=r"^http://[^/\s:]+:[0-9]+$", description="As for the daemon.")
    ari_user: Name = Field("bridge", description="As for the daemon.")
    ari_password: Password = Field(description="As for the daemon.")
    ami_address: Address = Field("127.0.0.1:5038", description="As for the daemon.")
    ami_user: Name = Field("bridge", description="As for the daemon.")
    ami_password: Password = Field(description="As for the daemon.")
    sip_bind: Address = Field("0.0.0.0:5060", description="host:port that SIP trunks reach, UDP and TCP.")
    sip_trunks: str = Field(
        pattern=r"^[0-9A-Fa-f.:/, ]+$", description="Addresses or networks of the trunks, with commas between them."
    )
    sip_public_address: str = Field(
        "", pattern=r"^[0-9A-Za-z.:-]*$", description="The address trunks see, when this node is behind NAT."
    )
    rtp_ports: str = Field("10000-20000", pattern=r"^[0-9]+-[0-9]+$", description="First and last UDP port of audio.")
    rtp_timeout: int = Field(60, ge=60, description="As for the daemon.")
    rtp_timeout_hold: int = Field(300, ge=60, description="The same for a caller who put the bridge on hold.")
    longest_stay: int = Field(86400, ge=60, description="Seconds after which a participant is put out of a room.")
    patience: int = Field(120, ge=1, description="Seconds a caller hears music while no daemon is connected.")
    asterisk_home: Path = Field(
        Path("/var/lib/bridge/asterisk"), description="Folder for Asterisk's own state, spool, sockets and logs."
    )
    asterisk_modules: Path = Field(
        Path("/usr/lib/x86_64-linux-gnu/asterisk/modules"), description="Folder of Asterisk's modules."
    )
    asterisk_data: Path = Field(Path("/usr/share/asterisk"), description="Folder of sounds, music and documentation.")


Kind = TypeVar("Kind", bound=_Environment)


def node_values(node: NodeSettings, folder: Path) -> dict[str, object]:
    """What the templates of asterisk-conf/ and dialplan/ are given, for a configuration folder."""
    ari_host, ari_port = node.ari_url.removeprefix("http://").rsplit(":", 1)
    ami_host, ami_port = node.ami_address.rsplit(":", 1)
    sip_host, sip_port = node.sip_bind.rsplit(":", 1)
    rtp_first, rtp_last = node.rtp_ports.split("-")
    return {
        **node.model_dump(),
        "ari_password": node.ari_password.get_secret_value(),
        "ami_password": node.ami_password.get_secret_value(),
        "etc": folder.resolve(),
        "home": node.asterisk_home,
        "modules": node.asterisk_modules,
        "data": node.asterisk_data,
        "ari_host": ari_host,
        "ari_port": ari_port,
        "ami_host": ami_host,
        "ami_port": ami_port,
        "sip_host": sip_host,
        "sip_port": sip_port,
        "sip_trunks": [trunk.strip() for trunk in node.sip_trunks.split(",") if trunk.strip()],
        "rtp_first": rtp_first,
        "rtp_last": rtp_last,
    }


@dataclass(frozen=True, slots=True)
class Attempt(Generic[Kind]):
    """Settings that could be read, or else what is wrong with them: a line for each variable, never with its value."""

    read: Kind | None
    complaints: tuple[str, ...] = ()


def attempt(kind: type[Kind]) -> Attempt[Kind]:
    """Read settings of one kind from the environment, as far as that goes."""
    try:
        return Attempt(kind())
    except pydantic.ValidationError as error:
        problems = error.errors(include_input=False, include_url=False)
        return Attempt(None, tuple(_complaint(kind, problem) for problem in problems))


def load(kind: type[Kind]) -> Kind:
    """Read settings of one kind from the environment.

    Raises BridgeError naming every variable that is missing or malformed and what it should be; never its value.
    """
    attempted = attempt(kind)
    if attempted.read is None:
        raise BridgeError("\n".join(attempted.complaints))
    return attempted.read


def _complaint(kind: type[Kind], problem: Any) -> str:
    field = str(problem["loc"][0])
    what = "is not set" if problem["type"] == "missing" else f"is malformed ({problem['msg']})"
    return f"BRIDGE_{field.upper()} {what}. It is: {kind.model_fields[field].description}"


def table() -> list[tuple[str, str, str]]:
    """Every setting once, as (variable, default, description); a required one has the default "required"."""
    rows = {}
    for kind in (NodeSettings, ClientSettings, Settings, DaemonSettings):
        for name, field in kind.model_fields.items():
            default = "required" if field.is_required() else "" if field.default is None else str(field.default)
            rows[f"BRIDGE_{name.upper()}"] = (f"BRIDGE_{name.upper()}", default, field.description or "")
    return sorted(rows.values())
