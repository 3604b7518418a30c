"""The recorded frames are still what the running Asterisk sends: an outdated recording would prove nothing."""

import json

from bridge.sandbox.company import Company
from bridge.sandbox.stack import Sandbox
from tests.asterisk import record, recordings
from tests.asterisk.recordings import Fields

MEND = "frames have changed: look at them, then run `make record-frames` and the tests of tests/asterisk"


async def test_asterisk_sends_every_recorded_event_with_every_recorded_field(sandbox: Sandbox, firm: Company) -> None:
    now = await record.record(sandbox, firm)
    for name, frames in now.ari.items():
        sent = recordings.ari_fields(json.loads(frame) for frame in frames)
        assert _missing(recordings.ari_fields(recordings.ari_frames(name)), sent) == {}, f"{name}: {MEND}"
    for name, stream in now.ami.items():
        recorded = recordings.ami_fields(recordings.ami_stream(name))
        assert _missing(recorded, recordings.ami_fields(stream)) == {}, f"{name}: {MEND}"


def _missing(recorded: Fields, sent: Fields) -> Fields:
    """The recorded kinds and fields that are not sent any more. New ones do no harm: nobody reads them."""
    lacking = {kind: fields - sent.get(kind, frozenset()) for kind, fields in recorded.items()}
    return {kind: fields for kind, fields in lacking.items() if fields}
