"""Experiments, each run by one command, and the generators of the tables and figures in README and docs."""
