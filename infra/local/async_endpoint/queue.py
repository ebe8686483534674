"""The requests that were accepted and have not ended, on the disk, so that none is lost with the process.

It knows neither who asks nor who answers.
"""

import json
import sqlite3
from dataclasses import asdict
from pathlib import Path
from typing import Literal

from infra.local.async_endpoint.invocation import Invocation, Result

# From one to the next: it waits; a container has it; it has a result that is not in S3 yet; nobody has been told yet.
State = Literal["waiting", "running", "storing", "notifying"]

_TABLE = """
CREATE TABLE IF NOT EXISTS requests (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    key TEXT NOT NULL UNIQUE,
    endpoint TEXT NOT NULL,
    state TEXT NOT NULL,
    expires REAL NOT NULL,
    invocation TEXT NOT NULL,
    result TEXT
)
"""


class Queue:
    """The requests of all endpoints, oldest first. Each method's change is whole and on the disk when it returns.

    To be used by one thread at a time.

    Args:
        folder: Where it is kept; made if absent. What lies there from before is taken up: requests that a container had
            wait again, at their old place.

    Raises:
        sqlite3.OperationalError: Another process has it, or the folder cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self._database = sqlite3.connect(folder / "queue.sqlite3", timeout=1, isolation_level=None)
        try:
            # Held until it is closed: two servers would hand out the same requests.
            self._database.execute("PRAGMA locking_mode = EXCLUSIVE")
            self._database.execute(_TABLE)
            self._database.execute("UPDATE requests SET state = 'waiting' WHERE state = 'running'")
        except sqlite3.Error:
            self._database.close()
            raise
        kept = {self.body(key) for (key,) in self._database.execute("SELECT key FROM requests WHERE state = 'storing'")}
        for path in folder.glob("*.body"):
            if path not in kept:
                path.unlink()
        for path in folder.glob("*.input"):
            path.unlink()

    def close(self) -> None:
        """Lets go of the folder."""
        self._database.close()

    def body(self, key: str) -> Path:
        """The file for what the request's result object is to hold."""
        return self.folder / f"{key}.body"

    def add(self, invocation: Invocation) -> None:
        """Puts a request at the end."""
        self._database.execute(
            "INSERT INTO requests (key, endpoint, state, expires, invocation) VALUES (?, ?, 'waiting', ?, ?)",
            (invocation.key, invocation.asked.endpoint, invocation.expires, json.dumps(invocation.as_json())),
        )

    def take(self, endpoint: str, now: float) -> Invocation | None:
        """The oldest request that waits and may still; from now on a container has it."""
        found = self._database.execute(
            "UPDATE requests SET state = 'running' WHERE number = (SELECT MIN(number) FROM requests"
            " WHERE endpoint = ? AND state = 'waiting' AND expires > ?) RETURNING invocation",
            (endpoint, now),
        ).fetchall()
        return Invocation.from_json(json.loads(found[0][0])) if found else None

    def oldest(self, endpoint: str) -> Invocation | None:
        """The request that has waited longest."""
        found = self._database.execute(
            "SELECT invocation FROM requests WHERE endpoint = ? AND state = 'waiting' ORDER BY number LIMIT 1",
            (endpoint,),
        ).fetchone()
        return Invocation.from_json(json.loads(found[0])) if found else None

    def expired(self, endpoint: str, now: float) -> list[Invocation]:
        """Those that have waited too long, oldest first."""
        found = self._database.execute(
            "SELECT invocation FROM requests WHERE endpoint = ? AND state = 'waiting' AND expires <= ? ORDER BY number",
            (endpoint, now),
        )
        return [Invocation.from_json(json.loads(text)) for (text,) in found]

    def finish(self, key: str, result: Result) -> None:
        """The request has a result, whose object is in the file `body(key)` and is to be stored next."""
        self._database.execute(
            "UPDATE requests SET state = 'storing', result = ? WHERE key = ?", (json.dumps(asdict(result)), key)
        )

    def note_stored(self, key: str) -> None:
        """The result is in S3, or given up; whoever is to be told comes next."""
        self._database.execute("UPDATE requests SET state = 'notifying' WHERE key = ?", (key,))
        self.body(key).unlink(missing_ok=True)

    def remove(self, key: str) -> None:
        """The request has ended."""
        self._database.execute("DELETE FROM requests WHERE key = ?", (key,))

    def finished(self, endpoint: str) -> list[tuple[Invocation, Result, State]]:
        """Those with a result that not everybody has, oldest first, and how far they are."""
        found = self._database.execute(
            "SELECT invocation, result, state FROM requests"
            " WHERE endpoint = ? AND state IN ('storing', 'notifying') ORDER BY number",
            (endpoint,),
        )
        return [
            (Invocation.from_json(json.loads(invocation)), Result(**json.loads(result)), state)
            for invocation, result, state in found
        ]

    def newest(self) -> dict[str, Invocation]:
        """Of each endpoint that has requests, the newest."""
        found = self._database.execute("SELECT endpoint, invocation FROM requests ORDER BY number")
        return {endpoint: Invocation.from_json(json.loads(text)) for endpoint, text in found}

    def count(self, endpoint: str) -> dict[State, int]:
        """How many of the endpoint's requests are how far."""
        counts: dict[State, int] = {"waiting": 0, "running": 0, "storing": 0, "notifying": 0}
        found = self._database.execute(
            "SELECT state, COUNT(*) FROM requests WHERE endpoint = ? GROUP BY state", (endpoint,)
        )
        return counts | dict(found)
