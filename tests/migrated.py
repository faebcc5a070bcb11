"""A migrated database that the tests' databases are copied from, so that migrations run once and not per process.

Only on servers of our own, which go away with the run. The name tells the migrations apart: a copy of the
sources with another migration makes its own.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
from psycopg import sql

from payouts_project.embedded import OURS

ROOT = Path(__file__).resolve().parent.parent
LOCK = 8484


def template_name() -> str:
    """The name of the database that holds these migrations, applied."""
    told = hashlib.sha256()
    for file in sorted(ROOT.glob("*/migrations/*.py")):
        told.update(file.read_bytes())
    return f"migrated_{told.hexdigest()[:16]}"


def ensure_template() -> str:
    """Make it unless it is there; test processes that come at the same time wait for the first."""
    name, url = template_name(), urlsplit(os.environ["DATABASE_URL"])
    with psycopg.connect(urlunsplit(url._replace(path="/postgres")), autocommit=True) as server:
        server.execute("SELECT pg_advisory_lock(%s)", [LOCK])
        if server.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone():
            return name
        unfinished = f"{name}_unfinished"
        server.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(unfinished)))
        own = {"DATABASE_URL": urlunsplit(url._replace(path=f"/{unfinished}")), "DATABASE_ROLE": ""}
        subprocess.run(
            (sys.executable, "manage.py", "migrate", "--verbosity", "0"),
            cwd=ROOT, env=os.environ | own, check=True,
        )  # fmt: skip
        rename = sql.SQL("ALTER DATABASE {} RENAME TO {}")
        server.execute(rename.format(sql.Identifier(unfinished), sql.Identifier(name)))
    return name


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings_parallel_suffix: None) -> None:
    """Where pytest-django looks just before it makes the test database."""
    from django.db import connection

    if os.environ.get(OURS):
        # Nothing is left to migrate in a copy; to find that out takes as long as a dozen tests.
        connection.settings_dict["TEST"] |= {"TEMPLATE": ensure_template(), "MIGRATE": False}
