"""A bank and scheme on the other side of HTTP: a process of its own, with its own record on disk.

It shares no code with the connectors that talk to it: what one side writes, the other reads with
its own parser, so that a mistake is not agreed upon. Start it with `python -m
connectors.bank_simulator`.
"""
