"""Experiments that one command each runs: the demo, and the tables that are made of result files."""
