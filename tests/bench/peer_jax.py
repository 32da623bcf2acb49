# SPDX-License-Identifier: Apache-2.0
"""The step of one workload in JAX, for bench.sh: prints milliseconds per training step (f32, Adam, jitted, donated buffers).
usage: peer_jax.py WORKLOAD BATCH SECONDS"""
import sys
import time

import jax
import jax.numpy as jnp
import numpy as np

HE = lambda key, i, o: jax.random.uniform(key, (i, o), minval=-((6 / i) ** 0.5), maxval=(6 / i) ** 0.5)


def seed():
    sizes = [784, 128, 64, 32, 64, 128, 784]
    last = len(sizes) - 2

    def init(key):
        keys = jax.random.split(key, len(sizes))
        return [(HE(k, i, o), jnp.zeros(o)) for k, i, o in zip(keys, sizes, sizes[1:])]

    def apply(params, x):
        for n, (w, b) in enumerate(params):
            x = x @ w + b
            x = jax.nn.sigmoid(x) if n == last else x if n == 2 else jax.nn.relu(x)
        return x

    return init, apply


def residual(width, blocks):
    """stem, blocks of x + W1 relu(W0 relu(x)), latent 32, the same mirrored."""

    def init(key):
        keys = iter(jax.random.split(key, 4 + 2 * blocks))
        dense = lambda i, o: (HE(next(keys), i, o), jnp.zeros(o))
        block = lambda: (dense(width, width), (jnp.zeros((width, width)), jnp.zeros(width)))
        return [dense(784, width), [block() for _ in range(blocks)], dense(width, 32), dense(32, width),
                [block() for _ in range(blocks)], dense(width, 784)]

    def stage(h, layers):
        for (w0, b0), (w1, b1) in layers:
            h = h + jax.nn.relu(jax.nn.relu(h) @ w0 + b0) @ w1 + b1
        return h

    def apply(params, x):
        stem, down, narrow, wide, up, out = params
        h = stage(jax.nn.relu(x @ stem[0] + stem[1]), down)
        h = jax.nn.relu((h @ narrow[0] + narrow[1]) @ wide[0] + wide[1])
        return jax.nn.sigmoid(stage(h, up) @ out[0] + out[1])

    return init, apply


WORKLOADS = {"seed32": seed, "seed256": seed, "deep128": lambda: residual(256, 4), "wide128": lambda: residual(512, 4),
             "tiny32": lambda: residual(64, 2)}


def main(name, batch, seconds):
    init, apply = WORKLOADS[name]()
    params = init(jax.random.PRNGKey(0))
    zeros = jax.tree.map(jnp.zeros_like, params)

    def step(params, m, v, t, x):
        loss, g = jax.value_and_grad(lambda p: jnp.mean((apply(p, x) - x) ** 2))(params)
        t = t + 1
        m = jax.tree.map(lambda a, b: 0.9 * a + 0.1 * b, m, g)
        v = jax.tree.map(lambda a, b: 0.999 * a + 0.001 * b * b, v, g)
        update = lambda p, a, b: p - 1e-3 * (a / (1 - 0.9**t)) / (jnp.sqrt(b / (1 - 0.999**t)) + 1e-8)
        return jax.tree.map(update, params, m, v), m, v, t, loss

    step = jax.jit(step, donate_argnums=(0, 1, 2))
    rows = np.random.RandomState(0).rand(64 * batch, 784).astype(np.float32) ** 4  # dark with a few bright pixels
    state = (params, zeros, jax.tree.map(jnp.zeros_like, params), jnp.float32(0))
    for _ in range(10):
        *state, loss = step(*state, rows[:batch])
    loss.block_until_ready()
    n, start = 0, time.perf_counter()
    while time.perf_counter() - start < seconds:
        for _ in range(20):
            at = n % 64 * batch
            *state, loss = step(*state, rows[at:at + batch])
            n += 1
        loss.block_until_ready()
    print(1e3 * (time.perf_counter() - start) / n)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]))
