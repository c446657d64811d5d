"""The doctor finds what is wrong, says what to do, and disturbs nobody; the command prints it."""

from __future__ import annotations

import json
import socket
import stat
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mpcjax.cli import app
from mpcjax.net import Channels
from mpcjax.net import config as configs
from mpcjax.net.doctor import Check, examine
from mpcjax.net.founding import free_ports, local
from mpcjax.train import consortium
from tests.net._consortium import data, due

FIRST_PORT = 23_000


@pytest.fixture
def paths(tmp_path, worker_id) -> list[Path]:
    """Three peers on this machine; each worker tries ports of its own."""
    worker = int(worker_id.removeprefix("gw")) if worker_id.startswith("gw") else 0
    return local(3, tmp_path, FIRST_PORT + 100 * worker)


def wrong(path: Path) -> dict[str, Check]:
    return {check.name: check for check in examine(path, seconds=1.0) if not check.ok}


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def running(path: Path) -> Channels:
    """To be entered: the peer runs until it is left."""
    config = configs.load(path)
    return Channels(config, config.identity())


def test_all_is_well(paths):
    with running(paths[1]) as b, running(paths[2]) as c:
        assert wrong(paths[0]) == {}
        assert {check.name for check in examine(paths[0])} >= {"key", "own address", "peer1: certificate"}
        b.wait_connected(["peer2"])
        assert b.faults("peer0") == c.faults("peer0") == {}  # a greeting that never comes is no fault


def test_a_running_peer_is_not_disturbed(paths, caplog):
    caplog.set_level("INFO", "mpcjax.net")
    with running(paths[0]) as a, running(paths[1]) as b, running(paths[2]):
        assert len(a.wait_connected()) == 2
        assert set(wrong(paths[0])) == {"own address"}  # its own peer has it
        a.send("peer1", data())
        b.receive("peer0", **due())
        assert "disconnected" not in caplog.text


def test_the_command_is_installed():
    scripts = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]["scripts"]
    assert scripts == {"mpcjax": "mpcjax.cli:app"} and callable(app)
    done = subprocess.run([sys.executable, "-m", "mpcjax"], capture_output=True, text=True, timeout=120, check=False)
    assert "doctor" in done.stdout + done.stderr and "keys" in done.stdout + done.stderr


def test_what_local_makes_works(paths):
    with running(paths[0]) as a, running(paths[1]) as b:
        a.send("peer1", data())
        b.receive("peer0", **due())


def test_no_file(tmp_path):
    (check,) = examine(tmp_path / "peer.toml")
    assert not check.ok and "cannot be read" in check.found and "mpcjax keys" in check.found


def test_a_wrong_value(paths):
    edit(paths[0], 'name = "peer0"\nkey', 'name = "peer9"\nkey')
    assert "me.name is 'peer9'" in wrong(paths[0])["configuration"].found


def test_permissions_of_the_key(paths):
    key = paths[0].parent / "peer0.key"
    key.chmod(0o644)
    found = wrong(paths[0])
    assert "0644" in found["key permissions"].found and f"chmod 600 {key}" in found["key permissions"].remedy


def test_the_key_of_another(paths):
    edit(paths[0], 'key = "peer0.key"', 'key = "peer1.key"')
    assert "does not belong to certificate" in wrong(paths[0])["key"].found


def test_no_key(paths):
    (paths[0].parent / "peer0.key").unlink()
    found = wrong(paths[0])
    assert set(found) == {"key", "key permissions"} and "does not exist" in found["key"].found


def test_own_address_in_use(paths):
    with socket.create_server(("127.0.0.1", configs.load(paths[0]).me.port)):
        assert "in use" in wrong(paths[0])["own address"].found


def test_nobody_there(paths):
    found = wrong(paths[0])
    assert set(found) == {"peer1: reachable", "peer2: reachable"}
    assert "start peer1" in found["peer1: reachable"].remedy


def test_an_address_that_is_none(paths):
    edit(paths[0], f"127.0.0.1:{configs.load(paths[0]).peers[1].port}", "nowhere.invalid:7000")
    assert "consortium.peers[1].address" in wrong(paths[0])["peer1: address"].remedy


def test_another_member_answers(paths):
    ports = [peer.port for peer in configs.load(paths[0]).peers]
    edit(paths[0], f":{ports[2]}", ":1")
    edit(paths[0], f":{ports[1]}", f":{ports[2]}")
    with running(paths[2]):
        assert wrong(paths[0])["peer1: certificate"].found == "peer2 answers there"


def test_a_stranger_answers(paths, tmp_path):
    port = configs.load(paths[0]).peers[1].port
    strangers = local(2, tmp_path / "others", free_ports(2, port + 10)[0])
    other = configs.load(strangers[1]).me.port
    edit(paths[0], f":{port}", f":{other}")
    with running(strangers[1]):
        assert "nobody's of the consortium" in wrong(paths[0])["peer1: certificate"].found


def test_something_else_answers(paths):
    with socket.create_server(("127.0.0.1", configs.load(paths[0]).peers[1].port)):  # accepts and says nothing
        assert "no TLS 1.3" in wrong(paths[0])["peer1: certificate"].found


def run(*arguments: object) -> tuple[int, str]:
    result = CliRunner().invoke(app, [str(a) for a in arguments], env={"COLUMNS": "240", "TERM": "dumb"})
    return result.exit_code, result.output


def test_command_keys_for_one_peer(tmp_path):
    out = tmp_path / "new"
    code, text = run("keys", "--name", "north", "--address", "north.example:7000", "--out", out)
    assert code == 0
    (entry,) = tomllib.loads(text)["consortium"]["peers"] if "consortium" in tomllib.loads(text) else ()
    assert entry["name"] == "north" and entry["certificate"] == "north.crt" and len(entry["fingerprint"]) == 64
    assert stat.S_IMODE((out / "north.key").stat().st_mode) == 0o600
    code, text = run("keys", "--name", "north", "--address", "north.example:7000", "--out", out)
    assert code == 2 and "never replaced" in text


def test_command_keys_for_a_local_consortium(tmp_path):
    code, text = run("keys", "--local", 3, "--out", tmp_path, "--port", FIRST_PORT + 50)
    assert code == 0 and len(text.split()) == 3
    made = [configs.load(path) for path in text.split()]
    assert [config.me.name for config in made] == ["peer0", "peer1", "peer2"]
    assert len({config.agreement() for config in made}) == 1
    ports = [peer.port for peer in made[0].peers]
    assert ports == list(range(ports[0], ports[0] + 3)) and ports[0] >= FIRST_PORT + 50
    assert run("keys", "--local", 3, "--out", tmp_path)[0] == 2  # replaces nothing


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "give --name and --address"),
        (("--name", "a"), "give --name and --address"),
        (("--name", "a", "--address", "h:1", "--local", 3), "give --name and --address"),
        (("--name", "a/b", "--address", "h:1"), "name is 'a/b', legal: 1 to 64 letters"),
        (("--name", "a", "--address", "h"), "address is 'h', legal"),
        (("--local", 1), "number of local peers is 1, legal: 2..256"),
        (("--local", 3, "--port", 65534), "first port is 65534, legal: 1..65533"),
    ],
)
def test_command_keys_used_wrongly(tmp_path, arguments, said):
    code, text = run("keys", "--out", tmp_path, *arguments)
    assert code == 2 and said in " ".join(text.replace("│", " ").split())
    assert list(tmp_path.iterdir()) == []


def test_command_doctor(paths):
    code, text = run("doctor", "--config", paths[0], "--seconds", 1)
    assert code == 1 and "WRONG" in text and "peer1: reachable" in text and "start peer1" in text
    with running(paths[1]), running(paths[2]):
        code, text = run("doctor", "--config", paths[0])
    assert code == 0 and "WRONG" not in text


@pytest.mark.parametrize(
    ("given", "said"),
    [('rule = "meen"', "meen"), ("rounds = -5", "run.training.rounds is -5"), ('rules = "mean"', "run.training")],
)
def test_command_doctor_says_what_training_refuses(paths, given, said):
    text = paths[0].read_text()
    assert '[run.training]\nrule = "mean"\n' in text
    paths[0].write_text(text.replace('[run.training]\nrule = "mean"\n', f"[run.training]\n{given}\n"))
    (check,) = consortium.examine(paths[0])
    assert not check.ok and said in check.found and "at all peers" in check.remedy
    code, text = run("doctor", "--config", paths[0], "--seconds", 0.1)
    assert code == 1 and "training" in text


@pytest.mark.parametrize(("package", "module"), [("cryptography", "mpcjax.net"), ("typer", "mpcjax.cli")])
def test_without_the_extra_it_is_named(package, module):
    code = f"import sys; sys.modules[{json.dumps(package)}] = None; import {module}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode and 'pip install "mpcjax[peer]"' in done.stderr
