from bridge.domain.admission.grant import Grant
from bridge.domain.provisioning.passcode import Role


def test_a_ticket_has_the_parts_that_the_dialplan_takes_apart() -> None:
    assert Grant("p", "a", "s", "r", Role.LISTENER).ticket == "a:s:p:listener:r"
