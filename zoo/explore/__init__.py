"""What did the networks learn? Questions to a trained model, each answered by numbers and pictures.

    model = zoo.runs.load_model("runs/digits")
    digits = zoo.datasets.open("drawn_house_numbers")
    findings = zoo.explore.probe(model, digits)
    print(findings.headline)
    findings.save("what_it_knows")

From the command line, which writes into the run's own folder:

    python -m zoo.explore probe runs/digits
    python -m zoo.explore --help
"""

from zoo.explore.findings import Findings
from zoo.explore.probe import probe

__all__ = ["Findings", "probe"]
