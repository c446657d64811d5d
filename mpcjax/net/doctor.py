"""What is wrong with a peer's configuration, and what to do: checks as data, nothing is printed and nothing is changed.

Run it before the peer itself: it binds the peer's own address. It says nothing to the others beyond a TLS handshake, so it
disturbs no run. Clocks are not checked, as nothing depends on them.
"""

from __future__ import annotations

import dataclasses
import socket
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path

from mpcjax.net import config as configs
from mpcjax.net import identity as identities
from mpcjax.net.config import Config, Peer
from mpcjax.net.endpoint import listening
from mpcjax.net.identity import Identity
from mpcjax.net.tls import context, member


@dataclasses.dataclass(frozen=True)
class Check:
    """`ok` or not, in short what was found, and what to do where it is not."""

    name: str
    ok: bool
    found: str
    remedy: str = ""


def agreed(path: str | Path, name: str, terms: Callable[[Config], str]) -> list[Check]:
    """One check of what all peers have alike: what `terms` says of the configuration, or why it raises ValueError."""
    try:
        config = configs.load(path)
    except ValueError:
        return []  # it has been said
    try:
        return [Check(name, True, terms(config))]
    except (TypeError, ValueError) as error:
        return [Check(name, False, str(error), f"change [run] as said ({name}), at all peers alike")]


def examine(path: str | Path, seconds: float = 3.0) -> list[Check]:
    """All checks of the configuration in this file, at most `seconds` for each other peer. Raises nothing."""
    return list(_examine(Path(path), seconds))


def _examine(path: Path, seconds: float) -> Iterator[Check]:
    try:
        config = configs.load(path)
    except ValueError as error:
        yield Check("configuration", False, str(error), "change the file as said")
        return
    yield Check("configuration", True, f"{config.consortium}: {len(config.peers)} peers, this is {config.me.name}")
    yield Check("agreement", True, f"{config.agreement().hex()[:16]}: compare it with the other peers'")
    yield _permissions(config)
    yield _own_address(config)
    try:
        identity = config.identity()
    except ValueError as error:
        yield Check("key", False, str(error), "without it no peer can be reached")
        return
    yield Check("key", True, f"belongs to the certificate {identity.certificate.fingerprint[:16]}")
    for index, peer in enumerate(config.peers):
        if index != config.index:
            yield from _other(config, identity, index, peer, seconds)


def _permissions(config: Config) -> Check:
    try:
        identities.check_permissions(config.key_path)
    except ValueError as error:
        return Check("key permissions", False, str(error), f"chmod 600 {config.key_path}, and consider who has read it")
    except OSError as error:
        return Check("key permissions", False, f"{config.key_path}: {error.strerror}", "set me.key to the key's path")
    return Check("key permissions", True, "only its owner can read it")


def _own_address(config: Config) -> Check:
    shown = "{}:{}".format(*config.listen)
    try:
        listening(config.listen).close()
    except OSError as error:
        remedy = "do as said; where it is this very peer that runs there, all is well"
        return Check("own address", False, str(error.strerror or error), remedy)
    return Check("own address", True, f"{shown} can be bound")


def _other(config: Config, identity: Identity, index: int, peer: Peer, seconds: float) -> Iterator[Check]:
    where = f"{peer.host}:{peer.port}"
    try:
        found = socket.getaddrinfo(peer.host, peer.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        remedy = f"correct consortium.peers[{index}].address, or the name service"
        yield Check(f"{peer.name}: address", False, f"{peer.host}: {error}", remedy)
        return
    yield Check(f"{peer.name}: address", True, f"{peer.host} is {found[0][4][0]}")
    try:
        connection = socket.create_connection((peer.host, peer.port), timeout=seconds)
    except OSError as error:
        remedy = f"start {peer.name}, or let this machine through the firewall there"
        yield Check(f"{peer.name}: reachable", False, f"{where}: {error}", remedy)
        return
    with connection:
        yield Check(f"{peer.name}: reachable", True, where)
        yield _certificate(config, identity, index, peer, connection)


def _certificate(config: Config, identity: Identity, index: int, peer: Peer, connection: socket.socket) -> Check:
    name = f"{peer.name}: certificate"
    ask = f"ask {peer.name} for its certificate, or correct the address"
    try:
        with context(config, identity, server=False).wrap_socket(connection) as secured:
            shown = member(config, secured)
    except ssl.SSLCertVerificationError:
        return Check(name, False, "it shows a certificate that is nobody's of the consortium", ask)
    except OSError as error:  # ssl.SSLError is one
        return Check(name, False, f"no TLS 1.3: {error}", f"see that {peer.name} runs mpcjax at this address")
    if shown != index:
        other = "nobody" if shown is None else config.peers[shown].name
        return Check(name, False, f"{other} answers there", f"correct consortium.peers[{index}].address")
    return Check(name, True, "is the one listed")
