"""Chaos: the whole engine under load while banks, networks, servers and processes fail, then a check of what is left.

`python -m tests.chaos --seed N --seconds S`, or `./dev chaos`. Every decision about faults comes from the
seed; how they meet the load does not, because real processes take their own time.
"""
