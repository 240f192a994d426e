"""Three games in PyTorch, in the structure of its own example and of the authors' code.

DCGAN as in pytorch/examples, CycleGAN as in junyanz/pytorch-CycleGAN-and-pix2pix, WGAN-GP as in
Algorithm 1. Layers, filters and losses are those of the zoo's models, so that a step is as much
arithmetic. `torch` is no dependency: `pip install -e '.[torch]'`.

    python -m benchmarks.speed.pytorch DCGAN 1.0 1 8 64

says in a line of JSON how many seconds the generator takes for each of these batches, the median of
calls over so many seconds.
"""

import itertools
import json
import random
import statistics
import sys
import time
from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")

# === DCGAN and WGAN-GP ===


def strided_generator(latent_dim: int, filters: int, doublings: int, channels: int) -> nn.Module:
    """Returns transposed convolutions from 4×4 pixels to 4 · 2^doublings."""
    widths = [filters * 2**scale for scale in reversed(range(doublings))]
    parts = [nn.ConvTranspose2d(latent_dim, widths[0], 4, 1, 0, bias=False)]
    for width, following in itertools.pairwise(widths):
        parts += [nn.BatchNorm2d(width), nn.ReLU(True)]
        parts += [nn.ConvTranspose2d(width, following, 4, 2, 1, bias=False)]
    parts += [nn.BatchNorm2d(widths[-1]), nn.ReLU(True)]
    parts += [nn.ConvTranspose2d(widths[-1], channels, 4, 2, 1, bias=False), nn.Tanh()]
    return nn.Sequential(*parts)


def strided_judge(filters: int, doublings: int, channels: int, normalised: bool) -> nn.Module:
    """Returns convolutions of stride 2 and one number an image."""
    parts: list[nn.Module] = []
    for scale in range(doublings):
        width = filters * 2**scale
        inputs = channels if scale == 0 else width // 2
        parts += [nn.Conv2d(inputs, width, 4, 2, 1, bias=not normalised)]
        parts += [nn.BatchNorm2d(width)] if normalised and scale > 0 else []
        parts += [nn.LeakyReLU(0.2, inplace=normalised)]
    parts += [nn.Conv2d(filters * 2 ** (doublings - 1), 1, 4, 1, 0, bias=not normalised)]
    return nn.Sequential(*parts, nn.Flatten())


def dcgan(compiled: bool) -> Callable[[], None]:
    """Returns a step of the game of `games.GAMES`: 64×64 pixels, 64 filters, 64 images."""
    generator = strided_generator(100, 64, 4, 3).to(DEVICE)
    judge = strided_judge(64, 4, 3, normalised=True).to(DEVICE)
    optimizers = [torch.optim.Adam(n.parameters(), 2e-4, (0.5, 0.999)) for n in (generator, judge)]
    if compiled:
        generator, judge = torch.compile(generator), torch.compile(judge)
    criterion = nn.BCEWithLogitsLoss()
    images = torch.rand(64, 3, 64, 64, device=DEVICE) * 2 - 1
    ones, zeros = torch.ones(64, 1, device=DEVICE), torch.zeros(64, 1, device=DEVICE)

    def step() -> None:
        judge.zero_grad()
        criterion(judge(images), ones).backward()
        generated = generator(torch.rand(64, 100, 1, 1, device=DEVICE) * 2 - 1)
        criterion(judge(generated.detach()), zeros).backward()
        optimizers[1].step()
        generator.zero_grad()
        criterion(judge(generated), ones).backward()
        optimizers[0].step()

    return step


def wgan_gp(compiled: bool) -> Callable[[], None]:
    """Returns a step of the game: 32×32 pixels, 64 filters, five steps of 64 images and one."""
    generator = strided_generator(128, 64, 3, 3).to(DEVICE)
    critic = strided_judge(64, 3, 3, normalised=False).to(DEVICE)
    optimizers = [torch.optim.Adam(n.parameters(), 1e-4, (0.0, 0.9)) for n in (generator, critic)]
    if compiled:
        generator, critic = torch.compile(generator), torch.compile(critic)
    batches = torch.rand(5, 64, 3, 32, 32, device=DEVICE) * 2 - 1

    def drawn() -> torch.Tensor:
        return generator(torch.randn(64, 128, 1, 1, device=DEVICE))

    def step() -> None:
        for images in batches:
            critic.zero_grad()
            with torch.no_grad():
                generated = drawn()
            between = torch.lerp(images, generated, torch.rand(64, 1, 1, 1, device=DEVICE))
            between.requires_grad_(True)
            (slopes,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
            penalty = ((slopes.flatten(1).norm(dim=1) - 1) ** 2).mean()
            (critic(generated).mean() - critic(images).mean() + 10 * penalty).backward()
            optimizers[1].step()
        generator.zero_grad()
        (-critic(drawn()).mean()).backward()
        optimizers[0].step()

    return step


# === CycleGAN ===


class _Block(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        parts: list[nn.Module] = []
        for _ in range(2):
            parts += [nn.ReflectionPad2d(1), nn.Conv2d(width, width, 3), nn.InstanceNorm2d(width)]
            parts += [nn.ReLU(True)]
        self.body = nn.Sequential(*parts[:-1])

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return images + self.body(images)


def translator() -> nn.Module:
    """Returns the residual generator of 64 filters and six blocks."""
    parts: list[nn.Module] = [nn.ReflectionPad2d(3), nn.Conv2d(3, 64, 7), nn.InstanceNorm2d(64)]
    parts += [nn.ReLU(True)]
    for width in (64, 128):
        parts += [nn.Conv2d(width, 2 * width, 3, 2, 1), nn.InstanceNorm2d(2 * width), nn.ReLU(True)]
    parts += [_Block(256) for _ in range(6)]
    for width in (256, 128):
        parts += [nn.ConvTranspose2d(width, width // 2, 3, 2, 1, 1), nn.InstanceNorm2d(width // 2)]
        parts += [nn.ReLU(True)]
    return nn.Sequential(*parts, nn.ReflectionPad2d(3), nn.Conv2d(64, 3, 7), nn.Tanh())


def patch_judge() -> nn.Module:
    """Returns the discriminator of patches, of two scales as for images below 128 pixels."""
    parts: list[nn.Module] = [nn.Conv2d(3, 64, 4, 2, 1), nn.LeakyReLU(0.2, True)]
    parts += [nn.Conv2d(64, 128, 4, 2, 1), nn.InstanceNorm2d(128), nn.LeakyReLU(0.2, True)]
    parts += [nn.Conv2d(128, 256, 4, 1, 1), nn.InstanceNorm2d(256), nn.LeakyReLU(0.2, True)]
    return nn.Sequential(*parts, nn.Conv2d(256, 1, 4, 1, 1))


class _Pool:
    def __init__(self, size: int = 50) -> None:
        self.images, self.size = [], size

    def query(self, image: torch.Tensor) -> torch.Tensor:
        if len(self.images) < self.size:
            self.images.append(image)
            return image
        if random.random() < 0.5:
            return image
        place = random.randrange(self.size)
        kept, self.images[place] = self.images[place], image
        return kept


def cyclegan(compiled: bool) -> Callable[[], None]:
    """Returns a step of the game: 64×64 pixels, one image of each domain."""
    to_b, to_a, judge_a, judge_b = (
        network.to(DEVICE) for network in (translator(), translator(), patch_judge(), patch_judge())
    )
    players = ((to_b, to_a), (judge_a, judge_b))
    optimizers = [
        torch.optim.Adam(itertools.chain(*(n.parameters() for n in both)), 2e-4, (0.5, 0.999))
        for both in players
    ]
    if compiled:
        to_b, to_a = torch.compile(to_b), torch.compile(to_a)
        judge_a, judge_b = torch.compile(judge_a), torch.compile(judge_b)
    real_a, real_b = (torch.rand(1, 3, 64, 64, device=DEVICE) * 2 - 1 for _ in range(2))
    pools = _Pool(), _Pool()

    def squared(logits: torch.Tensor, target: float) -> torch.Tensor:
        return functional.mse_loss(logits, torch.full_like(logits, target))

    def judged(judge: nn.Module, real: torch.Tensor, shown: torch.Tensor) -> None:
        loss = squared(judge(real), 1.0) + squared(judge(shown.detach()), 0.0)
        (0.5 * loss).backward()

    def step() -> None:
        generated_b, generated_a = to_b(real_a), to_a(real_b)
        returned_a, returned_b = to_a(generated_b), to_b(generated_a)
        for judge in (judge_a, judge_b):
            judge.requires_grad_(False)
        optimizers[0].zero_grad()
        loss = squared(judge_b(generated_b), 1.0) + squared(judge_a(generated_a), 1.0)
        loss = loss + 10 * functional.l1_loss(returned_a, real_a)
        loss = loss + 10 * functional.l1_loss(returned_b, real_b)
        loss = loss + 5 * functional.l1_loss(to_b(real_b), real_b)
        loss = loss + 5 * functional.l1_loss(to_a(real_a), real_a)
        loss.backward()
        optimizers[0].step()
        for judge in (judge_a, judge_b):
            judge.requires_grad_(True)
        optimizers[1].zero_grad()
        judged(judge_a, real_a, pools[0].query(generated_a.detach()))
        judged(judge_b, real_b, pools[1].query(generated_b.detach()))
        optimizers[1].step()

    return step


# === Timing ===

STEPS = {"DCGAN": dcgan, "WGANGP": wgan_gp, "CycleGAN": cyclegan}


def in_bfloat16(step: Callable[[], None]) -> Callable[[], None]:
    """Returns the step with its layers in half precision, as `torch.autocast` chooses them."""

    def step_in_half_precision() -> None:
        # A cache would keep a weight as it was before the optimizer's step.
        with torch.autocast(DEVICE.type, torch.bfloat16, cache_enabled=False):
            step()

    return step_in_half_precision


def milliseconds(step: Callable[[], None], steps: int) -> list[float]:
    """Returns how long each of so many steps took."""
    times = [_now()]
    for _ in range(steps):
        step()
        times.append(_now())
    return [1000 * (later - earlier) for earlier, later in itertools.pairwise(times)]


# The generators of default size, and the shape of what each takes.
GENERATORS = {
    "DCGAN": (lambda: strided_generator(100, 64, 3, 3), (100, 1, 1)),
    "CycleGAN": (translator, (3, 64, 64)),
}


def seconds_to_generate(variant: str, seconds: float, batch_size: int) -> float:
    """Returns the median time of a generator's calls after the first, three of them at least."""
    build, shape = GENERATORS[variant]
    generator = build().to(DEVICE).eval()
    given = torch.rand(batch_size, *shape, device=DEVICE)
    took: list[float] = []
    with torch.inference_mode():
        generator(given)
        while sum(took) < seconds or len(took) < 3:
            start = _now()
            generator(given)
            took.append(_now() - start)
    return statistics.median(took)


def _now() -> float:
    if DEVICE.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()


if __name__ == "__main__":
    _variant, _seconds, *_sizes = sys.argv[1:]
    print(json.dumps({n: seconds_to_generate(_variant, float(_seconds), int(n)) for n in _sizes}))
