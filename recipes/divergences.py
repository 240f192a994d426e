"""Shows what a discriminator measures, and what that makes of a generator: numbers and pictures.

    python recipes/divergences.py                        # some two minutes on two cores
    python recipes/divergences.py --workdir=runs/lesson

How far are two lines? The data lie on the line x = 0 of the plane, what is generated on x = d. A
discriminator tells them apart however near they are: its estimate of the Jensen–Shannon divergence
is log 2 all the way, then 0 at once, and a generator that moves learns nothing of it. A critic's
estimate of the Wasserstein distance is d, and falls. The estimate of a discriminator that is
stopped early falls too, and so does that of one that sees all through noise, which gives the lines
a width in common; one under a penalty on its slope at the data takes near lines for one (Arjovsky &
Bottou 2017, arXiv:1701.04862; Arjovsky et al. 2017, arXiv:1701.07875).

Which Gaussian is most like two? One Gaussian is fitted to a mixture of two by f-GAN's games
(Nowozin et al. 2016, arXiv:1606.00709). The Kullback–Leibler divergence of the data from it covers
both and what lies between; the reverse one settles on one and drops the other.

The folder has lines.png, gaussians.png and results.json.
"""

import recipes  # noqa: F401  first: it keeps TensorFlow's import quiet

# isort: split
import argparse
import dataclasses
import json
import math
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from recipes.common.divergence_pictures import draw_gaussians, draw_lines
from recipes.common.training import format_table
from zoo.common.command_errors import one_line_errors
from zoo.common.files import write_atomically
from zoo.common.objectives import Objective
from zoo.common.penalties import (
    images_between,
    one_centred_gradient_penalty,
    zero_centred_gradient_penalty,
)

DISTANCES = (0.1, 0.2, 0.4, 0.6, 0.8, 1.0)
NOISE = 0.2
# Where it is kept what each judge says, across lines of one distance.
PROFILE_DISTANCE = 0.6
PROFILE_PLACES = tuple(round(0.05 * number, 2) for number in range(-8, 21))
_NUM_POINTS = 256

# === How far are two lines? ===


@dataclasses.dataclass(frozen=True)
class Judge:
    """A discriminator, as it is trained.

    Attributes:
        objective: what it minimises.
        steps: how many it is given.
        penalty: maps it and real and generated points to what is added to its loss.
        noise: standard deviation of normal noise on all that it sees.
    """

    objective: str = "non_saturating"
    steps: int = 400
    penalty: Callable[..., tf.Tensor] | None = None
    noise: float = 0.0


def _r1(network, real_points, generated_points, seed) -> tf.Tensor:
    return 0.5 * zero_centred_gradient_penalty(network, real_points)


def _slope_of_one(network, real_points, generated_points, seed) -> tf.Tensor:
    points = images_between(real_points, generated_points, seed)
    return 10.0 * one_centred_gradient_penalty(network, points)


JUDGES: Mapping[str, Judge] = {
    "discriminator": Judge(),
    "stopped early": Judge(steps=5),
    "with R1": Judge(penalty=_r1),
    "through noise": Judge(noise=NOISE),
    "critic": Judge("wasserstein", penalty=_slope_of_one),
}


def true_distance(judge: str, distance: float) -> float | None:
    """Returns what a judge without limits would find; None where that is not its aim.

    Args:
        judge: name in `JUDGES`.
        distance: of the lines, above 0.
    """
    if judge == "critic":
        return distance
    if judge == "through noise":
        return jensen_shannon_of_normals(distance, NOISE)
    return math.log(2.0) if judge == "discriminator" else None


def jensen_shannon_of_normals(distance: float, sigma: float) -> float:
    """Returns the divergence of N(0, σ²) and N(distance, σ²), by quadrature."""
    x = np.linspace(-8 * sigma, distance + 8 * sigma, 20_001)
    p, q = (_normal(x, mean, sigma) for mean in (0.0, distance))
    log_share_of_p = -np.logaddexp(0.0, np.log(q) - np.log(p))
    log_share_of_q = -np.logaddexp(0.0, np.log(p) - np.log(q))
    integrand = p * (math.log(2) + log_share_of_p) + q * (math.log(2) + log_share_of_q)
    return float(0.5 * np.trapezoid(integrand, x))


def _normal(x: np.ndarray, mean: float, sigma: float) -> np.ndarray:
    return np.exp(-0.5 * ((x - mean) / sigma) ** 2) / (sigma * math.sqrt(2 * math.pi))


def _mlp(inputs: int) -> keras.Model:
    x = points = keras.Input((inputs,))
    for _ in range(2):
        x = layers.Dense(64, "tanh")(x)
    return keras.Model(points, layers.Dense(1)(x))


class Trial:
    """A judge and how it is trained on two lines, from the same weights each time.

    Args:
        judge: what to train.
        seed: of weights, points and noise.
    """

    def __init__(self, judge: Judge, seed: int = 0):
        keras.utils.set_random_seed(seed)
        self.judge = judge
        self.network = _mlp(2)
        self._optimizer = keras.optimizers.Adam(0.01, beta_1=0.5)
        self._optimizer.build(self.network.trainable_variables)
        self._objective = Objective(judge.objective)
        self._variables = [*self.network.variables, *self._optimizer.variables]
        self._start = [variable.numpy() for variable in self._variables]
        self._seed = tf.constant([seed, 0], tf.int64)

    def train(self, distance: float) -> None:
        """Trains on lines that far from each other, from the start."""
        for variable, value in zip(self._variables, self._start, strict=True):
            variable.assign(value)
        self._take_steps(tf.constant(distance, tf.float32))

    def _points(self, distance, step) -> tuple[tf.Tensor, tf.Tensor]:
        """Draws points of both lines, for a step, and their noise."""
        seed = tf.random.experimental.stateless_fold_in(self._seed, step)
        place_seed, noise_seed = tf.unstack(tf.random.split(seed, 2))
        places = tf.random.stateless_uniform((2, _NUM_POINTS, 1), place_seed)
        across = tf.stack([tf.zeros_like(places[0]), distance * tf.ones_like(places[0])])
        points = tf.concat([across, places], axis=-1)
        points += self.judge.noise * tf.random.stateless_normal(points.shape, noise_seed)
        return points[0], points[1]

    @tf.function(autograph=False)
    def _take_steps(self, distance) -> None:
        def step(number):
            real_points, generated_points = self._points(distance, number)
            with tf.GradientTape() as tape:
                loss = self._objective.discriminator_loss(
                    self.network(real_points), self.network(generated_points)
                )
                if self.judge.penalty is not None:
                    seed = tf.random.experimental.stateless_fold_in(self._seed, -1 - number)
                    loss += self.judge.penalty(self.network, real_points, generated_points, seed)
            weights = self.network.trainable_variables
            self._optimizer.apply_gradients(zip(tape.gradient(loss, weights), weights, strict=True))
            return number + 1

        tf.while_loop(lambda number: number < self.judge.steps, step, [tf.constant(0, tf.int64)])

    def estimate(self, distance: float) -> float:
        """Returns the distance that the judge found, on points that it was not trained on."""
        real_points, generated_points = self._points(distance, tf.constant(-1, tf.int64))
        loss = self._objective.discriminator_loss(
            self.network(real_points), self.network(generated_points)
        )
        if self.judge.objective == "wasserstein":
            return -float(loss)
        return math.log(2.0) - 0.5 * float(loss)

    def pull(self, distance: float) -> float:
        """Returns how strongly a generated point is drawn to the data: the game is zero-sum."""
        _, generated_points = self._points(distance, tf.constant(-1, tf.int64))
        name = self.judge.objective if self.judge.objective == "wasserstein" else "minimax"
        with tf.GradientTape() as tape:
            tape.watch(generated_points)
            loss = Objective(name).generator_loss(self.network(generated_points))
        slopes = tape.gradient(loss, generated_points)
        return float(tf.reduce_sum(slopes[:, 0]))

    def profile(self, places: Sequence[float], distance: float) -> np.ndarray:
        """Returns what the judge says at points (x, ½), for each x.

        A discriminator's is the probability that the point is real; a critic's has no zero, and is
        told from where it is on the generated line.
        """
        points = np.array([(place, 0.5) for place in (*places, distance)], np.float32)
        outputs = self.network(points)[:, 0]
        if self.judge.objective == "wasserstein":
            outputs -= outputs[-1]
        else:
            outputs = tf.sigmoid(outputs)
        return outputs[:-1].numpy()


def measure_lines(seed: int = 0, steps_scale: float = 1.0) -> dict[str, dict[str, list]]:
    """Has each judge measure each distance.

    Args:
        seed: of weights, points and noise.
        steps_scale: factor of the steps of training, below 1 to be quick.

    Returns:
        For each judge, one a distance: `estimates`; what would be `true`, or None; the `pulls` on a
        generated point; and what it says at `PROFILE_PLACES`, the `profile`.
    """
    found = {}
    for name, judge in JUDGES.items():
        steps = max(1, round(judge.steps * steps_scale))
        trial = Trial(dataclasses.replace(judge, steps=steps), seed)
        own = found[name] = {"estimates": [], "true": [], "pulls": [], "profile": []}
        for distance in DISTANCES:
            trial.train(distance)
            own["estimates"].append(trial.estimate(distance))
            own["true"].append(true_distance(name, distance))
            own["pulls"].append(trial.pull(distance))
            if distance == PROFILE_DISTANCE:
                own["profile"] = trial.profile(PROFILE_PLACES, distance).tolist()
    return found


# === Which Gaussian is most like two? ===

# Weight, mean and standard deviation of each.
MIXTURE = ((0.5, -1.0, 0.5), (0.5, 2.0, 0.5))
START = (-0.5, 0.7)
GAMES = ("f_kl", "f_pearson", "f_js", "f_reverse_kl")

# f(u) of each objective of f-GAN, with u = p/q, given log u.
GENERATING_FUNCTIONS: Mapping[str, Callable[[np.ndarray], np.ndarray]] = {
    "f_kl": lambda log_u: np.exp(log_u) * log_u,
    "f_pearson": lambda log_u: np.expm1(log_u) ** 2,
    "f_hellinger": lambda log_u: np.expm1(log_u / 2.0) ** 2,
    "f_js": lambda log_u: (
        np.exp(log_u) * log_u - (np.exp(log_u) + 1) * (np.logaddexp(0.0, log_u) - math.log(2))
    ),
    "f_gan": lambda log_u: np.exp(log_u) * log_u - (np.exp(log_u) + 1) * np.logaddexp(0.0, log_u),
    "f_reverse_kl": lambda log_u: -log_u,
}


def mixture_density(x: np.ndarray) -> np.ndarray:
    """Returns the density of the data."""
    return sum(weight * _normal(x, mean, sigma) for weight, mean, sigma in MIXTURE)


def divergence(game: str, mean: float, sigma: float) -> float:
    """Returns D_f of the mixture from N(mean, sigma²), by quadrature.

    Args:
        game: name in `GAMES`.
        mean: of the Gaussian.
        sigma: its standard deviation.
    """
    x = np.linspace(-12.0, 13.0, 1001)
    q = _normal(x, mean, sigma)
    seen = q > 1e-30  # beyond it there is nothing of q, and 0 times infinity
    log_u = np.log(mixture_density(x[seen]) + 1e-300) - np.log(q[seen])
    return float(np.trapezoid(q[seen] * GENERATING_FUNCTIONS[game](log_u), x[seen]))


def best_fit(game: str) -> tuple[float, float, float]:
    """Returns mean and standard deviation of the Gaussian of the least divergence, and that.

    They are looked for near `START`, so that of two that are equally good it is the nearer.
    """
    best, width = START, (1.3, 1.5)
    for _ in range(5):
        means = np.linspace(best[0] - width[0], best[0] + width[0], 15)
        sigmas = np.linspace(max(0.2, best[1] - width[1]), best[1] + width[1], 15)
        candidates = [(divergence(game, m, s), m, s) for m in means for s in sigmas]
        least, *best = min(candidates)
        width = width[0] / 4, width[1] / 4
    return float(best[0]), float(best[1]), float(least)


def _quantiles(number: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns equally likely points of the data and of N(0, 1), in place of random ones."""
    x = np.linspace(-12.0, 13.0, 200_001)
    shares = (np.arange(number) + 0.5) / number

    def inverse(density: np.ndarray) -> np.ndarray:
        cumulated = np.cumsum(density)
        return np.interp(shares, cumulated / cumulated[-1], x).astype(np.float32)[:, np.newaxis]

    return inverse(mixture_density(x)), inverse(_normal(x, 0.0, 1.0))


def fit_gaussian(game: str, seed: int = 0, steps: int = 1500) -> tuple[float, float]:
    """Plays f-GAN's zero-sum game of a Gaussian against a small network.

    Args:
        game: name of the objective.
        seed: of the network's weights.
        steps: of the Gaussian, five of the network for each.

    Returns:
        Mean and standard deviation that the Gaussian ends with.
    """
    keras.utils.set_random_seed(seed)
    objective = Objective(game, zero_sum=True)
    real_points, latents = (tf.constant(each) for each in _quantiles(_NUM_POINTS))
    network = _mlp(1)
    mean, log_sigma = tf.Variable(START[0]), tf.Variable(math.log(START[1]))
    of_network = keras.optimizers.Adam(5e-3, beta_1=0.5)
    rate = keras.optimizers.schedules.PolynomialDecay(1e-2, steps, 1e-3)
    of_gaussian = keras.optimizers.Adam(rate, beta_1=0.5)
    of_network.build(network.trainable_variables)
    of_gaussian.build([mean, log_sigma])

    def network_step(number):
        generated_points = mean + tf.exp(log_sigma) * latents
        with tf.GradientTape() as tape:
            loss = objective.discriminator_loss(network(real_points), network(generated_points))
            # A little of R1 keeps the ratio finite where there are no data.
            loss += 0.005 * zero_centred_gradient_penalty(network, real_points)
        weights = network.trainable_variables
        of_network.apply_gradients(zip(tape.gradient(loss, weights), weights, strict=True))
        return number + 1

    def step(number):
        tf.while_loop(lambda number: number < 5, network_step, [tf.constant(0)])
        with tf.GradientTape() as tape:
            generated_points = mean + tf.exp(log_sigma) * latents
            loss = objective.generator_loss(network(generated_points))
        gaussian = [mean, log_sigma]
        of_gaussian.apply_gradients(zip(tape.gradient(loss, gaussian), gaussian, strict=True))
        return number + 1

    @tf.function(autograph=False)
    def play() -> None:
        tf.while_loop(lambda number: number < steps, step, [tf.constant(0)])

    play()
    return float(mean), math.exp(float(log_sigma))


def fit_gaussians(seed: int = 0, steps: int = 1500) -> dict[str, dict[str, float]]:
    """Plays all games; returns for each what was learnt and what is best."""
    found = {}
    for game in GAMES:
        mean, sigma = fit_gaussian(game, seed, steps)
        best_mean, best_sigma, least = best_fit(game)
        found[game] = {
            "mean": mean,
            "sigma": sigma,
            "divergence": divergence(game, mean, sigma),
            "best_mean": best_mean,
            "best_sigma": best_sigma,
            "least_divergence": least,
        }
    return found


# === Command ===


def table(results: Mapping[str, Any]) -> str:
    """Returns what was found as text."""
    lines = [
        (f"lines, {judge}", *(f"{estimate:.3f}" for estimate in own["estimates"]))
        for judge, own in results["lines"].items()
    ]
    heading = ("distance", *map(str, DISTANCES))
    fits = [
        (
            game,
            f"N({fit['mean']:.2f}, {fit['sigma']:.2f}²)",
            f"N({fit['best_mean']:.2f}, {fit['best_sigma']:.2f}²)",
        )
        for game, fit in results["gaussians"].items()
    ]
    return "\n\n".join(
        [format_table(heading, lines), format_table(("game", "learnt", "best"), fits)]
    )


def main(arguments: list[str] | None = None) -> None:
    """Runs both lessons and writes the folder."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--workdir", type=Path, help="folder to write, by default below runs/")
    parser.add_argument("--seed", type=int, default=0, help="of weights, points and noise")
    parser.add_argument("--smoke", action="store_true", help="a few steps, to see that all works")
    chosen = parser.parse_args(arguments)
    folder = chosen.workdir or Path(f"runs/divergences-{time.strftime('%Y%m%d-%H%M%S')}")
    with one_line_errors():
        folder.mkdir(parents=True, exist_ok=True)
    results = {
        "lines": measure_lines(chosen.seed, 0.01 if chosen.smoke else 1.0),
        "gaussians": fit_gaussians(chosen.seed, 3 if chosen.smoke else 1500),
        "seed": chosen.seed,
        "smoke": chosen.smoke,
    }
    write_atomically(folder / "results.json", json.dumps(results, indent=1) + "\n")
    across = PROFILE_DISTANCE, PROFILE_PLACES
    draw_lines(results["lines"], DISTANCES, across, folder / "lines.png")
    draw_gaussians(results["gaussians"], mixture_density, folder / "gaussians.png")
    print(f"{table(results)}\n\nEverything is in {folder}.")


if __name__ == "__main__":
    main()
