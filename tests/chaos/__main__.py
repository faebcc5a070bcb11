"""`python -m tests.chaos --seed N --seconds S`: 0 nothing is wrong, 1 something is, 2 it could not run."""

from __future__ import annotations

import sys

from tests.chaos.command import main

sys.exit(main(sys.argv[1:]))
