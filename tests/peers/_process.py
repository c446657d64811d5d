"""A peer as a process: rounds of its own updates, a line about each; dies where it is told to.

    python -m tests.peers._process CONFIG RECORD CACHE ROUNDS [LABEL]

LABEL: it is killed in the midst of the first message from round 1 on whose label starts so, when one receiver has it and the
others have not; of a notice if it is "notice".
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import jax
import numpy as np

import mpcjax
from mpcjax.errors import Abort
from mpcjax.peers.claims import about

LENGTH = 40


def dies(links: Any, label: str) -> None:
    """From now on the message of this label is its last."""
    send, notify = links.send, links.notify

    def last(begun: bool) -> None:
        if begun:
            time.sleep(0.1)  # what the first receiver gets is on its way
            os.kill(os.getpid(), signal.SIGKILL)

    def sends(to: int, when: tuple[int, int], name: str, x: np.ndarray) -> None:
        send(to, when, name, x)
        last(when[0] >= 1 and name.startswith(label))

    def notifies(to: int, notice: np.ndarray) -> None:
        notify(to, notice)
        when = about(notice)
        last(label == "notice" and when is not None and when[0] >= 1)

    links.send, links.notify = sends, notifies


def main(config: Path, record: Path, rounds: int, label: str) -> None:
    with mpcjax.connect(config) as me, record.open("w") as file:
        if label:
            dies(me.links, label)
        for number in range(rounds):
            update = np.random.default_rng([me.number, number]).normal(size=LENGTH).astype(np.float32) / 10
            try:
                value = np.asarray(me.aggregate(update, "rsa", round=number).value).tobytes().hex()
            except Abort:
                value = ""
            file.write(json.dumps(value) + "\n")
            file.flush()


if __name__ == "__main__":
    given = sys.argv[1:]
    jax.config.update("jax_compilation_cache_dir", given[2])
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    main(Path(given[0]), Path(given[1]), int(given[3]), given[4] if len(given) > 4 else "")
