"""`torch.optim`: optimizers, and the schedules of their learning rates."""

from rustorch.nn.not_built import not_built
from rustorch.optim import lr_scheduler, swa_utils
from rustorch.optim.adadelta import Adadelta
from rustorch.optim.adagrad import Adagrad
from rustorch.optim.adam import Adam
from rustorch.optim.adamax import Adamax
from rustorch.optim.adamw import AdamW
from rustorch.optim.asgd import ASGD
from rustorch.optim.nadam import NAdam
from rustorch.optim.optimizer import Optimizer
from rustorch.optim.radam import RAdam
from rustorch.optim.rmsprop import RMSprop
from rustorch.optim.rprop import Rprop
from rustorch.optim.sgd import SGD

__all__ = [
    "ASGD",
    "SGD",
    "Adadelta",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "NAdam",
    "Optimizer",
    "RAdam",
    "RMSprop",
    "Rprop",
    "lr_scheduler",
    "swa_utils",
]

__getattr__ = not_built(__name__, ["Adafactor", "LBFGS", "Muon", "SparseAdam"])
