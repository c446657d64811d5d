"""Keys and certificates: made, kept from others, loaded with clear words, and signatures that hold in one context only."""

from __future__ import annotations

import stat

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from mpcjax.net import identity as identities


@pytest.fixture
def made(tmp_path):
    return identities.create("north", tmp_path / "north.key", tmp_path / "north.crt")


def test_created_is_loaded(made):
    again = identities.load(made.key_path, made.certificate_path)
    assert again.certificate == made.certificate and len(made.certificate.fingerprint) == 64
    assert stat.S_IMODE(made.key_path.stat().st_mode) == 0o600
    assert "PrivateKey" not in repr(made)


def test_a_certificate_may_sign_no_other(made):
    certificate = x509.load_der_x509_certificate(made.certificate.der)
    assert certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca is False
    assert certificate.extensions.get_extension_for_class(x509.KeyUsage).value.key_cert_sign is False


def test_a_key_is_never_replaced(made, tmp_path):
    before = made.key_path.read_bytes()
    with pytest.raises(FileExistsError, match="never replaced"):
        identities.create("north", made.key_path, tmp_path / "other.crt")
    assert made.key_path.read_bytes() == before


def test_signatures(made, tmp_path):
    other = identities.create("south", tmp_path / "south.key", tmp_path / "south.crt")
    signature = made.sign("context", b"data")
    assert len(signature) == 64 and made.certificate.verify("context", b"data", signature)
    assert not made.certificate.verify("context", b"date", signature)
    assert not made.certificate.verify("contex", b"tdata", signature)
    assert not made.certificate.verify("other", b"data", signature)
    assert not other.certificate.verify("context", b"data", signature)
    assert not made.certificate.verify("context", b"data", b"")


def test_a_certificate_is_read_once(made, monkeypatch):
    """Reading it takes as long as checking a signature, of which there are hundreds in a round."""
    certificate, read = identities.Certificate(made.certificate.der), []
    loads = x509.load_der_x509_certificate
    monkeypatch.setattr(x509, "load_der_x509_certificate", lambda der: read.append(der) or loads(der))
    signature = made.sign("test", b"data")
    assert all(certificate.verify("test", b"data", signature) for _ in range(3)) and len(read) == 1


@pytest.mark.parametrize("context", ["", "x" * 256])
def test_contexts_have_a_length(made, context):
    with pytest.raises(ValueError, match=r"legal: 1\.\.255"):
        made.sign(context, b"")


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620])
def test_a_key_that_others_can_read(made, mode):
    made.key_path.chmod(mode)
    with pytest.raises(ValueError, match=f"permissions {mode:04o}, legal: 0600; run `chmod 600 "):
        identities.load(made.key_path, made.certificate_path)


def test_a_key_of_another_certificate(made, tmp_path):
    other = identities.create("north", tmp_path / "other.key", tmp_path / "other.crt")
    with pytest.raises(ValueError, match="does not belong to certificate"):
        identities.load(made.key_path, other.certificate_path)


@pytest.mark.parametrize("which", ["key", "crt"])
def test_missing_files(made, tmp_path, which):
    (tmp_path / f"north.{which}").unlink()
    with pytest.raises(ValueError, match=f"north.{which} does not exist; `mpcjax keys`"):
        identities.load(made.key_path, made.certificate_path)


@pytest.mark.parametrize(
    ("which", "content", "said"),
    [
        ("key", b"nonsense", "is no PEM key"),
        ("crt", b"nonsense", "is no PEM certificate"),
        ("crt", b"", "is no PEM certificate|holds 0"),
        ("key", b" " * 70_000, "more than 65536 bytes"),
    ],
)
def test_files_of_something_else(made, tmp_path, which, content, said):
    (tmp_path / f"north.{which}").write_bytes(content)
    with pytest.raises(ValueError, match=said):
        identities.load(made.key_path, made.certificate_path)


def test_two_certificates_in_a_file(made):
    made.certificate_path.write_bytes(2 * made.certificate_path.read_bytes())
    with pytest.raises(ValueError, match="holds 2 certificates"):
        identities.load_certificate(made.certificate_path)


def test_a_key_of_another_kind(made):
    key = generate_private_key(SECP256R1())
    made.key_path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    with pytest.raises(ValueError, match="legal: Ed25519"):
        identities.load(made.key_path, made.certificate_path)
