"""Plays the smallest GAN, one number against another, and draws where each cure takes the two.

    python recipes/two_numbers.py                        # half a minute
    python recipes/two_numbers.py --workdir=runs/lesson

The data are the point 0, what is generated is the point θ, and the discriminator is D(x) = ψ·x. At
the solution θ = ψ = 0 nothing is left to learn. Without a cure the players circle around it or
leave it, whatever their rate: the game has no friction (Mescheder et al. 2018, arXiv:1801.04406).
The losses, penalties and optimizers are the zoo's own.

Historical averaging is played in the game of its paper, too (Salimans et al. 2016,
arXiv:1606.03498): x lowers and y raises (f(x) − 1)(y − 1), where f(x) is x below 0 and x² above.

The folder has two_numbers.png and results.json.
"""

import recipes  # noqa: F401  first: it keeps TensorFlow's import quiet

# isort: split
import argparse
import dataclasses
import json
import statistics
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from recipes.common.training import format_table
from recipes.common.two_numbers_picture import draw_games
from zoo.common.command_errors import one_line_errors
from zoo.common.files import write_atomically
from zoo.common.historical_averaging import HistoricalAveraging
from zoo.common.objectives import Objective
from zoo.common.penalties import (
    images_around,
    images_between,
    one_centred_gradient_penalty,
    zero_centred_gradient_penalty,
)
from zoo.common.unrolling import LookAhead

RATE = 0.2
STEPS = 500
START = (1.0, -1.0)
NOISE = 0.8

# === The smallest GAN ===


@dataclasses.dataclass(frozen=True)
class Game:
    """What is changed of the plain game, in which D steps, then G, by gradient descent.

    Attributes:
        objective: of both players.
        at_once: whether both step from where they are, in place of one after the other.
        penalty: maps D and real and generated points to what is added to D's loss.
        noise: standard deviation of normal noise on all that D sees.
        unrolled_steps: K, further steps of D through which G looks.
        historical_averaging: weight of each player's pull towards where it has been on average.
    """

    objective: str = "minimax"
    at_once: bool = False
    penalty: Callable[..., tf.Tensor] | None = None
    noise: float = 0.0
    unrolled_steps: int = 0
    historical_averaging: float = 0.0

    def __post_init__(self) -> None:
        # Equally likely points, in place of random ones.
        normal = statistics.NormalDist()
        number = 256 if self.noise else 1
        places = [normal.inv_cdf((place + 0.5) / number) for place in range(number)]
        object.__setattr__(self, "_noise", self.noise * np.float32(places)[:, np.newaxis])

    def discriminator_loss(self, theta: tf.Tensor, psi: tf.Tensor) -> tf.Tensor:
        """Returns what D minimises: by ψ, as G has θ."""

        def discriminator(points, training=True):
            return psi * points

        real_points = tf.constant(self._noise)
        generated_points = theta + real_points
        loss = Objective(self.objective).discriminator_loss(
            discriminator(real_points), discriminator(generated_points)
        )
        if self.penalty is not None:
            loss += self.penalty(discriminator, real_points, generated_points)
        return loss

    def generator_loss(self, theta: tf.Tensor, psi: tf.Tensor) -> tf.Tensor:
        """Returns what G minimises: by θ, as D has ψ."""
        return Objective(self.objective).generator_loss(psi * (theta + tf.constant(self._noise)))


def _r1(discriminator, real_points, generated_points) -> tf.Tensor:
    return 0.3 / 2 * zero_centred_gradient_penalty(discriminator, real_points)


def _wgan_gp(discriminator, real_points, generated_points) -> tf.Tensor:
    points = images_between(real_points, generated_points, seed=(0, 0))
    return 0.1 * one_centred_gradient_penalty(discriminator, points)


def _dragan(discriminator, real_points, generated_points) -> tf.Tensor:
    return 0.1 * one_centred_gradient_penalty(discriminator, images_around(real_points, (0, 0)))


GAMES: Mapping[str, Game] = {
    "both at once": Game(at_once=True),
    "one after the other": Game(),
    "R1, γ = 0.3": Game(penalty=_r1),
    f"through noise of {NOISE}": Game(noise=NOISE),
    "unrolled 5 steps": Game(unrolled_steps=5),
    "WGAN-GP": Game("wasserstein", penalty=_wgan_gp),
    "DRAGAN": Game(penalty=_dragan),
    "historical averaging": Game(historical_averaging=0.1),
}


class Players:
    """θ and ψ, and the optimizers that move them.

    Args:
        game: that they play.
    """

    def __init__(self, game: Game):
        self.game = game
        self.theta, self.psi = (keras.Variable(place) for place in START)
        self._generator_optimizer = _optimizer(self.theta, RATE, game.historical_averaging)
        self._discriminator_optimizer = _optimizer(self.psi, RATE, game.historical_averaging)

    def generator_slope(self, theta: tf.Tensor, psi: tf.Tensor) -> tf.Tensor:
        """Returns the derivative of G's loss by θ, through D's further steps if it looks ahead."""
        with tf.GradientTape() as tape:
            tape.watch(theta)
            loss = self.game.generator_loss(theta, self._ahead(theta, psi))
        return tape.gradient(loss, theta)

    def discriminator_slope(self, theta: tf.Tensor, psi: tf.Tensor) -> tf.Tensor:
        """Returns the derivative of D's loss by ψ."""
        with tf.GradientTape() as tape:
            tape.watch(psi)
            loss = self.game.discriminator_loss(theta, psi)
        return tape.gradient(loss, psi)

    def _ahead(self, theta: tf.Tensor, psi: tf.Tensor) -> tf.Tensor:
        if not self.game.unrolled_steps:
            return psi
        steps = LookAhead(self._discriminator_optimizer)
        for _ in range(self.game.unrolled_steps):
            (psi,) = steps.take([psi], [self.discriminator_slope(theta, psi)])
        return psi

    def step(self) -> None:
        """Has D step, then G; or both from one place."""
        place = self.theta.value, self.psi.value
        discriminator_slope = self.discriminator_slope(*place)
        generator_slope = self.generator_slope(*place)
        self._discriminator_optimizer.apply([discriminator_slope], [self.psi])
        if not self.game.at_once:
            generator_slope = self.generator_slope(self.theta.value, self.psi.value)
        self._generator_optimizer.apply([generator_slope], [self.theta])


def _optimizer(variable: keras.Variable, rate: float, historical_averaging: float):
    optimizer = keras.optimizers.SGD(rate)
    if historical_averaging:
        optimizer = HistoricalAveraging(optimizer, historical_averaging)
    optimizer.build([variable])
    return optimizer


def path_of(
    step: Callable[[], None], players: tuple[keras.Variable, ...], steps: int
) -> np.ndarray:
    """Takes steps; returns where the players were, float32 `(steps + 1, number of players)`."""

    @tf.function(autograph=False)
    def play() -> tf.Tensor:
        def body(number, places):
            step()
            return number + 1, places.write(number, tf.stack([each.value for each in players]))

        places = tf.TensorArray(tf.float32, steps)
        return tf.while_loop(lambda number, _: number < steps, body, (0, places))[1].stack()

    start = np.array([float(each) for each in players], np.float32)
    # By its concrete function: TensorFlow warns of functions that are traced again and again.
    return np.concatenate([start[np.newaxis], play.get_concrete_function()().numpy()])


def eigenvalues(game: Game) -> np.ndarray | None:
    """Returns those of the Jacobian of the pulls on (θ, ψ) at the solution.

    A negative real part says that the players come home, at a small rate; 0 that nothing brings
    them. None where they do not tell: a pull that remembers, or has a bend at the solution.
    """
    if game.historical_averaging or game.penalty in (_wgan_gp, _dragan):
        return None
    players, shift = Players(game), 1e-2

    def pull(place) -> np.ndarray:
        theta, psi = tf.constant(np.float32(place))
        slopes = players.generator_slope(theta, psi), players.discriminator_slope(theta, psi)
        return -np.array(slopes)

    columns = [(pull(at) - pull(-at)) / (2 * shift) for at in shift * np.eye(2)]
    return np.linalg.eigvals(np.transpose(columns))


def play_games(steps: int = STEPS) -> dict[str, dict[str, Any]]:
    """Plays all games from the same start.

    Args:
        steps: of each player.

    Returns:
        For each game its `path`, float32 `(steps + 1, 2)` of (θ, ψ); the `distance` from the
        solution at the end; and `eigenvalues` as pairs of real and imaginary part, or None.
    """
    found = {}
    for name, game in GAMES.items():
        players = Players(game)
        path = path_of(players.step, (players.theta, players.psi), steps)
        values = eigenvalues(game)
        found[name] = {
            "path": path,
            "distance": float(np.linalg.norm(path[-1])),
            "eigenvalues": None
            if values is None
            else sorted([float(each.real), float(each.imag)] for each in values),
        }
    return found


# === The game of historical averaging ===

AVERAGING_STEPS = 20_000
AVERAGING_RATE = 0.02
WEIGHTS = (0, 0.05)


def play_averaging(weight: float, steps: int = AVERAGING_STEPS) -> dict[str, Any]:
    """Has x lower and y raise (f(x) − 1)(y − 1), one after the other, from (−0.5, 0.3).

    Args:
        weight: of historical averaging, 0 for none.
        steps: of each player.

    Returns:
        The `path`, float32 `(steps + 1, 2)` of (x, y), and the `distance` from (1, 1) at the end.
    """
    x, y = keras.Variable(-0.5), keras.Variable(0.3)
    lowers, raises = (_optimizer(each, AVERAGING_RATE, weight) for each in (x, y))

    def slope_by(variable: keras.Variable) -> tf.Tensor:
        with tf.GradientTape() as tape:
            f = tf.where(x.value < 0, x.value, tf.square(x.value))
            value = (f - 1.0) * (y.value - 1.0)
        return tape.gradient(value, variable.value)

    def step() -> None:
        lowers.apply([slope_by(x)], [x])
        raises.apply([-slope_by(y)], [y])

    path = path_of(step, (x, y), steps)
    return {"path": path, "distance": float(np.linalg.norm(path[-1] - 1.0))}


# === Command ===


def table(results: Mapping[str, Any]) -> str:
    """Returns what was found as text."""
    rows = [
        (game, told_eigenvalues(own["eigenvalues"]), told_distance(own["distance"]))
        for game, own in results["games"].items()
    ]
    heading = ("game", "eigenvalues", f"distance after {results['steps']} steps")
    averaged = [
        (f"its weight {weight}", "", told_distance(own["distance"]))
        for weight, own in results["averaging"].items()
    ]
    steps = f"distance after {results['averaging_steps']} steps"
    return "\n\n".join(
        [
            format_table(heading, rows),
            format_table(("game of historical averaging", "", steps), averaged),
        ]
    )


def told_distance(distance: float) -> str:
    """Returns a distance in two digits, and what is next to nothing as such."""
    return "< 0.0001" if distance < 1e-4 else f"{distance:.2g}"


def told_eigenvalues(values: list[list[float]] | None) -> str:
    """Returns a conjugate pair as one, two real ones one after the other, and None as a dash."""
    if values is None:
        return "–"
    (real, imaginary), (other, _) = values
    if abs(imaginary) > 1e-3:
        part = f"{real:.2f}" if abs(real) >= 0.005 else "0"
        return f"{part} ± {abs(imaginary):.2f}i"
    return f"{real:.2f}, {other:.2f}"


def main(arguments: list[str] | None = None) -> None:
    """Plays all games and writes the folder."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--workdir", type=Path, help="folder to write, by default below runs/")
    parser.add_argument("--smoke", action="store_true", help="a few steps, to see that all works")
    chosen = parser.parse_args(arguments)
    folder = chosen.workdir or Path(f"runs/two_numbers-{time.strftime('%Y%m%d-%H%M%S')}")
    with one_line_errors():
        folder.mkdir(parents=True, exist_ok=True)
    steps, averaging_steps = (5, 5) if chosen.smoke else (STEPS, AVERAGING_STEPS)
    games = play_games(steps)
    averaging = {f"{each:g}": play_averaging(each, averaging_steps) for each in WEIGHTS}
    draw_games(games, averaging, folder / "two_numbers.png")
    for own in (*games.values(), *averaging.values()):
        del own["path"]  # thousands of numbers, which the picture shows
    results = {
        "games": games,
        "steps": steps,
        "averaging": averaging,
        "averaging_steps": averaging_steps,
        "smoke": chosen.smoke,
    }
    with one_line_errors(OSError):
        write_atomically(folder / "results.json", json.dumps(results, indent=1) + "\n")
    print(f"{table(results)}\n\nEverything is in {folder}.")


if __name__ == "__main__":
    main()
