"""Writes reference networks of torchvision and timm for the parity tests: random weights, an input and its output.

usage: reference.py FOLDER [NAME…]

For each network NAME.safetensors has its weights as the library names them, and NAME.npz the input x [B H W C] and the
output y [B K]. The weights are random, those of the normalisations too: fresh ones would hide a wrong running average.
"""

import os
import sys

import numpy
import timm
import torch
import torchvision
from safetensors.torch import save_file

# Name: how the network is made, and the side of its input.
NETWORKS = {
    "torchvision.resnet18": (lambda: torchvision.models.resnet18(), 224),
    "torchvision.resnet50": (lambda: torchvision.models.resnet50(), 224),
    "torchvision.resnext50_32x4d": (lambda: torchvision.models.resnext50_32x4d(), 96),
    "timm.resnet18": (lambda: timm.create_model("resnet18", num_classes=10), 64),
    "torchvision.vgg16": (lambda: torchvision.models.vgg16(), 224),
    "timm.vgg11": (lambda: timm.create_model("vgg11"), 224),
    "torchvision.inception_v3": (lambda: torchvision.models.inception_v3(init_weights=False, transform_input=False), 299),
    "timm.inception_v4": (lambda: timm.create_model("inception_v4"), 299),
}


def randomise(model):
    """Draws every weight so that values neither vanish nor grow on their way."""
    for module in model.modules():
        if isinstance(module, (torch.nn.Conv2d, torch.nn.Linear)):
            torch.nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            if module.bias is not None:
                torch.nn.init.normal_(module.bias, std=0.1)
        elif isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.weight, 0.5, 1.0)
            torch.nn.init.normal_(module.bias, std=0.1)
            torch.nn.init.normal_(module.running_mean, std=0.1)
            torch.nn.init.uniform_(module.running_var, 0.8, 1.6)


def main():
    folder, names = sys.argv[1], sys.argv[2:] or NETWORKS
    os.makedirs(folder, exist_ok=True)
    for name in names:
        final = os.path.join(folder, name)
        if os.path.exists(final + ".npz"):  # written last
            continue
        make, side = NETWORKS[name]
        torch.manual_seed(1)
        model = make()
        randomise(model)
        model.eval()
        x = torch.randn(2, 3, side, side)
        with torch.no_grad():
            y = model(x)
        save_file({k: v.contiguous() for k, v in model.state_dict().items()}, final + ".safetensors.part")
        os.replace(final + ".safetensors.part", final + ".safetensors")
        with open(final + ".part", "wb") as file:
            numpy.savez(file, x=x.permute(0, 2, 3, 1).contiguous().numpy(), y=y.numpy())
        os.replace(final + ".part", final + ".npz")
        print(f"{name}: {sum(p.numel() for p in model.parameters())} parameters, largest output {y.abs().max():.3g}")


main()
