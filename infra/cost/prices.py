"""What AWS asks for, in one table. Knows not how much of it is used.

Nobody has asked AWS for these: there is no network to AWS where this was written. Each says where a stored copy of a
public page had it, or that it was written down as remembered. Whoever decides by them looks them up first, for the
region and the day. No free tier is counted, no savings plan, no tax.
"""

from dataclasses import dataclass
from typing import Final

DATED: Final = "2026-11-23"
REGION: Final = "us-east-1"

_REMEMBERED: Final = "stated as remembered, not verified"


@dataclass(frozen=True)
class Price:
    """A price.

    Attributes:
        usd: In US dollars.
        unit: For what.
        source: Where it was found and when, or that it was not.
    """

    usd: float
    unit: str
    source: str = _REMEMBERED


def _found(address: str) -> str:
    return f"found at {address} on {DATED}"


_CAPTURED: Final = (
    "found on 2026-11-23 in public source code, as AWS's price list had it: for us-east-1 on 2026-08-17 (rounded), and"
    " to the fourth decimal for batch transform in us-west-2"
)
_DEVNOTES: Final = _found("https://devnotes.tech/understanding-aws-s3-pricing-a-complete-cost-breakdown-with-examples")
_LAMBDA: Final = _found("https://git.mcrn.ar/mariano/lambda_local_runner (docs/lambdas-md/lambda-13-cost.md)")
_SIGNOZ: Final = _found("https://signoz.io/guides/cloudwatch-pricing")
_FACTUAL: Final = _found("https://www.factualminds.com/blog/amazon-cloudwatch-pricing-metrics-logs-alarms-dashboards/")
_APPROPRI8: Final = _found("https://appropri8-astro.pages.dev/tutorials/2025/12/02/deploying-simple-api-aws/page/7")

# An endpoint's instance by the hour. These types have a disk of their own, so that no volume is paid for beside them.
INSTANCES: Final = {
    "ml.g6e.xlarge": Price(2.6054, "hour", _CAPTURED),
    "ml.g6e.2xlarge": Price(2.8026, "hour", _CAPTURED),
    "ml.g6e.4xlarge": Price(3.7553, "hour", _CAPTURED),
}

S3_GB_MONTH: Final = Price(0.023, "GB a month in S3", _DEVNOTES)
S3_WRITE: Final = Price(0.005 / 1000, "PUT, POST or LIST of S3", _DEVNOTES)
S3_READ: Final = Price(0.0004 / 1000, "GET of S3", _DEVNOTES)
OUT_GB: Final = Price(0.09, "GB sent to the internet", _DEVNOTES)
LAMBDA_CALL: Final = Price(0.20 / 1e6, "call of a Lambda", _LAMBDA)
LAMBDA_GB_SECOND: Final = Price(0.0000133334, "GB-second of a Lambda on arm64", _LAMBDA)
API_CALL: Final = Price(1.00 / 1e6, "call of the HTTP API", _APPROPRI8)
LOG_GB: Final = Price(0.50, "GB of log lines", _FACTUAL)
METRIC_MONTH: Final = Price(0.30, "metric of one's own a month", _SIGNOZ)
DASHBOARD_MONTH: Final = Price(3.00, "dashboard a month", _FACTUAL)
ALARM_MONTH: Final = Price(0.10, "alarm a month")
SQS_REQUEST: Final = Price(0.40 / 1e6, "request to SQS")
MAIL: Final = Price(0.10 / 1000, "mail by SES")
CLOUDFRONT_REQUEST: Final = Price(0.0100 / 1e4, "HTTPS request to CloudFront")
ECR_GB_MONTH: Final = Price(0.10, "GB a month in ECR")
SECRET_MONTH: Final = Price(0.40, "secret a month")

OTHERS: Final = (
    S3_GB_MONTH,
    S3_WRITE,
    S3_READ,
    OUT_GB,
    LAMBDA_CALL,
    LAMBDA_GB_SECOND,
    API_CALL,
    LOG_GB,
    METRIC_MONTH,
    DASHBOARD_MONTH,
    ALARM_MONTH,
    SQS_REQUEST,
    MAIL,
    CLOUDFRONT_REQUEST,
    ECR_GB_MONTH,
    SECRET_MONTH,
)
