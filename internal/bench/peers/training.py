"""One of the libraries that the benchmark compares: builds a network from its description, and runs it.

Usage: training.py torch|jax. Reads one request a line from standard input, writes one answer a line; both are JSON:

    {"op": "build", "network": {...}, "batch": 64, "train": true}  ->  {"parameters": n, "compile": seconds}
    {"op": "run", "n": 6}                                          ->  {"seconds": s, "value": v}
    {"op": "memory"}                                               ->  {"peak": bytes}

A training step is a forward and a backward pass of the loss and an update by Adam; the value is the last loss. The loss is
the cross entropy of 10 classes or, where the network has a target, the mean squared error of an output of that shape.
Inference is the forward pass of one batch, with its result read.
"""

import json
import os
import sys
import time

import numpy as np


def examples(batch, network):
    r = np.random.default_rng(1)
    inputs = r.random((batch, *network["input"]), dtype=np.float32) - 0.5
    if "target" in network:
        return inputs, r.random((batch, *network["target"]), dtype=np.float32) - 0.5
    return inputs, r.integers(0, 10, batch)


def pixels(network):
    """How many positions an input has: pixels or samples."""
    return int(np.prod(network["input"][:-1]))


class Torch:
    """PyTorch, with images and weights in channels_last, which is its faster layout on a processor."""

    def __init__(self):
        import torch

        self.t = torch
        self.version = f"torch {torch.__version__}, {torch.get_num_threads()} threads"

    def module(self, blocks, channels, axes, places):
        """axes of space: 1 of sound, 2 of images; 0 of patches, which have their channels last. places is how many patches
        there are, from where they are made."""
        nn = self.t.nn
        made = []
        for b in blocks:
            op = b["op"]
            if op == "conv":
                kind, size = {1: nn.Conv1d, 2: nn.Conv2d}[axes], b.get("size", 3)
                made.append(kind(channels, b["filters"], size, max(1, b.get("stride", 1)), size // 2, bias=b.get("bias", False)))
                channels = b["filters"]
            elif op == "patches":
                made.append(nn.Sequential(nn.Conv2d(channels, b["filters"], b["size"], b["size"]), nn.Flatten(2), self.last()))
                channels, axes, places = b["filters"], 0, places // b["size"] ** 2
            elif op == "positions":
                made.append(self.positions(places, channels))
            elif op == "norm":
                made.append(nn.BatchNorm2d(channels))
            elif op == "layernorm":
                made.append(nn.LayerNorm(channels))
            elif op == "relu":
                made.append(nn.ReLU(inplace=True))
            elif op == "gelu":
                made.append(nn.GELU())
            elif op == "attention":
                made.append(self.attention(channels, b["heads"]))
            elif op == "shuffle":
                made.append(nn.PixelShuffle(b["size"]))
                channels //= b["size"] ** 2
            elif op == "maxpool":
                made.append(nn.MaxPool2d(2))
            elif op == "mean":
                made.append(self.mean(axes))
            elif op == "flatten":
                made.append(nn.Flatten())
            elif op == "dense":
                made.append(nn.Linear(channels, b["units"]))
                channels = b["units"]
            elif op == "residual":
                body, out = self.module(b["body"], channels, axes, places)
                made.append(self.residual(body, b.get("stride", 1), out - channels))
                channels = out
            else:
                raise ValueError(f"no block {op}")
        return nn.Sequential(*made), channels

    def last(self):
        class ChannelsLast(self.t.nn.Module):
            def forward(self, x):
                return x.transpose(1, 2)

        return ChannelsLast()

    def mean(self, axes):
        class Mean(self.t.nn.Module):
            def forward(self, x):
                return x.mean({0: 1, 1: 2, 2: (2, 3)}[axes])

        return Mean()

    def positions(self, places, channels):
        torch = self.t

        class Positions(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.positions = torch.nn.Parameter(0.02 * torch.randn(places, channels))

            def forward(self, x):
                return x + self.positions

        return Positions()

    def attention(self, width, heads):
        torch = self.t

        class Attention(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.into = torch.nn.Linear(width, 3 * width)
                self.out = torch.nn.Linear(width, width)

            def forward(self, x):
                batch, length, _ = x.shape
                q, k, v = self.into(x).view(batch, length, 3, heads, width // heads).permute(2, 0, 3, 1, 4)
                y = torch.nn.functional.scaled_dot_product_attention(q, k, v)
                return self.out(y.transpose(1, 2).reshape(batch, length, width))

        return Attention()

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
        shape = network["input"]
        self.model = self.module(network["blocks"], shape[-1], len(shape) - 1, pixels(network))[0]
        self.model.to(memory_format=torch.channels_last).train(train)
        self.train = train
        inputs, labels = examples(batch, network)
        self.x, self.y = self.first(inputs), torch.from_numpy(labels)
        self.loss = torch.nn.functional.cross_entropy
        if "target" in network:
            self.y, self.loss = self.first(labels), torch.nn.functional.mse_loss
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=1e-3)
        return sum(p.numel() for p in self.model.parameters())

    def first(self, values):
        """Images with channels as the first axis after the batch, though still last in memory; of sound there they are in memory too."""
        x = self.t.from_numpy(values)
        if x.dim() == 3:
            return x.permute(0, 2, 1).contiguous()
        return x.permute(0, 3, 1, 2).contiguous(memory_format=self.t.channels_last)

    def run(self, n):
        torch = self.t
        if not self.train:
            with torch.inference_mode():
                for _ in range(n):
                    y = self.model(self.x).numpy()
            return float(y.flat[0])
        for _ in range(n):
            self.optimizer.zero_grad(set_to_none=True)
            loss = self.loss(self.model(self.x), self.y)
            loss.backward()
            self.optimizer.step()
        return loss.item()


class Jax:
    """JAX, its step one compiled program whose state is donated."""

    def __init__(self):
        import jax

        self.jax = jax
        self.version = f"jax {jax.__version__} on {jax.default_backend()}"

    def parameters(self, blocks, channels, axes, places, r):
        """axes of space are those of the input; places is how many patches there are, from where they are made."""

        def weights(*shape, gain=1.0):
            return (r.standard_normal(shape) * (gain / np.prod(shape[:-1])) ** 0.5).astype(np.float32)

        made = []
        for b in blocks:
            op, p = b["op"], {}
            if op == "conv":
                p["w"] = weights(*axes * (b.get("size", 3),), channels, b["filters"], gain=2)
                channels = b["filters"]
                if b.get("bias"):
                    p["b"] = np.zeros(channels, np.float32)
            elif op == "patches":
                p = {"w": weights(b["size"], b["size"], channels, b["filters"]), "b": np.zeros(b["filters"], np.float32)}
                channels, places = b["filters"], places // b["size"] ** 2
            elif op == "positions":
                p["positions"] = weights(places, channels, gain=0.02)
            elif op in ("norm", "layernorm"):
                p = {"scale": np.ones(channels, np.float32), "shift": np.zeros(channels, np.float32)}
            elif op == "dense":
                p = {"w": weights(channels, b["units"]), "b": np.zeros(b["units"], np.float32)}
                channels = b["units"]
            elif op == "attention":
                p = {"w": weights(channels, 3 * channels), "b": np.zeros(3 * channels, np.float32)}
                p |= {"w_out": weights(channels, channels), "b_out": np.zeros(channels, np.float32)}
            elif op == "shuffle":
                channels //= b["size"] ** 2
            elif op == "residual":
                p["body"], channels = self.parameters(b["body"], channels, axes, places, r)
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
                channels = b.get("filters", channels)
        return made

    def apply(self, blocks, params, x, old, new, train):
        jax, jnp, lax = self.jax, self.jax.numpy, self.jax.lax
        for b, p in zip(blocks, params):
            op = b["op"]
            if op == "conv":
                axes, s, half = x.ndim - 2, max(1, b.get("stride", 1)), b.get("size", 3) // 2
                order = ("NHWC", "HWIO", "NHWC") if axes == 2 else ("NWC", "WIO", "NWC")
                x = lax.conv_general_dilated(x, p["w"], axes * (s,), axes * [(half, half)], dimension_numbers=order)
                if "b" in p:
                    x = x + p["b"]
            elif op == "patches":
                s = b["size"]
                x = lax.conv_general_dilated(x, p["w"], (s, s), "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC")) + p["b"]
                x = x.reshape(x.shape[0], -1, x.shape[3])
            elif op == "positions":
                x = x + p["positions"]
            elif op == "layernorm":
                x = x - x.mean(-1, keepdims=True)
                x = x * lax.rsqrt((x * x).mean(-1, keepdims=True) + 1e-5) * p["scale"] + p["shift"]
            elif op == "gelu":
                x = jax.nn.gelu(x, approximate=False)
            elif op == "attention":
                batch, length, width = x.shape
                heads = b["heads"]
                q, k, v = jnp.moveaxis((x @ p["w"] + p["b"]).reshape(batch, length, 3, heads, width // heads), 2, 0)
                x = jax.nn.dot_product_attention(q, k, v).reshape(batch, length, width) @ p["w_out"] + p["b_out"]
            elif op == "shuffle":
                batch, height, width, channels = x.shape
                s = b["size"]
                x = x.reshape(batch, height, width, s, s, channels // s**2).transpose(0, 1, 3, 2, 4, 5)
                x = x.reshape(batch, height * s, width * s, -1)
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
                x = x.mean(tuple(range(1, x.ndim - 1)))
            elif op == "flatten":
                x = x.reshape(x.shape[0], -1)
            elif op == "dense":
                x = x @ p["w"] + p["b"]
            elif op == "residual":
                around = x
                if b.get("stride", 1) > 1:
                    around = lax.reduce_window(x, 0.0, lax.add, (1, 2, 2, 1), (1, 2, 2, 1), "VALID") / 4
                y = self.apply(b["body"], p["body"], x, old, new, train)
                missing = y.shape[-1] - around.shape[-1]
                if missing > 0:
                    around = jnp.pad(around, ((0, 0), (0, 0), (0, 0), (0, missing)))
                x = around + y
            else:
                raise ValueError(f"no block {op}")
        return x

    def build(self, network, batch, train):
        jax, jnp = self.jax, self.jax.numpy
        blocks = network["blocks"]
        shape = network["input"]
        params, _ = self.parameters(blocks, shape[-1], len(shape) - 1, pixels(network), np.random.default_rng(1))
        count = sum(p.size for p in jax.tree.leaves(params))
        inputs, labels = examples(batch, network)
        self.x, self.y, self.train = jnp.asarray(inputs), jnp.asarray(labels), train
        stats = self.statistics(blocks, shape[-1])

        def loss(params, stats, x, y):
            new = []
            z = self.apply(blocks, params, x, stats, new, True)
            if "target" in network:
                return ((z - y) ** 2).mean(), new
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
            return float(y.flat[0])
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
