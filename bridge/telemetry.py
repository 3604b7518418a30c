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
    "bridge_refused_entries", "Entries of callers that let nobody in, by reason.", ["reason"], registry=REGISTRY
)
GUESSING: Final = Gauge(
    "bridge_guessing",
    "Where guessing is under way now: the whole installation, and each access number by itself.",
    registry=REGISTRY,
)
ATTEMPTS_DROPPED: Final = Counter(
    "bridge_attempts_dropped", "Refused entries that could not be kept, for want of room.", registry=REGISTRY
)
LOCKOUT_STORED: Final = Gauge(
    "bridge_lockout_stored", "1 while what lockout knows can be stored, and survives a restart.", registry=REGISTRY
)
CONNECTED: Final = Gauge(
    "bridge_connected", "1 while the daemon is connected to `what`: ari, ami, postgres.", ["what"], registry=REGISTRY
)
RECONNECTS: Final = Counter(
    "bridge_connection_losses", "Connections that failed or were lost.", ["what"], registry=REGISTRY
)
JOURNAL_BACKLOG_BYTES: Final = Gauge(
    "bridge_journal_backlog_bytes", "Bytes of the journal that are not committed yet.", registry=REGISTRY
)
JOURNAL_BACKLOG_SECONDS: Final = Gauge(
    "bridge_journal_backlog_seconds",
    "Age of the newest journal line that is committed, 0 while that is the newest there is.",
    registry=REGISTRY,
)
JOURNAL_LINES: Final = Counter("bridge_journal_lines", "Lines of the journal that were folded.", registry=REGISTRY)
MINUTE_RECORDS: Final = Counter(
    "bridge_minute_records", "Minute records that were closed, by evidence.", ["evidence"], registry=REGISTRY
)
INCIDENTS: Final = Counter(
    "bridge_journal_incidents", "What a person should look at in the journal, by kind.", ["kind"], registry=REGISTRY
)
HEART_REVIVALS: Final = Counter(
    "bridge_heart_revivals", "Times that Asterisk's heart stood still and was started again.", registry=REGISTRY
)
ROOM_DIFFERENCES: Final = Gauge(
    "bridge_room_differences",
    "Callers whom journal and switch disagree about now: absent from every room, unseen in the journal, or gone.",
    ["kind"],
    registry=REGISTRY,
)
ROOM_HEALINGS: Final = Counter(
    "bridge_room_healings", "Such differences that lasted, and were healed.", ["kind"], registry=REGISTRY
)
PULSE_AGE_SECONDS: Final = Gauge(
    "bridge_switch_pulse_age_seconds", "Seconds since Asterisk last wrote that it lives.", registry=REGISTRY
)
METER_OK: Final = Gauge(
    "bridge_meter_ok", "1 while minutes can be metered: callers are refused otherwise.", registry=REGISTRY
)
METER_FAULT: Final = Gauge(
    "bridge_meter_fault", "1 while `fault` is wrong with the meter, see the log.", ["fault"], registry=REGISTRY
)
DISK_FREE_BYTES: Final = Gauge(
    "bridge_disk_free_bytes", "Bytes that are left on the disk of `what`: journal, state.", ["what"], registry=REGISTRY
)
CLOCK_OFFSET_SECONDS: Final = Gauge(
    "bridge_clock_offset_seconds", "Seconds that this machine's clock is ahead of Postgres'.", registry=REGISTRY
)
OPEN_STAYS: Final = Gauge("bridge_live_participants", "Participants in rooms now, by AMI.", registry=REGISTRY)
DIRECTORY_AGE_SECONDS: Final = Gauge(
    "bridge_directory_age_seconds", "Seconds since the local directory was known to be fresh.", registry=REGISTRY
)

WEBHOOK_DELIVERIES: Final = Counter(
    "bridge_webhook_deliveries",
    "Attempts at webhooks, by outcome: delivered, retried, failed for good.",
    ["outcome"],
    registry=REGISTRY,
)
WEBHOOKS_PENDING: Final = Gauge(
    "bridge_webhooks_pending", "Deliveries that wait for webhooks which are not paused.", registry=REGISTRY
)
WEBHOOKS_OLDEST_SECONDS: Final = Gauge(
    "bridge_webhooks_oldest_seconds", "Age of the oldest of these, 0 when there is none.", registry=REGISTRY
)

# Local variables of a frame may be digits that a caller keyed: they are never logged.
_TRACEBACKS: Final = structlog.tracebacks.ExceptionDictTransformer(show_locals=False)


def configure(level: str) -> None:
    """One event, one line of JSON on standard error; a person's terminal gets columns instead."""
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
    # Libraries log their own business; what matters of it is told by ours.
    logging.basicConfig(level=logging.CRITICAL, stream=sys.stderr)
