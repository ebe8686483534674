"""Has every kernel of the meshes' finishing compiled, or found where it was kept. Knows nothing of what they do."""

from serve.mesh.finish import warm_up
from serve.mesh.finish.kernels import KERNELS


def check_kernels() -> str:
    """Finishes a small mesh with all that can be wrong with one."""
    warm_up()
    compiled = sum(sum(each.stats.cache_misses.values()) for each in KERNELS)
    return f"{len(KERNELS)} kernels, {compiled} of them compiled just now"
