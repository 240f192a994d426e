"""The tables of README.md: a row a recipe, made from its default runs alone."""

import dataclasses

import numpy as np

from benchmarks.readme_tables import in_order_of_papers, result_table, variant_table
from benchmarks.records import Record
from benchmarks.registry import RECIPES
from tests.benchmarks.hand_made import (
    GENERATING,
    generated_record_of,
    record_of,
    translation_record_of,
)


def row_of(recipe: str, *records: Record) -> dict[str, str]:
    heading, _, row = result_table([RECIPES[recipe]], records).splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in (heading, row)]
    return dict(zip(*cells, strict=True))


def test_row_says_what_numpy_says_of_the_default_runs() -> None:
    records = [
        *(generated_record_of(score, seed=seed) for seed, score in enumerate((12.0, 15.0))),
        generated_record_of(1.0, objective="hinge"),
        generated_record_of(1.0, dataset="mnist_small"),
        generated_record_of(1.0, seed=7, smoke=True),
        dataclasses.replace(generated_record_of(1.0), preset="paper"),
    ]
    row = row_of(GENERATING.name, *records)
    assert (row["Data"], row["Measure"]) == ("`drawn_house_numbers`", "Fréchet distance")
    assert row["Ours"] == f"{np.mean([12, 15]):.1f} ± {np.std([12, 15], ddof=1):.1f}"
    assert (row["Seeds"], row["Minutes"]) == ("2", "5")
    assert row["Reference"] == "0.5, other real images"


def test_latest_protocol_counts() -> None:
    old = generated_record_of(1.0, protocol="a protocol")
    new = dataclasses.replace(generated_record_of(2.0, protocol="another"), date="2026-02-01")
    for records in ([old, new], [new, old]):
        assert row_of(GENERATING.name, *records)["Ours"] == "2.00"


def test_row_is_of_the_presets_number_of_labels_with_the_papers_error() -> None:
    row = row_of("semi_supervised", record_of(num_labels=20), record_of(0.04, num_labels=100))
    assert row["Measure"] == "test error with 100 labels"
    assert (row["Ours"], row["Reference"]) == ("4.00 %", "20.00 %, those labels alone")
    assert row["The paper"] == "0.93 ± 0.07 % on MNIST"


def test_translation_has_both_directions_and_the_minutes_without_pairs() -> None:
    with_pairs = translation_record_of(0.125, paired=0.5)
    without = dataclasses.replace(translation_record_of(0.125, seed=1), seconds=120.0)
    row = row_of("cyclegan", with_pairs, without)
    assert row["Ours"] == "0.125 ± 0.000 / 0.125 ± 0.000"
    assert row["Reference"] == "0.500 / 0.500, doing nothing"
    assert (row["Seeds"], row["Minutes"]) == ("2", "2")


def test_what_is_not_measured_has_dashes() -> None:
    row = row_of(GENERATING.name, generated_record_of(epochs=5))
    assert [row[name] for name in ("Ours", "Seeds", "Reference", "Minutes")] == ["–"] * 4


def test_variants_are_in_the_order_of_their_papers_with_links_to_page_and_recipe() -> None:
    recipes = in_order_of_papers([RECIPES["dcgan_svhn"], RECIPES["vanilla_mnist"]])
    rows = variant_table(recipes).splitlines()[2:]
    assert [row.split("`")[1] for row in rows] == ["zoo.VanillaGAN", "zoo.DCGAN"]
    assert "(docs/variants/dcgan.md)" in rows[1]
    assert "[Radford et al., 2015](https://arxiv.org/abs/1511.06434)" in rows[1]
    assert "| The guidelines that made convolutional GANs train |" in rows[1]
    assert "[`dcgan_svhn`](recipes/dcgan_svhn.py)" in rows[1]
