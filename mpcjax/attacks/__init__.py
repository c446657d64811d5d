"""Poisoning attacks: one file each, all of them in ``ATTACKS``, all of them under one contract test.

An attack is made by its constructor and called on the stacked updates::

    attack = mpcjax.attacks.ipm(factor=10.0)
    updates = attack(updates, malicious=5)          # leaves [n, ...]; the last five peers, or a bool mask [n]
    labels = attack.labels(labels, malicious=5)     # for an attack in the data; otherwise the labels as they are

Everything is a pure function: no state, no global random numbers, and it runs inside jit, vmap and scan.
``Cheat`` is something else: it attacks the protocol, through ``mpcjax.simulate(tamper=...)``.
To add an attack, write its file with a constructor that returns an ``Attack``, and name it here.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from mpcjax.attacks._attack import Attack as Attack
from mpcjax.attacks._attack import honest_mean as honest_mean
from mpcjax.attacks._attack import honest_moments as honest_moments
from mpcjax.attacks._attack import malicious_mask as malicious_mask
from mpcjax.attacks.alie import alie as alie
from mpcjax.attacks.alie import alie_factor as alie_factor
from mpcjax.attacks.cheat import Cheat as Cheat
from mpcjax.attacks.gaussian import gaussian as gaussian
from mpcjax.attacks.ipm import ipm as ipm
from mpcjax.attacks.label_flip import label_flip as label_flip
from mpcjax.attacks.sign_flip import sign_flip as sign_flip

ATTACKS: Mapping[str, Callable[..., Attack]] = MappingProxyType(
    {"label_flip": label_flip, "sign_flip": sign_flip, "gaussian": gaussian, "alie": alie, "ipm": ipm}
)
