"""PyTorch on the CPU: eager with its fused SGD, and the whole step as one compiled function."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional

from .workloads import LEARNING_RATE, WEIGHT_DECAY, Array, Workload

ACTIVATIONS: dict[str, Any] = {"relu": nn.ReLU, "tanh": nn.Tanh, "sigmoid": nn.Sigmoid}


def mean_loss(loss: str, z: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """The mean loss, from the output's pre-activations."""
    if loss == "softmax":
        return functional.cross_entropy(z, target)
    if loss == "quadratic":
        return functional.mse_loss(torch.sigmoid(z), target, reduction="sum") * (0.5 / len(z))
    return functional.mse_loss(z, target)


def net_of(workload: Workload) -> nn.Sequential:
    """The network up to the output's pre-activations."""
    modules: list[nn.Module] = []
    for layer, (fan_in, fan_out) in enumerate(pairwise(workload.sizes)):
        if layer > 0:
            modules.append(ACTIVATIONS[workload.hidden]())
            if workload.dropout:
                modules.append(nn.Dropout(workload.dropout))
        modules.append(nn.Linear(fan_in, fan_out))
    net = nn.Sequential(*modules)
    with torch.no_grad():
        for parameter, initial in zip(net.parameters(), workload.initial_weights()):
            parameter.copy_(torch.from_numpy(initial.T))
    return net


class TorchTraining:
    def __init__(self, workload: Workload, x: Array, y: NDArray[np.generic]) -> None:
        torch.manual_seed(0)
        self.workload = workload
        self.x = torch.from_numpy(x)
        self.y = torch.from_numpy(y.astype(np.int64) if workload.loss == "softmax" else y)
        self.net = net_of(workload)
        parameters = list(self.net.parameters())  # weight, bias, weight, …
        groups = [
            {"params": parameters[::2], "weight_decay": WEIGHT_DECAY},
            {"params": parameters[1::2], "weight_decay": 0.0},
        ]
        self.optimizer = torch.optim.SGD(groups, lr=LEARNING_RATE, fused=True)

    def train(self, epochs: int, shuffle: bool = True) -> float:
        rows = len(self.x)
        total = torch.zeros(())
        for _ in range(epochs):
            order = torch.randperm(rows) if shuffle else torch.arange(rows)
            total = torch.zeros(())
            for batch in order.split(self.workload.batch_size):
                total.add_(self.step(batch), alpha=len(batch))
        return float(total) / rows

    def step(self, batch: torch.Tensor) -> torch.Tensor:
        z = self.net(self.x.index_select(0, batch))
        loss = mean_loss(self.workload.loss, z, self.y.index_select(0, batch))
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return loss.detach()

    def weights(self) -> list[Array]:
        return [np.array(parameter.detach().numpy().T) for parameter in self.net.parameters()]


class CompiledTorchTraining(TorchTraining):
    """Gather, forward, backward and update compiled together."""

    def __init__(self, workload: Workload, x: Array, y: NDArray[np.generic]) -> None:
        super().__init__(workload, x, y)
        net, decay = self.net, 1 - LEARNING_RATE * WEIGHT_DECAY
        parameters = {name: parameter.detach() for name, parameter in net.named_parameters()}

        def step(
            parameters: dict[str, torch.Tensor], x: torch.Tensor, y: torch.Tensor, batch: torch.Tensor
        ) -> torch.Tensor:
            rows, target = x.index_select(0, batch), y.index_select(0, batch)

            def cost(parameters: dict[str, torch.Tensor]) -> torch.Tensor:
                return mean_loss(workload.loss, torch.func.functional_call(net, parameters, (rows,)), target)

            gradients, loss = torch.func.grad_and_value(cost)(parameters)
            for name, parameter in parameters.items():
                if name.endswith("weight"):
                    parameter.mul_(decay)
                parameter.sub_(gradients[name], alpha=LEARNING_RATE)
            return loss

        torch.compiler.reset()  # it counts how often a function is compiled, and stops at eight
        self.parameters = parameters  # they share the memory of the net's own
        self.compiled = torch.compile(step, fullgraph=True, dynamic=False)

    def step(self, batch: torch.Tensor) -> torch.Tensor:
        loss: torch.Tensor = self.compiled(self.parameters, self.x, self.y, batch)
        return loss
