"""One of the libraries that the benchmark compares: builds a network from its description, and runs it.

Usage: training.py torch|jax. Reads one request a line from standard input, writes one answer a line; both are JSON:

    {"op": "build", "network": {...}, "batch": 64, "train": true}  ->  {"parameters": n, "compile": seconds}
    {"op": "run", "n": 6}                                          ->  {"seconds": s, "value": v}
    {"op": "memory"}                                               ->  {"peak": bytes}

A training step is a forward and a backward pass of the cross entropy and an update by Adam; the value is the last loss.
Inference is the forward pass of one batch, with its result read.
"""

import json
import os
import sys
import time

import numpy as np


def examples(batch, size):
    r = np.random.default_rng(1)
    images = r.random((batch, size, size, 3), dtype=np.float32) - 0.5
    return images, r.integers(0, 10, batch)


class Torch:
    """PyTorch, with images and weights in channels_last, which is its faster layout on a processor."""

    def __init__(self):
        import torch

        self.t = torch
        self.version = f"torch {torch.__version__}, {torch.get_num_threads()} threads"

    def module(self, blocks, channels):
        nn = self.t.nn
        made = []
        pixels = 1
        for b in blocks:
            op = b["op"]
            if op == "conv":
                made.append(nn.Conv2d(channels, b["filters"], 3, max(1, b.get("stride", 1)), 1, bias=b.get("bias", False)))
                channels = b["filters"]
            elif op == "norm":
                made.append(nn.BatchNorm2d(channels))
            elif op == "relu":
                made.append(nn.ReLU(inplace=True))
            elif op == "maxpool":
                made.append(nn.MaxPool2d(2))
            elif op == "mean":
                made.append(nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten()))
            elif op == "flatten":
                made.append(nn.Flatten())
            elif op == "dense":
                made.append(nn.Linear(channels, b["units"]))
                channels = b["units"]
            elif op == "residual":
                body, out = self.module(b["body"], channels)
                made.append(self.residual(body, b.get("stride", 1), out - channels))
                channels = out
            else:
                raise ValueError(f"no block {op}")
        return nn.Sequential(*made), channels

    def residual(self, body, stride, missing):
        torch = self.t

        class Residual(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.body = body

            def forward(self, x):
                around = torch.nn.functional.avg_pool2d(x, 2) if stride > 1 else x
                if missing > 0:
                    around = torch.nn.functional.pad(around, (0, 0, 0, 0, 0, missing))
                return around + self.body(x)

        return Residual()

    def build(self, network, batch, train):
        torch = self.t
        torch.manual_seed(1)
        layout = torch.channels_last
        self.model = self.module(network["blocks"], 3)[0].to(memory_format=layout)
        self.model.train(train)
        self.train = train
        images, labels = examples(batch, network["size"])
        self.x = torch.from_numpy(images).permute(0, 3, 1, 2).contiguous(memory_format=layout)
        self.y = torch.from_numpy(labels)
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=1e-3)
        return sum(p.numel() for p in self.model.parameters())

    def run(self, n):
        torch = self.t
        if not self.train:
            with torch.inference_mode():
                for _ in range(n):
                    y = self.model(self.x).numpy()
            return float(y[0, 0])
        for _ in range(n):
            self.optimizer.zero_grad(set_to_none=True)
            loss = torch.nn.functional.cross_entropy(self.model(self.x), self.y)
            loss.backward()
            self.optimizer.step()
        return loss.item()


class Jax:
    """JAX, its step one compiled program whose state is donated."""

    def __init__(self):
        import jax

        self.jax = jax
        self.version = f"jax {jax.__version__} on {jax.default_backend()}"

    def parameters(self, blocks, channels, r):
        made = []
        for b in blocks:
            op, p = b["op"], {}
            if op == "conv":
                fan = 9 * channels
                p["w"] = (r.standard_normal((3, 3, channels, b["filters"])) * (2 / fan) ** 0.5).astype(np.float32)
                channels = b["filters"]
                if b.get("bias"):
                    p["b"] = np.zeros(channels, np.float32)
            elif op == "norm":
                p = {"scale": np.ones(channels, np.float32), "shift": np.zeros(channels, np.float32)}
            elif op == "dense":
                p["w"] = (r.standard_normal((channels, b["units"])) * channels**-0.5).astype(np.float32)
                p["b"] = np.zeros(b["units"], np.float32)
                channels = b["units"]
            elif op == "residual":
                p["body"], channels = self.parameters(b["body"], channels, r)
            made.append(p)
        return made, channels

    def statistics(self, blocks, channels):
        """Running means and variances of the normalisations, in their order."""
        made = []
        for b in blocks:
            if b["op"] == "conv":
                channels = b["filters"]
            elif b["op"] == "norm":
                made.append((np.zeros(channels, np.float32), np.ones(channels, np.float32)))
            elif b["op"] == "residual":
                made += self.statistics(b["body"], channels)
                channels = b["filters"]
        return made

    def apply(self, blocks, params, x, old, new, train):
        jax, jnp, lax = self.jax, self.jax.numpy, self.jax.lax
        for b, p in zip(blocks, params):
            op = b["op"]
            if op == "conv":
                s = max(1, b.get("stride", 1))
                x = lax.conv_general_dilated(x, p["w"], (s, s), [(1, 1), (1, 1)], dimension_numbers=("NHWC", "HWIO", "NHWC"))
                if "b" in p:
                    x = x + p["b"]
            elif op == "norm":
                m, v = old[len(new)]
                if train:
                    mean, variance = x.mean((0, 1, 2)), x.var((0, 1, 2))
                    new.append((0.9 * m + 0.1 * lax.stop_gradient(mean), 0.9 * v + 0.1 * lax.stop_gradient(variance)))
                else:
                    mean, variance = m, v
                    new.append((m, v))
                x = (x - mean) * (p["scale"] * lax.rsqrt(variance + 1e-5)) + p["shift"]
            elif op == "relu":
                x = jax.nn.relu(x)
            elif op == "maxpool":
                x = lax.reduce_window(x, -jnp.inf, lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")
            elif op == "mean":
                x = x.mean((1, 2))
            elif op == "flatten":
                x = x.reshape(x.shape[0], -1)
            elif op == "dense":
                x = x @ p["w"] + p["b"]
            elif op == "residual":
                around = x
                if b.get("stride", 1) > 1:
                    around = lax.reduce_window(x, 0.0, lax.add, (1, 2, 2, 1), (1, 2, 2, 1), "VALID") / 4
                y = self.apply(b["body"], p["body"], x, old, new, train)
                missing = y.shape[3] - around.shape[3]
                x = jnp.pad(around, ((0, 0), (0, 0), (0, 0), (0, missing))) + y
            else:
                raise ValueError(f"no block {op}")
        return x

    def build(self, network, batch, train):
        jax, jnp = self.jax, self.jax.numpy
        blocks = network["blocks"]
        params, _ = self.parameters(blocks, 3, np.random.default_rng(1))
        count = sum(p.size for p in jax.tree.leaves(params))
        images, labels = examples(batch, network["size"])
        self.x, self.y, self.train = jnp.asarray(images), jnp.asarray(labels), train
        stats = self.statistics(blocks, 3)

        def loss(params, stats, x, y):
            new = []
            z = self.apply(blocks, params, x, stats, new, True)
            return -jnp.take_along_axis(jax.nn.log_softmax(z), y[:, None], 1).mean(), new

        def step(state, x, y):
            params, stats, m, v, t = state
            (value, stats), g = jax.value_and_grad(loss, has_aux=True)(params, stats, x, y)
            t = t + 1
            m = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, m, g)
            v = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, v, g)
            rate = 1e-3 * jnp.sqrt(1 - 0.999**t) / (1 - 0.9**t)
            params = jax.tree.map(lambda p, m, v: p - rate * m / (jnp.sqrt(v) + 1e-8), params, m, v)
            return (params, stats, m, v, t), value

        params = jax.tree.map(jnp.asarray, params)
        zeros = lambda: jax.tree.map(jnp.zeros_like, params)
        self.state = (params, jax.tree.map(jnp.asarray, stats), zeros(), zeros(), jnp.zeros(()))
        self.step = jax.jit(step, donate_argnums=0)
        self.forward = jax.jit(lambda params, stats, x: self.apply(blocks, params, x, stats, [], False))
        return int(count)

    def run(self, n):
        if not self.train:
            for _ in range(n):
                y = np.asarray(self.forward(self.state[0], self.state[1], self.x))
            return float(y[0, 0])
        for _ in range(n):
            self.state, value = self.step(self.state, self.x, self.y)
        return float(value)


def peak():
    with open("/proc/self/status") as f:
        return next(int(line.split()[1]) * 1024 for line in f if line.startswith("VmHWM:"))


def main():
    library = {"torch": Torch, "jax": Jax}[sys.argv[1]]()
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what a library prints must not stand among the answers
    print(json.dumps({"version": library.version}), file=answers)
    for line in sys.stdin:
        request = json.loads(line)
        start = time.perf_counter()
        if request["op"] == "build":
            try:
                with open("/proc/self/clear_refs", "w") as f:
                    f.write("5")  # the peak of memory counts from here
            except OSError:
                pass
            parameters = library.build(request["network"], request["batch"], request["train"])
            library.run(1)
            answer = {"parameters": parameters, "compile": time.perf_counter() - start}
        elif request["op"] == "run":
            value = library.run(request["n"])
            answer = {"seconds": time.perf_counter() - start, "value": value}
        else:
            answer = {"peak": peak()}
        print(json.dumps(answer), file=answers)


main()
