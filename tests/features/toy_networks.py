"""Adapters as one would write them, for the tests: functions that return (module, transform, layer names)."""

import torch
from torchvision.transforms.functional import pil_to_tensor


def transform(picture):
    return pil_to_tensor(picture).float() / 255


def deep(n_layers=24, n_units=1000, size=16, pretrained=True):
    """`n_layers` layers of `n_units` units, all of one matrix: small weights, large activations."""
    torch.manual_seed(11) if pretrained else None
    shared = torch.nn.Linear(n_units, n_units)
    layers = [torch.nn.Flatten(), torch.nn.Linear(3 * size * size, n_units)]
    for _ in range(n_layers):
        layers += [torch.nn.Sequential(shared, torch.nn.Tanh())]
    return torch.nn.Sequential(*layers), transform, [str(k) for k in range(2, n_layers + 2)]


def scaled(factor=1.0):
    """A map that is the picture times a factor; it cannot be untrained."""
    class Scale(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.out = torch.nn.Identity()

        def forward(self, x):
            return self.out(x * factor)
    return Scale(), transform, ["out"]


def forgetful():
    return torch.nn.Identity(), transform


def misnamed():
    return torch.nn.Sequential(torch.nn.Identity()), transform, ["0", "head"]
