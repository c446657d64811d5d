"""A peer's configuration, `peer.toml`: what the consortium agreed on, and what this peer decides alone.

    [consortium]                      # the same for everybody, in the same order
    name = "hospitals"
    [[consortium.peers]]
    name = "north"
    address = "north.example:7000"    # may differ between peers, behind a NAT
    certificate = "north.crt"         # PEM; relative to this file
    fingerprint = "3f..."             # optional: SHA-256 of the certificate, 64 hexadecimal digits

    [run.training]                    # free, the same for everybody; this and run.protocol are what `mpcjax peer` reads:
    rule = "centered_clipping"        # see `mpcjax.train.Settings`

    [run.protocol]                    # optional: see `mpcjax.peers.peer.Terms`
    corrupt = 2

    [me]                              # this peer alone
    name = "north"
    key = "north.key"
    listen = "0.0.0.0:7000"           # optional: its own address otherwise

    [limits]                          # optional, this peer alone
    connect_seconds = 10.0            # one attempt to connect, TLS and greeting included
    step_seconds = 60.0               # one step of the protocol, where its caller names no deadline
    frame_bytes = 67108864            # the longest payload that is taken
    inbox_bytes = 268435456           # what is kept of one peer's messages until they are asked for
    queue_bytes = 268435456           # what is kept for one peer until it has taken it

A certificate is needed in full, its fingerprint does not do: Python's ssl cannot accept a client whose certificate it does
not have, in order to look at it afterwards.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import tomllib
from pathlib import Path
from typing import Any

from mpcjax.net import identity
from mpcjax.net.identity import Certificate
from mpcjax.net.tables import Table, address, free

MAX_PEERS = 10_000
FILE_BYTES = 1 << 24
ADDRESS = 'a string "host:port" or "[IPv6]:port" with a port in 1..65535'
_MiB = 1 << 20


@dataclasses.dataclass(frozen=True)
class Peer:
    """A member of the consortium: its name and address there, and the certificate that it is."""

    name: str
    host: str
    port: int
    certificate: Certificate = dataclasses.field(repr=False)
    certificate_path: Path


@dataclasses.dataclass(frozen=True)
class Limits:
    """Seconds and bytes, see the module. What does not fit a frame cannot be sent."""

    connect_seconds: float = 10.0
    step_seconds: float = 60.0
    frame_bytes: int = 64 * _MiB
    inbox_bytes: int = 256 * _MiB
    queue_bytes: int = 256 * _MiB


@dataclasses.dataclass(frozen=True)
class Config:
    """A checked `peer.toml`. `index` is this peer's place among `peers`; `run` is free and made of plain values."""

    consortium: str
    peers: tuple[Peer, ...]
    index: int
    key_path: Path
    listen: tuple[str, int]
    limits: Limits
    run: dict[str, Any]

    @property
    def me(self) -> Peer:
        return self.peers[self.index]

    def digests(self) -> tuple[bytes, bytes]:
        """SHA-256 of what all peers must share: of the consortium (name, peers in order, certificates), of `run`."""
        members = [[peer.name, peer.certificate.fingerprint] for peer in self.peers]
        return _digest([self.consortium, members]), _digest(self.run)

    def agreement(self) -> bytes:
        """32 bytes that are the same for two peers only if they agree on all of `digests`."""
        return hashlib.sha256(b"mpcjax agreement 1" + b"".join(self.digests())).digest()

    def identity(self) -> identity.Identity:
        """This peer's key and certificate. Raises `ValueError` as `mpcjax.net.identity.load` does."""
        return identity.load(self.key_path, self.me.certificate_path)


def _digest(value: Any) -> bytes:
    """Of JSON with sorted keys: one text for one value. 1 and 1.0 are different values, as they are in TOML."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return hashlib.sha256(text.encode()).digest()


def load(path: str | Path) -> Config:
    """The configuration in this file. Raises `ValueError` that names file, key, value, legal range and fix."""
    path = Path(path)
    try:
        with path.open("rb") as file:
            data = file.read(FILE_BYTES + 1)
    except OSError as error:
        raise ValueError(f"configuration {path} cannot be read: {error.strerror}; `mpcjax keys` makes one") from None
    try:
        if len(data) > FILE_BYTES:
            raise ValueError(f"longer than {FILE_BYTES} bytes")
        return parse(tomllib.loads(data.decode()), path.parent)
    except ValueError as error:  # TOMLDecodeError and UnicodeDecodeError are such
        raise ValueError(f"configuration {path}: {error}") from None


def parse(values: dict[str, Any], folder: Path) -> Config:
    """The configuration with these TOML values; paths in it are relative to `folder`. Raises as `load` does."""
    top = Table(values, "the file", ("consortium", "run", "me", "limits"))
    for section in ("consortium", "me"):
        if section not in values:
            raise top.wrong(section, f"a table [{section}]")
    if not isinstance(values.get("run", {}), dict):
        raise top.wrong("run", "a table [run]")
    consortium = Table(values["consortium"], "consortium", ("name", "peers"))
    name, peers = consortium.name("name"), _peers(consortium, folder)
    me = Table(values["me"], "me", ("name", "key", "listen"))
    names = [peer.name for peer in peers]
    if me.name("name") not in names:
        raise me.wrong("name", f"the name of one of consortium.peers: {', '.join(names)}")
    index = names.index(me.name("name"))
    key = folder / me.text("key", "the path of this peer's key, which `mpcjax keys` makes")
    listen = peers[index].host, peers[index].port
    if "listen" in me.values:
        listen = address(me.text("listen", ADDRESS), me.wrong("listen", ADDRESS))
    limits = _limits(values.get("limits", {}))
    return Config(name, peers, index, key, listen, limits, free(values.get("run", {}), "run"))


def _peers(consortium: Table, folder: Path) -> tuple[Peer, ...]:
    entries = consortium.values.get("peers")
    if not isinstance(entries, list) or not 2 <= len(entries) <= MAX_PEERS:
        raise consortium.wrong("peers", f"2..{MAX_PEERS} tables [[consortium.peers]]")
    peers = tuple(_peer(entry, f"consortium.peers[{i}]", folder) for i, entry in enumerate(entries))
    for what in ("name", "certificate", "address"):
        first: dict[Any, int] = {}
        for i, peer in enumerate(peers):
            value = (peer.host, peer.port) if what == "address" else getattr(peer, what)
            if first.setdefault(value, i) != i:
                shown = entries[i][what]
                raise ValueError(
                    f"consortium.peers[{i}].{what} is {shown!r}, legal: another than consortium.peers[{first[value]}] has"
                )
    return peers


def _peer(entry: Any, where: str, folder: Path) -> Peer:
    table = Table(entry, where, ("name", "address", "certificate", "fingerprint"))
    name = table.name("name")
    host, port = address(table.text("address", ADDRESS), table.wrong("address", ADDRESS))
    path = folder / table.text("certificate", f"the path of {name}'s certificate in PEM")
    try:
        certificate = identity.load_certificate(path)
    except ValueError as error:
        raise ValueError(f"{where}.certificate: {error}") from None
    given = table.values.get("fingerprint", certificate.fingerprint)
    if not isinstance(given, str) or given.replace(":", "").lower() != certificate.fingerprint:
        raise table.wrong("fingerprint", f"the one of {path}, {certificate.fingerprint}; ask {name} which is right")
    return Peer(name, host, port, certificate, path)


def _limits(values: Any) -> Limits:
    default = Limits()
    table = Table(values, "limits", tuple(field.name for field in dataclasses.fields(Limits)))
    frame = table.integer("frame_bytes", default.frame_bytes, 4096, 1 << 40, "bytes")

    def kept(key: str) -> int:  # one frame at least, with what is booked for each besides its payload
        legal = "bytes (2 frame_bytes or more)"
        return table.integer(key, max(getattr(default, key), 4 * frame), 2 * frame, 1 << 44, legal)

    def seconds(key: str) -> float:
        return table.number(key, getattr(default, key), 0.05, 86_400, "seconds")

    return Limits(seconds("connect_seconds"), seconds("step_seconds"), frame, kept("inbox_bytes"), kept("queue_bytes"))
