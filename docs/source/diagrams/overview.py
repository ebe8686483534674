"""How Gen3D uses AWS: every service, what flows between them, and where trust ends."""

from typing import Final

from docs.source.diagrams.picture import Area, Arrow, Diagram, Frame, Key, Node, Point


def diagram() -> Diagram:
    """The resources by what they do, in frames of trust."""
    return Diagram(
        title="Gen3D in an AWS account",
        about=(
            "People reach CloudFront, Cognito and, by signed addresses, the S3 bucket. Behind the API, four Lambdas,"
            " two queues and an asynchronous SageMaker endpoint make meshes; CodeBuild makes images and brings"
            " weights; CloudWatch, SNS, SES and Budgets tell people."
        ),
        size=(1300, 1098),
        nodes=_NODES,
        frames=_FRAMES,
        arrows=_ARROWS,
        keys=(
            Key("blue", "the way of a photo"),
            Key("blue", "the same, by a signed address", dashed=True),
            Key("brown", "building"),
            Key("red", "telling people"),
            Key("grey", "what else acts"),
        ),
    )


_FRAMES: Final = (
    Frame("Outside", Area(20, 62, 200, 1042), "#ffffff", dashed=True),
    Frame("The operator's AWS account", Area(222, 62, 1280, 1042), "#fbfcfe"),
    Frame("Building and trying: runs when asked to", Area(440, 92, 1262, 232), "#eef3ff", "#7c9cf0"),
    Frame("On the Internet", Area(240, 280, 400, 720), "#f5f0ff", "#a78bfa"),
    Frame("Data", Area(585, 375, 775, 560), "#eef8ec", "#6aa84f"),
    Frame("Inference", Area(815, 272, 1262, 545), "#eaf8f4", "#45a98f"),
    Frame(
        "Queues, and Lambdas that write the job folders",
        Area(440, 582, 1262, 832),
        "#fff6ec",
        "#e8944a",
        title_at=Point(820, 815),
    ),
    Frame("Watching and telling", Area(440, 852, 1262, 1000), "#fff1f1", "#dd8585"),
)

_NODES: Final = (
    Node("hub", 110, 150, "Hugging Face", ("the gated weights",), "internet"),
    Node("person", 110, 465, "Person", ("browser, curl,", "gen3d submit"), "person"),
    Node("admin", 110, 905, "Operator", ("gen3d deploy,", "status, redrive"), "person"),
    # Building.
    Node(
        "weights", 520, 150, "Build of weights", ("alone reads the token",), "codebuild", ("foundation.WeightsBuild",)
    ),
    Node("token", 700, 150, "Secrets Manager", ("the hub's token",), "secret", ("foundation.HubToken",)),
    Node("image", 850, 150, "Build of images", ("knows no secret",), "codebuild", ("foundation.ImageBuild",)),
    Node("images", 1000, 150, "ECR", ("images by digest",), "ecr", ("foundation.Images",)),
    Node("notebook", 1180, 150, "Notebook", ("where asked for",), "notebook", ("service.Notebook",)),
    # Open to the Internet.
    Node("cognito", 320, 335, "Cognito", ("users, ID tokens",), "cognito", ("foundation.UserPool",)),
    Node("cloudfront", 320, 465, "CloudFront", ("page and /api/",), "cloudfront", ("foundation.Distribution",)),
    Node(
        "api",
        320,
        645,
        "API Gateway",
        ("checks each token",),
        "api",
        ("foundation.HttpApi", "foundation.HttpApiAuthorizer", "service.JobsRoute"),
    ),
    Node("roles", 320, 775, "IAM", ("a role for each part,", "no wider than its calls"), "iam", ("service.JobsRole",)),
    # Data.
    Node(
        "bucket",
        680,
        440,
        "S3 bucket",
        ("users/  pending/  async/", "PUBLIC/  weights/", "source/  code/  builds/"),
        "s3",
        ("foundation.Bucket",),
    ),
    # Inference.
    Node(
        "scaling",
        885,
        330,
        "Auto Scaling",
        ("0 to MaxInstances",),
        "autoscaling",
        ("endpoint.ScalableTarget", "endpoint.ScaleByBacklog", "endpoint.WakeUp"),
    ),
    Node("endpoint", 1000, 450, "SageMaker", ("asynchronous endpoint",), "sagemaker", ("endpoint.Endpoint",)),
    Node("failed", 1180, 450, "InvocationFailed", ("topic",), "sns", ("foundation.InvocationFailed",)),
    # Lambdas and queues.
    Node("jobs", 520, 645, "jobs", ("answers the API",), "lambda", ("service.Jobs",)),
    Node(
        "uploaded",
        680,
        645,
        "ImageUploaded",
        ("and its dead letters",),
        "sqs",
        ("foundation.ImageUploaded", "foundation.ImageUploadedDead"),
    ),
    Node("extract", 850, 645, "extract", ("submits jobs",), "lambda", ("service.Extract",)),
    Node(
        "finished",
        1020,
        645,
        "JobFinished",
        ("and its dead letters",),
        "sqs",
        ("foundation.JobFinished", "foundation.JobFinishedDead"),
    ),
    Node("notify", 1190, 645, "notify", ("ends jobs, mails",), "lambda", ("service.Notify",)),
    Node("schedule", 520, 765, "EventBridge", ("every 5 minutes",), "eventbridge", ("service.SweepSchedule",)),
    Node("sweep", 680, 765, "sweep", ("finds what was lost",), "lambda", ("service.Sweep",)),
    # Watching and telling.
    Node("logs", 520, 910, "CloudWatch Logs", ("a group a part",), "logs", ("foundation.EndpointLog",)),
    Node("watch", 690, 910, "CloudWatch", ("alarms, dashboard",), "cloudwatch", ("service.Dashboard",)),
    Node("topic", 850, 910, "Admin", ("topic",), "sns", ("foundation.AdminTopic",)),
    Node("budget", 1010, 910, "Budgets", ("the month's bill",), "budgets", ("service.Budget",)),
    Node("ses", 1190, 910, "SES", ("mails about jobs",), "ses", ("service.MailSettings", "service.Sender")),
)

_ARROWS: Final = (
    Arrow("person.top", "cognito.left", ("sign in",), colour="blue", at=Point(160, 328)),
    Arrow("person.right", "cloudfront.left", ("HTTPS",), colour="blue", at=Point(172, 458)),
    Arrow(
        "person.top-20",
        "bucket.top-14",
        ("photo up, meshes down: presigned",),
        bend=256,
        colour="blue",
        dashed=True,
        at=Point(330, 249),
    ),
    Arrow("cloudfront.right", "bucket.left-5", ("PUBLIC/",), bend=445, colour="blue", at=Point(490, 428)),
    Arrow("cloudfront.bottom", "api.top", ("/api/",), colour="blue", at=Point(338, 566)),
    Arrow("api.right", "jobs.left", colour="blue"),
    Arrow("jobs.top", "bucket.left+12", ("job folders",), colour="blue", at=Point(520, 570)),
    Arrow("bucket.bottom", "uploaded.top", ("photo",), colour="blue", at=Point(658, 575)),
    Arrow("uploaded.right", "extract.left", colour="blue"),
    Arrow("extract.top", "endpoint.left+12", ("InvokeEndpointAsync",), colour="blue", at=Point(885, 570)),
    Arrow("bucket.right", "endpoint.left-10", ("photo, meshes",), colour="blue", both=True, at=Point(897, 431)),
    Arrow("bucket.bottom+50", "finished.top-12", ("answer, outcome",), bend=600, colour="blue", at=Point(925, 597)),
    Arrow("endpoint.right", "failed.left", colour="blue"),
    Arrow("failed.bottom", "finished.top+12", ("failure",), bend=565, colour="blue", at=Point(1105, 559)),
    Arrow("finished.right", "notify.left", colour="blue"),
    Arrow("notify.bottom", "ses.top", colour="red"),
    Arrow("schedule.right", "sweep.left"),
    Arrow("sweep.top", "uploaded.bottom", ("again",), at=Point(658, 722)),
    Arrow("sweep.right", "finished.bottom", ("again",), at=Point(860, 758)),
    Arrow("scaling.right", "endpoint.top-14"),
    Arrow("hub.right", "weights.left", ("14 GB",), colour="brown", at=Point(325, 143)),
    Arrow("token.left", "weights.right", colour="brown"),
    Arrow("weights.bottom", "bucket.top+14", ("weights/",), bend=300, colour="brown", at=Point(600, 293)),
    Arrow("image.right", "images.left", colour="brown"),
    Arrow("images.bottom", "endpoint.top", colour="brown"),
    Arrow("notebook.bottom", "endpoint.top+14", bend=345),
    Arrow("logs.right", "watch.left", colour="red"),
    Arrow("watch.right", "topic.left", colour="red"),
    Arrow("budget.left", "topic.right", colour="red"),
    Arrow("topic.bottom", "admin.right", colour="red", via=(Point(850, 984), Point(300, 984), Point(300, 905))),
    Arrow(
        "ses.bottom",
        "person.left",
        ("mails: to the person, to the operator",),
        colour="red",
        via=(Point(1190, 1022), Point(48, 1022), Point(48, 465)),
        at=Point(640, 1015),
    ),
)
