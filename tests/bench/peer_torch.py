# SPDX-License-Identifier: Apache-2.0
"""The step of one workload in PyTorch, for bench.sh: prints milliseconds per training step (f32, fused Adam). Denormals are flushed,
as JAX and gradmill do, or dead units would make PyTorch look several times slower than it is.
usage: peer_torch.py eager|compile WORKLOAD BATCH SECONDS"""
import sys
import time

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn


class Residual(nn.Module):
    """x + W1 relu(W0 relu(x)), the last layer starting at zero."""

    def __init__(self, width):
        super().__init__()
        self.first, self.last = nn.Linear(width, width), nn.Linear(width, width)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)

    def forward(self, x):
        return x + self.last(F.relu(self.first(F.relu(x))))


def seed():
    sizes = [784, 128, 64, 32, 64, 128, 784]
    layers = []
    for n, (i, o) in enumerate(zip(sizes, sizes[1:])):
        layers += [nn.Linear(i, o), nn.Sigmoid() if n == 5 else nn.Identity() if n == 2 else nn.ReLU()]
    return nn.Sequential(*layers)


def residual(width, blocks):
    stage = lambda: [Residual(width) for _ in range(blocks)]
    return nn.Sequential(nn.Linear(784, width), nn.ReLU(), *stage(), nn.Linear(width, 32), nn.Linear(32, width), nn.ReLU(),
                         *stage(), nn.Linear(width, 784), nn.Sigmoid())


WORKLOADS = {"seed32": seed, "seed256": seed, "deep128": lambda: residual(256, 4), "wide128": lambda: residual(512, 4),
             "tiny32": lambda: residual(64, 2)}


def main(mode, name, batch, seconds):
    torch.manual_seed(0)
    torch.set_flush_denormal(True)
    net = WORKLOADS[name]()
    apply = torch.compile(net) if mode == "compile" else net
    adam = torch.optim.Adam(net.parameters(), 1e-3, fused=True)
    rows = torch.from_numpy(np.random.RandomState(0).rand(64 * batch, 784).astype(np.float32) ** 4)

    def step(x):
        adam.zero_grad(set_to_none=True)
        loss = F.mse_loss(apply(x), x)
        loss.backward()
        adam.step()

    for _ in range(10):
        step(rows[:batch])
    n, start = 0, time.perf_counter()
    while time.perf_counter() - start < seconds:
        for _ in range(20):
            at = n % 64 * batch
            step(rows[at:at + batch])
            n += 1
    print(1e3 * (time.perf_counter() - start) / n)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4]))
