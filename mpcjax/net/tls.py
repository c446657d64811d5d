"""TLS between peers: version 1.3 and no other, both sides show a certificate, and only the consortium's are taken."""

from __future__ import annotations

import ssl

from mpcjax.net.config import Config
from mpcjax.net.identity import Identity, fingerprint


def context(config: Config, identity: Identity, *, server: bool) -> ssl.SSLContext:
    """For connections that this peer accepts (`server`) or makes.

    The certificates of the consortium are the only roots, and none may sign another, so the handshake fails for everybody
    else. Which member it was is then read from the certificate, see `member`.
    """
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if server else ssl.PROTOCOL_TLS_CLIENT)
    made.minimum_version = made.maximum_version = ssl.TLSVersion.TLSv1_3
    made.check_hostname = False  # who it is follows from the certificate itself, not from an address
    made.verify_mode = ssl.CERT_REQUIRED
    if server:
        made.num_tickets = 0  # no resumption: every connection shows its certificate
    made.load_cert_chain(identity.certificate_path, identity.key_path)
    made.load_verify_locations(cadata="".join(peer.certificate.pem for peer in config.peers))
    return made


def member(config: Config, connection: ssl.SSLObject | ssl.SSLSocket) -> int | None:
    """The index of the peer whose very certificate the other side has shown; None if it is nobody's."""
    der = connection.getpeercert(binary_form=True)
    shown = fingerprint(der) if der else ""
    return next((i for i, peer in enumerate(config.peers) if peer.certificate.fingerprint == shown), None)
