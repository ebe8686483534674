"""The inference server: a photo and bounding boxes in, textured 3D meshes out."""

__version__ = "0.1.0"
