"""The parts of a GLB (glTF 2.0, binary) that all of ours share: the container and the material. Knows no vertices.

Section numbers here, in `gltf` and in `compact` are those of the glTF 2.0 specification,
https://registry.khronos.org/glTF/specs/2.0/glTF-2.0.html
"""

import json
import struct
from typing import Any, Final

from serve.mesh.textures import Picture, Textures

ROUGHNESS: Final = 0.8

FLOAT, INT16, UINT16, UINT32 = 5126, 5122, 5123, 5125  # §5.1.3, accessor.componentType
VERTICES, INDICES = 34962, 34963  # §5.11.5, bufferView.target
_LINEAR, _LINEAR_MIPMAP_LINEAR, _CLAMP_TO_EDGE = 9729, 9987, 33071  # §5.26, sampler
_WEBP: Final = "EXT_texture_webp"

Json = dict[str, Any]


class Glb:
    """Collects the JSON document and the binary chunk, which is buffer 0.

    Attributes:
        document: The document but for its buffers.
        other_buffers: The buffers after the first.
    """

    def __init__(self, generator: str) -> None:
        self._binary = bytearray()
        self.document: Json = {
            "asset": {"version": "2.0", "generator": generator},
            "scene": 0,
            "scenes": [{"nodes": []}],
            "samplers": [
                {
                    "magFilter": _LINEAR,
                    "minFilter": _LINEAR_MIPMAP_LINEAR,
                    "wrapS": _CLAMP_TO_EDGE,
                    "wrapT": _CLAMP_TO_EDGE,
                }
            ],
        }
        self.other_buffers: list[Json] = []

    def add(self, kind: str, item: Json) -> int:
        """Appends to one of the document's lists; returns the item's index there."""
        items: list[Json] = self.document.setdefault(kind, [])
        items.append(item)
        return len(items) - 1

    def add_root(self, node: Json) -> None:
        """Appends a node at the top of the scene."""
        self.document["scenes"][0]["nodes"].append(self.add("nodes", node))

    def add_view(self, data: bytes, **fields: int) -> int:
        """Appends to the binary chunk; returns the index of the view of it, which has these fields too."""
        return self.add("bufferViews", {**self.append(data), **fields})

    def append(self, data: bytes) -> Json:
        """Appends to the binary chunk; returns the fields that say where."""
        self._binary += bytes(-len(self._binary) % 4)  # §3.6.2.4: accessors are aligned to their components.
        place = {"buffer": 0, "byteOffset": len(self._binary), "byteLength": len(data)}
        self._binary += data
        return place

    def add_material(self, name: str, textures: Textures) -> int:
        """Appends a rough, non-metallic material with these pictures; returns its index.

        It is one-sided, glTF's default: where a mesh is closed, nobody sees a triangle from behind.
        """
        surface: Json = {
            "baseColorTexture": {"index": self._add_texture(textures.base_colour)},
            "metallicFactor": 0.0,
            "roughnessFactor": ROUGHNESS,
        }
        material: Json = {"name": name, "pbrMetallicRoughness": surface}
        if textures.normal_map is not None:
            material["normalTexture"] = {"index": self._add_texture(textures.normal_map)}
        return self.add("materials", material)

    def require(self, extension: str) -> None:
        """Says that readers need an extension."""
        for kind in ("extensionsUsed", "extensionsRequired"):
            if extension not in self.document.setdefault(kind, []):
                self.document[kind].append(extension)

    def to_bytes(self) -> bytes:
        """The document and the binary chunk as one file (§4).

        Raises:
            ValueError: A number in the document is not finite.
        """
        document = {**self.document, "buffers": [{"byteLength": len(self._binary)}, *self.other_buffers]}
        text = json.dumps(document, separators=(",", ":"), allow_nan=False).encode()
        text += b" " * (-len(text) % 4)
        binary = bytes(self._binary) + bytes(-len(self._binary) % 4)
        length = 12 + 8 + len(text) + 8 + len(binary)
        header = struct.pack("<4sII", b"glTF", 2, length)
        return b"".join(
            (
                header,
                struct.pack("<I4s", len(text), b"JSON"),
                text,
                struct.pack("<I4s", len(binary), b"BIN\0"),
                binary,
            )
        )

    def _add_texture(self, picture: Picture) -> int:
        image = {"bufferView": self.add_view(picture.data), "mimeType": picture.media_type}
        source = {"source": self.add("images", image)}
        if picture.format != "webp":
            return self.add("textures", {"sampler": 0, **source})
        # Required: a JPEG for readers that do not know WebP would make the file larger than with the JPEG alone.
        self.require(_WEBP)
        return self.add("textures", {"sampler": 0, "extensions": {_WEBP: source}})
