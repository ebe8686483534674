"""The edge to SQS: puts a message into a queue. Knows nothing of what it says."""

from typing import Any


class Queue:
    """A queue."""

    def __init__(self, url: str, client: Any) -> None:
        self.url, self.client = url, client

    def send(self, body: str) -> None:
        """Puts a message in."""
        self.client.send_message(QueueUrl=self.url, MessageBody=body)
