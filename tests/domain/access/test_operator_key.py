"""The operator's key: random ones are strong, and each kind of weak one is told."""

import base64
from random import Random

import pytest

from bridge.domain.access import operator_key

RANDOM = "6vDqk3pYVb0Xc9m-2Jt_sWZgQhRfLuNe4yA1iKoT5dE"


def test_32_random_bytes_are_strong_in_both_forms() -> None:
    random = Random(12)  # the same bytes each time
    for secret in (random.randbytes(32) for _ in range(1000)):
        assert operator_key.weakness(base64.urlsafe_b64encode(secret).decode().rstrip("=")) is None
        assert operator_key.weakness(secret.hex()) is None


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("", "it has 0 hex digits, and at least 64 are needed"),
        ("change-me", "it has 9 characters, and at least 43 are needed"),
        (RANDOM[:42], "it has 42 characters, and at least 43 are needed"),
        ("0123456789abcdef" * 3 + "0123456789ABCDE", "it has 63 hex digits, and at least 64 are needed"),
        ("abcxyz-" * 9 + "a", "it has only 7 different characters, and at least 10 are needed"),
        ("0123456789abcdef" * 4, "it repeats a shorter text"),
        (RANDOM + " ", "it has characters that no HTTP header can carry: use letters, digits, - and _"),
        (RANDOM + "é", "it has characters that no HTTP header can carry: use letters, digits, - and _"),
    ],
)
def test_a_weak_key_is_told_why(key: str, said: str) -> None:
    assert operator_key.weakness(key) == said


def test_a_key_of_43_characters_is_strong() -> None:
    assert operator_key.weakness(RANDOM) is None
