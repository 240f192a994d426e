"""What `import zoo` does and does not."""

import os
import subprocess
import sys

import pytest


def run(code: str, **environment: str) -> subprocess.CompletedProcess:
    kept = {key: value for key, value in os.environ.items() if key != "TF_ENABLE_ONEDNN_OPTS"}
    return subprocess.run(
        [sys.executable, "-W", "always::UserWarning", "-c", code],
        env=kept | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_onednn_is_on_unless_the_user_says_otherwise():
    show = "import os, zoo; print(os.environ['TF_ENABLE_ONEDNN_OPTS'])"
    assert run(show).stdout.strip() == "1"
    assert run(show, TF_ENABLE_ONEDNN_OPTS="0").stdout.strip() == "0"


@pytest.mark.parametrize(
    ("first", "environment", "warns"),
    [
        ("import zoo", {}, False),
        ("import zoo", {"TF_ENABLE_ONEDNN_OPTS": "0"}, False),
        (
            "import os; os.environ['TF_ENABLE_ONEDNN_OPTS'] = '0'; import tensorflow;"
            "del os.environ['TF_ENABLE_ONEDNN_OPTS']; import zoo",
            {},
            True,
        ),
    ],
)
def test_warns_of_a_tensorflow_that_came_first_without_onednn(first, environment, warns):
    result = run(first, **environment)
    assert result.returncode == 0, result.stderr[-2000:]
    assert ("Import zoo first" in result.stderr) == warns


def test_refuses_another_backend_in_one_line():
    result = run(
        "import sys, types; sys.modules['keras'] = keras = types.ModuleType('keras');"
        "keras.backend = types.SimpleNamespace(backend=lambda: 'jax'); import zoo"
    )
    assert result.returncode == 1
    last = result.stderr.strip().splitlines()[-1]
    assert last.startswith("ImportError: zoo needs Keras on the TensorFlow backend.")
    assert "'jax'" in last and "KERAS_BACKEND=tensorflow" in last


def test_a_keras_file_loads_in_a_new_process(tmp_path):
    result = run(
        "import zoo; model = zoo.SemiSupervisedGAN(); model.compile();"
        f"model.save({str(tmp_path / 'model.keras')!r})"
    )
    assert result.returncode == 0, result.stderr[-2000:]
    result = run(
        "import zoo, keras; model = keras.saving.load_model("
        f"{str(tmp_path / 'model.keras')!r}); print(type(model).__name__)"
    )
    assert result.stdout.strip() == "SemiSupervisedGAN", result.stderr[-2000:]
