"""Writes maps of captum and zennit for the parity tests: a small network with random weights, images, and each method's maps.

usage: attribution.py FOLDER

captum.npz has the weights by the names and in the layout of the Go network ("conv1/weights" [h w in out]), the images x
[B H W C], their classes [B] and scores [B K], and for each method an array "map NAME", [B H W C] or [B H W]. To compare
one more, add it to METHODS here and to the table of the Go test.
"""

import os
import sys

import captum.attr
import numpy
import torch
import zennit.attribution
import zennit.composites
from torch import nn


class Network(nn.Module):
    """[B 3 16 16] -> [B 5]. Modules are not shared and flattening is no module, as some methods of captum demand.

    A pooling must not have the very tensor that a ReLU gave: the hooks of both stand on that tensor, the ReLU's sees the
    gradient before the pooling's has changed it, and DeepLift's contributions no longer sum to the difference of scores.
    """

    def __init__(self):
        super().__init__()
        self.conv1, self.relu1, self.pool1 = nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)
        self.conv2, self.relu2, self.pool2 = nn.Conv2d(8, 12, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)
        self.hidden, self.relu3, self.output = nn.Linear(12 * 4 * 4, 16), nn.ReLU(), nn.Linear(16, 5)

    def forward(self, x):
        x = self.pool1(self.relu1(self.conv1(x)).clone())
        x = self.pool2(self.relu2(self.conv2(x)).clone())
        return self.output(self.relu3(self.hidden(torch.flatten(x, 1))))


def lrp_epsilon(epsilon):
    def maps(model, x, classes):
        for module in model.modules():
            if isinstance(module, (nn.Conv2d, nn.Linear)):
                module.rule = captum.attr._utils.lrp_rules.EpsilonRule(epsilon=epsilon)
        return captum.attr.LRP(model).attribute(x, target=classes)

    return maps


def lrp(composite):
    """Zennit's, from the score of the class."""

    def maps(model, x, classes):
        with zennit.attribution.Gradient(model=model, composite=composite) as attributor:
            return attributor(x, torch.eye(5)[classes] * model(x).detach())[1]

    return maps


# Each gives [B C H W].
METHODS = {
    "saliency": lambda m, x, c: captum.attr.Saliency(m).attribute(x, target=c, abs=True).amax(1, keepdim=True),
    "gradient": lambda m, x, c: captum.attr.Saliency(m).attribute(x, target=c, abs=False),
    "input x gradient": lambda m, x, c: captum.attr.InputXGradient(m).attribute(x, target=c),
    "deconvnet": lambda m, x, c: captum.attr.Deconvolution(m).attribute(x, target=c),
    "guided backpropagation": lambda m, x, c: captum.attr.GuidedBackprop(m).attribute(x, target=c),
    "integrated gradients": lambda m, x, c: captum.attr.IntegratedGradients(m).attribute(x, target=c, n_steps=50),
    "grad-cam": lambda m, x, c: captum.attr.LayerGradCam(m, m.relu2).attribute(x, target=c, relu_attributions=True),
    "occlusion": lambda m, x, c: captum.attr.Occlusion(m).attribute(
        x, target=c, sliding_window_shapes=(3, 5, 5), strides=(3, 3, 3), baselines=0.25
    )[:, :1],
    "deeplift": lambda m, x, c: captum.attr.DeepLift(m).attribute(x, target=c),
    "deeplift from grey": lambda m, x, c: captum.attr.DeepLift(m).attribute(x, baselines=torch.full((1, 3, 16, 16), 0.5), target=c),
    "lrp-epsilon": lrp_epsilon(1e-6),
    "lrp-epsilon 0.25": lrp_epsilon(0.25),
    "zennit epsilon-plus": lrp(zennit.composites.EpsilonPlus()),
    "zennit epsilon-plus-flat": lrp(zennit.composites.EpsilonPlusFlat()),
    "zennit epsilon-alpha2-beta1": lrp(zennit.composites.EpsilonAlpha2Beta1()),
    "zennit epsilon-alpha2-beta1-flat": lrp(zennit.composites.EpsilonAlpha2Beta1Flat()),
    "zennit epsilon-gamma-box": lrp(zennit.composites.EpsilonGammaBox(low=-4.0, high=4.0)),
}


def ours(name, value):
    """The layout of the Go network: [h w in out] and [in out], with flattened images [h w c]."""
    if name == "hidden.weight":
        value = value.reshape(16, 12, 4, 4).permute(2, 3, 1, 0).reshape(-1, 16)
    elif name.endswith("weight"):
        value = value.permute(2, 3, 1, 0) if value.ndim == 4 else value.T
    return name.replace(".weight", "/weights").replace(".bias", "/biases"), value.contiguous().numpy()


def main():
    folder = sys.argv[1]
    os.makedirs(folder, exist_ok=True)
    torch.manual_seed(1)
    model = Network().eval()
    for name, p in model.named_parameters():
        if p.ndim > 1:
            nn.init.kaiming_normal_(p, nonlinearity="relu")
        else:
            nn.init.normal_(p, std=0.1)
    x, classes = torch.randn(4, 3, 16, 16), torch.tensor([0, 3, 4, 1])
    arrays = dict(ours(n, p.detach()) for n, p in model.named_parameters())
    arrays["x"] = x.permute(0, 2, 3, 1).contiguous().numpy()
    arrays["classes"] = classes.numpy().astype(numpy.float32)
    arrays["scores"] = model(x).detach().numpy()
    for name, method in METHODS.items():
        maps = method(model, x.clone(), classes).detach()
        maps = maps[:, 0] if maps.shape[1] == 1 else maps.permute(0, 2, 3, 1)
        arrays["map " + name] = maps.contiguous().numpy().astype(numpy.float32)
        print(f"{name}: {tuple(maps.shape)}, from {maps.min():.3g} to {maps.max():.3g}")
    final = os.path.join(folder, "captum.npz")
    with open(final + ".part", "wb") as file:
        numpy.savez(file, **arrays)
    os.replace(final + ".part", final)


main()
