"""The parts of `accelerator.py`, each of which runs as a process of its own."""
