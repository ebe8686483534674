"""Which engines there are and how each is put together. Loading one may take long and needs no HTTP."""

import os

from model_loader.locate import Bundle, locate
from serve.engine import Engine
from serve.errors import Gen3DError
from serve.reconstruct.inflate import Inflate
from serve.segment.grabcut import GrabCut
from serve.settings import Settings
from serve.warm_up import warm_up


def load_engine(settings: Settings) -> Engine:
    """The engine that the settings name, ready to work. There is no other to stand in for one that cannot load.

    Raises:
        Gen3DError: Of `sam3d`: there are no weights, or not these; no GPU; or a package is missing. The message says
            what is to be done.
    """
    match settings.engine:
        case "preview":
            return Engine("preview", GrabCut(), Inflate(), preview=True, weights=None)
        case "sam3d":
            return _load_sam3d(settings)


def load_warm_engine(settings: Settings) -> Engine:
    """The engine that the settings name, of which no request has to wait for a kernel to be compiled: for servers.

    Raises:
        Gen3DError: See `load_engine`; and the GPU fails, or has too little memory for any object.
    """
    engine = load_engine(settings)
    # The preview compiles nothing.
    if settings.engine == "sam3d":
        from serve.mesh.finish import warm_up as warm_up_finishing

        warm_up_finishing()
        # On a CPU the network compiles nothing either, and would take hours for the object.
        if settings.device == "cuda":
            warm_up(engine)
    return engine


def _load_sam3d(settings: Settings) -> Engine:
    # Before anything large is imported: who lacks the weights shall be told at once.
    bundle = locate(settings.weights, check_hashes=settings.check_weights)
    # Read when CUDA starts. Objects differ in size, and fixed segments would leave gaps that none fits.
    os.environ.setdefault("PYTORCH_CUDA_ALLOC_CONF", "expandable_segments:True")
    try:
        return _assemble(bundle, settings)
    except ModuleNotFoundError as error:
        message = (
            f"The engine sam3d needs the package '{error.name}', which is not installed here; in a checkout,"
            " `make setup-sam3d` makes an environment with all it needs."
        )
        raise Gen3DError("package_missing", message, package=error.name) from None


def _assemble(bundle: Bundle, settings: Settings) -> Engine:
    from serve.torchvision_operators import declare_torchvision_operators

    declare_torchvision_operators()
    from serve.reconstruct.sam3d.reconstructor import Sam3d
    from serve.reconstruct.sam3d.residence import diagnose, open_device
    from serve.segment.sam import load_sam

    device = open_device(settings.device)
    try:
        segmenter = load_sam(bundle.folder, bundle.segmenter, device)
        reconstructor = Sam3d(
            bundle,
            device,
            vram=settings.vram,
            objects_at_once=settings.objects_at_once,
            longest_side=settings.working_side,
        )
    except Exception as error:
        if meant := diagnose(error):
            raise meant from error
        raise
    return Engine("sam3d", segmenter, reconstructor, preview=False, weights=bundle.revision, diagnose=diagnose)
