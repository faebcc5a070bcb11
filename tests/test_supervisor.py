"""Starting, watching and ending: what `./dev` and the supervisor promise about processes."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import textwrap
import time
import tomllib
from collections.abc import Callable, Iterator
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import IO

import psutil
import pytest

from payouts_project import guard, leash, sandbox, startup
from payouts_project.greeting import curl, example_request
from payouts_project.processes import RestartPolicy

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path


def gone(pids: list[int], seconds: float = 10) -> bool:
    def running(pid: int) -> bool:
        with contextlib.suppress(psutil.NoSuchProcess):
            return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
        return False

    return leash.wait_until(lambda: not any(running(pid) for pid in pids), seconds=seconds)


# --- When a process is started again ------------------------------------------


def test_ten_deaths_a_minute_are_free_then_the_pause_grows() -> None:
    policy, pauses = RestartPolicy(), []
    for second in range(16):
        policy, pause = policy.after_death(float(second))
        pauses.append(pause)
    assert pauses == [0.0] * 10 + [1.0, 2.0, 4.0, 8.0, 16.0, 30.0]


def test_deaths_of_more_than_a_minute_ago_are_forgotten() -> None:
    policy = RestartPolicy(deaths=tuple(float(second) for second in range(10)))
    assert policy.after_death(9.5)[1] == 1.0
    assert policy.after_death(69.5)[1] == 0.0


def test_a_policy_is_a_value() -> None:
    policy = RestartPolicy()
    assert policy.after_death(1.0) == policy.after_death(1.0)
    assert policy == RestartPolicy()


# --- Ports, secrets, environment ------------------------------------------------


@pytest.fixture
def taken_port() -> Iterator[int]:
    import socket

    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


def test_a_named_port_that_is_taken_is_refused(taken_port: int) -> None:
    with pytest.raises(startup.Refused, match=f"PORT={taken_port} is taken"):
        startup.choose_port("PORT", {"PORT": str(taken_port)})


@pytest.mark.parametrize("value", ["0", "65536", "-1", "http", "８０００", "80.5"])
def test_a_named_port_must_be_one(value: str) -> None:
    with pytest.raises(startup.Refused, match="port number"):
        startup.choose_port("PORT", {"PORT": value})


def test_a_default_port_that_is_taken_moves_on_and_says_so(
    taken_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(startup.DEFAULT_PORTS, "PORT", taken_port)
    port, note = startup.choose_port("PORT", {})
    assert port > taken_port
    assert note == f"port {taken_port} is taken, using {port} (PORT would choose another)"


def test_web_and_bank_never_share_a_port(monkeypatch: pytest.MonkeyPatch) -> None:
    port = leash.free_port()
    monkeypatch.setitem(startup.DEFAULT_PORTS, "BANK_SIMULATOR_PORT", port)
    chosen, notes = startup.choose_ports({"PORT": str(port)})
    assert chosen["PORT"] == str(port)
    assert chosen["BANK_SIMULATOR_PORT"] != str(port)
    assert chosen["BANK_URL"] == f"http://127.0.0.1:{chosen['BANK_SIMULATOR_PORT']}"
    assert len(notes) == 1


def test_secrets_are_made_once_and_for_the_owner_only(state: Path) -> None:
    first = sandbox.load_secrets(state)
    assert sandbox.load_secrets(state) == first
    assert (state / "secrets.json").stat().st_mode & 0o777 == 0o600
    assert re.fullmatch(r"k1:[A-Za-z0-9+/]{43}=", first["ENCRYPTION_KEYS"])


def test_a_secret_that_is_missing_is_added_and_the_others_stay(state: Path) -> None:
    first = sandbox.load_secrets(state)
    kept = {name: value for name, value in first.items() if name != "DEMO_PASSWORD"}
    (state / "secrets.json").write_text(json.dumps(kept))
    second = sandbox.load_secrets(state)
    assert {name: second[name] for name in kept} == kept
    assert second["DEMO_PASSWORD"]


def test_what_the_user_sets_wins_and_an_empty_value_counts_as_not_set(state: Path) -> None:
    own = {"DATABASE_URL": "postgresql://ours", "PORT": "8000"}
    given = {"DATABASE_URL": "", "LEASE_S": "77", "PORT": "9000", "STATE_DIR": "relative"}
    environment = startup.own_environment(state, sandbox.load_secrets(state), own, given)
    assert environment["DATABASE_URL"] == "postgresql://ours"
    assert environment["LEASE_S"] == "77"
    assert environment["PORT"] == "9000"
    assert environment["STATE_DIR"] == str(state)
    assert environment["CALL_DEADLINE_S"] == "4"
    assert "DATABASE_PASSWORD" not in environment


def test_other_terminals_find_the_addresses_in_a_private_file(state: Path) -> None:
    written = {"DATABASE_URL": "postgresql://a:b@c:1/d", "REDIS_URL": "redis://:x@y:2/0"}
    startup.write_environment(state, {**written, "SECRET_KEY": "no"})
    assert (state / "env").read_text().splitlines() == [f"{k}={v}" for k, v in written.items()]
    assert (state / "env").stat().st_mode & 0o777 == 0o600
    assert startup.read_environment(state) == written


def test_the_programs_are_those_of_the_specification() -> None:
    """S32: an API, a worker and a beat; and what no doorbell announces is polled."""
    found = {program.name: " ".join(program.command) for program in startup.programs({"PORT": "1"})}
    assert set(found) == {"worker", "beat", "poller", "web"}
    assert "celery -A payouts_project.celery worker" in found["worker"]
    assert "celery -A payouts_project.celery beat" in found["beat"]
    assert "gunicorn payouts_project.wsgi" in found["web"]


def test_the_printed_curl_line_is_a_valid_request() -> None:
    demo = {
        "tenants": {"t-1": {"beneficiaries": {"us_bank": {"id": "b", "account_id": "a", "currency": "USD"}}}}
    }  # fmt: skip
    request = example_request(demo)
    assert request is not None
    words = shlex.split(curl("http://127.0.0.1:1", *request))
    assert words[:3] == ["curl", "-s", "http://127.0.0.1:1/api/payouts"]
    assert json.loads(words[words.index("-d") + 1])["beneficiaryAccountId"] == "a"
    assert "X-Tenant-Id: t-1" in words


# --- ./dev and its lock ------------------------------------------------------------


@pytest.fixture(scope="module")
def dev() -> ModuleType:
    loader = SourceFileLoader("dev", str(ROOT / "dev"))
    spec = importlib.util.spec_from_loader("dev", loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


def test_an_environment_is_current_only_for_the_very_lock_it_came_from(
    dev: ModuleType, tmp_path: Path
) -> None:
    lock, stamp = tmp_path / "requirements.lock", tmp_path / "installed-from"
    paths = {"lock": str(lock), "stamp": str(stamp), "python": sys.executable}
    lock.write_text("a==1\n")
    assert not dev.is_current(**paths)
    stamp.write_text(dev.fingerprint(str(lock)) + "\n")
    assert dev.is_current(**paths)
    assert not dev.is_current(**{**paths, "python": str(tmp_path / "gone")})
    lock.write_text("a==2\n")
    assert not dev.is_current(**paths)


def test_dev_needs_nothing_but_the_standard_library(dev: ModuleType) -> None:
    imported = re.findall(r"^(?:from|import) (\w+)", (ROOT / "dev").read_text(), re.MULTILINE)
    assert imported
    assert set(imported) <= set(sys.stdlib_module_names)


def test_the_lock_names_no_address_and_has_a_hash_for_everything(dev: ModuleType) -> None:
    text = (ROOT / "requirements.lock").read_text()
    assert not re.search(r"://|@|index|find-links", text)
    for line in text.replace("\\\n", "").splitlines():
        assert re.match(r"[a-z0-9-]+==\S+ .*--hash=sha256:[0-9a-f]{64}", line), line
    assert dev.uv_requirement().startswith("uv==")


def test_the_lock_has_every_dependency() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    locked = set(re.findall(r"^([a-z0-9-]+)==", (ROOT / "requirements.lock").read_text(), re.M))
    names = {re.split(r"[\[<>=]", line)[0].strip().lower().replace("_", "-") for line in wanted}
    assert names <= locked


# --- The fleet -------------------------------------------------------------------------------

# A program with a child in its group, as the worker and the web server have; the child would
# outlive it. Each writes down its pid.
PARENT = """
import os, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
with open(sys.argv[1], "a") as handle:
    handle.write(f"{os.getpid()} {child.pid}\\n")
time.sleep(600)
"""
SUPERVISOR = """
import os
import sys
from pathlib import Path
from payouts_project.interrupts import Stopped
from payouts_project.processes import Fleet, Program
state = Path(sys.argv[1])
fleet = Fleet(state, announce=print)
command = [sys.executable, str(state / "parent.py"), str(state / "seen")]
fleet.start(Program("worker", command, os.environ, stop_seconds=1))
try:
    fleet.watch(lambda: False)
except Stopped:
    fleet.stop_together(["worker"])
    fleet.close()
"""


class Rehearsal:
    """A supervisor of one program, in a process of its own so that it can be killed."""

    def __init__(self, state: Path, log: IO[bytes]) -> None:
        self.state = state
        (state / "parent.py").write_text(PARENT)
        (state / "supervisor.py").write_text(SUPERVISOR)
        command = [sys.executable, str(state / "supervisor.py"), str(state)]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        self.process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)

    def family(self, generation: int) -> list[int]:
        """The pids of the program's nth life and of its child."""
        seen = self.state / "seen"

        def lives() -> list[str]:
            return seen.read_text().splitlines() if seen.exists() else []

        assert leash.wait_until(lambda: len(lives()) > generation, seconds=10)
        return [int(pid) for pid in lives()[generation].split()]

    def worker(self) -> int | None:
        with contextlib.suppress(OSError, ValueError):
            found = json.loads((self.state / "processes.json").read_text()).get("worker")
            return int(found) if found else None
        return None


@pytest.fixture
def rehearsal(state: Path) -> Iterator[Rehearsal]:
    with (state / "log").open("wb") as log:
        rehearsal = Rehearsal(state, log)
        yield rehearsal
        rehearsal.process.kill()
        rehearsal.process.wait()
        if (state / "seen").exists():
            pids = [int(pid) for pid in (state / "seen").read_text().split()]
            assert gone(pids)


@pytest.mark.processes
def test_what_is_killed_is_replaced_within_half_a_second_with_its_children(
    rehearsal: Rehearsal,
) -> None:
    first = rehearsal.family(0)
    assert rehearsal.worker() == first[0] == os.getpgid(first[0])
    started = time.monotonic()
    os.kill(first[0], signal.SIGKILL)
    assert leash.wait_until(
        lambda: rehearsal.worker() not in (None, first[0]), seconds=5, every=0.002
    )
    assert time.monotonic() - started < 0.5
    assert gone(first, seconds=1)
    assert rehearsal.family(1)[0] == rehearsal.worker()


@pytest.mark.processes
def test_nothing_survives_the_death_of_the_supervisor(rehearsal: Rehearsal) -> None:
    family = rehearsal.family(0)
    rehearsal.process.kill()
    assert gone(family, seconds=3)


@pytest.mark.processes
def test_the_guard_is_replaced_when_it_is_killed(rehearsal: Rehearsal) -> None:
    family = rehearsal.family(0)
    children = psutil.Process(rehearsal.process.pid).children()
    [old] = [child for child in children if child.cmdline()[-1].endswith("guard.py")]
    old.kill()
    time.sleep(1)
    rehearsal.process.kill()
    assert gone(family, seconds=3)


@pytest.mark.processes
def test_sigterm_ends_everything_and_puts_the_file_away(rehearsal: Rehearsal) -> None:
    family = rehearsal.family(0)
    rehearsal.process.terminate()
    assert rehearsal.process.wait(timeout=10) == 0
    assert gone(family, seconds=1)
    assert not (rehearsal.state / "processes.json").exists()


@pytest.mark.processes
def test_the_death_of_whoever_started_the_supervisor_ends_everything(state: Path) -> None:
    starter = textwrap.dedent("""
        import subprocess, sys, time
        subprocess.Popen([sys.executable, *sys.argv[1:]])
        time.sleep(600)
    """)
    (state / "parent.py").write_text(PARENT)
    (state / "supervisor.py").write_text(SUPERVISOR)
    process = subprocess.Popen(
        [sys.executable, "-c", starter, str(state / "supervisor.py"), str(state)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL,
    )
    seen = state / "seen"
    assert leash.wait_until(lambda: seen.exists() and "\n" in seen.read_text(), seconds=10)
    family = [int(pid) for pid in seen.read_text().split()]
    process.kill()
    process.wait()
    assert gone(family, seconds=5)
    assert leash.wait_until(lambda: not (state / "processes.json").exists(), seconds=5)


def test_the_guard_forgets_who_ended_and_remembers_the_rest() -> None:
    import io

    assert guard.read_groups(io.StringIO("+ 10 9\n+ 11 2\n- 10\n+ 12 9\n")) == {11: 2, 12: 9}


def test_a_lock_names_its_holder_and_ends_with_it(state: Path) -> None:
    lock = leash.lock_file(state / "lock")
    with pytest.raises(leash.Busy, match=str(os.getpid())):
        leash.lock_file(state / "lock")
    lock.close()
    leash.lock_file(state / "lock").close()


def test_waiting_has_an_end() -> None:
    never: Callable[[], bool] = lambda: False  # noqa: E731
    assert leash.wait_until(never, seconds=0.01) is False
