"""`gen3d destroy`, in a cloud on this machine: what goes, what stays, what is said."""

import io
from collections.abc import Callable
from typing import Any

import pytest

from infra.deploy.account import Account
from infra.destroy import data
from infra.destroy.destruction import destroy, plan
from infra.destroy.inventory import Inventory, take_inventory
from infra.local.cloud import Cloud
from lambdas.shared.job_folder import PENDING

Told = tuple[int, str, str]
QUEUE = {"Type": "AWS::SQS::Queue"}


class Terminal(io.StringIO):
    """Somebody who types this."""

    def isatty(self) -> bool:
        return True


def fill(cloud: Cloud, outputs: dict[str, str]) -> None:
    """A photo that was overwritten and then deleted, a mesh, an upload that was broken off, a user."""
    s3, bucket = cloud.client("s3"), outputs["BucketName"]
    for body in (b"one", b"another"):
        s3.put_object(Bucket=bucket, Key="users/a/jobs/1/image", Body=body)
    s3.delete_object(Bucket=bucket, Key="users/a/jobs/1/image")
    s3.put_object(Bucket=bucket, Key="users/a/jobs/1/output/object-0.glb", Body=b"mesh")
    s3.put_object(Bucket=bucket, Key=f"{PENDING}20261123T000000Z/a/1", Body=b"")
    s3.create_multipart_upload(Bucket=bucket, Key="weights/broken-off")
    cloud.client("cognito-idp").admin_create_user(
        UserPoolId=outputs["UserPoolId"], Username="ada@example.com", MessageAction="SUPPRESS"
    )


def versions(cloud: Cloud, bucket: str) -> list[tuple[str, str]]:
    found: dict[str, Any] = cloud.client("s3").list_object_versions(Bucket=bucket)
    both = [*found.get("Versions", []), *found.get("DeleteMarkers", [])]
    return sorted((one["Key"], one["VersionId"]) for one in both)


def kinds(inventory: Inventory) -> list[str]:
    return [thing.kind for thing in inventory.things]


def test_stacks_go_and_data_stays_until_it_is_to_go_too(
    cloud: Cloud,
    account: Account,
    deploy: Callable[[str], dict[str, str]],
    put_image: Callable[[str], None],
    gen3d: Callable[..., Told],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    outputs = {stage: deploy(stage) for stage in ("one", "one1")}
    for stage in outputs:
        fill(cloud, outputs[stage])
        put_image(f"gen3d-{stage}")
    bucket, pool = outputs["one"]["BucketName"], outputs["one"]["UserPoolId"]
    other, before = take_inventory(account, "one1"), take_inventory(account, "one")
    lain, lain_there = versions(cloud, bucket), versions(cloud, outputs["one1"]["BucketName"])
    assert len(lain) == 6
    assert other.unseen == before.unseen == ()
    assert len(before.things) == len(other.things) > 40

    status, said, told = gen3d("destroy", "--stage", "one", "--yes")
    assert status == 0, said + told
    order = [said.index(f"  Gen3D-one-{part} (") for part in ("endpoint", "service", "foundation")]
    assert order == sorted(order)
    assert "the work on at most 1 job under way: nobody will end them" in said
    assert "about 0.00 USD a month" in said
    assert "gen3d@example.com, whom SES knows by it: other stages can no longer send mails as that" in said
    deleted = [line.split()[1] for line in told.splitlines() if line.endswith(": deleted")]
    assert deleted == [f"Gen3D-one-{part}:" for part in ("endpoint", "service", "foundation")]
    left = take_inventory(account, "one")
    assert sorted(kinds(left)) == ["bucket", "user pool"]
    for thing in before.things:
        assert f"{'kept' if thing in left.things else 'gone'}  {thing}" in said
    assert "6 versions" in said
    assert "about 1 user" in said
    assert versions(cloud, bucket) == lain

    status, said, told = gen3d("destroy", "--stage", "one")
    assert status == 0  # without a question, for there is nothing to be done
    assert f"kept  bucket {bucket}" in said
    assert "--stage one --region eu-central-1 --delete-data" in said

    monkeypatch.setattr(data, "_PAGE", 2)
    status, said, told = gen3d("destroy", "--stage", "one", "--delete-data", "--yes")
    assert status == 0, said + told
    assert "goes, for good:" in said
    assert f"bucket {bucket}: empty; versions deleted: 6" in told
    assert f"gone  user pool {pool}" in said
    assert "nothing is left that is called after the stage one" in said
    assert take_inventory(account, "one").things == ()

    status, said, told = gen3d("destroy", "--stage", "one", "--yes")
    assert status == 0
    assert "is it another region, or another account?" in said

    assert take_inventory(account, "one1") == other
    assert versions(cloud, outputs["one1"]["BucketName"]) == lain_there


def test_broken_off_it_goes_on(
    account: Account,
    deploy: Callable[[str], dict[str, str]],
    gen3d: Callable[..., Told],
) -> None:
    deploy("broken")

    def tell(line: str) -> None:
        if line == "Gen3D-broken-endpoint: deleted":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        destroy(account, plan(account, "broken"), with_data=True, tell=tell)
    assert [stack.part for stack in plan(account, "broken").stacks] == ["service", "foundation"]
    status, said, told = gen3d("destroy", "--stage", "broken", "--delete-data", "--yes")
    assert status == 0, said + told
    assert take_inventory(account, "broken").things == ()


def test_what_the_cloud_has_no_service_for_is_said(account: Account) -> None:
    without = Account(account.number, account.region, account.identity, account.client, frozenset(["cloudfront"]))
    assert take_inventory(without, "none").unseen == ("distribution", "origin access", "headers policy")


@pytest.mark.parametrize(("typed", "goes"), [("yes\n", False), ("asked\n", True)])
def test_it_wants_the_name_typed(
    account: Account,
    make_stack: Callable[..., None],
    gen3d: Callable[..., Told],
    monkeypatch: pytest.MonkeyPatch,
    typed: str,
    goes: bool,
) -> None:
    make_stack("Gen3D-asked-foundation", Queue=QUEUE)
    monkeypatch.setattr("sys.stdin", Terminal(typed))
    status, _, told = gen3d("destroy", "--stage", "asked")
    assert "type the stage's name (asked)" in told
    assert (status, bool(plan(account, "asked").stacks)) == ((0, False) if goes else (1, True))
    assert goes or "not_confirmed: Nothing was changed." in told


def test_where_nobody_is_nothing_is_changed(
    account: Account, make_stack: Callable[..., None], gen3d: Callable[..., Told], monkeypatch: pytest.MonkeyPatch
) -> None:
    make_stack("Gen3D-nobody-foundation", Queue=QUEUE)
    monkeypatch.setattr("sys.stdin", io.StringIO("nobody\n"))
    status, _, told = gen3d("destroy", "--stage", "nobody")
    assert status == 1
    assert "not_confirmed: Nobody is here to be asked" in told
    assert plan(account, "nobody").stacks
