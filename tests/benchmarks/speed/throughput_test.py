"""What the table of speeds says of what was timed."""

import itertools
import json
import statistics
import subprocess
import sys

import pytest
import tensorflow as tf

from benchmarks.pages import REPOSITORY
from benchmarks.speed import throughput
from benchmarks.speed.flops import gigaflop_of_step
from benchmarks.speed.games import GAMES, batch_of
from benchmarks.speed.plain_keras import PLAIN
from tests.cases import CASES
from tests.dense_gan import dense_gan

MEASURED = {
    "batch_size": 4,
    "gflop": 30.0,
    "product_gflops": [200.0, 200.0, 90.0],
    "contenders": {
        "fit": {"milliseconds": [300.0, 310.0, 290.0], "peak_mb": 1234.5},
        "XLA": {"milliseconds": [150.0, 155.0, 145.0], "peak_mb": 1.0},
        "plain Keras": {"milliseconds": [330.0, 310.0, 348.0], "peak_mb": 1.0},
    },
}
RESULTS = {
    "device": "CPU of a kind",
    "cpus": 2,
    "packages": {"tensorflow": "2.21"},
    "variants": {"DCGAN": MEASURED},
}


def test_a_row_has_ratios_within_rounds_and_the_share_of_the_peak():
    *_, row = throughput.table(RESULTS).splitlines()
    assert row == (
        "| `DCGAN` | 4 | 300 | 30 | 100 | 50% | XLA: 2.00 (2.00 to 2.00) |"
        " 1.10 (1.00 to 1.20) | – | 1234 |"
    )


ON_A_GPU = {
    **RESULTS,
    "device": "GPU of a kind",
    "variants": {
        "DCGAN": {
            **MEASURED,
            "contenders": {
                "fit": {"milliseconds": [4.0, 4.0, 4.0], "peak_mb": 1.0},
                "without XLA": {"milliseconds": [8.0, 8.0, 10.0], "peak_mb": 1.0},
                "bfloat16": {"milliseconds": [2.0, 2.0, 2.0], "peak_mb": 1.0},
                "PyTorch": {"milliseconds": [6.0, 5.0, 4.0], "peak_mb": 1.0},
                "PyTorch in bfloat16": {"milliseconds": [3.0, 3.0, 3.0], "peak_mb": 1.0},
            },
        }
    },
}


def test_a_row_of_a_gpu_compares_each_precision_with_its_own():
    *_, row = throughput.gpu_table(ON_A_GPU).splitlines()
    assert row == (
        "| `DCGAN` | 4 | 4 | 1,000 | 7.5 | 2.00 (2.00 to 2.50) | – | – | 1.25 (1.00 to 1.50) | – |"
        " 2.00 (2.00 to 2.00) | 2.50 (2.00 to 3.00) | 1.50 (1.50 to 1.50) | – |"
    )


@pytest.mark.parametrize("on_a_gpu", [False, True])
def test_each_kind_of_machine_has_a_table_of_its_own(tmp_path, on_a_gpu):
    page = tmp_path / throughput.PAGE
    page.parent.mkdir()
    text = (REPOSITORY / throughput.PAGE).read_text()
    page.write_text(text)
    throughput.write_page(ON_A_GPU, on_a_gpu, tmp_path)
    changed = page.read_text()
    assert "On GPU of a kind" in changed
    marker = "<!-- end of throughput -->"
    before, after = text.split(marker), changed.split(marker)
    assert before[not on_a_gpu] == after[not on_a_gpu] and before[on_a_gpu] != after[on_a_gpu]


def test_every_variant_is_timed():
    assert set(GAMES) == {case.variant.__name__ for case in CASES}


def test_a_step_of_dense_layers_counts_its_products():
    # Per image: G 4 → 784 once forward and twice back, but for the gradient of latents; D 784 → 1
    # three times forward, as often back to weights for its own two, once to images for G.
    model = dense_gan()
    model.compile()
    flops = 1e9 * gigaflop_of_step(model, tf.TensorSpec((8, 28, 28, 1)))
    products = 2 * 8 * (2 * 4 * 784 + 3 * 784 + 2 * 784 + 784)
    assert products < flops < 2 * products  # and operations an element: activations, Adam


@pytest.mark.parametrize("variant", PLAIN)
def test_the_plain_version_trains_the_same_networks(variant):
    small = {
        "DCGAN": lambda model: model((28, 28, 1), 4, 2),
        "WGANGP": lambda model: model((28, 28, 1), 4, 2, architecture="strided"),
        "CycleGAN": lambda model: model((16, 16, 1), 2, 1, discriminator_scales=1),
    }
    (case,) = [case for case in CASES if case.variant.__name__ == variant]
    model = small[variant](case.variant)
    before = model.get_weights()
    plain = PLAIN[variant](model)
    plain.compile(run_eagerly=True)
    batch = batch_of(model.batch_spec, 5 if variant == "WGANGP" else 2)
    plain.fit(tf.data.Dataset.from_tensors(batch), verbose=0)
    trained = {id(v) for v in model.trainable_variables}
    moved = [
        (variable.numpy() != old).any()
        for variable, old in zip(model.weights, before, strict=True)
        if id(variable) in trained
    ]
    assert len(moved) == len(model.trainable_variables)
    # Of a critic only differences count, so that its last offset has no gradient.
    assert sum(moved) == len(moved) - (variant == "WGANGP")


@pytest.mark.slow
def test_a_worker_gives_times_until_it_is_left():
    answers = subprocess.run(
        [sys.executable, "-m", "benchmarks.speed.worker", "8 steps a call", "ModeLabGAN"],
        input="3\n17\n",
        capture_output=True,
        text=True,
        check=True,
        cwd=REPOSITORY,
    )
    first, *rounds = map(json.loads, answers.stdout.splitlines())
    assert first == {"gflop": None}  # the default setting's alone
    assert [len(each["milliseconds"]) for each in rounds] == [1, 3]
    assert all(statistics.median(each["milliseconds"]) > 0 for each in rounds)
    assert all(a["peak_mb"] <= b["peak_mb"] for a, b in itertools.pairwise(rounds))


def test_contenders_of_a_machine_without_a_gpu():
    names = throughput.contenders_of("DCGAN")
    assert names[0] == throughput.DEFAULT and "plain Keras" in names
    assert "torch.compile" not in names
    assert "PyTorch" in throughput.contenders_of("DCGAN", torch_python="python")
    assert "plain Keras" not in throughput.contenders_of("FaceGAN")


def test_rows_are_kept_for_the_same_machine_alone(tmp_path):
    here = {"devices": ["CPU of a kind"], "cpus": 2, "packages": {"tensorflow": "2.21"}}
    path = tmp_path / "throughput.json"
    path.write_text(json.dumps(RESULTS))
    assert throughput.results_so_far(here, path) == RESULTS
    for name, other in [("devices", ["CPU of another"]), ("cpus", 4), ("packages", {})]:
        assert throughput.results_so_far({**here, name: other}, path)["variants"] == {}
