"""The mails that the local cloud has taken, for its SES sends none. Knows not who wrote them."""

from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from html.parser import HTMLParser
from typing import Final

import httpx

from infra.local.running import Running
from serve.errors import Gen3DError

# Each is a line of its own in the text that is made of HTML.
_BLOCKS: Final = frozenset(
    {"p", "div", "br", "tr", "table", "ul", "ol", "li", "h1", "h2", "h3", "h4", "blockquote", "hr"}
)


@dataclass(frozen=True)
class Mail:
    """A mail as the local cloud keeps it: the texts, and not the picture within.

    Attributes:
        number: Its place in the order of sending, from 1.
        sender: Whom it is from.
        to: Whom it is to, with commas between them.
        subject: Its subject.
        at: When it was sent.
        text: What it says, as text; made of the HTML where the mail has nothing else, as Cognito's invitations.
        html: The same as HTML.
    """

    number: int
    sender: str
    to: str
    subject: str
    at: datetime
    text: str
    html: str

    def as_message(self) -> bytes:
        """As mail programs open it."""
        message = EmailMessage(policy=SMTP)
        message["From"], message["To"], message["Subject"] = self.sender, self.to, self.subject
        message["Date"] = format_datetime(self.at)
        message.set_content(self.text)
        message.add_alternative(self.html, subtype="html")
        return message.as_bytes()


def read_mails(running: Running) -> list[Mail]:
    """All mails, in the order of sending.

    Raises:
        Gen3DError: `local_cloud_failed`.
    """
    try:
        answer = httpx.get(f"{running.cloud}/_ministack/ses/messages", timeout=60, trust_env=False).raise_for_status()
    except httpx.HTTPError as error:
        message = f"The local cloud does not say which mails it has: {error} (its logs: {running.folder})"
        raise Gen3DError("local_cloud_failed", message) from None
    kept = [mail for account in answer.json()["messages"].values() for mail in account]
    return [
        Mail(
            number=number,
            sender=mail["Source"],
            to=", ".join(mail["To"]),
            subject=mail["Subject"],
            at=datetime.fromtimestamp(mail["Timestamp"], UTC),
            text=mail["BodyText"].replace("\r\n", "\n") or text_of(mail["BodyHtml"] or ""),
            html=mail["BodyHtml"] or "",
        )
        for number, mail in enumerate(sorted(kept, key=lambda mail: float(mail["Timestamp"])), 1)
    ]


def text_of(html: str) -> str:
    """What a mail says that is HTML alone, a line for each paragraph, with the addresses of its links."""
    words = _Words()
    words.feed(html)
    words.close()
    lines = (" ".join(line.split()) for line in "".join(words.said).splitlines())
    return "\n".join(line for line in lines if line)


class _Words(HTMLParser):
    """What a page of HTML says: its words, and the links behind theirs."""

    def __init__(self) -> None:
        super().__init__()
        self.said: list[str] = []
        self._link: str | None = None
        self._hidden = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._hidden += tag in ("head", "style")
        if tag in _BLOCKS:
            self.said.append("\n")
        if tag == "a":
            self._link = dict(attrs).get("href")

    def handle_endtag(self, tag: str) -> None:
        self._hidden -= tag in ("head", "style")
        if tag in _BLOCKS:
            self.said.append("\n")
        if tag == "a" and self._link and self.said[-1] != self._link:
            self.said.append(f" <{self._link}>")

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.said.append(data.replace("\n", " "))
