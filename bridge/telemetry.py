"""Structured logs and Prometheus metrics."""

import logging
import sys
from typing import Final

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge
from prometheus_client.gc_collector import GCCollector
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

REGISTRY: Final = CollectorRegistry()
ProcessCollector(registry=REGISTRY)
PlatformCollector(registry=REGISTRY)
GCCollector(registry=REGISTRY)

DIALOGUES: Final = Counter(
    "bridge_dialogues", "Dialogues with callers that ended, by outcome.", ["outcome"], registry=REGISTRY
)
REFUSED_ENTRIES: Final = Counter(
    "bridge_refused_entries", "Passcode entries that were refused, by reason.", ["reason"], registry=REGISTRY
)
GUESSING: Final = Gauge(
    "bridge_guessing",
    "Places where passcodes are being guessed now: each access number is one, the whole installation another.",
    registry=REGISTRY,
)
WAITING_ENTRIES: Final = Gauge(
    "bridge_waiting_entries",
    "Entries that wait to be judged, because too many were wrong before them.",
    registry=REGISTRY,
)
GUESS_LOT_LEFT: Final = Gauge(
    "bridge_guess_lot_left",
    "Share that is left of the wrong entries that this node may judge without delay: 1 is all, 0 none.",
    registry=REGISTRY,
)
CALLS: Final = Gauge(
    "bridge_calls", "Calls on this node, by `where`: in the dialogue, or in a room.", ["where"], registry=REGISTRY
)
AUDIO_PORTS_LEFT: Final = Gauge(
    "bridge_audio_ports_left",
    "Share of the calls that the node's audio ports allow and that may still come.",
    registry=REGISTRY,
)
UNUSUAL_USAGE: Final = Gauge(
    "bridge_unusual_usage",
    "Accounts and access numbers that were used far more within 24 hours than is usual for them.",
    registry=REGISTRY,
)
GUESS_ODDS: Final = Gauge(
    "bridge_guess_odds",
    "Odds that one entry of random digits opens any room: on shared numbers, and in the worst own code space.",
    ["space"],
    registry=REGISTRY,
)
ASTERISK_LOG_BYTES: Final = Gauge(
    "bridge_asterisk_log_bytes",
    "Bytes of Asterisk's logs on this machine, with those that were rotated.",
    registry=REGISTRY,
)
ATTEMPTS_DROPPED: Final = Counter(
    "bridge_attempts_dropped",
    "Refused entries that were not kept, because too many waited for Postgres.",
    registry=REGISTRY,
)
LOCKOUT_STORED: Final = Gauge(
    "bridge_lockout_stored",
    "1 while the lockout's state can be stored on disk and so survives a restart.",
    registry=REGISTRY,
)
CONNECTED: Final = Gauge(
    "bridge_connected", "1 while the daemon is connected to `what`: ari, ami, postgres.", ["what"], registry=REGISTRY
)
RECONNECTS: Final = Counter(
    "bridge_connection_losses", "Connections to `what` that failed or were lost.", ["what"], registry=REGISTRY
)
JOURNAL_BACKLOG_BYTES: Final = Gauge(
    "bridge_journal_backlog_bytes", "Bytes of the journal that are not committed yet.", registry=REGISTRY
)
JOURNAL_BACKLOG_SECONDS: Final = Gauge(
    "bridge_journal_backlog_seconds",
    "Age of the newest journal line that is committed, 0 while that is the newest there is.",
    registry=REGISTRY,
)
JOURNAL_LINES: Final = Counter("bridge_journal_lines", "Journal lines that were read and metered.", registry=REGISTRY)
MINUTE_RECORDS: Final = Counter(
    "bridge_minute_records",
    "Minute records that were written, by evidence: measured or estimated.",
    ["evidence"],
    registry=REGISTRY,
)
INCIDENTS: Final = Counter(
    "bridge_journal_incidents",
    "Irregularities found in the journal, by kind: see `bridge journal incidents`.",
    ["kind"],
    registry=REGISTRY,
)
HEART_REVIVALS: Final = Counter(
    "bridge_heart_revivals", "Times that Asterisk's heartbeat had stopped and was started again.", registry=REGISTRY
)
ROOM_DIFFERENCES: Final = Gauge(
    "bridge_room_differences",
    "Callers on whom the journal and Asterisk disagree now: absent from every room, unseen in the journal, or gone.",
    ["kind"],
    registry=REGISTRY,
)
ROOM_HEALINGS: Final = Counter(
    "bridge_room_healings",
    "Differences between the journal and Asterisk that lasted, and were corrected.",
    ["kind"],
    registry=REGISTRY,
)
PULSE_AGE_SECONDS: Final = Gauge(
    "bridge_switch_pulse_age_seconds", "Seconds since Asterisk's last heartbeat in the journal.", registry=REGISTRY
)
METER_OK: Final = Gauge(
    "bridge_meter_ok", "1 while minutes can be metered. At 0 callers are refused.", registry=REGISTRY
)
METER_FAULT: Final = Gauge(
    "bridge_meter_fault", "1 while the meter has this fault; the log says more.", ["fault"], registry=REGISTRY
)
DISK_FREE_BYTES: Final = Gauge(
    "bridge_disk_free_bytes", "Free bytes on the disk of `what`: journal, state.", ["what"], registry=REGISTRY
)
CLOCK_OFFSET_SECONDS: Final = Gauge(
    "bridge_clock_offset_seconds",
    "Seconds that this machine's clock is ahead of the clock of Postgres.",
    registry=REGISTRY,
)
TRUNKS_UNUSABLE: Final = Gauge(
    "bridge_trunks_unusable",
    "SIP trunks that this node cannot serve as they are set, such as TLS without a certificate.",
    registry=REGISTRY,
)
TRUNK_REGISTERED: Final = Gauge(
    "bridge_trunk_registered",
    "1 while this node is registered at the trunk's registrar. At 0 its calls do not arrive.",
    ["trunk"],
    registry=REGISTRY,
)
API_KEYS: Final = Counter(
    "bridge_api_keys",
    "API keys of requests to REST, by result: valid, missing, wrong, throttled (wrong, and too many from there).",
    ["result"],
    registry=REGISTRY,
)
OPEN_STAYS: Final = Gauge(
    "bridge_live_participants", "Participants in rooms now, as AMI reports them.", registry=REGISTRY
)
DIRECTORY_AGE_SECONDS: Final = Gauge(
    "bridge_directory_age_seconds",
    "Seconds since the local directory of passcodes was last known to be up to date.",
    registry=REGISTRY,
)
EVENT_LOOP_LAG_SECONDS: Final = Gauge(
    "bridge_event_loop_lag_seconds",
    "Longest time in the last minute that the daemon was too busy to begin work that was due.",
    registry=REGISTRY,
)

WEBHOOK_DELIVERIES: Final = Counter(
    "bridge_webhook_deliveries",
    "Webhook requests that were sent, by outcome: delivered, retried, failed for good.",
    ["outcome"],
    registry=REGISTRY,
)
WEBHOOKS_PENDING: Final = Gauge(
    "bridge_webhooks_pending",
    "Webhook deliveries that wait to be sent. Those of paused webhooks do not count.",
    registry=REGISTRY,
)
WEBHOOKS_OLDEST_SECONDS: Final = Gauge(
    "bridge_webhooks_oldest_seconds",
    "Age of the oldest webhook delivery that waits, 0 if none does.",
    registry=REGISTRY,
)

# Local variables of a frame may hold digits that a caller entered, so they are never logged.
_TRACEBACKS: Final = structlog.tracebacks.ExceptionDictTransformer(show_locals=False)


def configure(level: str) -> None:
    """Log each event as a line of JSON on standard error, or as columns if that is a terminal."""
    processors: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
    ]
    if sys.stderr.isatty():
        processors.append(structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback))
    else:
        processors += [structlog.processors.ExceptionRenderer(_TRACEBACKS), structlog.processors.JSONRenderer()]
    structlog.configure(
        processors=processors,
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    # Libraries log much that no operator needs. What matters of it, the product logs itself.
    logging.basicConfig(level=logging.CRITICAL, stream=sys.stderr)
