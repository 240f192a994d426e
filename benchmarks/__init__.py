"""Benchmarks: measured runs of the recipes, kept as records, and the tables made from them."""
