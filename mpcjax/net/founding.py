"""New peers: a key, a certificate and what to tell the others; or a whole consortium on one machine, for trying."""

from __future__ import annotations

import json
import socket
from pathlib import Path

from mpcjax.net.identity import create
from mpcjax.net.tables import NAME, address

MAX_LOCAL = 256


def peer(name: str, where: str, folder: Path) -> str:
    """Makes `<name>.key` and `<name>.crt` in `folder`; returns the entry for everybody's `peer.toml`.

    Raises `ValueError` for a name or an address that no configuration may have, `FileExistsError` before replacing a key.
    """
    if not NAME.fullmatch(name):
        raise ValueError(f"name is {name!r}, legal: 1 to 64 letters, digits and . _ - (a letter or digit first)")
    address(where, ValueError(f'address is {where!r}, legal: "host:port" or "[IPv6]:port"'))
    folder.mkdir(parents=True, exist_ok=True)
    made = create(name, folder / f"{name}.key", folder / f"{name}.crt")
    return _entry(name, where, f"{name}.crt", made.certificate.fingerprint)


def local(peers: int, folder: Path, first_port: int) -> list[Path]:
    """A consortium of `peers` on loopback: their keys, certificates and configurations, of which it returns the paths.

    Ports are the first so many consecutive free ones from `first_port` on. Raises `ValueError`, and `FileExistsError`
    rather than replace anything.
    """
    if not 2 <= peers <= MAX_LOCAL:
        raise ValueError(f"number of local peers is {peers}, legal: 2..{MAX_LOCAL}")
    names, ports = [f"peer{i}" for i in range(peers)], free_ports(peers, first_port)
    entries = [peer(name, f"127.0.0.1:{port}", folder) for name, port in zip(names, ports, strict=True)]
    text = '[consortium]\nname = "local"\n\n' + "\n".join(entries) + '\n[run.training]\nrule = "mean"\n'
    paths = [folder / f"{name}.toml" for name in names]
    for name, path in zip(names, paths, strict=True):
        with path.open("x") as file:
            file.write(f'{text}\n[me]\nname = "{name}"\nkey = "{name}.key"\n')
    return paths


def free_ports(count: int, first: int) -> list[int]:
    """The first `count` consecutive ports of the loopback from `first` on that are free now."""
    if not 1 <= first <= 65_536 - count:
        raise ValueError(f"first port is {first}, legal: 1..{65_536 - count} for {count} peers")
    run: list[int] = []
    for port in range(first, 65_536):
        run = [*run, port] if _is_free(port) else []
        if len(run) == count:
            return run
    raise ValueError(f"there are no {count} free consecutive ports from {first} on; choose a smaller first port")


def _is_free(port: int) -> bool:
    with socket.socket() as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _entry(name: str, where: str, certificate: str, fingerprint: str) -> str:
    values = dict(name=name, address=where, certificate=certificate, fingerprint=fingerprint)
    # a JSON string of these is a TOML string
    return "[[consortium.peers]]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in values.items())
