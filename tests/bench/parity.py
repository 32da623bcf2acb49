# SPDX-License-Identifier: Apache-2.0
"""gradmill's losses beside JAX's, over 200 steps of Adam from the same weights on the same rows (needs jax, safetensors).

In f64 both must agree to 1e-8 at every step, and the gradients of the first step to 1e-10. In f32 a relu whose input crosses zero in
the last bit parts two runs for good, sooner or later, so one order of summation says little. The hidden units of a model
can be renumbered without changing it; only the order of sums changes. ORDERS such renumberings run through JAX f32 and gradmill f32,
and every run is judged like the others: within 1e-5 of JAX f64 for ten steps, then within three times the largest gap that JAX f32
had so far in the order of the file. What to look at is whether gradmill passes as often, and parts as late, as JAX does.
usage: parity.py GRADMILL WORKLOAD [ORDERS]"""
import csv
import gzip
import pathlib
import subprocess
import sys
import tempfile

import jax
import jax.numpy as jnp
import numpy as np
from safetensors.numpy import load_file, save_file

jax.config.update("jax_enable_x64", True)
HERE = pathlib.Path(__file__).parent
DATA = pathlib.Path("/usr/share/datasets/fashion-mnist/train-images-idx3-ubyte.gz")
STEPS = 200


def seed():
    sizes = [784, 128, 64, 32, 64, 128, 784]
    acts = ["relu", "relu", "none", "relu", "relu", "sigmoid"]
    return [("dense", i, o, a) for i, o, a in zip(sizes, sizes[1:], acts)]


def residual(width, blocks):
    stage = [("residual", width, width, "none")] * blocks
    return [("dense", 784, width, "relu"), *stage, ("dense", width, 32, "none"), ("dense", 32, width, "relu"), *stage,
            ("dense", width, 784, "sigmoid")]


WORKLOADS = {"seed32": (32, seed()), "seed256": (256, seed()), "deep128": (128, residual(256, 4)),
             "wide128": (128, residual(512, 4)), "tiny32": (32, residual(64, 2))}
ACT = {"relu": jax.nn.relu, "sigmoid": jax.nn.sigmoid, "none": lambda x: x}


def init(layers):
    """By name, as in the model files: l3_w, and l3_0_w, l3_1_w for the two layers of a residual branch, the last of which is zero."""
    r, params = np.random.default_rng(0), {}
    he = lambda i, o: r.uniform(-((6 / i) ** 0.5), (6 / i) ** 0.5, (i, o)).astype(np.float32)
    for n, (kind, i, o, _) in enumerate(layers):
        names = [f"l{n}"] if kind == "dense" else [f"l{n}_0", f"l{n}_1"]
        for name in names:
            params[name + "_w"] = np.zeros((i, o), np.float32) if name.endswith("_1") else he(i, o)
            params[name + "_b"] = np.zeros(o, np.float32)
    return params


def renumber(layers, params, order):
    """The same function with its hidden units in another order; those of a residual stream keep together."""
    r, to, out = np.random.default_rng(order), np.arange(784), {}

    def put(name, rows, columns):
        out[name + "_w"] = np.ascontiguousarray(params[name + "_w"][rows][:, columns])
        out[name + "_b"] = params[name + "_b"][columns]

    for n, (kind, _, o, _) in enumerate(layers):
        if kind == "dense":
            new = np.arange(o) if n == len(layers) - 1 else r.permutation(o)
            put(f"l{n}", to, new)
            to = new
        else:
            inner = r.permutation(o)
            put(f"l{n}_0", to, inner)
            put(f"l{n}_1", inner, to)
    return out


def forward(layers, p, x):
    for n, (kind, _, _, act) in enumerate(layers):
        if kind == "dense":
            x = ACT[act](x @ p[f"l{n}_w"] + p[f"l{n}_b"])
        else:
            h = jax.nn.relu(jax.nn.relu(x) @ p[f"l{n}_0_w"] + p[f"l{n}_0_b"])
            x = x + h @ p[f"l{n}_1_w"] + p[f"l{n}_1_b"]
    return x


def jax_trainer(layers, batch, rows, dtype):
    """A function from weights to (losses, gradients of the first step). eps is 1e-5: with 1e-8 rounding alone moves the loss by per cents."""
    c = lambda t: jnp.asarray(t, dtype)
    gradient = jax.jit(jax.value_and_grad(lambda p, x: jnp.mean((forward(layers, p, x) - x) ** 2)))

    @jax.jit
    def adam(p, m, v, g, b1, b2):
        m = jax.tree.map(lambda a, b: c(0.9) * a + c(0.1) * b, m, g)
        v = jax.tree.map(lambda a, b: c(0.999) * a + c(0.001) * b * b, v, g)
        return jax.tree.map(lambda w, a, b: w - c(1e-3) * (a / b1) / (jnp.sqrt(b / b2) + c(1e-5)), p, m, v), m, v

    def train(params):
        p = jax.tree.map(c, params)
        m = v = jax.tree.map(jnp.zeros_like, p)
        losses, first = [], None
        for s in range(STEPS):
            loss, g = gradient(p, c(rows[s * batch:(s + 1) * batch].astype(np.float32) / 255))
            losses.append(float(loss))
            first = first or {k: np.asarray(t) for k, t in g.items()}
            p, m, v = adam(p, m, v, g, c(1 - 0.9 ** (s + 1)), c(1 - 0.999 ** (s + 1)))
        return np.array(losses), first

    return train


def gradmill(program, name, batch, params, precision):
    with tempfile.TemporaryDirectory() as tmp:
        save_file(params, tmp + "/init.safetensors")
        subprocess.run([program, "train", str(HERE / (name + ".gm")), "--data", "fashion-mnist", "--init", tmp + "/init.safetensors",
                        "--no-shuffle", "--max-steps", str(STEPS), "--batch", str(batch), "--adam-eps", "1e-5", "--precision", precision,
                        "--loss-log", tmp + "/loss.csv", "--save-grads", tmp + "/grads.safetensors"],
                       check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        with open(tmp + "/loss.csv") as f:
            losses = np.array([float(row["loss"]) for row in csv.DictReader(f)])
        return losses, {k.removeprefix("d_"): t for k, t in load_file(tmp + "/grads.safetensors").items()}


def main(program, name, orders):
    batch, layers = WORKLOADS[name]
    rows = np.frombuffer(gzip.open(DATA).read(), np.uint8, offset=16).reshape(-1, 784)[:STEPS * batch]
    params = init(layers)
    wide, narrow = jax_trainer(layers, batch, rows, np.float64), jax_trainer(layers, batch, rows, np.float32)
    exact, grads = wide(params)
    gap = lambda losses: np.abs(losses - exact) / exact
    ours, our_grads = gradmill(program, name, batch, params, "f64")
    print(f"{name}: f64 losses within {gap(ours).max():.1e}, gradients of the first step within "
          f"{max(np.abs(our_grads[k] - g).max() / max(np.abs(g).max(), 1e-300) for k, g in grads.items()):.1e} of their largest")
    limit = np.maximum(3 * np.maximum.accumulate(gap(narrow(params)[0])), 1e-5)
    limit[:10] = 1e-5
    runs = {"JAX": lambda p: narrow(p)[0], "gradmill": lambda p: gradmill(program, name, batch, p, "f32")[0]}
    for who, run in runs.items():
        gaps = [gap(run(renumber(layers, params, order))) for order in range(orders)]
        part = [int(np.argmax(g > 1e-5)) + 1 if (g > 1e-5).any() else STEPS + 1 for g in gaps]
        print(f"{name}: f32 {who}: {sum((g <= limit).all() for g in gaps)} of {orders} orders within the limit; largest gap of ten steps "
              f"{np.median([g[:10].max() for g in gaps]):.1e} (median), {max(g[:10].max() for g in gaps):.1e} (worst); parts by 1e-5 at step "
              f"{sorted(part)[orders // 2]} (median, {STEPS + 1} = never), earliest {min(part)}")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]) if len(sys.argv) > 3 else 10)
