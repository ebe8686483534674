"""Every error a person can meet: its code, its HTTP status, its one JSON shape. Knows nothing of where it is raised."""

from typing import Any, NamedTuple


class Kind(NamedTuple):
    """What one error code means, wherever it is raised."""

    status: int
    meaning: str


KINDS: dict[str, Kind] = {
    # The request as a whole.
    "invalid_json": Kind(400, "The body, or a part that should hold JSON, is not JSON."),
    "invalid_request": Kind(422, "A field is missing, unknown, or of the wrong type; the message names it."),
    "invalid_box": Kind(422, "A box is not four finite numbers; the message names which."),
    "no_boxes": Kind(422, "The request asks for no object: give at least one box."),
    "too_many_boxes": Kind(422, "More boxes than `GEN3D_MAX_BOXES` in one request."),
    "unsupported_media_type": Kind(415, "The `Content-Type` is none of the three request forms."),
    "not_acceptable": Kind(406, "The `Accept` header names no form the server can answer in."),
    "not_found": Kind(404, "There is nothing at this path; the server has `/ping` and `/invocations`."),
    "method_not_allowed": Kind(405, "The path exists, but not for this HTTP method."),
    "body_too_large": Kind(413, "The body is over `GEN3D_MAX_BODY_BYTES`."),
    "format_unsupported": Kind(422, "The engine cannot make this output format."),
    # The photo.
    "image_missing": Kind(422, "The request carries no photo."),
    "image_ambiguous": Kind(422, "The request carries a photo in two forms: send one."),
    "image_not_base64": Kind(422, "`image_base64` is not base64."),
    "image_empty": Kind(422, "The photo has no bytes."),
    "image_unsupported": Kind(
        422, "The photo is no image, or in a format that is not read; the message says what to do."
    ),
    "image_truncated": Kind(422, "The photo ends too early or is damaged."),
    "image_too_large": Kind(422, "The photo has more pixels than `GEN3D_MAX_PIXELS`, or more bytes than allowed."),
    "image_uri_invalid": Kind(422, "`image_uri` is not an address of the form `s3://bucket/key`."),
    "image_not_found": Kind(404, "There is no object at `image_uri`."),
    "image_access_denied": Kind(403, "The server may not read `image_uri`."),
    # Where the results go.
    "output_uri_invalid": Kind(422, "`output_uri` is not an `s3://` or `file://` folder."),
    "output_not_allowed": Kind(403, "`output_uri` lies outside the prefixes in `GEN3D_OUTPUT_PREFIXES`."),
    "output_not_writable": Kind(502, "Writing to `output_uri` failed."),
    # One object; the others are not touched by it.
    "box_reversed": Kind(422, "A box's maximum is not above its minimum."),
    "box_outside_image": Kind(422, "A box lies wholly outside the photo."),
    "box_too_small": Kind(422, "A box is smaller than 8 pixels on a side once clipped to the photo."),
    "no_object_in_box": Kind(422, "Nothing in the box stands out from its surroundings."),
    "no_depth": Kind(
        422, "No depth could be measured on the object, or in the whole photo, so it cannot be placed: choose another."
    ),
    "reconstruction_failed": Kind(422, "The mask could not be turned into a mesh."),
    "nothing_made": Kind(422, "The answer was to be the scene, but no object could be made."),
    # The weights.
    "weights_missing": Kind(503, "There is no bundle of weights in the folder; the message says what makes one."),
    "weights_incomplete": Kind(503, "Files of the bundle are missing; the message names them."),
    "weights_damaged": Kind(503, "Files of the bundle are not what its manifest says; the message names them."),
    "weights_other_revision": Kind(
        503, "The bundle holds another revision of the weights than this Gen3D is made for."
    ),
    "weights_unreadable": Kind(503, "The bundle, or a file in it, may not be read."),
    "weights_not_writable": Kind(500, "The folder for the weights cannot be written, or is taken."),
    "weights_repacked": Kind(500, "The weights to repack are repacked already: name the published ones."),
    "disk_full": Kind(507, "There is too little room on the disk; what was fetched stays."),
    "hub_access_refused": Kind(
        403, "The hub gives a file only to accounts with access; the message says how to get it."
    ),
    "hub_not_found": Kind(404, "The hub has no such repository, revision or file."),
    "hub_unreachable": Kind(502, "The hub did not answer as expected; what has arrived stays."),
    "hub_wrong_content": Kind(502, "What the hub sent is not the file that this Gen3D is made for."),
    "publish_refused": Kind(502, "The weights could not be stored at the `s3://` address; the message says why."),
    "weights_untrusted": Kind(503, "A file of the bundle names code that the published files do not."),
    "torch_missing": Kind(500, "The command needs PyTorch, which the default install lacks."),
    # The engine sam3d.
    "package_missing": Kind(
        503, "The engine or the command needs a package that is not installed; the message says what has it."
    ),
    "no_gpu": Kind(503, "There is no GPU that the engine can use; the message has the driver's reason."),
    "out_of_memory": Kind(507, "The GPU's memory does not suffice for the photo or the object."),
    # The image and its registry.
    "checkout_missing": Kind(500, "The command works in a checkout of Gen3D alone."),
    "docker_unavailable": Kind(503, "There is no Docker client, or no engine answers it; the message says which."),
    "build_failed": Kind(500, "Docker could not build the image, and has said why."),
    "revision_unclear": Kind(
        500, "Which commit the image is of cannot be said, or the files are not those of the commit."
    ),
    "image_not_built": Kind(404, "The image to push is not there: `gen3d image build` makes it."),
    "image_unsuitable": Kind(
        500, "The image is of another commit, or SageMaker would not run it; the message says what to do."
    ),
    "repository_invalid": Kind(422, "The repository's address is not one of Amazon ECR."),
    "repository_missing": Kind(404, "There is no such repository; the message says what makes it."),
    "registry_refused": Kind(403, "There are no AWS credentials, or they do not suffice for the repository."),
    "registry_unreachable": Kind(502, "Amazon ECR did not answer as expected."),
    "push_failed": Kind(502, "Docker could not push the image, and has said why."),
    "addresses_unusable": Kind(500, "The file for the images' addresses cannot be read or written."),
    # The cloud on one machine.
    "local_cloud_failed": Kind(
        503, "A part of the local cloud ended or did not answer, or its folder is in use; the message says which."
    ),
    "deployment_failed": Kind(500, "A step of a deployment failed; the message says which, and why."),
    "deployment_blocked": Kind(
        409, "The account, the stage or the command lacks what a deployment needs; the message says what to do."
    ),
    "destroy_failed": Kind(
        500, "A part of a stage could not be deleted, or is protected; the message says which, and why."
    ),
    # The page.
    "node_missing": Kind(
        500, "npm is missing, or a Node that is new enough to build the page; the message says what to do."
    ),
    "page_not_built": Kind(500, "The page could not be built or put into the bucket; the message says why."),
    # A stage, as its operator sees it.
    "stage_not_running": Kind(503, "`gen3d up`, which runs the stage local, does not run in this checkout."),
    "stage_not_deployed": Kind(
        404, "There is no such stage in the account and the region, or a part of it is missing; the message says which."
    ),
    "aws_unusable": Kind(
        403, "There is no AWS region, or there are no credentials, or they do not suffice; the message says which."
    ),
    "aws_unreachable": Kind(502, "AWS did not answer as expected."),
    "sign_in_failed": Kind(401, "Cognito does not let this user in with this password; the message has its reason."),
    "service_unreachable": Kind(502, "The service's API or its store did not answer as expected."),
    "upload_refused": Kind(403, "S3 did not take the photo; the message has its reason."),
    "no_mailbox": Kind(404, "The mails of a stage in AWS are with those who got them; only a local one keeps them."),
    "mail_not_found": Kind(404, "No mail has this number."),
    "email_invalid": Kind(422, "This is no address that Cognito takes as a user's."),
    "user_exists": Kind(409, "There is a user with this address already."),
    "user_not_found": Kind(404, "The stage has no user with this address."),
    "invitation_failed": Kind(502, "Cognito could not send the invitation; the message says what to do."),
    "not_confirmed": Kind(
        409, "The answer to the command's question was no, or nobody was there; nothing was changed."
    ),
    # The server itself.
    "loading": Kind(503, "The engine is still loading; try again shortly."),
    "engine_failed": Kind(
        503, "The engine could not load, or broke; the message says why. It stays so until a restart."
    ),
    "overloaded": Kind(503, "The queue is full; try again later."),
    "shutting_down": Kind(503, "The server was told to stop before it could finish this request."),
    "cancelled": Kind(499, "The client went away or the job was cancelled, so the work was stopped."),
    "storage_unreachable": Kind(502, "The object store did not answer as expected."),
    "port_unavailable": Kind(500, "The address and port to bind are taken, or not this machine's."),
    "invalid_setting": Kind(
        500, "A `GEN3D_`, `HF_`, proxy or certificate variable holds what it cannot; the process does not start."
    ),
    "internal_error": Kind(500, "A defect in the server; its log holds the details."),
}


class Gen3DError(Exception):
    """An error with a code from `KINDS` and a message that says what to change.

    Args:
        code: A key of `KINDS`.
        message: One sentence or two for the person who made the request.
        details: JSON values that a program may want (limits, positions, sizes).
    """

    def __init__(self, code: str, message: str, **details: Any) -> None:
        self.status = KINDS[code].status
        self.code = code
        self.message = message
        self.details = details
        super().__init__(f"{code}: {message}")


class EngineBrokenError(Gen3DError):
    """The engine can serve nobody any more (a poisoned CUDA context, say): the process must be replaced."""

    def __init__(self, message: str, **details: Any) -> None:
        super().__init__("engine_failed", message, **details)


class StoppedError(Gen3DError):
    """The work was stopped from outside: `cancelled` by its client, or `shutting_down` with the server."""


def error_body(error: Gen3DError) -> dict[str, Any]:
    """The one JSON shape of an error: `{"error": {"code", "message", "details"}}`."""
    return {"error": {"code": error.code, "message": error.message, "details": error.details}}
