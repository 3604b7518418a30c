"""Signatures, against the test vector of Standard Webhooks."""

import re
from datetime import UTC, datetime, timedelta

from bridge.domain.webhooks import signature
from bridge.domain.webhooks.signature import Secrets

# test_sign_function of the Python library of github.com/standard-webhooks/standard-webhooks.
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
MESSAGE = "msg_p5jXN8AQM9LWM0D4loKWxJek"
TIMESTAMP = 1614265330
BODY = b'{"test": 2432232314}'
SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
NOW = datetime.fromtimestamp(TIMESTAMP + 0.75, UTC)
HOUR = timedelta(hours=1)


def test_the_published_vector() -> None:
    assert signature.signature(SECRET, MESSAGE, TIMESTAMP, BODY) == SIGNATURE


def test_the_headers_of_an_attempt() -> None:
    assert signature.headers(Secrets(SECRET), MESSAGE, NOW, BODY) == {
        "webhook-id": MESSAGE,
        "webhook-timestamp": str(TIMESTAMP),
        "webhook-signature": SIGNATURE,
    }


def test_a_secret_has_the_form_that_libraries_expect() -> None:
    made = signature.secret(bytes(range(signature.SECRET_BYTES)))
    assert re.fullmatch(r"whsec_[A-Za-z0-9+/]{43}=", made)


def test_after_a_rotation_both_sign_until_the_overlap_is_over() -> None:
    new = signature.secret(b"n" * 32)
    rotated = Secrets(SECRET).rotated(new, NOW + HOUR)
    during = signature.headers(rotated, MESSAGE, NOW, BODY)["webhook-signature"].split(" ")
    assert during == [signature.signature(new, MESSAGE, TIMESTAMP, BODY), SIGNATURE]
    assert rotated.at(NOW + HOUR) == (new,)
    assert Secrets(SECRET).rotated(new, None).at(NOW) == (new,)


def test_secrets_are_kept_as_text() -> None:
    for secrets in (Secrets(SECRET), Secrets(SECRET).rotated("whsec_bmV3", NOW)):
        assert Secrets.of_text(secrets.text) == secrets
