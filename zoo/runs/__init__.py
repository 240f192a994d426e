"""Runs: the folder that a training leaves behind, and the callbacks that fill it."""
