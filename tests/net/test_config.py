"""`peer.toml`: a right one is read, and every wrong value is named with its key and what is legal."""

from __future__ import annotations

import copy

import pytest

from mpcjax.net import config as configs
from mpcjax.net.config import Config
from mpcjax.net.identity import create

KEYS: dict = {}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("certificates")
    for name in ("north", "south", "west"):
        KEYS[name] = create(name, folder / f"{name}.key", folder / f"{name}.crt").certificate.fingerprint
    return folder


def values() -> dict:
    peers = [
        dict(name=name, address=f"{name}.example:700{i}", certificate=f"{name}.crt")
        for i, name in enumerate(("north", "south"))
    ]
    return dict(
        consortium=dict(name="hospitals", peers=peers),
        run=dict(rule="centered_clipping", clip=10.0, model=dict(width=[64, 10])),
        me=dict(name="south", key="south.key", listen="0.0.0.0:7001"),
        limits=dict(connect_seconds=3, step_seconds=90.5, frame_bytes=1 << 20),
    )


def test_a_right_one(folder):
    config = configs.parse(values(), folder)
    assert (config.me.name, config.index, config.listen) == ("south", 1, ("0.0.0.0", 7001))
    assert (config.peers[0].host, config.peers[0].port) == ("north.example", 7000)
    assert config.limits.frame_bytes == 1 << 20 and config.limits.inbox_bytes >= 2 << 20
    assert config.run["model"] == {"width": [64, 10]}
    assert config.identity().certificate == config.me.certificate


def test_defaults(folder):
    shorter = values()
    del shorter["limits"], shorter["run"], shorter["me"]["listen"]
    config = configs.parse(shorter, folder)
    assert config.limits == configs.Limits() and config.run == {} and config.listen == ("south.example", 7001)


def changed(path: tuple, value: object) -> dict:
    """`values()` with another value at this path; the value `...` takes it away."""
    made = copy.deepcopy(values())
    at = made
    for key in path[:-1]:
        at = at[key]
    if value is ...:
        del at[path[-1]]
    else:
        at[path[-1]] = value
    return made


FIRST = ("consortium", "peers", 0)
WRONG = [
    (("consortium",), ..., "the file.consortium is missing, legal: a table [consortium]"),
    (("me",), ..., "the file.me is missing"),
    (("me",), 3, "me is 3, legal: a table with name, key, listen"),
    (("run",), 3, "the file.run is 3, legal: a table [run]"),
    (("limit",), {}, "the file has the unknown key 'limit'; did you mean 'limits'?"),
    (("consortium", "name"), "", "consortium.name is '', legal: 1 to 64 letters"),
    (("consortium", "name"), "a b", "consortium.name is 'a b'"),
    (("consortium", "peers"), ..., "consortium.peers is missing, legal: 2..10000 tables"),
    (("consortium", "peers"), {}, "consortium.peers is {}"),
    (("consortium", "peers", 1), ..., "legal: 2..10000"),
    (FIRST, "north", "consortium.peers[0] is 'north', legal: a table"),
    ((*FIRST, "name"), "south", "consortium.peers[1].name is 'south', legal: another than consortium.peers[0] has"),
    ((*FIRST, "name"), 3, "consortium.peers[0].name is 3"),
    ((*FIRST, "name"), "../x", "consortium.peers[0].name is '../x'"),
    ((*FIRST, "adress"), "x:1", "unknown key 'adress'; did you mean 'address'?"),
    ((*FIRST, "address"), ..., "consortium.peers[0].address is missing"),
    ((*FIRST, "address"), "south.example:7001", "consortium.peers[1].address is 'south.example:7001', legal: another"),
    *[
        ((*FIRST, "address"), text, f"consortium.peers[0].address is '{text}', legal: a string \"host:port\"")
        for text in ("host", "host:", ":70", "host:0", "host:65536", "host:-1", "host:7x", "::1:70", "h:99999999999")
    ],
    ((*FIRST, "certificate"), "south.crt", "consortium.peers[1].certificate is 'south.crt', legal: another"),
    ((*FIRST, "certificate"), "none.crt", "none.crt does not exist"),
    (
        (*FIRST, "certificate"),
        ...,
        "consortium.peers[0].certificate is missing, legal: the path of north's certificate",
    ),
    ((*FIRST, "fingerprint"), "0" * 64, "consortium.peers[0].fingerprint is '0000"),
    ((*FIRST, "fingerprint"), 5, "consortium.peers[0].fingerprint is 5"),
    (("me", "name"), "east", "me.name is 'east', legal: the name of one of consortium.peers: north, south"),
    (("me", "key"), ..., "me.key is missing"),
    (("me", "listen"), "7001", "me.listen is '7001', legal: a string"),
    (("me", "listen"), 7001, "me.listen is 7001"),
    (("limits",), [], "limits is []"),
    (("limits", "step_second"), 3, "did you mean 'step_seconds'?"),
    (("limits", "connect_seconds"), 0, "limits.connect_seconds is 0, legal: a number of seconds in 0.05..86400"),
    (("limits", "step_seconds"), "60", "limits.step_seconds is '60'"),
    (("limits", "step_seconds"), float("nan"), "limits.step_seconds is nan"),
    (("limits", "step_seconds"), True, "limits.step_seconds is True"),
    (("limits", "frame_bytes"), 100, "limits.frame_bytes is 100, legal: a whole number of bytes in 4096.."),
    (("limits", "frame_bytes"), 1e6, "limits.frame_bytes is 1000000.0"),
    (("limits", "inbox_bytes"), 1 << 20, "limits.inbox_bytes is 1048576, legal: a whole number of bytes"),
    (("limits", "queue_bytes"), 1 << 20, "limits.queue_bytes is 1048576"),
    (("run", "clip"), float("inf"), "run.clip is inf, legal: a string, a finite number"),
    (("run", "model", "width"), [1, None], "run.model.width[1] is None"),
]


@pytest.mark.parametrize(("path", "value", "said"), WRONG)
def test_wrong_values(folder, path, value, said):
    with pytest.raises(ValueError) as caught:
        configs.parse(changed(path, value), folder)
    assert said in str(caught.value)


def test_fingerprints_are_taken_with_colons(folder):
    text = ":".join(KEYS["north"][i : i + 2].upper() for i in range(0, 64, 2))
    assert configs.parse(changed((*FIRST, "fingerprint"), text), folder).peers[0].name == "north"


def test_ipv6(folder):
    config = configs.parse(changed((*FIRST, "address"), "[::1]:70"), folder)
    assert (config.peers[0].host, config.peers[0].port) == ("::1", 70)


@pytest.mark.parametrize(
    ("content", "said"),
    [(None, "cannot be read"), (b"[me", "Expected"), (b"\xff", "decode"), (b"", "the file.consortium is missing")],
)
def test_files_say_their_name(tmp_path, content, said):
    path = tmp_path / "peer.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ValueError, match=r"peer\.toml") as caught:
        configs.load(path)
    assert said in str(caught.value)


def agreement(made: dict, folder) -> bytes:
    config: Config = configs.parse(made, folder)
    return config.agreement()


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("me", "name"), "north"),
        (("me", "listen"), "0.0.0.0:1"),
        (("limits",), {}),
        ((*FIRST, "address"), "elsewhere:7000"),
        (("run",), dict(model=dict(width=[64, 10]), clip=10.0, rule="centered_clipping")),  # another order of keys
    ],
)
def test_what_peers_need_not_share(folder, path, value):
    assert agreement(changed(path, value), folder) == agreement(values(), folder)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("consortium", "name"), "banks"),
        (("consortium", "peers"), values()["consortium"]["peers"][::-1]),
        ((*FIRST, "name"), "nord"),
        ((*FIRST, "certificate"), "west.crt"),
        (("run", "clip"), 10),
        (("run", "more"), 0),
        (("run", "model", "width"), [10, 64]),
    ],
)
def test_what_peers_must_share(folder, path, value):
    assert agreement(changed(path, value), folder) != agreement(values(), folder)
