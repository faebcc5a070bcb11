"""PostgreSQL and Valkey of our own: they keep what they were told and leave nothing behind.

One server serves most of these tests: making a cluster is what takes time. A test that stops it
starts it again.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest
import redis

from payouts_project import embedded, leash
from payouts_project.run_as import Account

ROOT = Path(__file__).resolve().parent.parent
DATABASE_PASSWORD = "d" * 32
VALKEY_PASSWORD = "v" * 32
pytestmark = pytest.mark.processes


@pytest.fixture(scope="module")
def state() -> Iterator[Path]:
    """A state directory that PostgreSQL's account can pass through; pytest's own are closed."""
    directory = Path(tempfile.mkdtemp(prefix="payouts-process-test-"))
    directory.chmod(0o711)
    yield directory
    shutil.rmtree(directory)


def postgres_at(state: Path) -> embedded.Postgres:
    return embedded.Postgres(state / "postgres", password=DATABASE_PASSWORD)


@pytest.fixture(scope="module")
def postgres(state: Path) -> Iterator[embedded.Postgres]:
    server = postgres_at(state)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def valkey(state: Path) -> Iterator[embedded.Valkey]:
    server = embedded.Valkey(state / "valkey", password=VALKEY_PASSWORD)
    server.start()
    yield server
    server.stop()


def kill(server: embedded.Server) -> None:
    assert server.process is not None
    server.process.kill()
    server.process.wait()


def start_again(server: embedded.Server) -> None:
    with server.log_path.open("ab") as log:
        server.launch(log)
    server.wait_ready()


def test_postgres_is_reached_with_its_password_only(postgres: embedded.Postgres) -> None:
    with psycopg.connect(postgres.url) as connection:
        assert connection.execute("SELECT current_database()").fetchone() == ("payouts",)
    wrong = postgres.url.replace(DATABASE_PASSWORD, "wrong")
    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(wrong)


def test_postgres_comes_back_after_a_kill_with_everything_committed(
    postgres: embedded.Postgres,
) -> None:
    with psycopg.connect(postgres.url) as connection:
        connection.execute("CREATE TABLE kept AS SELECT generate_series(1, 1000)")
    kill(postgres)
    # The number in a file that was left behind may belong to somebody who lives.
    pid_file = postgres.data / "postmaster.pid"
    pid_file.write_text(str(os.getpid()) + pid_file.read_text().lstrip("0123456789"))
    start_again(postgres)
    with psycopg.connect(postgres.url) as connection:
        assert connection.execute("SELECT count(*) FROM kept").fetchone() == (1000,)


def answers(url: str) -> bool:
    with psycopg.connect(url) as connection:
        return connection.execute("SELECT 1").fetchone() == (1,)


def test_nobody_else_can_start_postgres_in_the_same_place(
    postgres: embedded.Postgres, state: Path
) -> None:
    with pytest.raises(embedded.EmbeddedError, match=f"already run by process {os.getpid()}"):
        postgres_at(state).start()
    assert answers(postgres.url)


def test_stopping_postgres_leaves_no_process_and_lets_the_place_go(
    postgres: embedded.Postgres, state: Path
) -> None:
    assert leash.processes_in(postgres.data)
    postgres.stop()
    assert leash.processes_in(postgres.data) == []
    second = postgres_at(state)
    second.start()
    second.stop()
    postgres.start()


def test_a_lost_secret_is_named_as_the_reason(postgres: embedded.Postgres, state: Path) -> None:
    postgres.stop()
    with pytest.raises(embedded.EmbeddedError, match="secrets were lost"):
        embedded.Postgres(state / "postgres", password="another").start()
    assert leash.processes_in(postgres.data) == []
    postgres.start()


def test_a_closed_directory_stays_closed(tmp_path: Path) -> None:
    """An ordinary user works in it; root's server, which is somebody else's, keeps its data apart."""
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    server = postgres_at(closed)
    try:
        server.start()
        assert answers(server.url)
        assert (server.place != server.home) == (os.geteuid() == 0)
        assert server.home.is_symlink() == (os.geteuid() == 0)
        assert closed.stat().st_mode & 0o777 == 0o700
    finally:
        server.stop()
        shutil.rmtree(server.place)


def test_the_server_never_runs_as_root(postgres: embedded.Postgres) -> None:
    assert postgres.process is not None
    entry = Account().entry
    expected = os.geteuid() if entry is None else entry.pw_uid
    assert psutil.Process(postgres.process.pid).uids().real == expected != 0


def test_an_unusable_binary_directory_is_explained(
    state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PG_BIN_DIR", str(state))
    with pytest.raises(embedded.EmbeddedError, match="set DATABASE_URL, or PG_BIN_DIR"):
        postgres_at(state).find_binaries()


def test_valkey_remembers_over_a_kill(valkey: embedded.Valkey) -> None:
    with redis.Redis.from_url(valkey.url) as client:
        client.set("kept", "1")
    kill(valkey)
    start_again(valkey)
    with redis.Redis.from_url(valkey.url) as client:
        assert client.get("kept") == b"1"
        assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}


def test_valkey_asks_for_its_password(valkey: embedded.Valkey) -> None:
    with (
        redis.Redis(host="127.0.0.1", port=valkey.port) as client,
        pytest.raises(redis.exceptions.AuthenticationError),
    ):
        client.ping()


def test_servers_started_for_a_while_do_not_survive_a_kill(state: Path) -> None:
    script = textwrap.dedent("""
        import json, sys, time
        from payouts_project import embedded
        with embedded.temporary("payouts-killed-", durable=False, given={}) as (state, urls):
            print(json.dumps(str(state)), flush=True)
            time.sleep(600)
    """)
    process = subprocess.Popen(
        [sys.executable, "-c", script],
        env={**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(state)},
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    left = Path(json.loads(process.stdout.readline()))
    data = left / "postgres" / "data"
    assert leash.processes_in(data)
    process.kill()
    process.wait()
    process.stdout.close()
    assert leash.wait_until(lambda: not leash.processes_in(data), seconds=10)
    assert leash.wait_until(lambda: not leash.processes_in(left / "valkey"), seconds=10)
