"""The edge to SES: sends a finished message. Knows nothing of what it says."""

from email.message import EmailMessage
from email.utils import parseaddr
from typing import Any

from botocore.exceptions import ClientError


class RejectedError(Exception):
    """SES will never take this message, such as one to an unverified address while it is in its sandbox."""


class Mailer:
    """SES, as one sender."""

    def __init__(self, sender: str, configuration_set: str, client: Any) -> None:
        self.sender, self.client = sender, client
        self._more = {"ConfigurationSetName": configuration_set} if configuration_set else {}

    def send(self, to: str, message: EmailMessage) -> str:
        """Sends it, and gives SES's id of it.

        Raises:
            RejectedError: To be given up.
            Exception: SES's; to be tried again later.
        """
        try:
            answer = self.client.send_email(
                FromEmailAddress=self.sender,
                Destination={"ToAddresses": [to]},
                Content={"Raw": {"Data": message.as_bytes()}},
                **self._more,
            )
        except ClientError as error:
            # SES names the identities that are not verified. The sender may yet be: that mail is only late.
            if error.response["Error"]["Code"] == "MessageRejected" and parseaddr(self.sender)[1] not in str(error):
                raise RejectedError(str(error)) from error
            raise
        return str(answer["MessageId"])
