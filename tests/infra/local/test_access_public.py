"""Who brings nothing, or only a token, gets the page's files from the front and nothing at all from AWS.

S3 refuses who does not sign because nothing allows them. In AWS the bucket's Block Public Access sees to it that
nothing can: that the template has it is held by tests/infra/templates, and not seen here.
"""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from infra.local.cloud import ACCOUNT, REGION
from infra.local.stage import Stage
from lambdas.shared.job_folder import Job
from tests.infra.local.visitors import PHOTO, SignUp, Visitor, keys, raw, versions

# What would be the way to another file, or to do something else, for who believes it.
BELIEVED = {
    "X-Forwarded-Host": "example.com",
    "X-Forwarded-Prefix": "/users",
    "X-Forwarded-For": "127.0.0.1",
    "X-Forwarded-Proto": "https",
    "Forwarded": "host=example.com;proto=https",
    "X-Original-URL": "/users/secret",
    "X-Rewrite-URL": "/users/secret",
    "X-HTTP-Method-Override": "DELETE",
    "X-HTTP-Method": "DELETE",
    "X-Method-Override": "DELETE",
    "X-Amz-Copy-Source": "users/secret",
    "X-Amz-Acl": "public-read",
    "Host": "users.example.com",
}


@pytest.fixture(scope="module")
def file(stage: Stage) -> Iterator[str]:
    """The key of a file of the page; that it is as it was is seen after the tests."""
    s3, bucket, key = stage.cloud.client("s3"), stage.outputs["BucketName"], "PUBLIC/a.txt"
    s3.put_object(Bucket=bucket, Key=key, Body=b"public")
    before = versions(stage, "PUBLIC/")
    yield key
    assert versions(stage, "PUBLIC/") == before


def test_the_front_shows_the_pages_files_and_nothing_else(
    stage: Stage, http: httpx.Client, file: str, done: tuple[Visitor, Job]
) -> None:
    assert http.get(f"{stage.page}/a.txt").content == b"public"
    (code, *_), (answer, *_) = keys(stage, "code/"), keys(stage, "async/output/")
    for key in (done[1].key("image"), done[1].key("output/object-0.glb"), answer, code, "PUBLIC/a.txt"):
        assert http.get(f"{stage.page}/{key}").status_code == 403, key


@pytest.mark.parametrize("way", ["/..", "/%2e%2e", "/.%2e", "/a.txt/..%2f..", "/..%5c..", "/PUBLIC/..", "/%00/.."])
def test_no_path_through_the_front_leads_to_a_job(stage: Stage, file: str, done: tuple[Visitor, Job], way: str) -> None:
    key = done[1].key("image")
    for slash in ("/", "%2f", "%2F", "\\", "%5c"):
        status, body = raw(stage.page, f"GET {way}{slash}{key.replace('/', slash)} HTTP/1.1")
        assert (status in (400, 403), PHOTO in body) == (True, False)
    assert raw(stage.page, "GET /a.txt HTTP/1.1") == (200, b"public")


@pytest.mark.parametrize("query", ["?list-type=2", "?versions", "?acl", "?policy", "?website", "?versionId="])
def test_the_front_asks_s3_for_nothing_but_the_file(stage: Stage, http: httpx.Client, file: str, query: str) -> None:
    assert http.get(f"{stage.page}/a.txt{query}").content == b"public"
    assert http.get(f"{stage.page}/users/{query}").status_code == 403


@pytest.mark.parametrize("method", ["PUT", "POST", "DELETE", "PATCH"])
def test_nobody_writes_into_the_page(stage: Stage, http: httpx.Client, file: str, method: str) -> None:
    at_s3 = f"{stage.cloud.address}/{stage.outputs['BucketName']}/"
    for name in ("a.txt", "new.txt"):
        assert http.request(method, f"{stage.page}/{name}", content=b"x").status_code == 403
        assert http.request(method, f"{at_s3}PUBLIC/{name}", content=b"x").status_code in (403, 405)
    form = {"key": "PUBLIC/new.txt", "Content-Type": "text/html"}
    assert http.post(at_s3, data=form, files={"file": ("x", b"x")}).status_code == 403
    assert http.post(f"{at_s3}?delete", content=b"<Delete><Object><Key>PUBLIC/a.txt</Key></Object></Delete>").is_error


@pytest.mark.parametrize(
    "query",
    [
        "",
        *(
            "list-type=2",
            "list-type=2&prefix=PUBLIC/",
            "versions",
            "uploads",
            "acl",
            "policy",
            "policyStatus",
            "website",
        ),
        *("tagging", "location", "cors", "lifecycle", "notification", "encryption", "versioning", "publicAccessBlock"),
    ],
)
def test_s3_tells_nothing_of_the_bucket_to_who_does_not_sign(stage: Stage, http: httpx.Client, query: str) -> None:
    address, bucket = f"{stage.cloud.address}/{stage.outputs['BucketName']}?{query}", stage.outputs["BucketName"]
    for method in ("GET", "HEAD", "PUT", "DELETE"):
        assert http.request(method, address).status_code in (403, 405), method
    assert stage.cloud.client("s3").list_objects_v2(Bucket=bucket)["KeyCount"] > 0


@pytest.mark.parametrize("query", ["", "?acl", "?tagging", "?versionId=null", "?attributes", "?torrent"])
def test_s3_gives_no_file_to_who_does_not_sign(
    stage: Stage, http: httpx.Client, file: str, done: tuple[Visitor, Job], query: str
) -> None:
    """The page's neither: those are the front's to give, which signs."""
    bucket = f"{stage.cloud.address}/{stage.outputs['BucketName']}"
    for key in (file, done[1].key("image"), done[1].key("request.json")):
        for method in ("GET", "HEAD"):
            assert http.request(method, f"{bucket}/{key}{query}").status_code == 403, key
    assert http.get(f"{stage.page}/a.txt").content == b"public"


def test_no_header_changes_which_file_it_is_who_somebody_is_or_what_is_done(
    newcomer: SignUp, file: str, done: tuple[Visitor, Job]
) -> None:
    owner, job = done
    eve, page, way = newcomer(), owner.stage.page, f"/api/jobs/{job.id}"
    for name, value in BELIEVED.items():
        header = {name: value}
        assert eve.http.get(f"{page}/a.txt", headers=header).content == b"public", name
        assert eve.http.get(f"{page}/users/secret", headers=header).status_code == 403, name
        assert eve.http.get(page + way, headers=header).status_code == 401, name
        assert eve.ask("GET", way, headers=header).status_code == 404, name
    for _ in range(2):
        assert owner.ask("GET", way, headers=BELIEVED).status_code == 200


@pytest.mark.parametrize("name", ["x-amzn-request-context", "x-amzn-oidc-data", "x-user-sub", "sub", "x-cognito-sub"])
def test_nobody_is_who_a_header_says(done: tuple[Visitor, Job], newcomer: SignUp, name: str) -> None:
    owner, job = done
    said = {"sub": owner.sub, "token_use": "id", "email": owner.user.email}
    ada = newcomer()
    for value in (owner.sub, str(said), f'{{"authorizer":{{"jwt":{{"claims":{{"sub":"{owner.sub}"}}}}}}}}'):
        assert ada.ask("GET", f"/api/jobs/{job.id}", headers={name: value}).status_code == 404
        assert ada.http.get(f"{ada.stage.page}/api/jobs/{job.id}", headers={name: value}).status_code == 401
    assert owner.ask("GET", f"/api/jobs/{job.id}").status_code == 200


def test_the_api_is_no_more_open_at_its_own_address(stage: Stage, newcomer: SignUp) -> None:
    """It has one besides the front's, in AWS too."""
    ada = newcomer()
    host = {"Host": stage.outputs["HttpApiUrl"].partition("://")[2]}
    address = f"{stage.cloud.address}/api/limits"
    assert ada.http.get(address, headers=host).status_code == 401
    assert ada.http.get(address, headers={**host, "Authorization": f"Bearer {ada.token}"}).status_code == 200


def test_a_token_opens_nothing_at_s3(stage: Stage, http: httpx.Client, file: str, done: tuple[Visitor, Job]) -> None:
    owner, job = done
    headers = {"Authorization": f"Bearer {owner.token}"}
    bucket = f"{stage.cloud.address}/{stage.outputs['BucketName']}"
    for address in (f"{bucket}/{job.key('image')}", f"{bucket}/{file}", f"{bucket}?list-type=2"):
        for method in ("GET", "PUT", "DELETE"):
            assert http.request(method, address, headers=headers).status_code in (403, 405), (method, address)
    assert http.get(owner.read(job)["image_url"]).content == PHOTO


def test_a_token_starts_nothing_at_sagemaker(stage: Stage, done: tuple[Visitor, Job], http: httpx.Client) -> None:
    """The local SageMaker wants a signature, and does not check whose: in AWS, IAM would."""
    owner, job = done
    place = f"s3://{stage.outputs['BucketName']}/{job.key('request.json')}"
    address = f"{stage.endpoint}/endpoints/{stage.outputs['EndpointName']}/async-invocations"
    for authorization in ({}, {"Authorization": f"Bearer {owner.token}"}):
        refused = http.post(address, headers={"X-Amzn-SageMaker-InputLocation": place, **authorization})
        assert (refused.status_code, refused.json()) == (403, {"Message": "Missing Authentication Token"})


@pytest.mark.parametrize(
    ("service", "operation", "body"),
    [
        ("AmazonSQS", "ReceiveMessage", {"QueueUrl": "ImageUploadedUrl"}),
        ("AmazonSQS", "SendMessage", {"QueueUrl": "JobFinishedUrl", "MessageBody": "x"}),
        ("AWSCognitoIdentityProviderService", "AdminGetUser", {"UserPoolId": "UserPoolId", "Username": "x"}),
        ("AWSCognitoIdentityProviderService", "AdminCreateUser", {"UserPoolId": "UserPoolId", "Username": "x"}),
        ("AWSCognitoIdentityProviderService", "ListUsers", {"UserPoolId": "UserPoolId"}),
        ("AWSCognitoIdentityService", "ListIdentityPools", {"MaxResults": 10}),
        ("secretsmanager", "GetSecretValue", {"SecretId": "HubTokenArn"}),
        ("Logs_20140328", "DescribeLogGroups", {}),
    ],
)
def test_who_does_not_sign_is_refused_by(
    stage: Stage, http: httpx.Client, service: str, operation: str, body: dict[str, Any]
) -> None:
    """Without any header of authorization, that is: the local SQS and SNS let one that is no signature pass."""
    given = {name: stage.outputs.get(str(value), value) for name, value in body.items()}
    headers = {"X-Amz-Target": f"{service}.{operation}", "Content-Type": "application/x-amz-json-1.1"}
    refused = http.post(stage.cloud.address, json=given, headers=headers)
    assert refused.json()["__type"] in (
        "AccessDeniedException",
        "MissingAuthenticationTokenException",
        "UnrecognizedClientException",
    )


def test_a_token_is_exchanged_for_no_keys(stage: Stage, http: httpx.Client, done: tuple[Visitor, Job]) -> None:
    """There is no identity pool, and no role trusts who has a token; one that does shows that the call is right."""
    iam, owner = stage.cloud.client("iam"), done[0]
    assert stage.cloud.client("cognito-identity").list_identity_pools(MaxResults=10)["IdentityPools"] == []
    pool = f"arn:aws:iam::{ACCOUNT}:oidc-provider/cognito-idp.{REGION}.amazonaws.com/{stage.outputs['UserPoolId']}"
    roles = [role["RoleName"] for role in iam.list_roles()["Roles"]]
    assert any(role.startswith("Gen3D-local-jobs") for role in roles)

    def ask(role: str) -> httpx.Response:
        asked = {
            "Action": "AssumeRoleWithWebIdentity",
            "Version": "2011-06-15",
            "RoleArn": f"arn:aws:iam::{ACCOUNT}:role/{role}",
            "RoleSessionName": "x",
            "WebIdentityToken": owner.token,
        }
        return http.post(stage.cloud.address, data=asked)

    for role in roles:
        assert ask(role).status_code == 403, role
    action = "sts:AssumeRoleWithWebIdentity"
    statement = {"Effect": "Allow", "Principal": {"Federated": pool}, "Action": action}
    trust = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    iam.create_role(RoleName="trusting", AssumeRolePolicyDocument=trust)
    try:
        assert ask("trusting").status_code == 200
    finally:
        iam.delete_role(RoleName="trusting")
