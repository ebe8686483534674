"""Every error of the API: its code, its HTTP status, its one JSON shape, which is also the server's."""

from typing import Any, Final

KINDS: Final = {
    "invalid_json": (400, "The body is not JSON."),
    "invalid_request": (422, "A field is missing, unknown, or of the wrong type; the message names it."),
    "invalid_box": (422, "A box is not four finite numbers; the message names which."),
    "no_boxes": (422, "The request asks for no object: give at least one box."),
    "too_many_boxes": (422, "More boxes than one job may have."),
    "invalid_label": (422, "The name for the job is empty, too long, or has control characters."),
    "invalid_cursor": (422, "The cursor is not one that a listing gave."),
    "image_unsupported": (422, "The file's media type is none of a picture that is read."),
    "image_too_large": (422, "The file is larger than a photo may be."),
    "unauthorized": (401, "There is no ID token of a user of this Gen3D."),
    "email_unverified": (403, "The user's e-mail address is not verified, so no mail could be sent."),
    "not_found": (404, "There is nothing at this path."),
    "method_not_allowed": (405, "The path exists, but not for this HTTP method."),
    "job_not_found": (404, "The user has no such job."),
    "job_ended": (409, "The job has ended: there is nothing to cancel."),
    "job_not_ended": (409, "The job has not ended: there is nothing to try again."),
    "image_gone": (410, "The job's photo is no longer kept: make a new job with it."),
    "too_many_open_jobs": (429, "The user has as many jobs under way as one may have."),
    "too_many_jobs": (429, "The user has made as many jobs in 24 hours as one may."),
    "internal_error": (500, "A defect in the service; its log holds the details."),
}


class ApiError(Exception):
    """An error with a code from `KINDS` and a message that says what to change."""

    def __init__(self, code: str, message: str, **details: Any) -> None:
        self.status = KINDS[code][0]
        self.code, self.message, self.details = code, message, details
        super().__init__(f"{code}: {message}")

    def body(self) -> dict[str, Any]:
        """The one JSON shape of an error."""
        return {"error": {"code": self.code, "message": self.message, "details": self.details}}
