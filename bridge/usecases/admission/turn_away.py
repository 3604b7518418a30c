"""Calls that are refused before anybody has spoken: unanswered, unless the dialplan has answered them to play music."""

from collections.abc import Mapping
from typing import Final

from bridge.domain.admission.grant import DialledNumber
from bridge.domain.admission.numbering import IncomingTrunk
from bridge.domain.admission.prompt import Prompt
from bridge.domain.admission.refusal import Refusal
from bridge.domain.admission.slots import CallSource
from bridge.usecases.admission.admission_checks import AdmissionChecks
from bridge.usecases.admission.ports import Caller, Directory

UNALLOCATED: Final = 1
BUSY: Final = 17
REJECTED: Final = 21
NO_CIRCUIT: Final = 34
SWITCH_CONGESTED: Final = 42
"""Causes of Q.850 that the caller's network is given with a refusal. Unanswered, 1 is a 404 of SIP, and 34 and 42 are a
503, on which carriers try another way."""
_TURNED_AWAY: Final[Mapping[Refusal, tuple[Prompt, int]]] = {
    Refusal.NOT_READY: (Prompt.NOT_READY, SWITCH_CONGESTED),
    Refusal.UNKNOWN_NUMBER: (Prompt.NOT_IN_SERVICE, UNALLOCATED),
    Refusal.OTHER_TRUNK: (Prompt.NOT_IN_SERVICE, UNALLOCATED),
    Refusal.TRUNK_FULL: (Prompt.NOT_READY, NO_CIRCUIT),
    Refusal.TOO_MANY_DIALOGUES: (Prompt.NOT_READY, NO_CIRCUIT),
    Refusal.NODE_FULL: (Prompt.NOT_READY, NO_CIRCUIT),
}
"""Refusals of calls that nobody has answered: the cause, and the prompt for a call that the dialplan has answered."""


def access_number(caller: Caller, directory: Directory, trunk: IncomingTrunk) -> DialledNumber | None:
    """The access number that was dialled, in whichever form the trunk writes it."""
    for form in trunk.numbering.dialled(caller.number):
        found = directory.number(form)
        if found is not None:
            return found
    return None


async def reason(
    caller: Caller,
    checks: AdmissionChecks,
    trunk: IncomingTrunk,
    dialled: DialledNumber | None,
    source: CallSource,
) -> Refusal | None:
    """The reason to refuse a call before anything is said, None if it may be answered."""
    if await checks.barrier() is not None:
        return Refusal.NOT_READY
    if dialled is None:
        return Refusal.UNKNOWN_NUMBER
    if dialled.trunk_ids and trunk.id not in dialled.trunk_ids:
        return Refusal.OTHER_TRUNK
    if caller.answered:
        return None  # limits hold for new calls, and this one was answered while no daemon was there
    if trunk.max_calls is not None and caller.trunk_calls > trunk.max_calls:
        return Refusal.TRUNK_FULL
    if trunk.max_dialogues is not None and checks.capacity.of_trunk(source) > trunk.max_dialogues:
        return Refusal.TOO_MANY_DIALOGUES
    return checks.capacity.refusal(source, len(checks.seats))


async def refuse(caller: Caller, checks: AdmissionChecks, source: CallSource, refusal: Refusal) -> bool:
    """Refuse a call: unanswered, or by a prompt if the dialplan has answered it to play music. Always False."""
    checks.guard.refused(source, caller.id, refusal)
    prompt, cause = _TURNED_AWAY[refusal]
    if caller.answered:
        await caller.answer()
        return await refuse_by_prompt(caller, prompt)
    await caller.refuse(cause)
    return False


async def refuse_by_prompt(caller: Caller, prompt: Prompt, cause: int = REJECTED) -> bool:
    """Play a prompt to its end and hang up. Always False: the caller was not admitted."""
    await caller.say_whole(prompt)
    await caller.refuse(cause)
    return False
