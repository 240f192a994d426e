"""The folder that a run leaves behind: made, checked and described before any training."""

import dataclasses
import importlib.metadata
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras

from zoo.common.checked_json import checked_json
from zoo.common.files import is_partial, remove_partials, write_atomically
from zoo.common.messages import counted, first_line
from zoo.runs.checkpoints import RunCheckpoint
from zoo.runs.locking import LOCK_FILE, FolderLock, LockedError

_FORMAT = 1
# What `dataset` begins with if it is a path.
_FOLDER = "folder:"
_PROCESSORS = Path("/proc/cpuinfo")
# Vectors by their flags in there, the widest first.
_VECTORS = {"amx_tile": "AMX", "avx512f": "AVX-512", "avx2": "AVX2", "avx": "AVX"}
_PACKAGES = (
    "keras-gan-zoo",
    "tensorflow",
    "keras",
    "tensorflow-gan",
    "tensorflow-datasets",
    "tensorflow-probability",
    "tf-keras",
    "numpy",
    "scikit-learn",
    "matplotlib",
    "Pillow",
    "tensorboard",
)


class RunFolderError(ValueError):
    """A run's folder that cannot be used as asked; the message is one line and says what to do."""


@dataclasses.dataclass(frozen=True)
class HyperParameter:
    """A value of the configuration and where it came from.

    Attributes:
        value: anything that JSON holds.
        source: for example "preset quick", "command line" or "section 4 of the paper".
    """

    value: Any
    source: str = "default"


class RunFolder:
    """The folder of one run: its paths, its configuration and whether it may be used.

    Make one with `RunFolder.start` or `RunFolder.resume`, which look and write nothing, so that a
    run that can't begin leaves no trace; then call `begin`. `RunFolder.open` reads a finished run.
    From `begin` on, or `lock`, the folder is this process's until this object is gone; another
    process that wants to write there is refused.

    Attributes:
        path: the folder.
        recipe: name of the recipe.
        hyper_parameters: the configuration by name.
        resumes: one entry for each resume: the `from_epoch` it started at, its `epochs`.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        recipe: str,
        hyper_parameters: Mapping[str, HyperParameter],
        resumes: list[dict[str, int]] | None = None,
    ) -> None:
        self.path = Path(path)
        self.recipe = recipe
        self.hyper_parameters = dict(hyper_parameters)
        self.resumes = list(resumes or [])
        self._is_resumed = False
        self._lock: FolderLock | None = None
        self._earlier_dataset = self._value_of("dataset")

    # === Start, resume, open ===

    @classmethod
    def start(
        cls,
        workdir: str | os.PathLike[str],
        recipe: str,
        hyper_parameters: Mapping[str, HyperParameter],
    ) -> "RunFolder":
        """Gives the folder of a new run, after checking that there can be one.

        Args:
            workdir: a folder that is empty or does not exist yet.
            recipe: name of the recipe.
            hyper_parameters: the configuration by name.

        Returns:
            The folder, which may not exist yet.

        Raises:
            RunFolderError: if `workdir` holds something already or cannot be written.
        """
        path = _usable_path(workdir)
        if path.is_dir():
            _refuse_contents(path)
        _require_writable(path)
        return cls(path, recipe, hyper_parameters)

    @classmethod
    def resume(
        cls,
        workdir: str | os.PathLike[str],
        recipe: str,
        hyper_parameters: Mapping[str, HyperParameter] | None = None,
    ) -> "RunFolder":
        """Gives the folder of an earlier run, after checking that it can go on.

        Args:
            workdir: the folder of a run of the same recipe.
            recipe: name of the recipe.
            hyper_parameters: the configuration by name; all values but two must be those of the
                earlier run. `epochs` may be anything not below what is trained, and a folder of
                images, `dataset`, may have been moved: its content decides, see
                `refuse_other_data`. Defaults to those of the earlier run.

        Returns:
            The folder. `latest_checkpoint` is None if the run stopped within its first epoch.

        Raises:
            RunFolderError: if there is no run, or one with another configuration, or with more
                epochs trained than asked for, or the folder cannot be written, or another process
                is at work in it.
        """
        path = _usable_path(workdir)
        if not (path / "config.json").is_file():
            raise RunFolderError(
                f"--resume needs the folder of an earlier run, with its config.json. Received: "
                f"--workdir={path}. To start a new run there, leave out --resume."
            )
        if (path / LOCK_FILE).exists():
            _claimed(path)  # and given back, for nothing is certain yet
        run = cls.open(path)
        run._refuse_other_recipe(recipe)
        if hyper_parameters is not None:
            run._refuse_other_values(hyper_parameters)
            run._take("epochs", hyper_parameters)
            run._take("dataset", hyper_parameters)
        _require_writable(path)
        run._is_resumed = True
        return run

    @classmethod
    def open(cls, workdir: str | os.PathLike[str]) -> "RunFolder":
        """Reads the configuration of a run, without changing anything.

        Args:
            workdir: the folder of a run.

        Raises:
            RunFolderError: if its `config.json` is missing or damaged.
        """
        path = Path(workdir).expanduser()
        try:
            config = json.loads((path / "config.json").read_bytes())
            parameters = {
                name: HyperParameter(entry["value"], entry["source"])
                for name, entry in config["hyper_parameters"].items()
            }
            if config["run_folder_format"] != _FORMAT:
                raise ValueError(f"format {config['run_folder_format']}, not {_FORMAT}")
            return cls(path, config["recipe"], parameters, config["resumes"])
        except OSError as error:
            raise RunFolderError(
                f"config.json of {path} cannot be read: {error.strerror}. Give the folder of a run."
            ) from error
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise RunFolderError(
                f"config.json of {path} is damaged or no run's: "
                f"{type(error).__name__}: {first_line(error)}. "
                "Mend it by hand, or start a new run in another folder."
            ) from error

    # === Layout ===

    @property
    def checkpoints(self) -> Path:
        """Folder of the checkpoints."""
        return self.path / "checkpoints"

    @property
    def samples(self) -> Path:
        """Folder of the sample grids."""
        return self.path / "samples"

    @property
    def tensorboard(self) -> Path:
        """Folder of TensorBoard's event files."""
        return self.path / "tensorboard"

    @property
    def export(self) -> Path:
        """Folder of the exported model; a version number, as TF Serving wants it."""
        return self.path / "export" / "1"

    @property
    def history_csv(self) -> Path:
        """The table of epochs."""
        return self.path / "history.csv"

    @property
    def curves_png(self) -> Path:
        """The picture of that table."""
        return self.path / "curves.png"

    @property
    def samples_gif(self) -> Path:
        """The sample grids as an animation."""
        return self.path / "samples.gif"

    @property
    def health_json(self) -> Path:
        """What went wrong in the game, see `HealthMonitor`."""
        return self.path / "health.json"

    @property
    def results_json(self) -> Path:
        """Scores and why the run stopped."""
        return self.path / "results.json"

    @property
    def environment_json(self) -> Path:
        """What the run ran on."""
        return self.path / "environment.json"

    @property
    def model_json(self) -> Path:
        """What `zoo.runs.load_model` rebuilds the model from."""
        return self.path / "model.json"

    @property
    def report_html(self) -> Path:
        """The page that shows it all."""
        return self.path / "report.html"

    @property
    def latest_checkpoint(self) -> Path | None:
        """Folder of the newest checkpoint, or None."""
        return RunCheckpoint.latest(self.checkpoints)

    @property
    def trained_epochs(self) -> int:
        """Epochs that the newest checkpoint holds; 0 without one."""
        latest = self.latest_checkpoint
        return RunCheckpoint.epoch_of(latest) if latest else 0

    @property
    def begun_epochs(self) -> int:
        """Those, and one more if the newest checkpoint was saved within an epoch."""
        latest = self.latest_checkpoint
        return self.trained_epochs + (latest is not None and RunCheckpoint.is_within_epoch(latest))

    @property
    def has_begun(self) -> bool:
        """Whether there is a run in the folder."""
        return (self.path / "config.json").is_file()

    # === Writing ===

    def lock(self) -> None:
        """Keeps other processes from the folder, which must exist; `begin` does so too.

        Call it before what must not be done twice, such as to set a checkpoint aside.

        Raises:
            RunFolderError: if another process is at work in it, or it cannot be written.
        """
        if self._lock is None:
            self._lock = _claimed(self.path)

    def begin(self, dataset_fingerprint: str | None = None) -> "RunFolder":
        """Makes the folder if need be; writes `config.json` and `environment.json` into it.

        Call it once nothing can be refused any more, just before training.

        Args:
            dataset_fingerprint: see `describe_environment`.

        Returns:
            This folder.

        Raises:
            RunFolderError: if it cannot be written, another run began there meanwhile, another
                process is at work in it, or the run to resume was trained on other data.
        """
        if not self._is_resumed and self.path.is_dir():
            _refuse_contents(self.path)
        environment = describe_environment(dataset_fingerprint)
        self.refuse_other_data(dataset_fingerprint)
        earlier = self._earlier_environment()
        if earlier is not None:
            environment["before_resume"] = earlier
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self.lock()
            if not self._is_resumed:
                _refuse_contents(self.path)  # of another process that was a moment earlier
            self._lock.sign()
            remove_partials(self.path)
            if self._is_resumed and "epochs" in self.hyper_parameters:
                epochs = self.hyper_parameters["epochs"].value
                self.resumes.append({"from_epoch": self.trained_epochs, "epochs": epochs})
            self._write_config()
            _write_json(self.environment_json, environment)
        except OSError as error:
            raise _unwritable(self.path, error) from error
        return self

    def _earlier_environment(self) -> dict[str, Any] | None:
        try:
            return json.loads(self.environment_json.read_bytes()) if self._is_resumed else None
        except (OSError, ValueError):
            return None

    def refuse_other_data(self, dataset_fingerprint: str | None) -> None:
        """Refuses to go on with a run on other data than it was trained on; `begin` asks it too.

        Args:
            dataset_fingerprint: of the data as they are now.

        Raises:
            RunFolderError: if the fingerprints differ, or a folder that was moved has none.
        """
        earlier = (self._earlier_environment() or {}).get("dataset_fingerprint")
        before, now = self._earlier_dataset, self._value_of("dataset")
        if before != now and not (earlier and dataset_fingerprint):
            raise RunFolderError(
                f"{self.path} was trained on {before}, and environment.json does not say what that "
                f"held. Received: --dataset={now}. Give the old path, or start anew in another "
                "--workdir."
            )
        if earlier and dataset_fingerprint and earlier != dataset_fingerprint:
            moved = f"{now} does not hold what {before} held"
            changed = "the data changed, or the zoo did, if its version is another"
            raise RunFolderError(
                f"{self.path} was trained on data whose fingerprint was {earlier[:12]}, now it is "
                f"{dataset_fingerprint[:12]}: {changed if before == now else moved}. Bring back "
                "the old data or version, or start anew in another --workdir."
            )

    def write_results(self, results: Mapping[str, Any]) -> None:
        """Writes `results.json`: scores, why the run stopped, anything that JSON holds."""
        _write_json(self.results_json, results)

    def write_model(self, model: keras.Model) -> None:
        """Writes `model.json`: the model's configuration, and how it was compiled; no weights.

        Call it when the run has begun.

        Args:
            model: compiled; of a class that is registered with Keras.

        Raises:
            RunFolderError: if it cannot be written.
        """
        text = checked_json({"model": keras.saving.serialize_keras_object(model)})
        try:
            write_atomically(self.model_json, text)
        except OSError as error:
            raise _unwritable(self.path, error) from error

    def _write_config(self) -> None:
        config = {
            "run_folder_format": _FORMAT,
            "recipe": self.recipe,
            "hyper_parameters": {
                name: dataclasses.asdict(parameter)
                for name, parameter in self.hyper_parameters.items()
            },
            "resumes": self.resumes,
        }
        _write_json(self.path / "config.json", config)

    def _take(self, name: str, hyper_parameters: Mapping[str, HyperParameter]) -> None:
        """Takes one of the values that may be another on a resume."""
        given = hyper_parameters.get(name)
        if given and given.value != self._value_of(name):
            self.hyper_parameters[name] = given

    def _value_of(self, name: str) -> Any:
        return self.hyper_parameters.get(name, HyperParameter(None)).value

    # === Refusals ===

    def _refuse_other_recipe(self, recipe: str) -> None:
        if recipe != self.recipe:
            raise RunFolderError(
                f"{self.path} holds a run of the recipe {self.recipe}. Received: {recipe}. "
                f"Resume it with {self.recipe}, or give another --workdir."
            )

    def _refuse_other_values(self, hyper_parameters: Mapping[str, HyperParameter]) -> None:
        different = _differences(self.hyper_parameters, hyper_parameters)
        if different:
            raise RunFolderError(
                f"--resume continues {self.path} with its own hyper-parameters, but these differ: "
                f"{'; '.join(different)}. Give the old values, or another --workdir for a new run."
            )
        epochs = hyper_parameters.get("epochs", HyperParameter(self.begun_epochs)).value
        if epochs < self.begun_epochs:
            trained = counted(self.trained_epochs, "epoch")
            part = " and part of the next" if self.begun_epochs > self.trained_epochs else ""
            raise RunFolderError(
                f"{self.path} has {trained}{part} trained already. Received: "
                f"--epochs={epochs}. Give at least {self.begun_epochs}, or another --workdir."
            )


def describe_environment(dataset_fingerprint: str | None = None) -> dict[str, Any]:
    """What a run ran on: versions, devices, commit.

    Args:
        dataset_fingerprint: digest that tells one state of the data from another.

    Returns:
        Ready for JSON; `git_commit` is None unless this file is part of a checkout.
    """
    import tensorflow as tf

    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": {name: _version(name) for name in _PACKAGES},
        "devices": [_describe_device(tf, device) for device in tf.config.list_physical_devices()],
        "cpus": len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count(),
        "git_commit": _git_commit(),
        "dataset_fingerprint": dataset_fingerprint,
    }


def _describe_device(tf: Any, device: Any) -> str:
    if device.device_type == "CPU":
        return " ".join(["CPU", *_describe_processor()])
    details = tf.config.experimental.get_device_details(device)
    return " ".join(filter(None, [device.device_type, details.get("device_name")]))


def _describe_processor() -> list[str]:
    """The processor's name and its widest vectors, which a step's time and rounding depend on."""
    try:
        lines = _PROCESSORS.read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    facts = {name.strip(): value.strip() for name, _, value in (s.partition(":") for s in lines)}
    flags = set(facts.get("flags", "").split())
    vectors = [shown for flag, shown in _VECTORS.items() if flag in flags][:1]
    return [facts.get("model name") or platform.machine(), *(f"with {name}" for name in vectors)]


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _git_commit() -> str | None:
    """The commit of the checkout that this file is tracked in; "+changes" if files differ."""
    # An installed copy may lie inside another project's checkout, whose commit says nothing.
    if _git("ls-files", "--error-unmatch", Path(__file__).name) is None:
        return None
    commit = _git("rev-parse", "HEAD")
    return commit and commit + ("+changes" if _git("status", "--porcelain", "-uno") else "")


def _git(*arguments: str) -> str | None:
    try:
        result = subprocess.run(
            ["git", "-C", str(Path(__file__).parent), *arguments],
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return result.stdout.strip()


def _usable_path(workdir: str | os.PathLike[str]) -> Path:
    if not os.fspath(workdir).strip():
        raise RunFolderError("--workdir should name a folder. Received an empty one.")
    path = Path(workdir).expanduser()
    if os.path.lexists(path) and not path.is_dir():
        raise RunFolderError(
            f"--workdir should be a folder, but {path} is a file. Give another --workdir."
        )
    return path


def _claimed(path: Path) -> FolderLock:
    try:
        return FolderLock(path)
    except LockedError as error:
        raise RunFolderError(
            f"--workdir={path} is in use: {error.strerror}. Wait for its end, or give another "
            "--workdir."
        ) from error
    except OSError as error:
        raise _unwritable(path, error) from error


def _refuse_contents(path: Path) -> None:
    try:
        entries = (entry for entry in path.iterdir() if not is_partial(entry))
        contents = sorted(entry.name for entry in entries if entry.name != LOCK_FILE)
    except OSError as error:
        raise RunFolderError(
            f"--workdir={path} cannot be read: {error.strerror}. Give another --workdir."
        ) from error
    if not contents:
        return
    if _is_a_run(path):
        raise RunFolderError(
            f"--workdir={path} holds a run already. "
            "Add --resume to go on with it, or give another --workdir."
        )
    shown = ", ".join(contents[:3]) + (", ..." if len(contents) > 3 else "")
    raise RunFolderError(
        f"--workdir={path} holds something else: {shown}. "
        "Give a folder that is empty or does not exist yet."
    )


def _is_a_run(path: Path) -> bool:
    try:
        return "run_folder_format" in json.loads((path / "config.json").read_bytes())
    except (OSError, ValueError, TypeError):
        return False


def _require_writable(path: Path) -> None:
    # Permission bits do not tell of read-only disks or of root; only writing does.
    nearest = next(p for p in (path, *path.absolute().parents) if os.path.lexists(p))
    try:
        with tempfile.TemporaryFile(dir=nearest) as file:
            file.write(b"writable")
            file.flush()
    except OSError as error:
        raise _unwritable(path, error) from error


def _unwritable(path: Path, error: OSError) -> RunFolderError:
    return RunFolderError(
        f"--workdir={path} cannot be written: {error.strerror}. "
        "Give a folder on a disk that you may write to."
    )


def _differences(old: Mapping[str, HyperParameter], new: Mapping[str, HyperParameter]) -> list[str]:
    may_differ = {"epochs", "dataset"} if _are_folders(old, new) else {"epochs"}
    names = [name for name in dict.fromkeys([*old, *new]) if name not in may_differ]
    pairs = {name: (_json_value(old.get(name)), _json_value(new.get(name))) for name in names}
    return [
        f"{name} was {before}, now {now}" for name, (before, now) in pairs.items() if before != now
    ]


def _are_folders(*configurations: Mapping[str, HyperParameter]) -> bool:
    """Whether all say that the data are a folder of images, wherever that lies."""
    datasets = [each.get("dataset", HyperParameter(None)).value for each in configurations]
    return all(str(dataset).startswith(_FOLDER) for dataset in datasets)


def _json_value(parameter: HyperParameter | None) -> str:
    if parameter is None:
        return "unknown to the other version of the zoo"
    # A tuple comes back from JSON as a list: what counts is what the file would say.
    return json.dumps(parameter.value, sort_keys=True)


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    write_atomically(path, json.dumps(content, indent=1) + "\n")
