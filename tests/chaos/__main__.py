"""`python -m tests.chaos --seed N --seconds S`: 0 when nothing is wrong, 1 when something is, 2 when it could not run."""

from __future__ import annotations

import sys

from tests.chaos.command import main

sys.exit(main(sys.argv[1:]))
