"""Every file of weights that the `sam3d` engine needs, and where it is published. Knows nothing of how it is fetched.

Nobody who wrote this has read the gated files: their sizes and hashes are those that public projects pin for the same
revision (several of them, agreeing, for every checkpoint). What could not be found so is None: it is taken from the hub
at the time of fetching, and recorded in the manifest. Left out are what inference does not touch (both encoders), the
decoder of four Gaussians per voxel (`slat_decoder_gs_4`), and a second copy of the mesh decoder
(`slat_decoder_mesh.pt`). DINOv2 is no file of its own: its code comes from a package, its weights lie in the two
generators' checkpoints.
"""

from dataclasses import dataclass
from typing import Literal, get_args

Segmenter = Literal["sam2", "sam3"]


@dataclass(frozen=True)
class Repository:
    """A repository of the Hugging Face hub at one revision.

    Attributes:
        name: Its name there, such as `facebook/sam-3d-objects`.
        revision: The commit, 40 hexadecimal digits.
        licence: What its page calls the licence.
        gated: Whether its files are given only to accounts that have accepted the licence on its page.
    """

    name: str
    revision: str
    licence: str
    gated: bool

    @property
    def page(self) -> str:
        """The page for people, where the licence is accepted."""
        return f"https://huggingface.co/{self.name}"


@dataclass(frozen=True)
class CatalogFile:
    """One published file.

    Attributes:
        repository: Where it is published.
        source: Its path in the repository.
        path: Its path in a bundle, parts joined by `/`.
        bytes: Its size, or None where that is not known to us.
        sha256: Of its content, hexadecimal, or None where that is not known to us.
    """

    repository: Repository
    source: str
    path: str
    bytes: int | None = None
    sha256: str | None = None


SAM3D = Repository(
    "facebook/sam-3d-objects", "2e73555018d2741ccd486e56c24fac41155a1dc6", licence="SAM License", gated=True
)
# An earlier revision of it has the same file; at this one the page says MIT.
MOGE = Repository("Ruicheng/moge-vitl", "ad326bfb61facd6c52b5a825bc1e34d7c97d9672", licence="MIT", gated=False)
SAM2 = Repository(
    "facebook/sam2.1-hiera-large", "665f8e2ad61cf5f53d65644ff27c8ee525124610", licence="Apache-2.0", gated=False
)
SAM3 = Repository("facebook/sam3", "3c879f39826c281e95690f02c7821c4de09afae7", licence="SAM License", gated=True)


def _sam3d(name: str, size: int, sha256: str) -> CatalogFile:
    return CatalogFile(SAM3D, f"checkpoints/{name}", f"sam-3d-objects/{name}", size, sha256)


# The largest first: they take longest, so they begin first.
_RECONSTRUCTION = (
    _sam3d("ss_generator.ckpt", 6690136964, "225f40479e4cff4f39d6fa14c55be3abad1475bf55b61af3bec1e19ed2f6c146"),
    _sam3d("slat_generator.ckpt", 4906537684, "91529bde8e7daa12d09618a66c319e3a5a6398db6b23b958cedcb1c3f28faabb"),
    CatalogFile(
        MOGE,
        "model.pt",
        "moge/model.pt",
        1256823446,
        "da96b09a0485a3c45a5aa455e67743c8b4efc4dd8437c1f2aa93c2b4303d957f",
    ),
    _sam3d("slat_decoder_mesh.ckpt", 363726862, "85907b37b67d8ce5b099a96629bdcfbd873eb407dee6b3aa9a75deb15038db33"),
    _sam3d("slat_decoder_gs.ckpt", 171476155, "f8077c36a06eaf890dd93cda1937411f793dea1eb80b3dd9329f2038ba84a111"),
    _sam3d("ss_decoder.ckpt", 147609242, "6dac1cd7b7fda5a38e0614fadae441f1794f80e39ea2981f1ac8aff0a7e99340"),
    _sam3d("pipeline.yaml", 3548, "53c3d226b21df85c0bb3d16e6e4fa63abde0d6167525765eb929d02bfa9d358c"),
    _sam3d("ss_generator.yaml", 5076, "3c265448bca7c057f94e3ef56adea3a895a10bcd9f15f992a41dd03fa35412cd"),
    _sam3d("slat_generator.yaml", 1986, "53029fadff6fe34a0344381a16d64d65d0567d603484952712e8969319559c4e"),
    _sam3d("ss_decoder.yaml", 244, "baacff269b664f84f7aa1896ebd66128065f6568cdb88d419d5c3d2ccb4193ae"),
    _sam3d("slat_decoder_gs.yaml", 576, "53f054e02a0c185f0a6885d30bb6ca0ec92efe0a98148688e7f05f7c26afe670"),
    _sam3d("slat_decoder_mesh.yaml", 300, "8f46952764aa985c50109a56f0b4f07625cdb06457aaded74957d26f3520c69e"),
    CatalogFile(SAM3D, "LICENSE", "sam-3d-objects/LICENSE"),
)
# What the model and processor classes of `transformers` read from a folder.
_SEGMENTERS: dict[Segmenter, tuple[CatalogFile, ...]] = {
    "sam2": (
        CatalogFile(
            SAM2,
            "model.safetensors",
            "sam2/model.safetensors",
            897897416,
            "dc407dce21301fd94abb395c5099b4f2c455fdc8a8f261ac3d0ea6d4cd197230",
        ),
        CatalogFile(
            SAM2,
            "config.json",
            "sam2/config.json",
            5705,
            "00446988cf4d617118d2d347eabe2c46aebed744628facdd540508be30b69ec3",
        ),
        CatalogFile(
            SAM2,
            "preprocessor_config.json",
            "sam2/preprocessor_config.json",
            683,
            "6ebf229ee259368ce4a8d4f2fe893a72b053023710853e257253939e601f583d",
        ),
        CatalogFile(
            SAM2,
            "processor_config.json",
            "sam2/processor_config.json",
            95,
            "f8a68e865cfad115c1c2763f3d93eca7b1c622da06da2a9273eb437fb2389b6d",
        ),
    ),
    "sam3": (
        CatalogFile(
            SAM3,
            "model.safetensors",
            "sam3/model.safetensors",
            3439938512,
            "6d06f0a5f84e435071fe6603e61d0b4cc7b40e0d39d487cfd4d67d8cc11cc14a",
        ),
        CatalogFile(SAM3, "config.json", "sam3/config.json"),
        CatalogFile(SAM3, "processor_config.json", "sam3/processor_config.json"),
        CatalogFile(SAM3, "LICENSE", "sam3/LICENSE"),
    ),
}
SEGMENTERS: tuple[Segmenter, ...] = get_args(Segmenter)


def bundle_files(segmenter: Segmenter) -> tuple[CatalogFile, ...]:
    """The files of a bundle with this segmenter, as they are published."""
    return _RECONSTRUCTION + _SEGMENTERS[segmenter]


def revisions(files: tuple[CatalogFile, ...]) -> dict[str, str]:
    """The revision of each repository that these files come from.

    Raises:
        ValueError: Two revisions of one repository are mixed.
    """
    found: dict[str, str] = {}
    for file in files:
        if found.setdefault(file.repository.name, file.repository.revision) != file.repository.revision:
            raise ValueError(f"{file.repository.name} is given at two revisions")
    return found
