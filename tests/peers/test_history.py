"""What a peer that was away is told, and how often; and that a peer from which an outcome is withheld asks for it later."""

from __future__ import annotations

import struct
from types import SimpleNamespace
from typing import Any

import numpy as np

from mpcjax.peers.conduct import Conduct
from mpcjax.peers.history import History, Record
from mpcjax.peers.links import Lost
from mpcjax.peers.outcome import Outcome
from mpcjax.peers.peer import Peer
from tests.peers._memory import Net


def question(number: int, turn: int) -> bytes:
    return struct.pack("<cII", b"H", number, turn)


def test_questions_that_come_too_often_are_not_answered() -> None:
    net, sent = Net(3, slot=60.0), list[Any]()
    net.ends[0].send = lambda *what: sent.append(what[:3])  # type: ignore[method-assign]
    history = History(net.ends[0], 1, Record(0, (0, 1, 2), Conduct(), Outcome.blank(4, 3, 3, False)))
    for turn in range(100):
        assert history.answer(1, question(0, turn))
    assert history.answer(2, question(5, 1)) and not history.answer(2, b"another")
    assert [(peer, label) for peer, _, label in sent] == [(1, "history/0/0"), (2, "history/5/1")]


def test_a_peer_that_is_not_given_an_accepted_outcome_asks_all_for_it() -> None:
    def withheld(*_: Any) -> Any:
        raise Lost(1, "outcome", "did not come", late=True)

    later = SimpleNamespace(number=7, attempt=0)
    node: Any = SimpleNamespace(round=withheld, missed=lambda number: (later, False))
    peer = object.__new__(Peer)
    peer._behind = False
    assert peer._done(node, 7, np.zeros(3, np.float32), None) is later and peer._behind
