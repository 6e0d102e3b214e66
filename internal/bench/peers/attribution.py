"""captum on PyTorch, for the benchmark: explains a batch of images by one method.

Reads one request a line from standard input, writes one answer a line; both are JSON:

    {"op": "build", "method": "saliency", "network": {...}, "batch": 64}  ->  {"parameters": n, "compile": seconds}
    {"op": "run", "n": 6}                                                 ->  {"seconds": s, "value": v}
    {"op": "memory"}                                                      ->  {"peak": bytes}

A run explains the batch once and has the maps as an array. Images and weights are in channels_last, the faster layout of
PyTorch on a processor. captum has no Grad-CAM++: its layer gradients are combined by the formula.
"""

import json
import os
import sys
import time
import warnings

import captum
import numpy as np
import torch
from captum._utils.gradient import compute_layer_gradients_and_eval
from captum.attr import IntegratedGradients, LayerAttribution, Saliency
from torch import nn


def module(blocks, channels, size):
    """A network without branches; a flattening knows what comes before it."""
    made = []
    for b in blocks:
        op = b["op"]
        if op == "conv":
            made.append(nn.Conv2d(channels, b["filters"], 3, max(1, b.get("stride", 1)), 1, bias=b.get("bias", False)))
            channels = b["filters"]
        elif op == "relu":
            made.append(nn.ReLU())  # not in place: Grad-CAM++ looks at it
        elif op == "maxpool":
            made.append(nn.MaxPool2d(2))
            size //= 2
        elif op == "flatten":
            made.append(nn.Flatten())
            channels *= size * size
        elif op == "dense":
            made.append(nn.Linear(channels, b["units"]))
            channels = b["units"]
        else:
            raise ValueError(f"no block {op} here")
    return nn.Sequential(*made)


class Explainer:
    def __init__(self, network, method, batch):
        torch.manual_seed(1)
        self.model = module(network["blocks"], network["input"][2], network["input"][0]).eval().to(memory_format=torch.channels_last)
        for p in self.model.parameters():
            p.requires_grad_(False)  # gradients of weights are not asked for
        r = np.random.default_rng(1)
        images = r.random((batch, *network["input"]), dtype=np.float32) - 0.5
        self.x = torch.from_numpy(images).permute(0, 3, 1, 2).contiguous(memory_format=torch.channels_last)
        self.classes = torch.from_numpy(r.integers(0, 10, batch))
        self.explain = {"saliency": self.saliency, "Grad-CAM++": self.plus_plus, "integrated gradients": self.integrated}[method]
        relus = [m for i, m in enumerate(self.model) if isinstance(self.model[i - 1], nn.Conv2d)]
        self.last = relus[-1]

    def images(self):
        return self.x.detach().requires_grad_()

    def saliency(self):
        return Saliency(self.model).attribute(self.images(), target=self.classes).amax(1)

    def integrated(self):
        return IntegratedGradients(self.model).attribute(self.images(), target=self.classes, n_steps=50)

    def plus_plus(self):
        gradients, features = compute_layer_gradients_and_eval(self.model, self.last, self.images(), self.classes)
        g, a = gradients[0], features[0]
        second = g * g
        below = 2 * second + a.sum((2, 3), keepdim=True) * second * g
        alpha = second / torch.where(below == 0, 1.0, below)
        weights = (alpha * g.relu()).sum((2, 3), keepdim=True)
        maps = (weights * a).sum(1, keepdim=True).relu()
        return LayerAttribution.interpolate(maps, self.x.shape[2:], "bilinear")[:, 0]

    def run(self, n):
        for _ in range(n):
            maps = self.explain().detach().numpy()
        return float(np.abs(maps).sum())


def peak():
    with open("/proc/self/status") as f:
        return next(int(line.split()[1]) * 1024 for line in f if line.startswith("VmHWM:"))


def main():
    warnings.simplefilter("ignore")
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what a library prints must not stand among the answers
    version = f"captum {captum.__version__}, torch {torch.__version__}, {torch.get_num_threads()} threads"
    print(json.dumps({"version": version}), file=answers)
    for line in sys.stdin:
        request = json.loads(line)
        start = time.perf_counter()
        if request["op"] == "build":
            try:
                with open("/proc/self/clear_refs", "w") as f:
                    f.write("5")  # the peak of memory counts from here
            except OSError:
                pass
            explainer = Explainer(request["network"], request["method"], request["batch"])
            explainer.run(1)
            parameters = sum(p.numel() for p in explainer.model.parameters())
            answer = {"parameters": parameters, "compile": time.perf_counter() - start}
        elif request["op"] == "run":
            value = explainer.run(request["n"])
            answer = {"seconds": time.perf_counter() - start, "value": value}
        else:
            answer = {"peak": peak()}
        print(json.dumps(answer), file=answers)


main()
