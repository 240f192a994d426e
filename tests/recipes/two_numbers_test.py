"""The smallest GAN: closed forms of its steps and eigenvalues, and who comes home."""

import json
import math

import numpy as np
import pytest
from PIL import Image

from recipes.two_numbers import GAMES, RATE, START, Game, eigenvalues, main, play_games, table


@pytest.fixture(scope="module")
def games() -> dict:
    return play_games()


def sigmoid(v: float) -> float:
    return 1.0 / (1.0 + math.exp(-v))


def test_first_steps_are_those_of_the_formulas(games):
    theta, psi = START
    # D lowers s(ψθ) and G lowers −s(ψθ), with s(v) = log(1 + e^v).
    next_psi = psi - RATE * theta * sigmoid(psi * theta)
    at_once = theta + RATE * psi * sigmoid(psi * theta)
    in_turn = theta + RATE * next_psi * sigmoid(next_psi * theta)
    np.testing.assert_allclose(games["both at once"]["path"][1], [at_once, next_psi], rtol=1e-5)
    np.testing.assert_allclose(
        games["one after the other"]["path"][1], [in_turn, next_psi], rtol=1e-5
    )


def with_friction(gamma: float) -> list[complex]:
    """Eigenvalues at the solution where ψ̇ = −θ/2 − γψ and θ̇ = ψ/2, or γ is θ's."""
    root = np.emath.sqrt(gamma**2 / 4 - 1 / 4)
    return sorted([-gamma / 2 - root, -gamma / 2 + root], key=lambda value: value.imag)


@pytest.mark.parametrize(
    ("game", "gamma"),
    [
        (Game(), 0.0),
        (GAMES["R1, γ = 0.3"], 0.3),
        # Of s(−ψx) + s(ψx) over x ~ N(0, σ²) the second derivative by ψ is σ²/2 at 0.
        (Game(noise=0.8), 0.8**2 / 2),
        # −ψθ/2, with ψ after K steps of −ηθ/2, has the term +Kηθ²/4.
        (Game(unrolled_steps=5), 5 * RATE / 2),
        (Game(unrolled_steps=20), 20 * RATE / 2),
    ],
    ids=["plain", "R1", "noise", "unrolled", "unrolled far"],
)
def test_a_cure_is_friction(game, gamma):
    found = sorted(eigenvalues(game), key=lambda value: (round(value.imag, 3), value.real))
    np.testing.assert_allclose(found, with_friction(gamma), atol=6e-3)


def test_zero_centred_penalties_noise_and_foresight_bring_the_players_home(games):
    for name in ("R1, γ = 0.3", "through noise of 0.8", "unrolled 5 steps"):
        assert games[name]["distance"] < 1e-4, name
    assert games["historical averaging"]["distance"] < 0.05


def test_without_a_cure_or_with_a_slope_of_one_they_circle(games):
    start = math.hypot(*START)
    assert games["both at once"]["distance"] > 2 * start
    assert games["one after the other"]["distance"] == pytest.approx(start, abs=0.05)
    for name in ("WGAN-GP", "DRAGAN"):
        assert 1.0 < games[name]["distance"] < start, name
        assert games[name]["eigenvalues"] is None


def test_the_command_leaves_a_picture_and_numbers(tmp_path, capsys):
    main(["--smoke", f"--workdir={tmp_path / 'lesson'}"])
    said = capsys.readouterr().out
    assert str(tmp_path / "lesson") in said
    results = json.loads((tmp_path / "lesson" / "results.json").read_text())
    assert results["smoke"] and results["steps"] == 5
    assert table(results) in said and all(game in said for game in GAMES)
    with Image.open(tmp_path / "lesson" / "two_numbers.png") as picture:
        assert picture.size == (1450, 620)
