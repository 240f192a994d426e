"""What `import zoo` does and does not."""

import os
import subprocess
import sys

import pytest

import zoo


def run(code: str, **environment: str) -> subprocess.CompletedProcess:
    kept = {key: value for key, value in os.environ.items() if key != "TF_ENABLE_ONEDNN_OPTS"}
    return subprocess.run(
        [sys.executable, "-W", "always::UserWarning", "-c", code],
        env=kept | environment,
        capture_output=True,
        text=True,
        check=False,
    )


FIRST_USE_IN_A_GRAPH = """
import sys, tensorflow as tf
before = "tensorflow_gan" in sys.modules
loss = tf.function(lambda x: zoo.common.objectives.Objective("minimax").generator_loss(x))
first, second = (float(loss(tf.constant([0.5, 1.5]))) for _ in range(2))
print(before, "tensorflow_gan" in sys.modules, hasattr(tf, "estimator"), first == second)
"""


@pytest.fixture(scope="module")
def fresh(tmp_path_factory) -> subprocess.CompletedProcess:
    """A process that imports the zoo, then Keras, loads a model and plays an objective."""
    file = tmp_path_factory.mktemp("saved") / "model.keras"
    model = zoo.DCGAN((28, 28, 1), base_filters=1)
    model.compile()
    model.save(file)
    return run(
        "import os, zoo, keras; print(os.environ['TF_ENABLE_ONEDNN_OPTS']);"
        f"print(type(keras.saving.load_model({str(file)!r})).__name__);{FIRST_USE_IN_A_GRAPH}"
    )


def test_onednn_is_on(fresh):
    assert fresh.returncode == 0, fresh.stderr[-2000:]
    assert fresh.stdout.splitlines()[0] == "1"
    assert "Import zoo first" not in fresh.stderr


def test_a_keras_file_loads_in_a_new_process(fresh):
    assert fresh.stdout.splitlines()[1] == "DCGAN", fresh.stderr[-2000:]


def test_tfgan_comes_at_its_first_use_though_a_graph_is_traced(fresh):
    assert fresh.stdout.splitlines()[2] == "False True False True"


# A Keras that zoo refuses, once it has set what TensorFlow reads: seconds of imports are spared.
REFUSED_KERAS = (
    "import os, sys, types; sys.modules['keras'] = keras = types.ModuleType('keras');"
    "keras.backend = types.SimpleNamespace(backend=lambda: 'jax');"
)


def test_onednn_is_off_if_the_user_says_so():
    show = "import contextlib\nwith contextlib.suppress(ImportError):\n    import zoo\n"
    shown = "print(os.environ['TF_ENABLE_ONEDNN_OPTS'])"
    assert run(f"{REFUSED_KERAS}{show}{shown}").stdout.strip() == "1"
    result = run(f"{REFUSED_KERAS}{show}{shown}", TF_ENABLE_ONEDNN_OPTS="0")
    assert result.stdout.strip() == "0"
    assert "Import zoo first" not in result.stderr


def test_refuses_another_backend_in_one_line():
    result = run(f"{REFUSED_KERAS} import zoo")
    assert result.returncode == 1
    last = result.stderr.strip().splitlines()[-1]
    assert last.startswith("ImportError: zoo needs Keras on the TensorFlow backend.")
    assert "'jax'" in last and "KERAS_BACKEND=tensorflow" in last
