"""The API knows its users by ID tokens of its own pool and client, and by nothing else.

Tokens are signed here with the pool's own key, which AWS would never give away: so each one that is refused differs
from one that is taken by one thing.
"""

import base64
import hashlib
import hmac
import json
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from botocore.exceptions import ClientError
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from ministack.core.persistence import STATE_DIR

from infra.local.stage import Stage
from tests.infra.local.visitors import SignUp, Visitor, claims, environments, sign_up

Key = rsa.RSAPrivateKey


@pytest.fixture(scope="module")
def key(stage: Stage, http: httpx.Client) -> Key:
    """What the pool signs its ID tokens with, from where ministack keeps it since it signed the first."""
    sign_up(stage, http)
    port = stage.cloud.address.rpartition(":")[2]
    (state,) = {
        environment.get("STATE_DIR", STATE_DIR)
        for environment in environments()
        if environment.get("GATEWAY_PORT") == port
    }
    file = Path(state) / "cognito-pool-keys" / f"{stage.outputs['UserPoolId']}-id.pem"
    found = serialization.load_pem_private_key(file.read_bytes(), None)
    assert isinstance(found, Key)
    return found


@pytest.fixture(scope="module")
def stranger() -> Key:
    return rsa.generate_private_key(65537, 2048)


def coded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def header(token: str) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(base64.urlsafe_b64decode(token.split(".")[0] + "=="))
    return told


def unsigned(top: dict[str, Any], payload: dict[str, Any]) -> str:
    return f"{coded(json.dumps(top).encode())}.{coded(json.dumps(payload).encode())}"


def sign(key: Key, top: dict[str, Any], payload: dict[str, Any]) -> str:
    text = unsigned(top, payload)
    return f"{text}.{coded(key.sign(text.encode(), padding.PKCS1v15(), hashes.SHA256()))}"


def status(visitor: Visitor, token: str) -> int:
    """What is answered to who comes with this token."""
    return visitor.ask("GET", "/api/jobs", headers={"Authorization": f"Bearer {token}"}).status_code


def test_a_token_signed_with_the_pools_key_is_taken(newcomer: SignUp, key: Key) -> None:
    """What the refusals below are measured by."""
    ada = newcomer()
    assert status(ada, ada.token) == 200
    assert status(ada, sign(key, header(ada.token), claims(ada.token))) == 200


@pytest.mark.parametrize(
    "changed",
    [
        {"exp": timedelta(seconds=-1)},
        {"exp": timedelta(days=-365)},
        {"iat": timedelta(hours=1), "exp": timedelta(hours=2)},
        {"nbf": timedelta(hours=1)},
        {"iss": "https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_000000000"},
        {"iss": "https://example.com"},
        {"aud": "00000000000000000000000000"},
        {"aud": ""},
        {"token_use": "access"},
        {"token_use": None},
        {"sub": "../11111111-1111-1111-1111-111111111111"},
        {"sub": ""},
    ],
    ids=str,
)
def test_a_token_is_refused_that_says(newcomer: SignUp, key: Key, changed: dict[str, Any]) -> None:
    """Times are from now."""
    ada, now = newcomer(), time.time()
    said = {
        name: int(now + value.total_seconds()) if isinstance(value, timedelta) else value
        for name, value in changed.items()
    }
    assert status(ada, sign(key, header(ada.token), {**claims(ada.token), **said})) == 401


def test_a_token_that_says_another_user_is_refused(newcomer: SignUp, key: Key) -> None:
    """Who has the pool's key may say so; who has another's token may not."""
    ada, bob = newcomer(), newcomer()
    payload = {**claims(bob.token), "sub": ada.sub}
    forged = f"{unsigned(header(bob.token), payload)}.{bob.token.rpartition('.')[2]}"
    assert status(bob, forged) == 401
    assert status(bob, sign(key, header(bob.token), payload)) == 200


def test_a_token_of_a_strangers_key_is_refused(newcomer: SignUp, stranger: Key) -> None:
    """Also one that brings the key it is to be checked with, or says where that lies."""
    ada = newcomer()
    numbers = stranger.public_key().public_numbers()
    own = {"kty": "RSA", "kid": "own", "n": coded(numbers.n.to_bytes(256)), "e": coded(numbers.e.to_bytes(3))}
    tops: list[dict[str, Any]] = [
        header(ada.token),
        {"alg": "RS256"},
        {"alg": "RS256", "kid": "own"},
        {"alg": "RS256", "kid": "own", "jwk": own},
        {"alg": "RS256", "kid": "own", "jku": "http://127.0.0.1:1/jwks.json"},
        {"alg": "RS256", "kid": "../../../own"},
    ]
    for top in tops:
        assert status(ada, sign(stranger, top, claims(ada.token))) == 401, top


def test_a_token_without_a_signature_is_refused(newcomer: SignUp) -> None:
    ada = newcomer()
    top, payload, _ = ada.token.split(".")
    for algorithm in ("none", "None", "NONE"):
        text = unsigned({**header(ada.token), "alg": algorithm}, claims(ada.token))
        assert status(ada, f"{text}.") == 401
        assert status(ada, f"{text}.{ada.token.rpartition('.')[2]}") == 401
    assert status(ada, f"{top}.{payload}.") == 401
    assert status(ada, f"{top}.{payload}") == 401


def test_a_token_signed_with_the_public_key_as_a_secret_is_refused(newcomer: SignUp, key: Key) -> None:
    ada = newcomer()
    text = unsigned({**header(ada.token), "alg": "HS256"}, claims(ada.token))
    public, modulus = key.public_key(), key.public_key().public_numbers().n
    pem = public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    for secret in (pem, pem.strip(), modulus.to_bytes(256), b""):
        assert status(ada, f"{text}.{coded(hmac.digest(secret, text.encode(), hashlib.sha256))}") == 401


def test_a_token_of_another_pool_is_refused(newcomer: SignUp, stage: Stage) -> None:
    """Signed in there as here, with the same address and password."""
    ada, cognito = newcomer(), stage.cloud.client("cognito-idp")
    pool = cognito.create_user_pool(PoolName="another")["UserPool"]["Id"]
    try:
        token = sign_in_elsewhere(cognito, pool, ada)
        assert claims(token)["token_use"] == "id"
        assert status(ada, token) == 401
    finally:
        cognito.delete_user_pool(UserPoolId=pool)
    assert status(ada, ada.token) == 200


def test_a_token_of_another_client_of_the_pool_is_refused(newcomer: SignUp, stage: Stage) -> None:
    ada, cognito = newcomer(), stage.cloud.client("cognito-idp")
    token = sign_in_elsewhere(cognito, stage.outputs["UserPoolId"], ada)
    assert claims(token)["sub"] == ada.sub
    assert claims(token)["iss"] == claims(ada.token)["iss"]
    assert status(ada, token) == 401


def sign_in_elsewhere(cognito: Any, pool: str, visitor: Visitor) -> str:
    """The ID token of a client of its own."""
    flow, user = "USER_PASSWORD_AUTH", visitor.user
    client = cognito.create_user_pool_client(
        UserPoolId=pool, ClientName="another", ExplicitAuthFlows=[f"ALLOW_{flow}", "ALLOW_REFRESH_TOKEN_AUTH"]
    )["UserPoolClient"]["ClientId"]
    if pool != visitor.stage.outputs["UserPoolId"]:
        cognito.admin_create_user(UserPoolId=pool, Username=user.email, MessageAction="SUPPRESS")
        cognito.admin_set_user_password(UserPoolId=pool, Username=user.email, Password=user.password, Permanent=True)
    return str(sign_in(cognito, client, visitor)["IdToken"])


def sign_in(cognito: Any, client: str, visitor: Visitor) -> dict[str, Any]:
    parameters = {"USERNAME": visitor.user.email, "PASSWORD": visitor.user.password}
    answer = cognito.initiate_auth(ClientId=client, AuthFlow="USER_PASSWORD_AUTH", AuthParameters=parameters)
    given: dict[str, Any] = answer["AuthenticationResult"]
    return given


def test_neither_the_access_token_nor_the_refresh_token_is_an_id_token(newcomer: SignUp, stage: Stage) -> None:
    ada = newcomer()
    given = sign_in(stage.cloud.client("cognito-idp"), stage.outputs["UserPoolClientId"], ada)
    assert [status(ada, given[f"{name}Token"]) for name in ("Access", "Refresh", "Id")] == [401, 401, 200]


def test_a_token_comes_in_its_header_and_nowhere_else(newcomer: SignUp, stage: Stage) -> None:
    ada, address = newcomer(), f"{stage.page}/api/jobs"
    own = [("Cookie", f"Authorization={ada.token}"), ("X-Authorization", f"Bearer {ada.token}"), ("X-Token", ada.token)]
    for name, value in own:
        assert ada.http.get(address, headers={name: value}).status_code == 401
    assert ada.http.get(f"{address}?Authorization=Bearer%20{ada.token}&token={ada.token}").status_code == 401
    assert ada.http.get(address, headers={"Authorization": f"Bearer {ada.token}"}).status_code == 200


def test_no_path_and_no_method_is_open(newcomer: SignUp, stage: Stage) -> None:
    ada = newcomer()
    job = f"/api/jobs/{ada.create()[0].id}"
    for path in ("/api/jobs", job, f"{job}/label", "/api/nothing"):
        for method in ("GET", "PUT", "DELETE"):
            assert ada.http.request(method, stage.page + path).status_code == 401
            assert ada.ask(method, path).status_code != 401
    for given in ("", "Bearer", "Bearer x.y.z", f"Basic {ada.token}"):
        assert ada.ask("GET", "/api/limits", headers={"Authorization": given}).status_code == 401, given


def test_a_token_is_good_until_it_ends_whatever_becomes_of_its_user(newcomer: SignUp, stage: Stage) -> None:
    """As in AWS: a token is checked by its signature and its time, half an hour, and Cognito is not asked.

    Who is disabled or deleted gets no new one.
    """
    cognito, pool = stage.cloud.client("cognito-idp"), stage.outputs["UserPoolId"]
    for ends in ("admin_disable_user", "admin_delete_user"):
        ada = newcomer()
        client = stage.outputs["UserPoolClientId"]
        refresh = sign_in(cognito, client, ada)["RefreshToken"]
        again = {"ClientId": client, "AuthFlow": "REFRESH_TOKEN_AUTH", "AuthParameters": {"REFRESH_TOKEN": refresh}}
        assert cognito.initiate_auth(**again)["AuthenticationResult"]["IdToken"]
        getattr(cognito, ends)(UserPoolId=pool, Username=ada.user.email)
        assert status(ada, ada.token) == 200
        assert claims(ada.token)["exp"] - time.time() <= 1800
        with pytest.raises(ClientError, match=r"NotAuthorized|UserNotFound"):
            stage.token(ada.user)
        with pytest.raises(ClientError, match=r"NotAuthorized|UserNotFound"):
            cognito.initiate_auth(**again)


def test_who_has_no_password_gets_no_token(newcomer: SignUp, stage: Stage) -> None:
    ada, cognito, client = newcomer(), stage.cloud.client("cognito-idp"), stage.outputs["UserPoolClientId"]
    with pytest.raises(ClientError, match="NotAuthorizedException"):
        cognito.initiate_auth(
            ClientId=client,
            AuthFlow="USER_PASSWORD_AUTH",
            AuthParameters={"USERNAME": ada.user.email, "PASSWORD": ada.user.password + "x"},
        )
    target = "AWSCognitoIdentityProviderService.AdminInitiateAuth"
    asked = {"ClientId": client, "UserPoolId": stage.outputs["UserPoolId"], "AuthFlow": "ADMIN_USER_PASSWORD_AUTH"}
    refused = httpx.post(
        stage.cloud.address,
        json=asked,
        headers={"X-Amz-Target": target, "Content-Type": "application/x-amz-json-1.1"},
    )
    assert (refused.status_code, "MissingAuthenticationToken" in refused.text) == (400, True)
    assert stage.token(ada.user)
