"""What an operator may set, read once from the environment and checked at start. Knows no default it cannot explain."""

from pathlib import Path
from typing import Annotated, Any, Final, Literal, cast

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from serve.errors import Gen3DError

# Set by SageMaker in images that say by a label that they heed it.
SAGEMAKER_PORT: Final = "SAGEMAKER_BIND_TO_PORT"
EngineName = Literal["preview", "sam3d"]


class Settings(BaseSettings):
    """Environment variables with the prefix `GEN3D_`; each field's description is printed in docs/server.md."""

    model_config = SettingsConfigDict(env_prefix="GEN3D_", extra="ignore", frozen=True, populate_by_name=True)

    engine: EngineName = Field(
        "preview",
        description="Which engine serves: `preview` runs anywhere, with no GPU and no downloads; `sam3d` is SAM 3D"
        " Objects, and needs its weights and an NVIDIA GPU.",
    )
    weights: Path = Field(
        Path("/opt/ml/model"), description="The folder with the weights of `sam3d`, as `gen3d weights` makes it."
    )
    check_weights: bool = Field(
        False,
        description="Whether `sam3d` checks the SHA-256 of every file of its weights before it loads them, and not the"
        " sizes alone; that takes as long as reading them.",
    )
    device: Literal["cuda", "cpu"] = Field(
        "cuda",
        description="Where `sam3d` runs. `cpu` must be asked for: an object is some 500 TFLOP of work, there on one"
        " thread.",
    )
    vram: Literal["auto", "resident", "staged"] = Field(
        "auto",
        description="Whether all networks of `sam3d` stay on the GPU (`resident`), or those of one stage at a time"
        " (`staged`, slower); `auto` is staged where the GPU has less than 32 GB.",
    )
    objects_at_once: int = Field(
        1,
        ge=1,
        le=8,
        description="How many objects go through the generators of `sam3d` together. More has not been shown to be"
        " faster, and takes about 2 GB more of the GPU's memory for each.",
    )
    working_side: int = Field(
        3072,
        ge=518,
        description="`sam3d` shrinks larger photos to this many pixels on the longer side before it measures depth and"
        " crops objects; masks are found in the photo as it came.",
    )
    host: str = Field("127.0.0.1", min_length=1, description="The address the server binds.")
    port: int = Field(
        8080,
        ge=0,
        le=65535,
        validation_alias=SAGEMAKER_PORT,
        description="The port the server binds; 0 lets the system choose one. Where SageMaker sets"
        " `SAGEMAKER_BIND_TO_PORT`, that one is bound instead.",
    )
    max_body_bytes: int = Field(
        64 * 2**20, ge=1024, description="The largest request body, in bytes; larger ones are refused unread."
    )
    max_image_bytes: int = Field(
        64 * 2**20, ge=1024, description="The largest photo file, in bytes, read from `image_uri`."
    )
    max_pixels: int = Field(
        64_000_000,
        ge=64,
        description="The most pixels a photo may have, checked in its header before decoding.",
    )
    max_boxes: int = Field(32, ge=1, description="The most boxes in one request.")
    queue_size: int = Field(
        16,
        ge=0,
        description="How many requests may wait while one is worked on; more are refused as `overloaded`.",
    )
    drain_seconds: float = Field(
        25.0,
        gt=0,
        le=3600,
        description="After SIGTERM, how long accepted requests may take to finish. SageMaker kills after 30.",
    )
    output_prefixes: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="Comma-separated folders that an `output_uri` must lie in, such as `s3://bucket/users/` or"
        " `file:///srv/gen3d/`. Empty: no request may write anywhere.",
    )

    @field_validator("output_prefixes", mode="before")
    @classmethod
    def _split_on_commas(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @field_validator("output_prefixes")
    @classmethod
    def _prefixes_are_folders(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for prefix in value:
            if not prefix.startswith(("s3://", "file:///")) or not prefix.endswith("/"):
                raise ValueError(f"'{prefix}' must start with s3:// or file:/// and end with /")
            names = prefix.partition("://")[2].removeprefix("/").removesuffix("/").split("/")
            if {"", ".", ".."} & set(names) and prefix != "file:///":
                raise ValueError(f"'{prefix}' must not have empty names, '.' or '..' in it")
        return value


def read_settings(**given: object) -> Settings:
    """The settings from the environment, those in `given` from there instead.

    Raises:
        Gen3DError: `invalid_setting`, naming the variable and what it may be.
    """
    try:
        return Settings(**cast(Any, given))
    except ValidationError as error:
        first = error.errors()[0]
        place = str(first["loc"][0])
        variable = place if place == SAGEMAKER_PORT else f"GEN3D_{place}".upper()
        said = first["msg"].removeprefix("Value error, ")
        raise Gen3DError("invalid_setting", f"{variable}: {said} (it is {first['input']!r}).") from None
