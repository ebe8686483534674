"""Which calls each Lambda makes, and which IAM action on what each needs. The templates' policies are held to it.

A resource is of the bucket (`bucket`, or `bucket/` and a pattern of keys) or one of the stack's own things by name. A
test compares the calls with those that the Lambdas were seen to make.
"""

from typing import Final, NamedTuple


class Grant(NamedTuple):
    """An IAM action, on a resource."""

    action: str
    resource: str


JOB_FILES: Final = "bucket/users/*"
MARKERS: Final = "bucket/pending/*"

_LIST_JOBS = Grant("s3:ListBucket", "bucket")
_READ_JOBS = Grant("s3:GetObject", JOB_FILES)
_WRITE_JOBS = Grant("s3:PutObject", JOB_FILES)
_WRITE_MARKERS = Grant("s3:PutObject", MARKERS)
_REMOVE_JOBS = Grant("s3:DeleteObject", JOB_FILES)
_REMOVE_MARKERS = Grant("s3:DeleteObject", MARKERS)
# DeleteObjects always wants s3:DeleteObject, and for a version the other one too:
# https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjects.html
_REMOVE_VERSIONS = (_REMOVE_JOBS, Grant("s3:DeleteObjectVersion", JOB_FILES))
_LIST_VERSIONS = Grant("s3:ListBucketVersions", "bucket")
_TAG_JOBS = Grant("s3:PutObjectTagging", JOB_FILES)
_LOGS = (Grant("logs:CreateLogStream", "log-group"), Grant("logs:PutLogEvents", "log-group"))
_POLLING = ("sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes")

# By Lambda, then by call as `service:Operation` of boto3.
CALLS: Final[dict[str, dict[str, tuple[Grant, ...]]]] = {
    "jobs": {
        "s3:ListObjectsV2": (_LIST_JOBS,),
        "s3:ListObjectVersions": (_LIST_VERSIONS,),
        "s3:GetObject": (_READ_JOBS,),
        # With tags on tombstones.
        "s3:PutObject": (_WRITE_JOBS, _WRITE_MARKERS, _TAG_JOBS),
        # Trying again copies the photo, with tags of its own.
        "s3:CopyObject": (_READ_JOBS, _WRITE_JOBS, _TAG_JOBS),
        # Labels that no longer count; and every version of a deleted job.
        "s3:DeleteObjects": _REMOVE_VERSIONS,
    },
    "extract": {
        "s3:ListObjectsV2": (_LIST_JOBS,),
        "s3:ListObjectVersions": (_LIST_VERSIONS,),
        "s3:GetObject": (_READ_JOBS,),
        "s3:PutObject": (_WRITE_JOBS, _WRITE_MARKERS),
        "s3:DeleteObjects": (_REMOVE_MARKERS, *_REMOVE_VERSIONS),
        "sagemaker-runtime:InvokeEndpointAsync": (Grant("sagemaker:InvokeEndpointAsync", "endpoint"),),
    },
    "notify": {
        "s3:ListObjectsV2": (_LIST_JOBS,),
        "s3:ListObjectVersions": (_LIST_VERSIONS,),
        "s3:GetObject": (
            _READ_JOBS,
            Grant("s3:GetObject", "bucket/async/output/*"),
            Grant("s3:GetObject", "bucket/async/failure/*"),
        ),
        "s3:PutObject": (_WRITE_JOBS,),
        "s3:DeleteObjects": (_REMOVE_MARKERS, *_REMOVE_VERSIONS),
        # Raw content is checked as ses:SendRawEmail.
        "sesv2:SendEmail": (Grant("ses:SendRawEmail", "mail-identity"),),
    },
    "sweep": {
        "s3:ListObjectsV2": (_LIST_JOBS,),
        "s3:ListObjectVersions": (_LIST_VERSIONS,),
        "s3:GetObject": (
            _READ_JOBS,
            Grant("s3:GetObject", "bucket/async/output/*"),
            Grant("s3:GetObject", "bucket/async/failure/*"),
        ),
        "s3:PutObject": (_WRITE_JOBS, _WRITE_MARKERS),
        "s3:DeleteObjects": (_REMOVE_MARKERS, *_REMOVE_VERSIONS),
        "sqs:SendMessage": (Grant("sqs:SendMessage", "uploaded-queue"), Grant("sqs:SendMessage", "finished-queue")),
    },
}

# What AWS does in a Lambda's name, and what its presigned forms and links do.
ON_ITS_BEHALF: Final[dict[str, tuple[Grant, ...]]] = {
    "jobs": (*_LOGS, _READ_JOBS, _WRITE_JOBS, _TAG_JOBS),
    "extract": (*_LOGS, *(Grant(action, "uploaded-queue") for action in _POLLING)),
    "notify": (*_LOGS, *(Grant(action, "finished-queue") for action in _POLLING)),
    "sweep": _LOGS,
}


def grants(name: str) -> tuple[Grant, ...]:
    """All that a Lambda's role must allow, and no more; each once, in order."""
    needed = [grant for each in CALLS[name].values() for grant in each] + list(ON_ITS_BEHALF[name])
    return tuple(sorted(set(needed)))
