"""Which epochs are looked at, where not each is."""


def is_due(done: int, every_epochs: int, epochs: int | None) -> bool:
    """Returns whether to look after an epoch: the first, every `every_epochs`-th and the last.

    Args:
        done: epochs that are done, with this one.
        every_epochs: epochs from one look to the next.
        epochs: of the whole training; None where nobody knows.
    """
    return done % every_epochs == 0 or done in (1, epochs)
