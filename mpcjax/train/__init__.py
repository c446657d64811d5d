"""Training: data, partitions, models, the peers' dynamics and the loop around an aggregator.

Needs the extra ``mpcjax[train]`` and is not imported by ``mpcjax`` itself. Everything here runs in float32 on one
machine: it simulates the peers' side of a training run, and calls ``mpcjax.aggregate`` for the part that is under MPC.
"""

from mpcjax.train.aggregators import Aggregator as Aggregator
from mpcjax.train.aggregators import networked as networked
from mpcjax.train.aggregators import plain as plain
from mpcjax.train.aggregators import secure as secure
from mpcjax.train.batches import Batches as Batches
from mpcjax.train.batches import make_batches as make_batches
from mpcjax.train.batches import root_batch as root_batch
from mpcjax.train.data import Dataset as Dataset
from mpcjax.train.data import load as load
from mpcjax.train.loop import History as History
from mpcjax.train.loop import Run as Run
from mpcjax.train.loop import evaluate as evaluate
from mpcjax.train.loop import success_rate as success_rate
from mpcjax.train.loop import train as train
from mpcjax.train.methods import Descent as Descent
from mpcjax.train.methods import Local as Local
from mpcjax.train.methods import Method as Method
from mpcjax.train.methods import Rsa as Rsa
from mpcjax.train.models import CNN as CNN
from mpcjax.train.models import MLP as MLP
from mpcjax.train.models import MODELS as MODELS
from mpcjax.train.models import Task as Task
from mpcjax.train.models import make_task as make_task
from mpcjax.train.partition import dirichlet as dirichlet
from mpcjax.train.partition import iid as iid
from mpcjax.train.settings import Settings as Settings
from mpcjax.train.settings import demo_settings as demo_settings
from mpcjax.train.settings import main_settings as main_settings
from mpcjax.train.settings import make_run as make_run
