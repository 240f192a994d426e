"""What a discriminator measures: closed forms, and that what is learnt comes near to them."""

import json
import math

import pytest

from recipes import divergences
from recipes.divergences import (
    DISTANCES,
    JUDGES,
    Trial,
    best_fit,
    divergence,
    fit_gaussian,
    jensen_shannon_of_normals,
    main,
)

# === Closed forms ===


def test_normals_far_apart_are_log_2_apart_and_the_same_ones_not_at_all():
    assert jensen_shannon_of_normals(0.0, 0.2) == pytest.approx(0.0, abs=1e-9)
    assert jensen_shannon_of_normals(4.0, 0.2) == pytest.approx(math.log(2), abs=1e-6)
    # Half of f-GAN's value for N(0, 1) and N(1, 1), and the same in units of σ.
    assert jensen_shannon_of_normals(0.2, 0.2) == pytest.approx(0.222843 / 2, abs=1e-6)


@pytest.mark.parametrize(
    ("game", "mean", "sigma", "least"),
    [
        ("f_kl", 0.5, 1.58, 0.462),
        ("f_pearson", 0.5, 1.6, None),
        ("f_js", 0.5, 1.55, None),
        ("f_reverse_kl", -1.0, 0.5, math.log(2)),
    ],
)
def test_the_best_gaussian_covers_both_or_one(game, mean, sigma, least):
    found = best_fit(game)
    assert found[0] == pytest.approx(mean, abs=0.03)
    assert found[1] == pytest.approx(sigma, abs=0.04)
    if least is not None:
        assert found[2] == pytest.approx(least, abs=0.005)
    assert found[2] == pytest.approx(divergence(game, *found[:2]))
    assert divergence(game, found[0] + 0.3, found[1]) > found[2] + 1e-3


def test_the_divergence_of_the_fit_of_moments_is_the_least_of_kl():
    """Of all Gaussians KL wants the mean and variance of the data."""
    variance = 0.5**2 + 1.5**2
    assert best_fit("f_kl")[1] == pytest.approx(math.sqrt(variance), abs=0.01)


# === What is learnt ===


def trained(name: str, distance: float) -> Trial:
    trial = Trial(JUDGES[name])
    trial.train(distance)
    return trial


def test_a_discriminator_finds_near_lines_as_far_apart_as_distant_ones():
    near, far = (trained("discriminator", distance) for distance in (0.2, 1.0))
    assert near.estimate(0.2) > math.log(2) - 0.02
    assert far.estimate(1.0) > math.log(2) - 0.02
    assert far.pull(1.0) < 0.01  # the generator learns nothing


def test_a_critic_finds_the_distance_and_pulls_with_a_slope_of_one():
    critic = trained("critic", 0.6)
    assert critic.estimate(0.6) == pytest.approx(0.6, rel=0.15)
    assert critic.pull(0.6) == pytest.approx(1.0, rel=0.2)


def test_through_noise_the_estimate_is_that_of_wide_lines():
    seen = trained("through noise", 0.2)
    assert seen.estimate(0.2) == pytest.approx(jensen_shannon_of_normals(0.2, 0.2), abs=0.05)
    assert seen.pull(0.2) > 0.5


def test_a_discriminator_under_r1_can_t_tell_near_lines_apart():
    assert trained("with R1", 0.1).estimate(0.1) < 0.1


def test_a_judge_starts_anew_for_each_distance():
    trial = trained("stopped early", 0.2)
    first = trial.estimate(0.2)
    trial.train(1.0)
    trial.train(0.2)
    assert trial.estimate(0.2) == pytest.approx(first, abs=1e-5)


@pytest.mark.parametrize("game", [pytest.param("f_kl", marks=pytest.mark.slow), "f_reverse_kl"])
def test_the_game_decides_what_a_gaussian_covers(game):
    mean, sigma = fit_gaussian(game, steps=500)
    if game == "f_kl":
        assert (mean, sigma) == (pytest.approx(0.5, abs=0.2), pytest.approx(1.58, rel=0.15))
    else:
        assert mean == pytest.approx(-1.0, abs=0.2)
        assert sigma < 0.7


# === The command ===


@pytest.mark.parametrize("whole", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_the_folder_has_numbers_and_pictures(tmp_path, capsys, monkeypatch, whole):
    if not whole:
        judges = {name: JUDGES[name] for name in ("discriminator", "critic")}
        monkeypatch.setattr(divergences, "JUDGES", judges)
        monkeypatch.setattr(divergences, "GAMES", ("f_kl", "f_reverse_kl"))
    main(["--smoke", f"--workdir={tmp_path / 'run'}", "--seed=3"])
    assert {path.name for path in (tmp_path / "run").iterdir()} == {
        *("results.json", "lines.png", "gaussians.png")
    }
    results = json.loads((tmp_path / "run" / "results.json").read_text())
    assert results["lines"].keys() == divergences.JUDGES.keys()
    assert results["lines"]["critic"]["true"] == list(DISTANCES)
    assert results["gaussians"].keys() == set(divergences.GAMES)
    assert (results["seed"], results["smoke"]) == (3, True)
    shown = capsys.readouterr().out
    assert f"{results['lines']['critic']['estimates'][0]:.3f}" in shown
    assert "f_reverse_kl" in shown
