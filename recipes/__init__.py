"""Recipes: one short script a variant and data set, all of one shape, run from the command line."""

import os

# A recipe's screen is for the run: what goes wrong is raised, and `training.fit` names the devices.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import zoo  # noqa: F401 - before TensorFlow, whose import it keeps quiet at that level
