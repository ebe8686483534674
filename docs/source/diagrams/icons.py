"""The icons of the diagrams: which file of the package `diagrams` each is, and what AWS calls what it stands for."""

from typing import Final, NamedTuple


class Icon(NamedTuple):
    """A picture: its file in the package, and how the types begin of the resources that it may stand for."""

    file: str
    kind: str | None


ICONS: Final = {
    "api": Icon("aws/network/api-gateway.png", "AWS::ApiGatewayV2::"),
    "autoscaling": Icon("aws/management/auto-scaling.png", "AWS::ApplicationAutoScaling::"),
    "budgets": Icon("aws/cost/budgets.png", "AWS::Budgets::"),
    "cloudformation": Icon("aws/management/cloudformation.png", None),
    "cloudfront": Icon("aws/network/cloudfront.png", "AWS::CloudFront::"),
    "cloudwatch": Icon("aws/management/cloudwatch.png", "AWS::CloudWatch::"),
    "codebuild": Icon("aws/devtools/codebuild.png", "AWS::CodeBuild::"),
    "cognito": Icon("aws/security/cognito.png", "AWS::Cognito::"),
    "command": Icon("aws/general/client.png", None),
    "ecr": Icon("aws/compute/ec2-container-registry.png", "AWS::ECR::"),
    "eventbridge": Icon("aws/integration/eventbridge.png", "AWS::Events::"),
    "iam": Icon("aws/security/identity-and-access-management-iam.png", "AWS::IAM::"),
    "internet": Icon("aws/general/internet-alt1.png", None),
    "lambda": Icon("aws/compute/lambda.png", "AWS::Lambda::"),
    "logs": Icon("aws/management/cloudwatch-logs.png", "AWS::Logs::"),
    "notebook": Icon("aws/ml/sagemaker-notebook.png", "AWS::SageMaker::Notebook"),
    "person": Icon("aws/general/user.png", None),
    "s3": Icon("aws/storage/simple-storage-service-s3.png", "AWS::S3::"),
    "sagemaker": Icon("aws/ml/sagemaker.png", "AWS::SageMaker::"),
    "secret": Icon("aws/security/secrets-manager.png", "AWS::SecretsManager::"),
    "ses": Icon("aws/engagement/simple-email-service-ses.png", "AWS::SES::"),
    "sns": Icon("aws/integration/simple-notification-service-sns.png", "AWS::SNS::"),
    "sqs": Icon("aws/integration/simple-queue-service-sqs.png", "AWS::SQS::"),
}
