"""Stores all passcodes under the present key, without downtime. Once that is done, the former key can be removed."""

from collections.abc import Callable, Iterator
from typing import Final

from bridge.domain.provisioning import passcode
from bridge.usecases.provisioning.ports import Keys, Passcodes, RenewedCode, StaleCode

BATCH: Final = 1000


async def renew_passcodes(passcodes: Passcodes, keys: Keys, progress: Callable[[int], None] = lambda _: None) -> int:
    """Store live passcodes and PINs under the present key if a former key is in use. Return how many were renewed.

    Each batch is a transaction. So a renewal may be stopped and started again, and two may run at once. `progress` is
    called with the number so far. Raises Unavailable, and BridgeError for a code that none of the keys opens.
    """
    done = 0
    while stale := await passcodes.stale_codes(keys.id, BATCH):
        done += await passcodes.renew_codes(keys.id, list(_renewed(keys, stale)))
        progress(done)
    return done


def _renewed(keys: Keys, stale: list[StaleCode]) -> Iterator[RenewedCode]:
    for code in stale:
        digits = keys.unseal(code.sealed)
        salt = b"" if code.account_id is None else code.account_id.bytes
        pin = None if code.pin_sealed is None else keys.unseal(code.pin_sealed)
        yield RenewedCode(
            id=code.id,
            account_id=code.account_id,
            former=code.digest,
            digest=passcode.digest(digits, keys.lookup, salt),
            sealed=keys.seal(digits),
            pin_digest=None if pin is None else passcode.pin_digest(pin, keys.lookup, code.id.bytes),
            pin_sealed=None if pin is None else keys.seal(pin),
        )
