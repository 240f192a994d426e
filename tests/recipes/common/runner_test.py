"""A recipe as a value: what its model is given, and what is so of every recipe there is."""

import dataclasses
import importlib
import inspect

import keras
import numpy as np
import pytest
import tensorflow as tf

from recipes.common import runner
from recipes.common.family import Family, RunData
from recipes.common.hyper_parameters import WithAdam, sourced
from recipes.common.recipe import Recipe
from tests.recipes.command import REPOSITORY

RECIPES = sorted(
    path.stem
    for path in (REPOSITORY / "recipes").glob("*.py")
    if "RECIPE = Recipe(" in path.read_text()
)


# === Every recipe ===


@pytest.fixture(params=RECIPES)
def recipe(request) -> Recipe:
    return importlib.import_module(f"recipes.{request.param}").RECIPE


def test_there_are_recipes():
    assert {"vanilla_mnist", "semi_supervised", "cyclegan"} <= set(RECIPES)


def test_has_the_name_of_its_module(recipe):
    assert (REPOSITORY / "recipes" / f"{recipe.name}.py").is_file()


@pytest.mark.parametrize("preset", ["quick", "paper"])
def test_presets_pass_their_own_checks_and_have_sources(recipe, preset):
    values = recipe.preset(preset, recipe.dataset)
    assert values.dataset == recipe.dataset
    recipe.check(values)
    assert all(field.metadata["source"] for field in dataclasses.fields(values))
    assert {*recipe.positive, *recipe.own_flags} <= vars(values).keys()


def test_any_of_its_measures_can_be_watched_and_no_other(recipe):
    values = recipe.preset("quick", recipe.dataset)
    assert values.monitor is None
    assert recipe.family.monitor == f"val_{values.watchable[0]}"
    assert recipe.family.best
    for watched in values.watchable:
        chosen = dataclasses.replace(values, watched=watched)
        recipe.check(chosen)
        assert chosen.monitor == f"val_{watched}"
    with pytest.raises(ValueError, match="watched must be one of .*Received: 'beauty'"):
        recipe.check(dataclasses.replace(values, watched="beauty"))


def test_checks_what_must_be_positive(recipe):
    values = recipe.preset("quick", recipe.dataset)
    for name in recipe.positive:
        with pytest.raises(ValueError, match=f"{name} must be positive. Received: 0"):
            recipe.check(dataclasses.replace(values, **{name: 0}))


def test_every_value_of_its_own_is_one_of_the_model_or_of_training(recipe):
    """A hyper-parameter with a name that the constructor does not know would be without effect."""
    kind = type(recipe.preset("quick", recipe.dataset))
    inherited = {name for base in kind.__mro__[1:] for name in inspect.get_annotations(base)}
    own = {field.name for field in dataclasses.fields(kind)} - inherited
    of_players = {name for name in own if name.endswith(("learning_rate", "_steps"))}
    arguments = set(inspect.signature(recipe.model.__init__).parameters)
    assert own - of_players <= arguments


# === The model of a recipe ===


class TwoNumbers(keras.Model):
    """Takes what a recipe gives a model, and keeps it."""

    def __init__(self, image_shape, width, average_decay=0.0, seed=0, network=None, **kwargs):
        super().__init__(**kwargs)
        self.given = (image_shape, width, average_decay, seed, network, kwargs)
        self.policy = keras.config.dtype_policy().name
        self.drawn = np.random.random()
        self.players = {"generator": (), "critic": ()}

    def compile(self, **arguments):
        """Keeps the arguments."""
        self.compiled_with = arguments


@dataclasses.dataclass(frozen=True, kw_only=True)
class HyperParameters(WithAdam):
    """Those of two numbers."""

    dataset: str = sourced("none", "ours")
    epochs: int = sourced(1, "ours")
    batch_size: int = sourced(6, "ours")
    width: int = sourced(7, "ours")
    generator_learning_rate: float = sourced(0.5, "ours")
    critic_learning_rate: float = sourced(0.25, "ours")
    learning_rate_schedule: str = sourced("constant", "ours")
    adam_beta_1: float = sourced(0.0, "ours")
    average_decay: float = sourced(0.5, "ours")


class NoData(RunData):
    """Knows a shape, and what happened in which order."""

    def __init__(self):
        self.model_arguments = {"image_shape": (8, 8, 1), "num_classes": 10}
        self.steps_per_epoch = 3
        self.happened = []

    def train_from(self, step):
        """Gives nothing."""
        return tf.data.Dataset.range(0)

    def prepare_compiling(self):
        """Is told."""
        self.happened.append(("prepared", tf.distribute.has_strategy()))

    def compile_arguments(self):
        """Is told."""
        self.happened.append(("compiled", tf.distribute.has_strategy()))
        return {"quality_measures": "measures"}


class NoFamily(Family):
    """Adapts, and does nothing else."""

    def adapt(self, model, data):
        """Is told."""
        data.happened.append(("adapted", tf.distribute.has_strategy()))

    make_data = score = headline = table = None


TWO_NUMBERS = Recipe(
    name="two_numbers",
    title="Two numbers",
    model=TwoNumbers,
    preset=lambda name, dataset: HyperParameters(dataset=dataset),
    family=NoFamily(),
    dataset="none",
    datasets_help="none",
)


@pytest.fixture(autouse=True)
def _policy_of_before():
    policy = keras.config.dtype_policy()
    yield
    keras.config.set_dtype_policy(policy)


def test_constructor_gets_what_it_has_arguments_for():
    model = runner.build_model(TWO_NUMBERS, HyperParameters(seed=3), NoData())
    assert model.given == ((8, 8, 1), 7, 0.5, 3, None, {})


def test_one_optimizer_a_player_beside_what_the_data_give():
    model = runner.build_model(TWO_NUMBERS, HyperParameters(), NoData())
    assert set(model.compiled_with) == {
        *("generator_optimizer", "critic_optimizer", "quality_measures", "jit_compile")
    }
    assert float(model.compiled_with["generator_optimizer"].learning_rate) == 0.5
    assert float(model.compiled_with["critic_optimizer"].learning_rate) == 0.25


@dataclasses.dataclass(frozen=True, kw_only=True)
class WithCalls(HyperParameters):
    """Those of a recipe that lets one choose how many steps a call takes."""

    steps_per_execution: int | None = sourced(None, "ours")


@pytest.mark.parametrize(("wanted", "taken"), [(None, None), (3, 3), (50, 3), (2, 1)])
def test_a_call_takes_no_more_steps_than_divide_an_epoch(capsys, wanted, taken):
    model = runner.build_model(TWO_NUMBERS, WithCalls(steps_per_execution=wanted), NoData())
    assert model.compiled_with.get("steps_per_execution") == taken
    told = f"up to steps_per_execution={wanted} that divide the 3 steps of an epoch"
    assert (told in capsys.readouterr().err) == (wanted != taken)


def test_seed_and_precision_hold_while_the_model_is_built():
    values = HyperParameters(seed=5, precision="mixed_bfloat16")
    one, same, other = (
        runner.build_model(TWO_NUMBERS, each, NoData())
        for each in (values, values, dataclasses.replace(values, seed=6))
    )
    assert one.policy == "mixed_bfloat16"
    assert one.drawn == same.drawn != other.drawn


def test_only_building_and_compiling_are_in_the_strategys_scope(two_replicas):
    data = NoData()
    model = runner.build_model(TWO_NUMBERS, HyperParameters(), data, two_replicas)
    assert model.distribute_strategy is two_replicas
    assert data.happened == [("prepared", False), ("compiled", True), ("adapted", False)]


def test_replicas_that_cannot_share_a_batch(two_replicas):
    with pytest.raises(ValueError, match="^batch_size must be a multiple of the 2 replicas that"):
        runner.build_model(TWO_NUMBERS, HyperParameters(batch_size=7), NoData(), two_replicas)


@pytest.mark.parametrize(("jit", "given"), [("auto", "auto"), ("on", True), ("off", False)])
def test_training_is_by_xla_as_the_flag_says(jit, given):
    model = runner.build_model(TWO_NUMBERS, HyperParameters(jit=jit), NoData())
    assert model.compiled_with["jit_compile"] == given
