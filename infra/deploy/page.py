"""The page as a step: built here, put into the bucket, and CloudFront told to forget the old one."""

import hashlib
import uuid

from infra.deploy.step import Step
from infra.page import PageConfig, build_page, page_files, publish_page


class PageStep(Step):
    """Has the page in the bucket as this checkout makes it."""

    name = "page"

    def plan(self) -> list[str]:
        """See `Step`."""
        dist = build_page()  # here, so that what hinders it is known before anything is changed
        outputs = self.deployment.outputs
        if "UserPoolClientId" not in outputs:
            return ["build the page and upload it"]
        there = {
            each["Key"]: each["ETag"].strip('"')
            for page in self.deployment.account.client("s3")
            .get_paginator("list_objects_v2")
            .paginate(Bucket=outputs["BucketName"], Prefix="PUBLIC/")
            for each in page.get("Contents", ())
        }
        # The bucket is encrypted with S3's own keys, so an object that was put at once has its MD5 for an ETag.
        files = page_files(dist, self._config())
        new = [
            key
            for key, content in files.items()
            if there.get(key) != hashlib.md5(content, usedforsecurity=False).hexdigest()
        ]
        return [f"upload {len(new)} of {len(files)} files, such as {new[-1]}"] if new else []

    def do(self) -> None:
        """See `Step`."""
        account, outputs = self.deployment.account, self.deployment.outputs
        publish_page(account.client("s3"), outputs["BucketName"], build_page(), self._config())
        if not account.has("cloudfront"):
            self.deployment.tell("page: the invalidation is skipped: this cloud has no cloudfront")
            return
        account.client("cloudfront").create_invalidation(
            DistributionId=outputs["PageDistributionId"],
            InvalidationBatch={"Paths": {"Quantity": 1, "Items": ["/*"]}, "CallerReference": uuid.uuid4().hex},
        )

    def _config(self) -> PageConfig:
        account, stage = self.deployment.account, self.deployment.asked.stage
        cognito = account.client("cognito-idp").meta.endpoint_url
        return PageConfig(stage, cognito, self.deployment.outputs["UserPoolClientId"], self.deployment.engine)
