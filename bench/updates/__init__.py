"""What `bench/update_rate.py` times: the updates, and the floating-point work that each of them needs."""
