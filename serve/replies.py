"""The three forms an answer may take: the manifest, the scene, or everything in one archive. Knows no engine."""

import base64
import io
import zipfile
from dataclasses import dataclass
from typing import Literal

from serve.contract import Artefact, Manifest
from serve.errors import Gen3DError
from serve.job import MANIFEST, SCENE, manifest_json
from serve.storage import Folder, MemoryFolder

Form = Literal["application/json", "model/gltf-binary", "application/zip"]
_FORMS: tuple[Form, ...] = ("application/json", "model/gltf-binary", "application/zip")


@dataclass(frozen=True)
class Reply:
    """An answer, ready to send."""

    media_type: Form
    body: bytes
    file_name: str | None = None


class KeepingFolder:
    """Hands files on to another folder and keeps them too, for answers that carry what is also stored."""

    def __init__(self, folder: Folder) -> None:
        self._folder = folder
        self.files: dict[str, bytes] = {}

    @property
    def uri(self) -> str | None:
        """Where the other folder is."""
        return self._folder.uri

    def put(self, name: str, data: bytes, media_type: str) -> str | None:
        """See `Folder.put`."""
        uri = self._folder.put(name, data, media_type)
        self.files[name] = data
        return uri


def choose_form(accept: str | None) -> Form:
    """The form that an `Accept` header likes best (RFC 9110, section 12.5.1); JSON where it does not say.

    Raises:
        Gen3DError: `not_acceptable`, where none will do.
    """
    liked: dict[str, float] = {}
    for part in (accept or "*/*").split(","):
        media_range, *parameters = (piece.strip().lower() for piece in part.split(";"))
        quality = 1.0
        for parameter in parameters:
            name, _, value = parameter.partition("=")
            if name.strip() == "q":
                try:
                    quality = float(value)
                except ValueError:
                    quality = 0.0
                if not 0 <= quality <= 1:  # nor is NaN
                    quality = 0.0
        liked[media_range] = max(quality, liked.get(media_range, 0.0))

    def quality_of(form: Form) -> float:
        for media_range in (form, form.partition("/")[0] + "/*", "*/*"):
            if media_range in liked:
                return liked[media_range]
        return 0.0

    best = max(_FORMS, key=quality_of)
    if quality_of(best) <= 0:
        raise Gen3DError("not_acceptable", f"The Accept header allows none of {', '.join(_FORMS)}: name one of them.")
    return best


def compose(form: Form, manifest: Manifest, kept: MemoryFolder | KeepingFolder | None) -> Reply:
    """The answer.

    Args:
        form: Which of the three.
        manifest: What was done.
        kept: The files, where the answer must carry them; None where they are stored and it is the manifest alone.

    Raises:
        Gen3DError: `nothing_made`, where a scene is asked for and there is none.
    """
    if form == "application/zip" and kept is not None:
        return Reply(form, _archive(kept.files), f"{manifest.job_id}.zip")
    if form == "model/gltf-binary" and kept is not None:
        if SCENE not in kept.files:
            reasons = [result.error.model_dump() for result in manifest.objects if result.error is not None]
            message = "No object could be made, so there is no scene: see the details, or ask for application/json."
            raise Gen3DError("nothing_made", message, objects=reasons)
        return Reply(form, kept.files[SCENE], f"{manifest.job_id}.glb")
    if isinstance(kept, MemoryFolder):
        manifest = _with_contents(manifest, kept.files)
    return Reply("application/json", manifest_json(manifest))


def _archive(files: dict[str, bytes]) -> bytes:
    """Everything in one archive, stored as it is: nearly all of it is compressed already."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(files, key=lambda name: (name != MANIFEST, name)):
            archive.writestr(zipfile.ZipInfo(name), files[name])
    return buffer.getvalue()


def _with_contents(manifest: Manifest, files: dict[str, bytes]) -> Manifest:
    """The manifest with every artefact's content in it, since the files lie nowhere else."""

    def filled(artefact: Artefact) -> Artefact:
        return artefact.model_copy(update={"base64": base64.b64encode(files[artefact.name]).decode()})

    objects = [
        result.model_copy(
            update={
                "artefacts": tuple(map(filled, result.artefacts)),
                "mask": result.mask and result.mask.model_copy(update={"artefact": filled(result.mask.artefact)}),
            }
        )
        for result in manifest.objects
    ]
    return manifest.model_copy(update={"objects": tuple(objects), "artefacts": tuple(map(filled, manifest.artefacts))})
