"""What Keras should remember from one save to the next."""

from keras.src.backend.common import global_state
from keras.src.saving import saving_lib

_KINDS = ("Operation", "Layer", "Functional", "Sequential", "Metric", "Optimizer", "Loss")


def remember_skipped_attributes() -> None:
    """Has Keras keep which attributes of its own classes it does not save.

    Keras 3.15 stores what it found under one name and asks for it under another. So each layer and
    each optimizer that is saved costs a new one to compare with, a third of the time of a small
    model's save, and what the new optimizers leave behind makes a process grow with each save.
    """
    for kind in _KINDS:
        attribute = f"saving_attr_skiplist_{kind}"
        if global_state.get_global_attribute(attribute) is None:
            global_state.set_global_attribute(attribute, saving_lib.get_attr_skipset(kind))
