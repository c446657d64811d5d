"""Rounds between peers that run in processes of their own."""

from __future__ import annotations

import math
from typing import Any

from mpcjax.peers.links import Lost

__all__ = ["Lost", "connect"]


def connect(config: Any, *, session: Any = None, seconds: float = math.inf) -> Any:
    """This process becomes one peer of a consortium: connects with all others and makes a seed for all committees.

    Args:
        config: path of a `peer.toml` (see `mpcjax.net.config`; `mpcjax keys` makes one, `mpcjax doctor` checks it).
        session: path of a file that this peer keeps of the session, made here. If it is there the peer comes back to that
            session, and waits for nobody. It is written in every round: never put an old copy in its place. By default
            nothing is kept, and a peer cannot come back.
        seconds: how long to wait for the others; for ever by default.

    Returns a `mpcjax.peers.peer.Peer`, whose `aggregate(update, rule, round=0)` is `mpcjax.aggregate` of this peer's own
    update and the others'. Privacy holds here, unlike in `mpcjax.simulate`: no process has more than its own shares.

    Raises ValueError for what is wrong in the configuration or the file, TimeoutError or `Lost` for peers that do not come,
    `Abort` where one tells different things. Needs the extra `mpcjax[peer]`.
    """
    from mpcjax.peers.peer import connected  # with what the extra [peer] adds

    return connected(config, session, seconds)
