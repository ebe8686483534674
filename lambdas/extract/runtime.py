"""The edge to SageMaker: one asynchronous invocation. Knows nothing of jobs."""

from typing import Any


class Endpoint:
    """An asynchronous endpoint."""

    def __init__(self, name: str, client: Any) -> None:
        self.name, self.client = name, client

    def invoke(
        self, input_location: str, inference_id: str, *, ttl_seconds: int, timeout_seconds: int
    ) -> dict[str, str]:
        """Queues a request, whose body lies at an `s3://` address; where its answer and its failure will lie."""
        answer = self.client.invoke_endpoint_async(
            EndpointName=self.name,
            InputLocation=input_location,
            InferenceId=inference_id,
            ContentType="application/json",
            Accept="application/json",
            RequestTTLSeconds=ttl_seconds,
            InvocationTimeoutSeconds=timeout_seconds,
        )
        places = {"output_location": answer.get("OutputLocation"), "failure_location": answer.get("FailureLocation")}
        return {name: place for name, place in places.items() if place}
