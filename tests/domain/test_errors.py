"""The product's own errors carry what the edges write into problem documents and exit codes."""

from bridge.domain.errors import Conflict, Invalid, InvalidRows, TooMany


def test_a_conflict_names_the_input_that_is_to_blame_if_one_is() -> None:
    named, unnamed = Conflict("this number is taken", "number"), Conflict("it is closed")
    assert (str(named), named.field) == ("this number is taken", "number")
    assert (str(unnamed), unnamed.field) == ("it is closed", None)


def test_an_invalid_value_names_its_field_and_the_reason() -> None:
    error = Invalid("period", "is no month")
    assert (str(error), error.field, error.reason) == ("period: is no month", "period", "is no month")


def test_too_many_requests_say_how_long_to_wait() -> None:
    error = TooMany("too many requests", 7)
    assert (str(error), error.retry_after_s) == ("too many requests", 7)


def test_rows_that_cannot_be_carried_out_are_all_named() -> None:
    error = InvalidRows([(0, "name", "is empty"), (4, "number", "is taken")])
    assert str(error) == "2 rows cannot be carried out; nothing was done"
    assert error.rows == ((0, "name", "is empty"), (4, "number", "is taken"))
