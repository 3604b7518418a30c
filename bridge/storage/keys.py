"""The keys of passcodes, derived from the one secret that operators keep (RFC 5869), and sealing under one of them."""

import os
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from bridge.domain.errors import BridgeError
from bridge.usecases.provision import Keys

_VERSION: Final = b"\x01"
_NONCE_BYTES: Final = 12


def derive(secret: str) -> Keys:
    """The keys that belong to a secret of hex digits, always the same.

    A sealed code is a version byte, a random nonce of 12 bytes, and the digits under AES-256-GCM. `unseal` raises
    BridgeError for what was sealed under another secret, or altered.
    """
    master = bytes.fromhex(secret)
    cipher = AESGCM(_derived(master, b"bridge passcode seal"))

    def seal(digits: str) -> bytes:
        nonce = os.urandom(_NONCE_BYTES)
        return _VERSION + nonce + cipher.encrypt(nonce, digits.encode("ascii"), _VERSION)

    def unseal(sealed: bytes) -> str:
        nonce, body = sealed[1 : 1 + _NONCE_BYTES], sealed[1 + _NONCE_BYTES :]
        try:
            return cipher.decrypt(nonce, body, sealed[:1]).decode("ascii")
        except (InvalidTag, ValueError) as error:
            raise BridgeError("this passcode was sealed under another BRIDGE_PASSCODE_KEY") from error

    return Keys(_derived(master, b"bridge passcode lookup"), seal, unseal)


def _derived(master: bytes, purpose: bytes) -> bytes:
    return HKDF(SHA256(), 32, salt=None, info=purpose).derive(master)
