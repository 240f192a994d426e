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

from zoo.explore.arithmetic import Sum, arithmetic
from zoo.explore.edit import Stroke, edit_by_attribute, edit_by_strokes
from zoo.explore.findings import Findings
from zoo.explore.forget import forget
from zoo.explore.guided import guided
from zoo.explore.neighbours import neighbours
from zoo.explore.probe import probe
from zoo.explore.project import project
from zoo.explore.truncation import truncation
from zoo.explore.walk import walk

__all__ = [
    "Findings",
    "Stroke",
    "Sum",
    "arithmetic",
    "edit_by_attribute",
    "edit_by_strokes",
    "forget",
    "guided",
    "neighbours",
    "probe",
    "project",
    "truncation",
    "walk",
]
