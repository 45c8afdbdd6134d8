"""Barlow Twins (Zbontar et al., 2021) by lightly, with the settings of its CIFAR-10 benchmark.

Views (those of BYOL), head of two layers, SGD and cosine:
`docs/source/getting_started/benchmarks/cifar10_benchmark.py` of lightly's repository, class BarlowTwinsModel.
"""

from byol import TRANSFORM
from common import Learner, Pictures, fit
from lightly.loss import BarlowTwinsLoss
from lightly.models.modules.heads import ProjectionHead
from torch import nn


class BarlowTwins(Learner):
    def __init__(self, task):
        super().__init__(task, Pictures(task.images, TRANSFORM))
        layers = [(self.num_features, 2048, nn.BatchNorm1d(2048), nn.ReLU()), (2048, 2048, None, None)]
        self.head = ProjectionHead(layers)
        self.criterion = BarlowTwinsLoss()

    def outputs(self, views, /):
        return [self.head(self.backbone(view)) for view in views]


def train(task):
    return fit(BarlowTwins, task)
