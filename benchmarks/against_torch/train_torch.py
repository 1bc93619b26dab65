"""Trains ShuffleNetV2 with PyTorch on made-up images, and prints how fast.

The network is that of `corallite.train.models.networks.shufflenet_v2`, in the form that
PyTorch users have: with the channel shuffle (arXiv:1807.11164, Figure 3). Batches are
made from an array in memory, flipped and cropped as `flip_and_crop` does.
"""

import argparse
import json
import time

import torch
from torch import nn
from torch.nn import functional

WIDTHS = {0.5: (48, 96, 192, 1024), 1.0: (116, 232, 464, 1024)}
UNITS = (4, 8, 4)
CLASSES, IMAGES = 10, 1024
UNCOUNTED_STEPS = 4


def conv_bn(inputs, outputs, kernel, stride=1, groups=1, has_relu=True):
    padding = kernel // 2
    conv = nn.Conv2d(
        inputs, outputs, kernel, stride, padding, groups=groups, bias=False
    )
    relu = [nn.ReLU6(inplace=True)] if has_relu else []
    return [conv, nn.BatchNorm2d(outputs), *relu]


class Unit(nn.Module):
    def __init__(self, inputs, outputs, stride):
        super().__init__()
        half = outputs // 2
        source = inputs if stride == 2 else half
        self.stride = stride
        self.right = nn.Sequential(
            *conv_bn(source, half, 1),
            *conv_bn(half, half, 3, stride, half, has_relu=False),
            *conv_bn(half, half, 1),
        )
        self.left = nn.Sequential(
            *conv_bn(inputs, inputs, 3, 2, inputs, has_relu=False),
            *conv_bn(inputs, half, 1),
        )
        if stride == 1:
            self.left = nn.Identity()

    def forward(self, x):
        left, right = (x, x) if self.stride == 2 else x.chunk(2, 1)
        x = torch.cat([self.left(left), self.right(right)], 1)
        batch, channels, height, width = x.shape
        x = x.view(batch, 2, channels // 2, height, width).transpose(1, 2)
        return x.reshape(batch, channels, height, width)


def build(width, side):
    *stages, last = WIDTHS[width]
    # As `stem_stride`: the last feature map has 4 pixels per side or more.
    stem = 4 if side >= 128 else 2 if side >= 64 else 1
    layers = conv_bn(3, 24, 3, min(stem, 2))
    if stem == 4:
        layers.append(nn.MaxPool2d(3, 2, 1))
    inputs = 24
    for outputs, units in zip(stages, UNITS, strict=True):
        layers += [Unit(inputs, outputs, 2)]
        layers += [Unit(outputs, outputs, 1) for _ in range(units - 1)]
        inputs = outputs
    layers += conv_bn(inputs, last, 1)
    return nn.Sequential(
        *layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(last, CLASSES)
    )


def flip_and_crop(images):
    """Takes uint8 [n, 3, side, side]; returns float in 0 to 1."""
    count, side = len(images), images.shape[2]
    flipped = torch.rand(count) < 0.5
    if side >= 96:
        area = torch.empty(count).uniform_(0.35, 1.0)
        aspect = torch.empty(count).uniform_(-0.2877, 0.2877).exp()
        scale = torch.stack([(area / aspect), (area * aspect)], 1).sqrt().clamp(max=1)
        centre = (2 * torch.rand(count, 2) - 1) * (1 - scale)
        scale[:, 0] *= 1 - 2.0 * flipped
        theta = torch.cat([torch.diag_embed(scale), centre[:, :, None]], 2)
        grid = functional.affine_grid(theta, images.shape, align_corners=False)
        return functional.grid_sample(images / 255, grid, align_corners=False)
    border = side // 8
    images = functional.pad(images.float(), [border] * 4, mode="reflect")
    starts = torch.randint(0, 2 * border + 1, (2, count, 1))
    rows, columns = torch.arange(side) + starts
    columns = torch.where(flipped[:, None], columns.flip(1), columns)
    number = torch.arange(count)[:, None, None]
    cropped = images.permute(0, 2, 3, 1)[number, rows[:, :, None], columns[:, None]]
    return cropped.permute(0, 3, 1, 2) / 255


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--width", type=float)
    parser.add_argument("--side", type=int)
    parser.add_argument("--batch_size", type=int)
    parser.add_argument("--seconds", type=float)
    given = parser.parse_args()
    model = build(given.width, given.side).to(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(model.parameters(), 0.01, 0.9, nesterov=True)
    images = torch.randint(0, 256, (IMAGES, 3, given.side, given.side)).byte()
    labels = torch.randint(0, CLASSES, (IMAGES,))

    def step():
        rows = torch.randperm(IMAGES)[: given.batch_size]
        x = flip_and_crop(images[rows]).contiguous(memory_format=torch.channels_last)
        loss = functional.cross_entropy(model(x), labels[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.item()

    for _ in range(UNCOUNTED_STEPS):
        step()
    count, began_s, began_cpu_s = 0, time.perf_counter(), time.process_time()
    while not count or time.perf_counter() - began_s < given.seconds:
        step()
        count += given.batch_size
    elapsed = time.perf_counter() - began_s, time.process_time() - began_cpu_s
    print(json.dumps([count / elapsed[0], 1000 * elapsed[1] / count]))


if __name__ == "__main__":
    main()
