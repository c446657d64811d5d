"""A peer's side of training with others: what its configuration says, what it leaves behind, and how it goes on from that.

The others are not here: rounds between peers are tested in tests/peers, and all of it by `make demo-network`.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

import mpcjax
from mpcjax.net import config as configs
from mpcjax.net.founding import local
from mpcjax.train.consortium import Plan, train_as_peer

TRAINING = '[run.training]\nrule = "mean"\nmodel = "small"\nrounds = {rounds}\ndataset = "digits"\n'


def configuration(folder: Path, rounds: int = 2, text: str = TRAINING) -> Path:
    path = local(3, folder, 23_000)[0]
    path.write_text(path.read_text().replace('[run.training]\nrule = "mean"\n', text.format(rounds=rounds)))
    return path


class Alone:
    """Stands for the peer that `connect` gives: the aggregate is its own update, the report that of a small round."""

    number = 0

    def __init__(self) -> None:
        self.rounds: list[int] = []

    def __enter__(self) -> Alone:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def aggregate(self, update: Any, rule: Any, *, round: int) -> Any:
        self.rounds.append(round)
        done = mpcjax.aggregate(jnp.ones((3, 2)), "rsa", committee=mpcjax.simulate(3), key=b"k" * 32, round=round)
        return dataclasses.replace(done, value=update)


def test_a_peer_that_comes_back_goes_on_with_its_session(tmp_path: Path) -> None:
    sessions, peers = [], []

    def connect(config: configs.Config, *, session: Path) -> Alone:
        sessions.append(session)
        peers.append(Alone())
        return peers[-1]

    path, state = configuration(tmp_path), tmp_path / "state"
    first = train_as_peer(path, state, connect=connect)
    path.write_text(path.read_text().replace("rounds = 2", "rounds = 3"))
    second = train_as_peer(path, state, connect=connect)
    assert sessions == [state / "session.json"] * 2 and [peer.rounds for peer in peers] == [[0, 1], [2]]
    assert [record["round"] for record in second.records] == [0, 1, 2]
    assert not np.array_equal(first.state["params"], second.state["params"])
    assert {file.name for file in state.iterdir()} == {"checkpoint", "rounds.jsonl"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[run.training]\nrule = "means"\n', r"run\.training: .*means.*legal"),
        ("[run.training]\nround = 3\n", r"unknown key 'round'; did you mean 'rounds'"),
        ("[run.training]\nrounds = 0\n", r"run\.training\.rounds is 0, legal: a whole number of rounds in 1"),
        ("[run.training]\npeers = 4\n", r"unknown key 'peers'"),
        ('[run]\nrule = "median"\n', r"run has the unknown key 'rule'"),  # or another rule would be trained with
    ],
)
def test_what_is_wrong_in_a_plan_is_named(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Plan.of(configs.load(configuration(tmp_path, text=text)))
