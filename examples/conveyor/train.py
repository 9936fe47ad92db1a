"""Trains the detector (development only: needs torch; about a quarter of an hour on one core).

    cd examples && python -m conveyor.train

A single-shot detector without anchors: separable convolutions down to a grid of one cell per 8 pixels, and per
cell a score for each kind, the probability that the part is defective, and the distances to the sides of its box.
What goes into ``detector.onnx`` also thins the scores out to local peaks and turns distances into corners, so
that a guest only compares scores with a threshold.
"""

from __future__ import annotations

import argparse
import io
import json
import time
from pathlib import Path
from typing import Any

import av
import numpy as np
import torch
import torch.nn.functional as nnf
from PIL import Image
from torch import nn

from . import parts
from .measure import TRAIN_SEEDS
from .scene import Scene

HERE = Path(__file__).parent
WIDTH, HEIGHT, CELL = 384, 216, 8
GRID = (HEIGHT // CELL, WIDTH // CELL)
KINDS = len(parts.KINDS)

FRAMES_PER_SCENE = 10
MOST_PARTS = 32


def samples(seeds: range, frames: int) -> tuple[Any, Any]:
    """Frames u8 [n, 3, HEIGHT, WIDTH] and parts f32 [n, MOST_PARTS, 7]: corners in pixels, kind, defect, visible."""
    pictures = np.empty((len(seeds) * frames, 3, HEIGHT, WIDTH), np.uint8)
    targets = np.zeros((len(pictures), MOST_PARTS, 7), np.float32)
    for row, seed in enumerate(seeds):
        scene = Scene(seed, 250)
        rng = np.random.default_rng([seed, 1])
        for column, index in enumerate(np.linspace(0, 249, frames).astype(int)):
            at = row * frames + column
            pictures[at] = _as_filmed(scene.frame(int(index)), rng)
            for slot, box in enumerate(scene.truth(int(index))[:MOST_PARTS]):
                x1, y1, x2, y2 = box.box
                kind, _, defect = box.label.partition(" ")
                corners = (x1 * WIDTH, y1 * HEIGHT, x2 * WIDTH, y2 * HEIGHT)
                targets[at, slot] = (*corners, parts.KINDS.index(kind), bool(defect), box.visible)
    return torch.from_numpy(pictures), torch.from_numpy(targets)


def _as_filmed(frame: Any, rng: Any) -> Any:
    """A frame with the losses of compression, at the detector's size: u8 [3, HEIGHT, WIDTH]."""
    image = Image.fromarray(frame)
    if rng.random() < 0.7:
        packed = io.BytesIO()
        image.save(packed, "JPEG", quality=int(rng.integers(45, 92)))
        image = Image.open(packed)
    if rng.random() < 0.5:
        way = Image.Resampling.BILINEAR if rng.random() < 0.7 else Image.Resampling.BOX
        return np.asarray(image.resize((WIDTH, HEIGHT), way)).transpose(2, 0, 1)
    coded = av.VideoFrame.from_ndarray(np.asarray(image), "rgb24").reformat(format="yuv420p")
    small = coded.reformat(WIDTH, HEIGHT, "rgb24", interpolation="BILINEAR")
    return small.to_ndarray().transpose(2, 0, 1)


class Block(nn.Module):  # type: ignore[misc]  # torch is not there where types are checked
    """A separable convolution with a short cut where the shape allows one."""

    def __init__(self, inputs: int, outputs: int, size: int = 3, stride: int = 1) -> None:
        super().__init__()
        self.short = inputs == outputs and stride == 1
        depth = nn.Conv2d(inputs, inputs, size, stride, size // 2, groups=inputs, bias=False)
        self.body = nn.Sequential(depth, nn.Conv2d(inputs, outputs, 1, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x: Any) -> Any:
        """[n, inputs, h, w] to [n, outputs, h / stride, w / stride]."""
        out = self.body(x)
        return nnf.relu(out + x if self.short else out)


class Detector(nn.Module):  # type: ignore[misc]  # as above
    """Pictures f32 [n, 3, HEIGHT, WIDTH] in 0..1 to raw maps: kinds, defect, distances."""

    def __init__(self) -> None:
        super().__init__()
        patches = nn.Conv2d(3, 40, 8, 4, 2, bias=False)
        self.stem = nn.Sequential(patches, nn.BatchNorm2d(40), nn.ReLU(), Block(40, 40), Block(40, 40))
        self.trunk = nn.Sequential(Block(40, 104, 5, 2), *(Block(104, 104, 5) for _ in range(6)))
        self.kinds, self.defect, self.sides = (nn.Conv2d(104, maps, 1) for maps in (KINDS, 1, 4))
        nn.init.constant_(self.kinds.bias, -4.0)  # nearly every cell is belt

    def forward(self, x: Any) -> tuple[Any, Any, Any]:
        """Logits [n, KINDS, h, w], logits [n, 1, h, w], and l, t, r, b in cells [n, 4, h, w]."""
        features = self.trunk(self.stem(x * 4 - 2))
        return self.kinds(features), self.defect(features), nnf.softplus(self.sides(features))


class Deployed(nn.Module):  # type: ignore[misc]  # as above
    """What is exported: scores [1, 2 * KINDS, h * w] that are 0 off peaks, and boxes [1, 4, h * w] in 0..1."""

    def __init__(self, net: Detector) -> None:
        super().__init__()
        self.net = net
        y, x = torch.meshgrid(torch.arange(GRID[0]) + 0.5, torch.arange(GRID[1]) + 0.5, indexing="ij")
        self.register_buffer("centre", torch.stack([x, y, x, y])[None])
        self.register_buffer("side", torch.tensor([-1.0, -1.0, 1.0, 1.0]).view(1, 4, 1, 1))
        size = torch.tensor([GRID[1], GRID[0], GRID[1], GRID[0]], dtype=torch.float32)
        self.register_buffer("size", size.view(1, 4, 1, 1))

    def forward(self, image: Any) -> tuple[Any, Any]:
        """A picture f32 [1, 3, HEIGHT, WIDTH] in 0..1 to scores and boxes."""
        kinds, defect, distance = self.net(image)
        kinds, bad = torch.sigmoid(kinds), torch.sigmoid(defect)
        best = kinds.amax(1, keepdim=True)
        peak = (nnf.max_pool2d(best, 3, 1, 1) == best) & (kinds == best)
        found, faulty = kinds * peak.float(), (bad >= 0.5).float()
        scores = torch.cat([found * (1 - faulty), found * faulty], 1)
        boxes = (self.centre + self.side * distance) / self.size
        return scores.flatten(2), boxes.clamp(0, 1).flatten(2)


def maps(targets: Any) -> tuple[Any, Any, Any, Any]:
    """Target maps: heat [n, KINDS, h, w], defect [n, 1, h, w], l t r b [n, 4, h, w], weight of a cell [n, 1, h, w]."""
    n = len(targets)
    heat, weight = torch.zeros(n, KINDS, *GRID), torch.zeros(n, 1, *GRID)
    defect, sides = torch.zeros(n, 1, *GRID), torch.zeros(n, 4, *GRID)
    y, x = torch.meshgrid(torch.arange(GRID[0]) + 0.5, torch.arange(GRID[1]) + 0.5, indexing="ij")
    cells = targets / torch.tensor([CELL] * 4 + [1] * 3)
    for image in range(n):
        for x1, y1, x2, y2, kind, bad, visible in cells[image].tolist():
            if visible == 0:
                continue
            dx, dy = x - (x1 + x2) / 2, y - (y1 + y2) / 2
            spread = max(0.18 * min(x2 - x1, y2 - y1), 0.45)
            hill = torch.exp(-(dx**2 + dy**2) / (2 * spread**2))
            hill = hill / hill.max()
            heat[image, int(kind)] = torch.maximum(heat[image, int(kind)], hill)
            near = (hill > 0.45) & (hill > weight[image, 0])
            weight[image, 0][near] = hill[near]
            defect[image, 0][near] = bad
            sides[image][:, near] = torch.stack([x - x1, y - y1, x2 - x, y2 - y]).clamp(min=0)[:, near]
    return heat, defect, sides, weight


def loss(out: tuple[Any, Any, Any], target: tuple[Any, Any, Any, Any]) -> Any:
    """Focal loss of the peaks, cross entropy of the defects, and one minus the overlap of the boxes."""
    kinds, bad, sides = out
    heat, defect, wanted, weight = target
    hit = (heat > 0.99).float()
    p = torch.sigmoid(kinds)
    positive = hit * (1 - p) ** 2 * nnf.logsigmoid(kinds)
    negative = (1 - heat) ** 4 * p**2 * nnf.logsigmoid(-kinds)
    focal = -(positive + negative * (1 - hit)).sum() / hit.sum().clamp(min=1)
    total = weight.sum().clamp(min=1)
    faults = (nnf.binary_cross_entropy_with_logits(bad, defect, reduction="none") * weight).sum() / total
    inner = torch.minimum(sides, wanted)
    overlap = (inner[:, 0] + inner[:, 2]) * (inner[:, 1] + inner[:, 3])
    areas = [(side[:, 0] + side[:, 2]) * (side[:, 1] + side[:, 3]) for side in (sides, wanted)]
    iou = overlap / (areas[0] + areas[1] - overlap).clamp(min=1e-3)
    corners = (nnf.smooth_l1_loss(sides, wanted, reduction="none").sum(1, keepdim=True) * weight).sum() / total
    return focal + faults + 2 * ((1 - iou)[:, None] * weight).sum() / total + 0.3 * corners


def augment(pictures: Any, targets: Any, rng: Any) -> tuple[Any, Any]:
    """A batch as floats in 0..1, mirrored and lit at random; boxes mirrored with it."""
    x, boxes = pictures.float() / 255, targets.clone()
    if rng.random() < 0.5:
        x, boxes[..., [0, 2]] = x.flip(3), WIDTH - boxes[..., [2, 0]]
    if rng.random() < 0.5:
        x, boxes[..., [1, 3]] = x.flip(2), HEIGHT - boxes[..., [3, 1]]
    n = len(x)
    gain = torch.from_numpy(rng.uniform(0.8, 1.25, (n, 1, 1, 1)) * rng.uniform(0.94, 1.06, (n, 3, 1, 1)))
    gamma = torch.from_numpy(rng.uniform(0.85, 1.18, (n, 1, 1, 1)))
    x = (x * gain.float()).clamp(1e-4, 1) ** gamma.float()
    return x + torch.randn(x.shape) * float(rng.uniform(0, 0.015)), boxes


def fit(net: Detector, pictures: Any, targets: Any, steps: int, batch: int = 8) -> None:
    """Train ``net`` for ``steps`` batches with AdamW and a one-cycle learning rate; prints as it goes."""
    rng = np.random.default_rng(0)
    optimizer = torch.optim.AdamW(net.parameters(), 6e-3, weight_decay=1e-3)
    plan = torch.optim.lr_scheduler.OneCycleLR(optimizer, 6e-3, total_steps=steps, pct_start=0.15)
    net.train()
    began, running = time.perf_counter(), 0.0
    order = np.concatenate([rng.permutation(len(pictures)) for _ in range(steps * batch // len(pictures) + 1)])
    for step in range(steps):
        chosen = np.sort(order[step * batch : (step + 1) * batch])
        x, boxes = augment(pictures[chosen], targets[chosen], rng)
        value = loss(net(x.contiguous(memory_format=torch.channels_last)), maps(boxes))
        optimizer.zero_grad()
        value.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 5.0)
        optimizer.step()
        plan.step()
        running = value.item() if step == 0 else 0.98 * running + 0.02 * value.item()
        if step % 50 == 0 or step == steps - 1:
            print(f"step {step}/{steps}  loss {running:.3f}  {time.perf_counter() - began:.0f} s", flush=True)


def export(net: Detector, path: Path) -> None:
    """Write ``net`` as one ONNX file, with the labels in its metadata."""
    import onnx

    image = torch.zeros(1, 3, HEIGHT, WIDTH)
    torch.onnx.export(
        Deployed(net).eval(), (image,), str(path), dynamo=False, opset_version=17,
        input_names=["image"], output_names=["scores", "boxes"],
    )  # fmt: skip
    model = onnx.load(str(path))
    onnx.helper.set_model_props(model, {"labels": ",".join(parts.LABELS)})
    onnx.save(model, str(path))


def main() -> None:
    """Draw, train, export, and measure on belts the training never saw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--out", type=Path, default=HERE / "detector.onnx")
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    began = time.process_time()
    pictures, targets = samples(TRAIN_SEEDS, FRAMES_PER_SCENE)
    print(f"{len(pictures)} frames drawn in {time.process_time() - began:.0f} s", flush=True)
    net = Detector().to(memory_format=torch.channels_last)
    fit(net, pictures, targets, options.steps)
    export(net, options.out)
    size = options.out.stat().st_size
    print(json.dumps({"file": str(options.out), "bytes": size, "cpu_seconds": round(time.process_time() - began)}))


if __name__ == "__main__":
    main()
