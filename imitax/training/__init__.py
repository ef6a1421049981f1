"""Training: check everything, run the loop, write what comes of it."""
