"""The one contract: what a request, a manifest, a progress report and an error look like.

`contract.schema.json` beside it is generated from it (`make schema`). It knows nothing of images, meshes or networks.
"""

import json
import math
from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic.json_schema import models_json_schema

SCHEMA_VERSION: Literal["1.0"] = "1.0"

Quality = Literal["draft", "standard", "high"]
MeshFormat = Literal["glb", "obj", "stl", "ply", "usdz"]
Format = Literal[MeshFormat, "splats"]
TextureFormat = Literal["jpeg", "png", "webp"]
Stage = Literal["decode", "segment", "reconstruct", "finish", "store", "done", "failed"]
JobId = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]
Coordinate = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Vector3 = tuple[float, float, float]
Quaternion = tuple[float, float, float, float]


class _Closed(BaseModel):
    """An object of the contract: unknown fields are refused, so that a misspelt option is never ignored."""

    model_config = ConfigDict(extra="forbid", frozen=True)


# The request.


class Box(_Closed):
    """A bounding box in pixels of the upright photo, x to the right and y down; also written `[x0, y0, x1, y1]`."""

    x_min: Coordinate
    y_min: Coordinate
    x_max: Coordinate
    y_max: Coordinate
    label: str | None = Field(
        None,
        max_length=80,
        pattern=r"^[^\x00-\x1f\x7f-\x9f]*$",
        description="A name for the object, for people; no control characters.",
    )

    @model_validator(mode="before")
    @classmethod
    def _from_list(cls, value: Any) -> Any:
        if not isinstance(value, list | tuple):
            return value
        if len(value) != 4:
            raise ValueError(f"a box needs four numbers, this one has {len(value)}")
        return dict(zip(("x_min", "y_min", "x_max", "y_max"), value, strict=True))


class Options(_Closed):
    """What a request may choose about its meshes."""

    quality: Quality = Field(
        "standard", description="Sets `faces`, `texture_size` and `texture_format` where they are not given."
    )
    seed: int = Field(
        0, strict=True, ge=0, lt=2**32, description="The same seed gives the same result where the engine is random."
    )
    formats: tuple[Format, ...] = Field(("glb",), min_length=1, description="The files made of each object.")
    faces: int | None = Field(
        None, strict=True, ge=1_000, le=1_000_000, description="About how many triangles an object has."
    )
    texture_size: int | None = Field(
        None, strict=True, ge=64, le=8192, description="The texture's longer side at most, in pixels."
    )
    texture_format: TextureFormat | None = Field(
        None,
        description="How GLB files hold the texture: `png` loses nothing and is three times as large; `webp` is the "
        "smallest, and unknown to some readers. Where absent `jpeg`, or `png` where the quality is `high`.",
    )
    normal_map: bool = Field(
        False,
        strict=True,
        description="Whether a picture of the surface's finer turns goes with a mesh that was made of a denser one.",
    )
    scene: bool = Field(True, strict=True, description="Whether to make `scene.glb`, with every object in its place.")


class Request(_Closed):
    """A job: one photo, in one of two forms, and boxes."""

    job_id: JobId | None = Field(None, description="The caller's name for the job; made up where absent.")
    image_uri: str | None = Field(None, description="Where the photo lies: `s3://bucket/key`.")
    image_base64: str | None = Field(None, description="The photo file itself, in base64.", repr=False)
    boxes: tuple[Box, ...]
    output_uri: str | None = Field(None, description="The folder for the results: `s3://…/` or `file:///…/`.")
    options: Options = Options()


# The manifest.


class Warned(_Closed):
    """Something worth knowing that did not stop the work."""

    code: str
    message: str


class ErrorDetail(_Closed):
    """A code from the table in docs/server.md, a sentence for people, and values for programs."""

    code: str
    message: str
    details: dict[str, Any] = {}


class ErrorBody(_Closed):
    """The body of every answer that is not 2xx."""

    error: ErrorDetail


class Artefact(_Closed):
    """One file of the results. `uri` says where it lies; `base64` holds it where it lies nowhere."""

    name: str
    media_type: str
    bytes: int = Field(ge=0)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    uri: str | None = None
    base64: str | None = Field(None, repr=False)

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if self.uri is not None and self.base64 is not None:
            raise ValueError("an artefact has a uri or base64, not both")
        return self


class Mask(_Closed):
    """The object's mask, as a grey picture of the upright photo's size: 255 on the object, 0 elsewhere."""

    artefact: Artefact
    pixels: int = Field(description="How many pixels are on the object.")
    box_fill: float = Field(ge=0, le=1, description="The share of the box that the mask fills.")
    confidence: float = Field(
        ge=0,
        le=1,
        description="How far to trust the mask. GrabCut: the share of its outline that follows an edge one sees; "
        "SAM: the IoU with the true mask that the network expects.",
    )


class Pose(_Closed):
    """Places the object's own frame in the scene: rotate, scale, then translate. glTF's axes: y up, z to the viewer."""

    rotation: Quaternion = Field(description="A unit quaternion, x y z w.")
    scale: float = Field(gt=0)
    translation: Vector3 = Field(description="In scene units.")
    depth_is_guess: bool = Field(description="True where the z of `translation` is guessed, not measured.")


class Orthographic(_Closed):
    """The photo's camera in the scene: at `position`, looking along -z, y up; things look as large at any distance."""

    type: Literal["orthographic"]
    position: Vector3
    width: float = Field(gt=0, description="The photo's width in scene units.")
    height: float = Field(gt=0, description="The photo's height in scene units.")


class Perspective(_Closed):
    """The photo's camera in the scene: a pinhole at `position`, looking along -z through the photo's middle, y up."""

    type: Literal["perspective"]
    position: Vector3
    yfov: float = Field(gt=0, lt=math.pi, description="The angle between the photo's upper and lower edge, in radians.")
    aspect_ratio: float = Field(gt=0, description="The width that the camera sees over the height.")


Camera = Annotated[Orthographic | Perspective, Field(discriminator="type")]


class MeshStats(_Closed):
    """The mesh in numbers, in the object's own frame."""

    vertices: int
    triangles: int
    components: int
    closed: bool = Field(
        description="Every edge has exactly two triangles, which run through it in opposite directions."
    )
    minimum: Vector3
    maximum: Vector3
    texture: tuple[int, int] = Field(description="The texture's width and height in pixels.")


class Cleaned(_Closed):
    """What was mended on a mesh as a network decoded it, before it was made smaller."""

    faces: int = Field(description="Triangles as they were decoded.")
    vertices_not_finite: int = Field(description="Vertices with a coordinate that is no number or infinite.")
    vertices_welded: int = Field(description="Vertices that went because an earlier one has the same place.")
    vertices_parted: int = Field(
        description="Vertices added so that none joins faces that have no edge in common there."
    )
    faces_not_finite: int = Field(description="Faces that went with vertices that are not finite.")
    faces_degenerate: int = Field(description="Faces without area.")
    faces_duplicate: int = Field(description="Faces that went because an earlier one has the same corners.")
    faces_turned: int = Field(
        description="Faces turned round, to fit their neighbours or because their closed piece looked inward."
    )
    edges_cut: int = Field(description="Edges that more than two faces shared, or two that could not be turned to fit.")
    floaters: int = Field(description="Pieces that went because they are small.")
    floater_faces: int = Field(description="Their faces.")
    hidden_faces: int = Field(description="Faces that went because they cannot be seen from outside.")
    holes_closed: int = Field(description="Small holes that were closed, those included that hidden faces left.")


class ObjectResult(_Closed):
    """What became of one box; its place in the list is the box's."""

    index: int
    label: str | None = None
    status: Literal["succeeded", "failed"]
    requested_box: Box
    box: Box | None = Field(None, description="The box that was used: clipped to the photo.")
    mask: Mask | None = None
    artefacts: tuple[Artefact, ...] = ()
    pose: Pose | None = None
    mesh: MeshStats | None = Field(None, description="Absent where splats alone were asked for.")
    cleaned: Cleaned | None = Field(None, description="Absent where the engine made the finished mesh itself.")
    silhouette_iou: float | None = Field(
        None, ge=0, le=1, description="The mesh's silhouette from the photo's camera against the mask; as `mesh`."
    )
    mask_coverage: float | None = Field(
        None, ge=0, le=1, description="The share of the mask that the mesh's silhouette covers; as `mesh`."
    )
    seconds: float = Field(ge=0)
    warnings: tuple[Warned, ...] = ()
    error: ErrorDetail | None = None


class EngineInfo(_Closed):
    """What made the results."""

    name: str
    preview: bool = Field(description="True where the shapes are previews: inflated outlines, not reconstructions.")
    segmenter: str
    reconstructor: str
    weights: str | None = Field(None, description="The revision of the weights; absent where the engine has none.")
    version: str = Field(description="Gen3D's version.")


class ImageInfo(_Closed):
    """The photo as it was understood: upright, in pixels."""

    width: int
    height: int
    format: str


class Manifest(_Closed):
    """The answer to a request, also kept as `manifest.json` beside the artefacts."""

    schema_version: Literal["1.0"] = SCHEMA_VERSION
    job_id: JobId
    output_uri: str | None = None
    status: Literal["succeeded", "partial", "failed"]
    engine: EngineInfo
    image: ImageInfo
    options: Options
    units: str = Field(description="What one unit of length in the meshes is.")
    camera: Camera | None = Field(None, description="Absent where no object was made.")
    objects: tuple[ObjectResult, ...]
    artefacts: tuple[Artefact, ...] = Field((), description="The files of the job as a whole.")
    timings: dict[str, float] = Field(description="Seconds by stage, over all objects.")
    warnings: tuple[Warned, ...] = ()
    created_at: datetime


class Progress(_Closed):
    """`progress.json`: where a running job is."""

    schema_version: Literal["1.0"] = SCHEMA_VERSION
    job_id: JobId
    stage: Stage
    object: int | None = Field(
        None, description="The index of the object in work; absent where it is the job as a whole."
    )
    objects: int
    step: int | None = Field(None, ge=0, description="How many steps of this object's stage are done, if it has steps.")
    steps: int | None = Field(None, ge=1, description="How many steps this object's stage has in all.")
    percent: float = Field(ge=0, le=100)
    since: datetime = Field(description="When this stage began.")
    started_at: datetime


PUBLISHED: tuple[type[BaseModel], ...] = (Request, Manifest, Progress, ErrorBody)


def json_schema() -> str:
    """The JSON Schema of everything in `PUBLISHED`, as it stands in `contract.schema.json`."""
    _, schema = models_json_schema([(model, "validation") for model in PUBLISHED], title="Gen3D contract")
    return json.dumps(schema, indent=2, sort_keys=True) + "\n"
