"""What must never change by accident: who can read, what is kept, what is encrypted, what wakes a GPU."""

import json
from typing import Any

from infra.templates import read_template

FOUNDATION = read_template("foundation")["Resources"]
ENDPOINT = read_template("endpoint")["Resources"]
SERVICE = read_template("service")["Resources"]
ALL = FOUNDATION | ENDPOINT | SERVICE


def of_type(kind: str) -> dict[str, dict[str, Any]]:
    return {name: body for name, body in ALL.items() if body["Type"] == kind}


def test_the_bucket_and_the_users_stay_and_nothing_else() -> None:
    kept = {name: body["DeletionPolicy"] for name, body in ALL.items() if "Retain" in body.get("DeletionPolicy", "")}
    assert kept == {"Bucket": "RetainExceptOnCreate", "UserPool": "Retain"}
    assert {name for name, body in ALL.items() if body.get("UpdateReplacePolicy") == "Retain"} == set(kept)
    assert FOUNDATION["UserPool"]["Properties"]["DeletionProtection"] == "ACTIVE"


def test_nothing_of_the_bucket_is_public() -> None:
    properties = FOUNDATION["Bucket"]["Properties"]
    assert properties["PublicAccessBlockConfiguration"] == {
        "BlockPublicAcls": True,
        "BlockPublicPolicy": True,
        "IgnorePublicAcls": True,
        "RestrictPublicBuckets": True,
    }
    assert properties["OwnershipControls"]["Rules"] == [{"ObjectOwnership": "BucketOwnerEnforced"}]
    assert "AccessControl" not in properties


def test_the_bucket_is_open_to_tls_alone_and_public_to_the_distribution_alone() -> None:
    denied, allowed = FOUNDATION["BucketPolicy"]["Properties"]["PolicyDocument"]["Statement"]
    assert (denied["Effect"], denied["Principal"], denied["Action"]) == ("Deny", "*", "s3:*")
    assert denied["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    assert allowed["Principal"] == {"Service": "cloudfront.amazonaws.com"}
    assert allowed["Action"] == "s3:GetObject"
    assert allowed["Resource"] == {"Fn::Sub": "${Bucket.Arn}/PUBLIC/*"}
    assert allowed["Condition"]["StringEquals"]["aws:SourceArn"]["Fn::Sub"].endswith("distribution/${Distribution}")


def test_the_bucket_is_encrypted_and_versioned() -> None:
    properties = FOUNDATION["Bucket"]["Properties"]
    rules = properties["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert rules == [{"ServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]
    assert properties["VersioningConfiguration"] == {"Status": "Enabled"}


def test_what_is_deleted_by_itself_is_photos_tombstones_answers_trials_old_versions_and_stale_uploads() -> None:
    rules = FOUNDATION["Bucket"]["Properties"]["LifecycleConfiguration"]["Rules"]
    expiring = {rule["Id"]: rule["ExpirationInDays"] for rule in rules if "ExpirationInDays" in rule}
    assert expiring == {"Photos": {"Ref": "PhotoDays"}, "Tombstones": 7, "Answers": 14, "Failures": 14, "Notebook": 14}
    # A current object goes by its tag, or below SageMaker's and the notebook's prefixes: a user's meshes never do.
    for rule in rules:
        if rule["Id"] in expiring:
            assert rule.get("TagFilters") or rule["Prefix"].startswith(("async/", "users/notebook/"))
    others = {rule["Id"] for rule in rules} - set(expiring)
    assert others == {"OldVersions", "OldMarkers", "StaleUploads"}


def test_tags_and_prefixes_of_the_lifecycle_are_those_that_the_lambdas_write() -> None:
    from lambdas.shared import job_folder

    rules = {rule["Id"]: rule for rule in FOUNDATION["Bucket"]["Properties"]["LifecycleConfiguration"]["Rules"]}
    for rule, tags in {"Photos": job_folder.IMAGE_TAGS, "Tombstones": job_folder.TOMBSTONE_TAGS}.items():
        assert rules[rule]["TagFilters"] == [{"Key": key, "Value": value} for key, value in tags.items()]
    assert rules["Answers"]["Prefix"] == job_folder.ASYNC_OUTPUT
    assert rules["Failures"]["Prefix"] == job_folder.ASYNC_FAILURE
    assert rules["OldMarkers"]["Prefix"] == job_folder.PENDING
    assert rules["Notebook"]["Prefix"] == job_folder.NOTEBOOK


def test_queues_and_topics_are_never_encrypted_with_keys_that_keep_aws_out() -> None:
    for name, queue in of_type("AWS::SQS::Queue").items():
        assert queue["Properties"]["SqsManagedSseEnabled"] is True, name
        assert "KmsMasterKeyId" not in queue["Properties"], name
    for name, topic in of_type("AWS::SNS::Topic").items():
        assert "KmsMasterKeyId" not in topic["Properties"], name


def test_every_queue_gives_up_into_a_dead_letter_queue_that_an_alarm_watches() -> None:
    watched = {
        dimension["Value"]["Ref"].removesuffix("Name")
        for alarm in of_type("AWS::CloudWatch::Alarm").values()
        for dimension in alarm["Properties"].get("Dimensions", [])
        if dimension["Name"] == "QueueName"
    }
    dead = {name for name in of_type("AWS::SQS::Queue") if name.endswith("Dead")}
    assert watched == dead
    for name in ("ImageUploaded", "JobFinished"):
        properties = FOUNDATION[name]["Properties"]
        assert properties["RedrivePolicy"]["deadLetterTargetArn"] == {"Fn::GetAtt": [f"{name}Dead", "Arn"]}
        # https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html
        longest = max(body["Properties"]["Timeout"] for body in of_type("AWS::Lambda::Function").values())
        assert properties["VisibilityTimeout"] >= 6 * longest


def test_a_lambda_ends_before_others_take_it_for_dead() -> None:
    from lambdas.shared.steps import LAMBDA_SECONDS

    for name, body in of_type("AWS::Lambda::Function").items():
        assert body["Properties"]["Timeout"] <= LAMBDA_SECONDS, name


def test_pollers_are_limited_and_report_single_failures() -> None:
    mappings = of_type("AWS::Lambda::EventSourceMapping")
    assert set(mappings) == {"ExtractMapping", "NotifyMapping"}
    for mapping in mappings.values():
        assert mapping["Properties"]["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
        assert mapping["Properties"]["ScalingConfig"] == {"MaximumConcurrency": 5}
    assert not any(
        "ReservedConcurrentExecutions" in body["Properties"] for body in ALL.values() if "Properties" in body
    )


def test_the_api_has_no_open_route() -> None:
    for name, route in of_type("AWS::ApiGatewayV2::Route").items():
        assert route["Properties"]["AuthorizationType"] == "JWT", name
        assert route["Properties"]["AuthorizerId"] == {"Ref": "HttpApiAuthorizerId"}, name


def test_users_sign_in_in_one_way_and_none_makes_an_account() -> None:
    client = FOUNDATION["UserPoolClient"]["Properties"]
    assert client["ExplicitAuthFlows"] == ["ALLOW_USER_PASSWORD_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"]
    assert client["GenerateSecret"] is False
    assert FOUNDATION["UserPool"]["Properties"]["AdminCreateUserConfig"]["AllowAdminCreateUserOnly"] is True


def test_an_image_never_changes_under_its_tag() -> None:
    properties = FOUNDATION["Images"]["Properties"]
    assert properties["ImageTagMutability"] == "IMMUTABLE"
    assert properties["ImageScanningConfiguration"] == {"ScanOnPush": True}


def test_of_images_the_last_are_kept() -> None:
    text = FOUNDATION["Images"]["Properties"]["LifecyclePolicy"]["LifecyclePolicyText"]
    untagged, any_tag = (rule["selection"] for rule in json.loads(text)["rules"])
    assert (untagged["tagStatus"], untagged["countType"], untagged["countNumber"]) == (
        "untagged",
        "sinceImagePushed",
        7,
    )
    assert (any_tag["tagStatus"], any_tag["countType"], any_tag["countNumber"]) == ("any", "imageCountMoreThan", 20)


def test_whoever_asks_for_the_preview_and_for_no_type_is_refused_the_gpu() -> None:
    rule = read_template("endpoint")["Rules"]["NoGPUForPreview"]
    assert rule["RuleCondition"] == {"Fn::Equals": [{"Ref": "Engine"}, "preview"]}
    refused = {}
    for assertion in rule["Assertions"]:
        ((parameter, value),) = (equals["Fn::Equals"] for equals in assertion["Assert"]["Fn::Not"])
        refused[parameter["Ref"]] = value
    parameters = read_template("endpoint")["Parameters"]
    types = [name for name in parameters if name.endswith("InstanceType")]
    assert refused == {name: parameters[name]["Default"] for name in types}


def test_the_token_is_read_by_the_build_of_the_weights_alone() -> None:
    (statement,) = FOUNDATION["HubTokenPolicy"]["Properties"]["ResourcePolicy"]["Statement"]
    assert (statement["Effect"], statement["Principal"]) == ("Deny", "*")
    assert "secretsmanager:GetSecretValue" in statement["Action"]
    reader = {"Fn::GetAtt": ["WeightsBuildRole", "Arn"]}
    assert statement["Condition"] == {"ArnNotEquals": {"aws:PrincipalArn": reader}}
    assert "HF_TOKEN" not in str(FOUNDATION["ImageBuild"])
    assert FOUNDATION["WeightsBuild"]["Properties"]["Environment"].get("PrivilegedMode") is None


def test_the_endpoint_sleeps_and_wakes() -> None:
    assert ENDPOINT["ScalableTarget"]["Properties"]["MinCapacity"] == 0
    tracking = ENDPOINT["ScaleByBacklog"]["Properties"]["TargetTrackingScalingPolicyConfiguration"]
    assert tracking["CustomizedMetricSpecification"]["MetricName"] == "ApproximateBacklogSizePerInstance"
    alarm = ENDPOINT["WakeUpAlarm"]["Properties"]
    assert (alarm["MetricName"], alarm["Threshold"]) == ("HasBacklogWithoutCapacity", 1)
    assert alarm["ComparisonOperator"] == "GreaterThanOrEqualToThreshold"
    assert alarm["AlarmActions"] == [{"Ref": "WakeUp"}]


def test_the_wake_up_never_takes_an_instance_away() -> None:
    step = ENDPOINT["WakeUp"]["Properties"]["StepScalingPolicyConfiguration"]
    assert step["AdjustmentType"] == "ChangeInCapacity"
    assert all(each["ScalingAdjustment"] > 0 for each in step["StepAdjustments"])
    assert not {"OKActions", "InsufficientDataActions"} & set(ENDPOINT["WakeUpAlarm"]["Properties"])


def test_answers_and_failures_lie_under_prefixes_of_their_own() -> None:
    output = ENDPOINT["EndpointConfig"]["Properties"]["AsyncInferenceConfig"]["OutputConfig"]
    assert output["S3OutputPath"] == {"Fn::Sub": "s3://${BucketName}/async/output/"}
    assert output["S3FailurePath"] == {"Fn::Sub": "s3://${BucketName}/async/failure/"}
    watched = [
        rule["Filter"]["S3Key"]["Rules"]
        for rule in FOUNDATION["Bucket"]["Properties"]["NotificationConfiguration"]["QueueConfigurations"]
    ]
    assert [{"Name": "prefix", "Value": "async/output/"}] in watched


def test_every_alarm_but_the_one_that_wakes_the_endpoint_tells_the_admin() -> None:
    for name, alarm in of_type("AWS::CloudWatch::Alarm").items():
        if name != "WakeUpAlarm":
            assert alarm["Properties"]["AlarmActions"] == [{"Ref": "AdminTopicArn"}], name


def test_the_page_may_load_nothing_from_elsewhere() -> None:
    headers = FOUNDATION["PageHeaders"]["Properties"]["ResponseHeadersPolicyConfig"]["SecurityHeadersConfig"]
    words, origins = headers["ContentSecurityPolicy"]["ContentSecurityPolicy"]["Fn::Sub"]
    directives = dict(part.strip().split(" ", 1) for part in words.split(";"))
    assert directives["default-src"] == "'none'"
    assert directives["script-src"] == "'self' 'wasm-unsafe-eval'"
    assert directives["connect-src"] == "'self' blob: ${Cloud}"
    assert "'unsafe" not in words
    in_aws = origins["Cloud"]["Fn::If"][1]["Fn::Sub"].split()
    assert [origin.split("//")[1].split(".")[0] for origin in in_aws] == [
        "gen3d-${Stage}-${AWS::AccountId}-${AWS::Region}",
        "cognito-idp",
    ]


def test_the_api_is_never_cached_and_its_errors_stay_json() -> None:
    configuration = FOUNDATION["Distribution"]["Properties"]["DistributionConfig"]
    (api,) = configuration["CacheBehaviors"]
    assert api["PathPattern"] == "/api/*"
    assert api["CachePolicyId"] == "4135ea2d-6df8-44a3-9df3-4b5a84be39ad"
    assert api["OriginRequestPolicyId"] == "b689b0a8-53d0-40ab-baf2-68738e2966ac"
    assert "CustomErrorResponses" not in configuration


def test_alarms_look_where_sagemaker_writes() -> None:
    # https://docs.aws.amazon.com/sagemaker/latest/dg/async-inference-monitor.html
    by_endpoint = {"ApproximateAgeOfOldestRequest", "HasBacklogWithoutCapacity"}
    by_variant = {"InvocationFailures", "ExpiredRequests", "CPUUtilization"}
    looked_at = set()
    for name, alarm in of_type("AWS::CloudWatch::Alarm").items():
        properties = alarm["Properties"]
        if isinstance(properties["Namespace"], str) and "sagemaker" in properties["Namespace"].lower():
            looked_at.add(properties["MetricName"])
            dimensions = {each["Name"]: each["Value"] for each in properties["Dimensions"]}
            expected: dict[str, Any] = {"EndpointName": {"Ref": "EndpointName"}}
            if properties["MetricName"] in by_variant:
                expected |= {"VariantName": "AllTraffic"}
            assert dimensions == expected, name
    assert looked_at == by_endpoint | by_variant
    (variant,) = ENDPOINT["EndpointConfig"]["Properties"]["ProductionVariants"]
    assert variant["VariantName"] == "AllTraffic"
