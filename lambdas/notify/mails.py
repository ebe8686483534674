"""What mails say of a job: text, HTML, and the preview inline. Knows neither S3 nor SES."""

from collections.abc import Sequence
from dataclasses import dataclass
from email.message import EmailMessage
from email.policy import SMTP
from html import escape
from urllib.parse import quote

from lambdas.shared.documents import Outcome
from lambdas.shared.job_folder import Job

_CID = "preview@gen3d"


@dataclass(frozen=True)
class Told:
    """What a mail tells of.

    Attributes:
        job: Which job.
        name: What the user calls it.
        outcome: How it ended.
        preview: A PNG of what was made, where something was.
    """

    job: Job
    name: str
    outcome: Outcome
    preview: bytes | None


def job_link(page_url: str, job: Job) -> str:
    """The job on the page. In the fragment, because the page is one file."""
    return f"{page_url.partition('#')[0]}#/jobs/{job.id}"


def user_mail(told: Told, *, sender: str, to: str, page_url: str) -> EmailMessage:
    """The mail to the one whose job it is."""
    lines = [*_story(told.outcome), *_objects(told.outcome)]
    links = [("See the job", job_link(page_url, told.job))]
    return _message(f"{_headline(told.outcome)}: {told.name}", lines, links, told.preview, sender=sender, to=to)


def admin_mail(told: Told, *, sender: str, to: str, user: str, log_link: str) -> EmailMessage:
    """The mail to the admin: whose job it was, and where its log is."""
    error = told.outcome.error
    lines = [
        f"Job {told.job.id} of {user} has ended: {told.outcome.status}.",
        *([f"Reason: {error.message} ({error.code})"] if error else []),
        *_objects(told.outcome),
    ]
    # No link to the page: it shows a job to its owner alone.
    links = [("The job's log", log_link.replace("{job}", quote(told.job.id)))] if log_link else []
    subject = f"[Gen3D] {told.outcome.status}: job {told.job.id}"
    return _message(subject, lines, links, None, sender=sender, to=to)


def _headline(outcome: Outcome) -> str:
    match outcome.status:
        case "succeeded":
            return "Your 3D preview is ready" if outcome.preview else "Your 3D objects are ready"
        case "partial":
            made = sum(each.status == "succeeded" for each in outcome.objects)
            return f"{made} of your {len(outcome.objects)} 3D objects are ready"
        case "cancelled":
            return "Your job was cancelled"
        case "failed":
            return "Your job failed"
        case "lost":
            return "Your job was lost"


def _story(outcome: Outcome) -> list[str]:
    lines = [f"{_headline(outcome)}."]
    if outcome.error is not None:
        lines.append(outcome.error.message)
    if outcome.status == "lost":
        lines.append("It was not your fault: open the job and choose to try it again.")
    if outcome.preview and any(each.status == "succeeded" for each in outcome.objects):
        lines.append("The shapes are previews: inflated outlines, not reconstructions.")
    return lines


def _objects(outcome: Outcome) -> list[str]:
    lines = []
    for each in outcome.objects:
        name = f"Object {each.index + 1}" + (f" ({each.label})" if each.label else "")
        lines.append(f"{name}: {'made' if each.error is None else f'failed. {each.error.message}'}")
    return lines


def _message(
    subject: str,
    lines: Sequence[str],
    links: Sequence[tuple[str, str]],
    picture: bytes | None,
    *,
    sender: str,
    to: str,
) -> EmailMessage:
    """A mail in text and HTML; every line is text, whoever wrote parts of it."""
    message = EmailMessage(policy=SMTP)
    message["Subject"] = " ".join(subject.split())
    message["From"] = sender
    message["To"] = to
    message.set_content("\n".join([*lines, "", *(f"{what}: {where}" for what, where in links), ""]))
    paragraphs = "".join(f"<p>{escape(line)}</p>" for line in lines)
    anchors = "".join(f'<p><a href="{escape(where)}">{escape(what)}</a></p>' for what, where in links)
    shown = f'<p><img src="cid:{_CID}" alt="What was made, from four sides" style="max-width:100%"></p>'
    html = f"<!doctype html><html><body>{paragraphs}{shown if picture else ''}{anchors}</body></html>"
    message.add_alternative(html, subtype="html")
    if picture:
        part = message.get_payload()[1]  # type: ignore[index]  # the HTML
        part.add_related(  # type: ignore[union-attr]
            picture, "image", "png", cid=f"<{_CID}>", filename="preview.png", disposition="inline"
        )
    return message
