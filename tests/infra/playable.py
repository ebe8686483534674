"""The templates as a cloud on this machine can play them for a stage of any name, not `local` alone."""

from typing import Any, Final

from infra.templates import Name, read_template

# What that cloud has not. And without TLS, what wants TLS would keep S3 from telling the queues.
_LACKING: Final = ("AWS::Budgets::Budget", "AWS::SecretsManager::ResourcePolicy", "AWS::S3::BucketPolicy")


def playable(name: Name) -> dict[str, Any]:
    """A template without what is wanted of TLS, without the budget and without the secret's policy."""
    template = read_template(name)
    resources = {key: each for key, each in template["Resources"].items() if each["Type"] not in _LACKING}
    for each in resources.values():
        if each["Type"] == "AWS::SQS::QueuePolicy":
            document = each["Properties"]["PolicyDocument"]
            document["Statement"] = [one for one in document["Statement"] if "Fn::If" not in one]
    return {**template, "Resources": resources}
