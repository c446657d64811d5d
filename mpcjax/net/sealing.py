"""A message that goes through other hands and that one member can read; the member can show later what was in it.

Sealed to a key that the member makes for this one message: X25519, HKDF-SHA256, ChaCha20-Poly1305 (the parts of HPKE, RFC
9180, without its negotiation). Who shows the private key shows this message and nothing else: everybody who has the sealed
bytes then opens the same.
"""

from __future__ import annotations

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

KEY = 32  # bytes of a key, public or private
MORE = KEY + 16  # bytes that sealing adds: a public key and a tag
_NONCE = bytes(12)  # every key seals once


def fresh() -> bytes:
    """A private key."""
    return X25519PrivateKey.generate().private_bytes_raw()


def public(private: bytes) -> bytes:
    return X25519PrivateKey.from_private_bytes(private).public_key().public_bytes_raw()


def seal(message: bytes, receiver: bytes) -> bytes:
    """For who has the private key of `receiver`. To what is nobody's public key: zeros, which nobody opens."""
    own = fresh()
    key = _key(own, receiver, public(own))
    if key is None:
        return bytes(len(message) + MORE)
    return public(own) + ChaCha20Poly1305(key).encrypt(_NONCE, message, None)


def opened(sealed: bytes, private: bytes) -> bytes | None:
    """The message, None where it was not sealed for this key."""
    key = _key(private, sealed[:KEY], sealed[:KEY])
    try:
        return None if key is None else ChaCha20Poly1305(key).decrypt(_NONCE, sealed[KEY:], None)
    except InvalidTag:
        return None


def _key(private: bytes, other: bytes, sender: bytes) -> bytes | None:
    try:
        shared = X25519PrivateKey.from_private_bytes(private).exchange(X25519PublicKey.from_public_bytes(other))
    except ValueError:  # a point of low order: the key would be known to everybody
        return None
    return HKDF(SHA256(), 32, None, b"mpcjax sealed dealing" + sender).derive(shared)
