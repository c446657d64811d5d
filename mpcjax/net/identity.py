"""Who a peer is: an Ed25519 key and a self-signed certificate of it. Nobody vouches for anybody, certificates are pinned.

A peer is identified by the SHA-256 of its certificate's DER, and by nothing it says. The same key signs what the peer
deals, under a context that no TLS handshake uses (TLS 1.3 signs 64 spaces first, RFC 8446 section 4.4.3; here the first
byte is never a space), so that neither kind of signature can be taken for the other.

Certificates are valid forever and for any address: the list of the consortium says whom to trust, so nothing depends on
clocks. They are no CA's, so a member cannot bring in others.
"""

from __future__ import annotations

import dataclasses
import datetime
import functools
import hashlib
import os
import stat
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import NameOID

FILE_BYTES = 65_536  # no key or certificate is longer


@dataclasses.dataclass(frozen=True)
class Certificate:
    """A peer's public part, read from a PEM file."""

    der: bytes

    @property
    def fingerprint(self) -> str:
        return fingerprint(self.der)

    @property
    def pem(self) -> str:
        return x509.load_der_x509_certificate(self.der).public_bytes(Encoding.PEM).decode()

    @functools.cached_property  # notices are checked by the hundred, and reading a certificate takes as long as that
    def key(self) -> Ed25519PublicKey:
        key = x509.load_der_x509_certificate(self.der).public_key()
        if not isinstance(key, Ed25519PublicKey):
            raise ValueError(f"the certificate has a key of type {type(key).__name__}, legal: Ed25519")
        return key

    def verify(self, context: str, data: bytes, signature: bytes) -> bool:
        """Whether this peer signed `data` in this context."""
        try:
            self.key.verify(signature, _framed(context, data))
        except InvalidSignature:
            return False
        return True


@dataclasses.dataclass(frozen=True)
class Identity:
    """A peer's own key and certificate, and the files they are in: Python's ssl reads keys from files only."""

    key: Ed25519PrivateKey = dataclasses.field(repr=False)
    certificate: Certificate
    key_path: Path
    certificate_path: Path

    def sign(self, context: str, data: bytes) -> bytes:
        """64 bytes. `context` separates the uses of the key: ASCII, 1 to 255 characters."""
        return self.key.sign(_framed(context, data))


def fingerprint(der: bytes) -> str:
    """SHA-256 of a certificate's DER in hexadecimal, 64 lower-case digits."""
    return hashlib.sha256(der).hexdigest()


def _framed(context: str, data: bytes) -> bytes:
    name = context.encode("ascii")
    if not 1 <= len(name) <= 255:
        raise ValueError(f"a signature's context has {len(name)} characters, legal: 1..255")
    return b"mpcjax" + bytes([len(name)]) + name + data


def create(name: str, key_path: Path, certificate_path: Path) -> Identity:
    """A new key and certificate in these files, the key's readable to its owner only. Existing files stay as they are.

    Raises `FileExistsError` rather than replace a key.
    """
    for path in (key_path, certificate_path):
        if path.exists():
            raise FileExistsError(f"{path} exists; a key is never replaced: name another place or move it away")
    key = Ed25519PrivateKey.generate()
    certificate = _self_signed(name, key)
    _write(key_path, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()), 0o600)
    _write(certificate_path, certificate.public_bytes(Encoding.PEM), 0o644)
    return Identity(key, Certificate(certificate.public_bytes(Encoding.DER)), key_path, certificate_path)


def _write(path: Path, data: bytes, mode: int) -> None:
    """Writes with its mode from the start: at no moment can others read a key."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(data)


def _self_signed(name: str, key: Ed25519PrivateKey) -> x509.Certificate:
    public = key.public_key()
    # two peers of one name still get different subjects, by which OpenSSL looks certificates up
    number = hashlib.sha256(public.public_bytes(Encoding.Raw, PublicFormat.Raw)).hexdigest()[:32]
    subject = x509.Name(
        [x509.NameAttribute(NameOID.COMMON_NAME, name), x509.NameAttribute(NameOID.SERIAL_NUMBER, number)]
    )
    usage = x509.KeyUsage(True, *(False,) * 8)  # digital signatures only
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime.datetime(2000, 1, 1))
        .not_valid_after(datetime.datetime(9999, 12, 31))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .sign(key, None)
    )


def _read(path: Path, what: str) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(FILE_BYTES + 1)
    except FileNotFoundError:
        raise ValueError(f"{what} {path} does not exist; `mpcjax keys` makes one") from None
    except OSError as error:
        raise ValueError(f"{what} {path} cannot be read: {error.strerror}") from None
    if len(data) > FILE_BYTES:
        raise ValueError(f"{what} {path} has more than {FILE_BYTES} bytes: it is something else")
    return data


def load_certificate(path: Path) -> Certificate:
    """The one certificate in a PEM file, of an Ed25519 key. Raises `ValueError` that names the file and the fix."""
    data = _read(path, "certificate")
    try:
        found = x509.load_pem_x509_certificates(data)
    except ValueError as error:
        raise ValueError(f"certificate {path} is no PEM certificate: {error}") from None
    if len(found) != 1:
        raise ValueError(f"certificate {path} holds {len(found)} certificates, legal: 1, the peer's own")
    certificate = Certificate(found[0].public_bytes(Encoding.DER))
    try:
        _ = certificate.key
    except ValueError as error:
        raise ValueError(f"certificate {path}: {error}; `mpcjax keys` makes such a one") from None
    return certificate


def check_permissions(path: Path) -> None:
    """Raises `ValueError` where others than the owner may read or write a key."""
    mode = stat.S_IMODE(path.stat().st_mode)
    if os.name == "posix" and mode & 0o077:
        raise ValueError(f"key {path} has permissions {mode:04o}, legal: 0600; run `chmod 600 {path}`")


def load(key_path: Path, certificate_path: Path) -> Identity:
    """A peer's own identity. Raises `ValueError` that names the file, what is wrong with it, and the fix."""
    data = _read(key_path, "key")
    check_permissions(key_path)
    try:
        key = load_pem_private_key(data, password=None)
    except (ValueError, TypeError) as error:
        raise ValueError(f"key {key_path} is no PEM key without a password: {error}") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise ValueError(f"key {key_path} is of type {type(key).__name__}, legal: Ed25519; `mpcjax keys` makes one")
    certificate = load_certificate(certificate_path)
    if key.public_key() != certificate.key:
        raise ValueError(
            f"key {key_path} does not belong to certificate {certificate_path}; "
            "copy the pair that `mpcjax keys` made together"
        )
    return Identity(key, certificate, key_path, certificate_path)
