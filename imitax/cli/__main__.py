"""`python -m imitax.cli`."""

from imitax.cli import main

main()
