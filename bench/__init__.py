"""Benchmarks and experiments, run from a checkout: `python bench/NAME.py` or `python -m bench.experiments.NAME`."""
