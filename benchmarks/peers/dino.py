"""DINO (Caron et al., 2021) by lightly, with the settings of its CIFAR-10 benchmark.

Two views and no small crops, head of two layers, momentum 0.99, temperatures 0.04 and 0.1, SGD and cosine:
`docs/source/getting_started/benchmarks/cifar10_benchmark.py` of lightly's repository, class DINOModel.
"""

import copy

import torch
from common import Learner, Pictures, fit
from lightly.loss import DINOLoss
from lightly.models.modules.heads import DINOProjectionHead, ProjectionHead
from lightly.models.utils import deactivate_requires_grad, update_momentum
from lightly.transforms import DINOTransform
from torch import nn

TRANSFORM = DINOTransform(
    global_crop_size=32, n_local_views=0, cj_strength=0.5, gaussian_blur=(0.0, 0.0, 0.0)
)


def new_head(num_features):
    head = DINOProjectionHead(num_features, 2048, 256, 2048, batch_norm=True)
    layers = [(num_features, 2048, nn.BatchNorm1d(2048), nn.GELU()), (2048, 256, None, None)]
    head.layers = ProjectionHead(layers).layers
    return head


class DINO(Learner):
    def __init__(self, task):
        super().__init__(task, Pictures(task.images, TRANSFORM))
        self.student = nn.Sequential(self.backbone, new_head(self.num_features))
        self.teacher = nn.Sequential(copy.deepcopy(self.backbone), new_head(self.num_features))
        deactivate_requires_grad(self.teacher)
        self.loss = DINOLoss(output_dim=2048)

    def outputs(self, views, /):
        update_momentum(self.student, self.teacher, m=0.99)
        with torch.no_grad():
            teacher = [self.teacher(view) for view in views]
        return *teacher, *(self.student(view) for view in views)

    def criterion(self, teacher_0, teacher_1, student_0, student_1):
        return self.loss([teacher_0, teacher_1], [student_0, student_1])


def train(task):
    return fit(DINO, task)
