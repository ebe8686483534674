"""What SES refuses for good, and what it may take later."""

from email.message import EmailMessage
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber

from lambdas.notify.mailer import Mailer, RejectedError

SENDER, READER = "Gen3D <gen3d@example.com>", "ada@example.com"
REFUSAL = "Email address is not verified. The following identities failed the check in region EU-CENTRAL-1: "


def send_refused(identities: str) -> None:
    client: Any = boto3.client(
        "sesv2", region_name="eu-central-1", aws_access_key_id="test", aws_secret_access_key="test"
    )
    with Stubber(client) as ses:
        ses.add_client_error("send_email", "MessageRejected", REFUSAL + identities)
        Mailer(SENDER, "", client).send(READER, EmailMessage())


def test_a_reader_whom_the_sandbox_does_not_know_is_given_up() -> None:
    with pytest.raises(RejectedError, match=READER):
        send_refused(READER)


@pytest.mark.parametrize("identities", ["gen3d@example.com", f"{READER}, gen3d@example.com"])
def test_while_the_sender_is_not_verified_mails_wait(identities: str) -> None:
    with pytest.raises(ClientError, match="gen3d@"):
        send_refused(identities)
