"""Keys of passcodes, derived by HKDF (RFC 5869) from the one secret that operators keep, and sealing under them."""

import contextlib
import os
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from bridge.domain.errors import BridgeError
from bridge.usecases.provisioning.ports import Keys

_VERSION: Final = b"\x01"
_NONCE_BYTES: Final = 12


def derive(secret: str, *older: str) -> Keys:
    """Derive the keys of a secret of hex digits, and of the older secrets that it replaced. Always the same keys
    result.

    A sealed code is a version byte, a random nonce of 12 bytes, and the digits under AES-256-GCM of the first secret.
    `unseal` opens what was sealed under any of them; it raises BridgeError for all else, altered ones too.
    """
    ciphers = [AESGCM(_derived(each, b"bridge passcode seal")) for each in (secret, *older)]
    lookups = [_derived(each, b"bridge passcode lookup") for each in (secret, *older)]

    def seal(digits: str) -> bytes:
        nonce = os.urandom(_NONCE_BYTES)
        return _VERSION + nonce + ciphers[0].encrypt(nonce, digits.encode(), _VERSION)

    def unseal(sealed: bytes) -> str:
        nonce, body = sealed[1 : 1 + _NONCE_BYTES], sealed[1 + _NONCE_BYTES :]
        for cipher in ciphers:
            with contextlib.suppress(InvalidTag, ValueError):
                return cipher.decrypt(nonce, body, sealed[:1]).decode()
        raise BridgeError("this was sealed under another BRIDGE_PASSCODE_KEY")

    return Keys(lookups[0], seal, unseal, tuple(lookups[1:]))


def _derived(secret: str, purpose: bytes) -> bytes:
    return HKDF(SHA256(), 32, salt=None, info=purpose).derive(bytes.fromhex(secret))
