"""Poisoning attacks: one file each, all of them in ``ATTACKS``, all of them under one contract test.

An attack is made by its constructor and called on the stacked updates::

    attack = mpcjax.attacks.ipm(factor=10.0)
    updates = attack(updates, malicious=5)          # leaves [n, ...]; the last five peers, or a bool mask [n]
    labels = attack.labels(labels, malicious=5)     # for an attack in the data; otherwise the labels as they are
    images, labels = attack.data(images, labels, malicious=5)   # images too, for a backdoor

What an attack must know besides the updates is given to the call: ``key`` for random numbers, ``center`` and
``reference`` as the rule gets them. ``optimal`` and its two cases know the rule.

Everything is a pure function: no state, no global random numbers, and it runs inside jit, vmap and scan.
``Cheat`` is something else: it attacks the protocol, through ``mpcjax.simulate(tamper=...)``.
To add an attack, write its file with a constructor that returns an ``Attack``, and name it here.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from mpcjax.attacks._attack import Attack as Attack
from mpcjax.attacks._attack import Known as Known
from mpcjax.attacks._attack import honest_mean as honest_mean
from mpcjax.attacks._attack import honest_moments as honest_moments
from mpcjax.attacks._attack import malicious_mask as malicious_mask
from mpcjax.attacks.alie import alie as alie
from mpcjax.attacks.alie import alie_factor as alie_factor
from mpcjax.attacks.backdoor import Trigger as Trigger
from mpcjax.attacks.backdoor import backdoor as backdoor
from mpcjax.attacks.cheat import Cheat as Cheat
from mpcjax.attacks.foe import foe as foe
from mpcjax.attacks.free_rider import free_rider as free_rider
from mpcjax.attacks.gaussian import gaussian as gaussian
from mpcjax.attacks.ipm import ipm as ipm
from mpcjax.attacks.label_flip import label_flip as label_flip
from mpcjax.attacks.mimic import MimicState as MimicState
from mpcjax.attacks.mimic import mimic as mimic
from mpcjax.attacks.mimic import mimic_learn as mimic_learn
from mpcjax.attacks.mimic import mimic_start as mimic_start
from mpcjax.attacks.min_max import min_max as min_max
from mpcjax.attacks.min_sum import min_sum as min_sum
from mpcjax.attacks.off_center import off_center as off_center
from mpcjax.attacks.optimal import opt_alie as opt_alie
from mpcjax.attacks.optimal import opt_ipm as opt_ipm
from mpcjax.attacks.optimal import optimal as optimal
from mpcjax.attacks.sign_flip import sign_flip as sign_flip

ATTACKS: Mapping[str, Callable[..., Attack]] = MappingProxyType(
    {
        "label_flip": label_flip,
        "backdoor": backdoor,
        "sign_flip": sign_flip,
        "gaussian": gaussian,
        "free_rider": free_rider,
        "mimic": mimic,
        "alie": alie,
        "ipm": ipm,
        "foe": foe,
        "min_max": min_max,
        "min_sum": min_sum,
        "opt_alie": opt_alie,
        "opt_ipm": opt_ipm,
        "off_center": off_center,
    }
)
