"""The calls of a node that are not hung up, with their outcome so far.

    state   line                                            next    what follows
    ------  ----------------------------------------------  ------  ----------------------------------------------------
    none    CALLED                                          open    measured, outcome unserved
    none    ANSWER, APP_START or BRIDGE_ENTER of a trunk's  open    estimated: it began before, and CALLED is lost
              channel (PJSIP)
    open    ANSWER, the first                               open    answered; by the daemon: abandoned, so far
    open    ANSWER, ENDED with an access number             open    its caller and its access number, in the form that
                                                                    the daemon gave them
    open    a stay of the channel begins                    open    joined, for good
    open    ENDED with an outcome                           open    that outcome, unless joined
    open    HANGUP, CHAN_END, LINKEDID_END                  closed  ends then, evidence as it was; without HANGUP the
                                                                    cause is 0
    open    ABSENT                                          closed  ends when last seen, or then; estimated, cause 0
    open    a boot that is new, the call is older           closed  ends at the last proof of life; estimated, cause 0
    open    a boot that is new, the call came since then    open    is of the new boot

Any other line changes nothing, so that a replayed line does not either.
"""

from collections.abc import Iterable, Iterator, Set
from dataclasses import replace
from typing import Final

from bridge.domain import phone
from bridge.domain.metering import journal_line as facts
from bridge.domain.metering.records import Call, Change, Evidence, OpenCall, Outcome
from bridge.domain.metering.switch_timeline import BootEnded, SwitchTimeline

_OUTCOMES: Final = frozenset(outcome.value for outcome in Outcome)


class OpenCalls:
    """The open calls of one node. Each method takes in a line and returns what it changes."""

    def __init__(self, node: str, timeline: SwitchTimeline, calls: Iterable[OpenCall]) -> None:
        self._node = node
        self._timeline = timeline
        self._open = {call.uniqueid: call for call in calls}

    def __iter__(self) -> Iterator[OpenCall]:
        return iter(self._open.values())

    @property
    def channels(self) -> Set[str]:
        """The channels of all open calls."""
        return self._open.keys()

    def get(self, uniqueid: str) -> OpenCall | None:
        """The call of this channel, if there is one."""
        return self._open.get(uniqueid)

    # --- Calls go on --------------------------------------------------------------------------------------------------
    def called(self, fact: facts.Called) -> list[Change]:
        """A trunk delivered a call."""
        if fact.uniqueid in self._open:
            return []
        call = self._new(fact.uniqueid, fact.channel, fact.caller, fact.at)
        number = phone.dialled(fact.access_number)
        return self._put(replace(call, access_number=number, sip_call_id=fact.sip_call_id))

    def ensure_known(self, fact: facts.Answered | facts.Entering | facts.Entered) -> list[Change]:
        """Open a call for a channel that does what only a call does, although its CALLED line is lost."""
        if fact.uniqueid in self._open or not fact.channel.startswith("PJSIP/"):
            return []
        call = self._new(fact.uniqueid, fact.channel, fact.caller, fact.at)
        return self._put(replace(call, access_number=fact.access_number or "", evidence=Evidence.ESTIMATED))

    def answered(self, fact: facts.Answered) -> list[Change]:
        """A call was answered."""
        changes = self.ensure_known(fact)
        call = self._open.get(fact.uniqueid)
        if call is None or call.answered_us is not None:
            return changes
        call = _identified(call, fact)
        outcome = Outcome.ABANDONED if fact.prompting else call.outcome
        return changes + self._put(replace(call, answered_us=fact.at, outcome=outcome))

    def joined(self, uniqueid: str) -> list[Change]:
        """The caller was in a room."""
        call = self._open.get(uniqueid)
        if call is None or call.outcome is Outcome.JOINED:
            return []
        return self._put(replace(call, outcome=Outcome.JOINED))

    def dialogue_ended(self, fact: facts.DialogueEnded) -> list[Change]:
        """The daemon wrote how the dialogue ended. An outcome that is none is ignored."""
        call = self._open.get(fact.uniqueid)
        if call is None:
            return []
        changed = _identified(call, fact)
        changed = changed if changed.sip_call_id else replace(changed, sip_call_id=fact.sip_call_id)
        if call.outcome is not Outcome.JOINED and fact.outcome in _OUTCOMES:
            changed = replace(changed, outcome=Outcome(fact.outcome))
        return self._put(changed) if changed != call else []

    def _new(self, uniqueid: str, channel: str, caller: str, at: int) -> OpenCall:
        return OpenCall(self._node, self._timeline.boot, uniqueid, channel, caller, "", "", at)

    def _put(self, call: OpenCall) -> list[Change]:
        self._open[call.uniqueid] = call
        return [call]

    # --- Calls end ----------------------------------------------------------------------------------------------------
    def hung_up(self, uniqueid: str, at: int, cause: int | None) -> list[Change]:
        """The channel was hung up."""
        call = self._open.pop(uniqueid, None)
        return [] if call is None else [Call(call, max(at, call.started_us), cause or 0, call.evidence)]

    def absent(self, fact: facts.Absent) -> list[Change]:
        """The channel is gone. No line says since when, but the daemon may have seen it."""
        call = self._open.pop(fact.subject, None)
        if call is None:
            return []
        end = max(call.started_us, min(fact.seen_us or fact.at, fact.at))
        return [Call(call, end, 0, Evidence.ESTIMATED)]

    def switch_died(self, death: BootEnded) -> list[Change]:
        """The switch died. Calls that came since it began again go on."""
        changes: list[Change] = []
        for call in list(self._open.values()):
            if death.is_survived_by(call):
                changes += self._put(replace(call, boot=death.boot))
            else:
                del self._open[call.uniqueid]
                changes.append(Call(call, max(call.started_us, death.proved_us), 0, Evidence.ESTIMATED))
        return changes


def _identified(call: OpenCall, fact: facts.Answered | facts.DialogueEnded) -> OpenCall:
    """The call, with the numbers of a line that comes after the daemon has met the call."""
    if fact.access_number is None:
        return call  # a journal of before
    return replace(call, caller=fact.caller, access_number=fact.access_number)
