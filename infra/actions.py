"""Which IAM action on what each role but the Lambdas' needs, and for what. The templates' policies are held to it.

The Lambdas' own table is `lambdas/actions.py`, which says how resources are called.
"""

from typing import Final

from lambdas.actions import JOB_FILES, Grant

_WEIGHTS: Final = "bucket/weights/*"
_SOURCE: Final = "bucket/source/*"
_ANSWERS: Final = "bucket/async/*"

# By what our own code calls, wherever it runs with the role.
CALLS: Final[dict[str, dict[str, tuple[Grant, ...]]]] = {
    # The container: serve/s3.py.
    "endpoint": {
        "s3:GetObject": (Grant("s3:GetObject", JOB_FILES),),
        "s3:PutObject": (Grant("s3:PutObject", JOB_FILES),),
    },
    # `gen3d image push`: infra/registry.py, and what Docker's registry API asks for.
    "image-build": {
        "ecr:GetAuthorizationToken": (Grant("ecr:GetAuthorizationToken", "*"),),
        "ecr:DescribeRepositories": (Grant("ecr:DescribeRepositories", "images"),),
        "ecr:DescribeImages": (Grant("ecr:DescribeImages", "images"),),
        "ecr:PutImage": tuple(
            Grant(f"ecr:{action}", "images")
            for action in (
                *("BatchCheckLayerAvailability", "BatchGetImage", "CompleteLayerUpload"),
                *("InitiateLayerUpload", "PutImage", "UploadLayerPart"),
            )
        ),
    },
    # `gen3d weights publish`: model_loader/publish.py.
    "weights-build": {
        "s3:GetObject": (Grant("s3:GetObject", _WEIGHTS),),
        "s3:PutObject": (Grant("s3:PutObject", _WEIGHTS),),
        "s3:ListParts": (Grant("s3:ListMultipartUploadParts", _WEIGHTS),),
        "s3:ListObjectsV2": (Grant("s3:ListBucket", "bucket"),),
        "s3:ListMultipartUploads": (Grant("s3:ListBucketMultipartUploads", "bucket"),),
    },
    # Whoever works in the notebook, and the scripts in infra/service.yaml that fill it and stop it.
    "notebook": {
        "s3:GetObject": tuple(
            Grant("s3:GetObject", of) for of in ("notebook-source", _WEIGHTS, _ANSWERS, "bucket/users/notebook/*")
        ),
        "s3:PutObject": (Grant("s3:PutObject", "bucket/users/notebook/*"),),
        "s3:ListObjectsV2": (Grant("s3:ListBucket", "bucket"),),
        "sagemaker:DescribeEndpoint": (Grant("sagemaker:DescribeEndpoint", "endpoint"),),
        "sagemaker-runtime:InvokeEndpointAsync": (Grant("sagemaker:InvokeEndpointAsync", "endpoint"),),
        "sagemaker:StopNotebookInstance": (Grant("sagemaker:StopNotebookInstance", "notebook"),),
    },
}

_BUILD = (
    Grant("logs:CreateLogStream", "log-group"),
    Grant("logs:PutLogEvents", "log-group"),
    Grant("s3:GetObject", _SOURCE),
    Grant("s3:GetObjectVersion", _SOURCE),
    # CodeBuild asks whose the bucket is: https://docs.aws.amazon.com/codebuild/latest/userguide/setting-up-service-role.html
    Grant("s3:GetBucketAcl", "bucket"),
    Grant("s3:GetBucketLocation", "bucket"),
)

# What AWS itself does in a role's name.
ON_ITS_BEHALF: Final[dict[str, tuple[Grant, ...]]] = {
    # https://docs.aws.amazon.com/sagemaker/latest/dg/sagemaker-roles.html
    "endpoint": (
        # The weights, listed and brought to the instance; answers and failures, and telling of them.
        Grant("s3:ListBucket", "bucket"),
        Grant("s3:GetObject", _WEIGHTS),
        Grant("s3:PutObject", _ANSWERS),
        Grant("s3:AbortMultipartUpload", _ANSWERS),
        Grant("sns:Publish", "failure-topic"),
        # The image, its log, its metrics.
        Grant("ecr:GetAuthorizationToken", "*"),
        *(
            Grant(f"ecr:{action}", "images")
            for action in ("BatchCheckLayerAvailability", "BatchGetImage", "GetDownloadUrlForLayer")
        ),
        *(
            Grant(f"logs:{action}", "log-group")
            for action in ("CreateLogGroup", "CreateLogStream", "DescribeLogStreams", "PutLogEvents")
        ),
        Grant("cloudwatch:PutMetricData", "*"),
    ),
    "image-build": (*_BUILD, Grant("s3:PutObject", "bucket/builds/*")),
    # The token is read into the environment of the build.
    "weights-build": (*_BUILD, Grant("secretsmanager:GetSecretValue", "hub-token")),
    "notebook": tuple(
        Grant(f"logs:{action}", "log-group") for action in ("CreateLogGroup", "CreateLogStream", "PutLogEvents")
    ),
}


def grants(name: str) -> set[Grant]:
    """All that a role must allow, and no more."""
    return {grant for each in CALLS[name].values() for grant in each} | set(ON_ITS_BEHALF[name])
