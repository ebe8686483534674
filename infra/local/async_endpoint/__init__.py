"""Plays Amazon SageMaker's asynchronous inference on 127.0.0.1, so that boto3's `sagemaker-runtime` works unchanged.

It knows containers by `/ping` and `/invocations` alone, and nothing of photos or meshes.

    service = AsyncInference(folder, Clients(sagemaker, s3, sns), make_container, account="000000000000")
    with serving(service) as address:  # AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME=address
        ...

SageMaker's rules that are kept, and where AWS writes them, below https://docs.aws.amazon.com/sagemaker/latest/:
- The call, its limits, its answer, its errors: APIReference/API_runtime_InvokeEndpointAsync.html
- First come, first served; each instance has at most MaxConcurrentInvocationsPerInstance requests at a time:
  APIReference/API_AsyncInferenceClientConfig.html
- A request that waits longer than RequestTTLSeconds fails ("requests in the queue that fail", says the metric
  ExpiredRequests): dg/async-inference-monitor.html
- Requests that come while there are no instances wait for one: dg/async-inference-autoscale.html
- Where results go, and who hears of them: dg/async-inference-check-predictions.html

What AWS does not write down, and is decided here:
- Every failure, an expired request too, is an object under S3FailurePath, where there is such a path, and a message to
  the error topic. The object holds what the container answered; where it did not answer, the reason.
- Every answer but 200 is a failure, 429 and 503 too. No request is sent twice, unless this server is stopped or killed
  while a container has it: then it keeps its place in the queue and is sent anew, as a queue hands out again what its
  reader did not finish.
- A container that is not ready costs no request: all wait, until it is or their time is up.
- An input that S3 refuses fails its request. How often S3 is asked for it is up to the client that was given.
- An answer that S3 refuses is kept on the disk and tried again, for a minute unless told otherwise; after that the
  request has failed. A message that SNS refuses is tried as long, then given up and logged: SageMaker counts those in
  NotificationFailures.
- A request has one result object. The message about it may come twice, where the server was killed between publishing
  it and noting so.
"""
