"""Where a running job is: told to whoever watches and kept as `progress.json`. Knows nothing of the work itself."""

import logging
import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from time import monotonic

from serve.contract import Progress, Stage
from serve.errors import Gen3DError
from serve.storage import Folder

PROGRESS = "progress.json"

_Shares = dict[Stage, tuple[float, float]]

# From where to where in an object's share of the work each stage goes. The preview's stages take about as long as each
# other; a network's sampling takes far longer than all the rest.
_PREVIEW: _Shares = {
    "segment": (0.0, 0.25),
    "reconstruct": (0.25, 0.5),
    "finish": (0.5, 0.6),
    "store": (0.6, 1.0),
}
_NETWORK: _Shares = {
    "segment": (0.0, 0.05),
    "reconstruct": (0.05, 0.9),
    "finish": (0.9, 0.92),
    "store": (0.92, 1.0),
}
_DECODED, _MADE = 5.0, 95.0  # percent
_STORE_SECONDS = 1.0  # at least, between two steps that are stored: on S3 each is a request

log = logging.getLogger(__name__)


class ProgressReport:
    """Tells whoever watches where a job is, and keeps `progress.json` up to date where there is a folder for it.

    Objects are finished while others are made, so any thread may tell; the watcher is called by one at a time.
    """

    def __init__(
        self,
        job_id: str,
        objects: int,
        folder: Folder | None,
        watch: Callable[[Progress], None] | None = None,
    ) -> None:
        self._job_id, self._objects, self._folder, self._watch = job_id, objects, folder, watch
        self._stages = _PREVIEW
        self._started_at = datetime.now(UTC)
        self._shares = [0.0] * objects  # of each object's work, how much is done
        self._telling = threading.RLock()
        self._since: dict[int | None, tuple[Stage, datetime]] = {}
        self._stored_at: float | None = None

    def expect(self, *, preview: bool) -> None:
        """Says whose pace the percentages follow: a preview's, or else a network's."""
        self._stages = _PREVIEW if preview else _NETWORK

    def tell(self, stage: Stage, index: int | None = None, steps: tuple[int, int] | None = None) -> None:
        """A stage begins, of the object `index` or of the job as a whole; or some of its steps are done.

        The watcher is told of everything, and every stage is stored, but steps are stored once a second at most.

        Args:
            stage: Which.
            index: Of which object; None for the job as a whole.
            steps: How many steps are done and how many there are; None as the stage begins.

        Raises:
            Gen3DError: The first report could not be stored, so the results could not be either; or whatever the
                watcher raises. Later reports that cannot be stored are logged: they are worth less than the work.
        """
        with self._telling:
            self._tell(stage, index, steps)

    def tell_stored(self, index: int) -> None:
        """The object is done: what is told next counts it in full."""
        with self._telling:
            self._shares[index] = 1.0

    def _tell(self, stage: Stage, index: int | None, steps: tuple[int, int] | None) -> None:
        now = datetime.now(UTC)
        if index not in self._since or self._since[index][0] != stage:
            self._since[index] = stage, now
        done, of = steps or (None, None)
        progress = Progress(
            job_id=self._job_id,
            stage=stage,
            object=index,
            objects=self._objects,
            step=done,
            steps=of,
            percent=self._percent(stage, index, steps),
            since=self._since[index][1],
            started_at=self._started_at,
        )
        if self._watch is not None:
            self._watch(progress)
        if self._folder is None or (steps is not None and not self._is_due()):
            return
        try:
            self._folder.put(PROGRESS, progress.model_dump_json(indent=2).encode(), "application/json")
        except Gen3DError as error:
            if self._stored_at is None:
                raise
            log.warning("progress could not be stored: %s", error)
        self._stored_at = monotonic()

    def _is_due(self) -> bool:
        return self._stored_at is None or monotonic() - self._stored_at >= _STORE_SECONDS

    def tell_failed(self) -> None:
        """The job as a whole has failed; that this could not be stored is not worth hiding the reason for."""
        with suppress(Gen3DError):
            self.tell("failed")

    def _percent(self, stage: Stage, index: int | None, steps: tuple[int, int] | None) -> float:
        if stage == "done":
            return 100.0
        if index is None:
            if stage == "failed":
                return self._done()  # it ended where it was
            return 0.0 if stage == "decode" else _MADE
        done, of = steps or (0, 1)
        begin, end = self._stages[stage]
        # Of objects made at once, each takes its steps before its stage is announced.
        self._shares[index] = max(self._shares[index], begin + (end - begin) * done / of)
        return self._done()

    def _done(self) -> float:
        return round(_DECODED + (_MADE - _DECODED) * sum(self._shares) / self._objects, 1) if any(self._shares) else 0.0
