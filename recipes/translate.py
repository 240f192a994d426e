"""Translates pictures with an exported CycleGAN: `python -m export translate`, as it was called."""

import recipes  # noqa: F401  first: it keeps TensorFlow's import quiet

# isort: split
from export.translation import main

if __name__ == "__main__":
    main()
