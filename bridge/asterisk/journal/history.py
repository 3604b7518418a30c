"""The journal as an audit reads it: its lines up to a place."""

from collections.abc import Iterator

from bridge.asterisk.journal import content
from bridge.asterisk.journal.file import JournalFile
from bridge.domain.errors import BridgeError
from bridge.domain.period import SECOND_US
from bridge.usecases.metering.ports import Position


class JournalHistory:
    """Implements ports.History."""

    def __init__(self, journal: JournalFile) -> None:
        self._journal = journal

    def lines(self, since_us: int | None, until: Position) -> Iterator[bytes]:
        last, met = content.identity(until), False
        for file, offset, line in self._journal.history(None if since_us is None else since_us / SECOND_US):
            if file == last:
                met = True
                if offset >= until.offset:
                    return
            elif met:
                return
            yield line
        if not met:
            raise BridgeError(
                f"the journal's file {last[:12]}, which is committed up to byte {until.offset}, is not there: "
                "correct BRIDGE_JOURNAL and BRIDGE_JOURNAL_ARCHIVE, or put the file back"
            )
