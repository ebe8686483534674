"""What the Lambda notify is set to."""

from dataclasses import dataclass

from lambdas.shared.settings import setting


@dataclass(frozen=True)
class NotifySettings:
    """From the environment, with the prefix `GEN3D_`."""

    bucket: str = setting("The bucket with the job folders.")
    page_url: str = setting("The page's address, such as https://gen3d.example/; mails link to a job on it.")
    mail_from: str = setting("The sender of mails, such as `Gen3D <gen3d@example.com>`; SES must have verified it.")
    admin_mail: str = setting("Where the admin reads mail.", default="info@2112-lab.com")
    log_link: str = setting("The address of a job's log, with {job} in the id's place; empty for none.", default="")
    mail_configuration_set: str = setting("The configuration set of SES; empty for none.", default="")
    metrics_namespace: str = setting("The namespace of the metrics in CloudWatch.", default="Gen3D")
