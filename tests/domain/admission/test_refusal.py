"""Reasons of refusals."""

from bridge.domain.admission.grant import Bar
from bridge.domain.admission.refusal import UNANSWERED, Refusal


def test_every_bar_is_a_refusal_of_the_same_name() -> None:
    assert {bar.value for bar in Bar} <= {refusal.value for refusal in Refusal}
    assert all(Refusal(bar.value).name == bar.name for bar in Bar)


def test_no_entry_is_judged_in_a_call_that_nobody_answered() -> None:
    assert UNANSWERED.isdisjoint({Refusal.WRONG, Refusal.WRONG_PIN, Refusal.ABANDONED, Refusal.NOT_JUDGED})
