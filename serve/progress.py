"""Where a running job is: told to whoever watches and kept as `progress.json`. Knows nothing of the work itself."""

import logging
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime

from serve.contract import Progress, Stage
from serve.errors import Gen3DError
from serve.storage import Folder

PROGRESS = "progress.json"

# How far into an object's share of the work each stage begins, on the preview engine.
_SHARE: dict[Stage, float] = {"segment": 0.0, "reconstruct": 0.25, "finish": 0.5, "store": 0.6}
_DECODED, _MADE = 5.0, 95.0  # percent

log = logging.getLogger(__name__)


class ProgressReport:
    """Tells whoever watches where a job is, and keeps `progress.json` up to date where there is a folder for it."""

    def __init__(
        self,
        job_id: str,
        objects: int,
        folder: Folder | None,
        watch: Callable[[Progress], None] | None = None,
    ) -> None:
        self._job_id, self._objects, self._folder, self._watch = job_id, objects, folder, watch
        self._started_at = datetime.now(UTC)
        self._told = False

    def tell(self, stage: Stage, index: int | None = None) -> None:
        """A stage begins, of the object `index` or of the job as a whole.

        Raises:
            Gen3DError: The first report could not be stored, so the results could not be either; or whatever the
                watcher raises. Later reports that cannot be stored are logged: they are worth less than the work.
        """
        progress = Progress(
            job_id=self._job_id,
            stage=stage,
            object=index,
            objects=self._objects,
            percent=self._percent(stage, index),
            since=datetime.now(UTC),
            started_at=self._started_at,
        )
        if self._watch is not None:
            self._watch(progress)
        if self._folder is None:
            return
        try:
            self._folder.put(PROGRESS, progress.model_dump_json(indent=2).encode(), "application/json")
        except Gen3DError as error:
            if not self._told:
                raise
            log.warning("progress could not be stored: %s", error)
        self._told = True

    def tell_failed(self) -> None:
        """The job as a whole has failed; that this could not be stored is not worth hiding the reason for."""
        with suppress(Gen3DError):
            self.tell("failed")

    def _percent(self, stage: Stage, index: int | None) -> float:
        if stage == "done":
            return 100.0
        if index is None:
            return 0.0 if stage in ("decode", "failed") else _MADE
        return round(_DECODED + (_MADE - _DECODED) * (index + _SHARE[stage]) / self._objects, 1)
