"""A stage's users as its operator has them: invited, shut out, let in, removed, and what lies in the bucket of each.

A user's folder is found by the `sub` that Cognito gives, and nothing outside of it is touched.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from botocore.exceptions import ClientError

from infra.operator.stage import DeployedStage, aws_errors
from lambdas.shared.documents import DocumentError
from lambdas.shared.job_folder import (
    DELETED,
    OUTCOME,
    PENDING,
    Job,
    JobFolder,
    created_at,
    is_sub,
    jobs_prefix,
)
from lambdas.shared.store import Store
from serve.errors import Gen3DError

# As the templates have it; Cognito keeps 128 characters.
_EMAIL: Final = re.compile(r"(?=.{3,128}$)[^@\s]+@[^@\s]+\.[^@\s]+")
_INVITED: Final = "FORCE_CHANGE_PASSWORD"
_STATUSES: Final = {_INVITED: "invited", "CONFIRMED": "active", "RESET_REQUIRED": "password reset"}
# Cognito's for a mail that it could not send.
_NOT_SENT: Final = ("CodeDeliveryFailureException", "LimitExceededException", "TooManyRequestsException")
# How long somebody may still write for a job, as the Lambda jobs has it for one that is deleted (a test holds the two
# together): what is older than the first is nobody's work any more; a Lambda may be at it for the second, the container
# until its deadline.
_OPEN_FOR: Final = timedelta(days=2)
_LATE_WRITERS: Final = timedelta(minutes=15)


@dataclass(frozen=True)
class User:
    """Somebody who may sign in.

    Attributes:
        email: With what.
        sub: Whom the service knows by it; the name of the folder.
        status: `invited`, `active`, `disabled`, or Cognito's own word for something rarer.
        is_invited: Whether the invitation's password is still to be replaced, disabled or not.
        since: When the user was made.
    """

    email: str
    sub: str
    status: str
    is_invited: bool
    since: datetime


@dataclass(frozen=True)
class Folder:
    """What lies in a user's folder, old versions too.

    Attributes:
        uri: Where: `s3://BUCKET/users/SUB/jobs/`.
        jobs: Whose, the oldest first.
        strays: Key and version of what is no job's, such as the mark that S3's console makes for a folder.
        versions: How many, marks of deletions among them.
        bytes: How large all of them are.
    """

    uri: str
    jobs: tuple[Job, ...]
    strays: tuple[tuple[str, str], ...]
    versions: int
    bytes: int


@dataclass(frozen=True)
class Emptied:
    """What emptying a folder came to.

    Attributes:
        versions: How many were removed.
        under_way: How many jobs somebody may still write for: of each a tombstone is left, which holds nothing of the
            user's, has the sweep remove what comes late, and goes within days.
    """

    versions: int
    under_way: int


class Users:
    """The users of a stage. Each method raises `aws_unusable` or `aws_unreachable` besides what it says.

    Args:
        stage: Which.
    """

    def __init__(self, stage: DeployedStage) -> None:
        with aws_errors():
            self._cognito = stage.client("cognito-idp")
            self._store = Store(stage.outputs["BucketName"], stage.client("s3"))
        self._pool = stage.outputs["UserPoolId"]

    def add(self, email: str) -> User:
        """Makes a user, whom Cognito sends a mail with a password for once.

        Raises:
            Gen3DError: `email_invalid`, `user_exists` or `invitation_failed`.
        """
        _check(email)
        # An address that a mail with the password has reached need not be verified again.
        attributes = [{"Name": "email", "Value": email}, {"Name": "email_verified", "Value": "true"}]
        return self._invite(email, UserAttributes=attributes)

    def invite_again(self, email: str) -> User:
        """Sends a new invitation to a user who has not signed in yet; the old password is no good any more.

        Raises:
            Gen3DError: `email_invalid`, `user_not_found`, `user_exists` or `invitation_failed`.
        """
        if not self.find(email).is_invited:
            raise Gen3DError("user_exists", f"{email} has chosen a password already: there is nothing to invite to.")
        return self._invite(email, MessageAction="RESEND")

    def _invite(self, email: str, **more: Any) -> User:
        asked = {"UserPoolId": self._pool, "Username": email, "DesiredDeliveryMediums": ["EMAIL"], **more}
        with aws_errors():
            try:
                made = self._cognito.admin_create_user(**asked)["User"]
            except ClientError as error:
                code, said = error.response["Error"]["Code"], error.response["Error"]["Message"]
                if code == "UsernameExistsException":
                    message = f"{email} is a user already; --again sends a new invitation where the first was not used."
                    raise Gen3DError("user_exists", message) from None
                if code == "InvalidParameterException":
                    raise Gen3DError("email_invalid", f"Cognito does not take '{email}': {said}") from None
                if code in _NOT_SENT:
                    message = (
                        f"Cognito did not send {email} a mail ({code}: {said}): see with `gen3d users list` whether the"
                        " user was made, and send another invitation later with --again."
                    )
                    raise Gen3DError("invitation_failed", message) from None
                raise
        return _user(made, made["Attributes"])

    def find(self, email: str) -> User:
        """A user by the address.

        Raises:
            Gen3DError: `email_invalid` or `user_not_found`.
        """
        _check(email)
        with aws_errors():
            try:
                found = self._cognito.admin_get_user(UserPoolId=self._pool, Username=email)
            except ClientError as error:
                if error.response["Error"]["Code"] != "UserNotFoundException":
                    raise
                message = f"There is no user {email}: `gen3d users list` shows who there is."
                raise Gen3DError("user_not_found", message) from None
        return _user(found, found["UserAttributes"])

    def all(self) -> list[User]:
        """Every user, by address."""
        with aws_errors():
            pages = self._cognito.get_paginator("list_users").paginate(UserPoolId=self._pool)
            users = [_user(found, found["Attributes"]) for page in pages for found in page["Users"]]
        return sorted(users, key=lambda user: user.email)

    def disable(self, user: User) -> None:
        """Lets the user sign in no more, nor renew a session; a token that is out lasts its half hour."""
        with aws_errors():
            self._cognito.admin_disable_user(UserPoolId=self._pool, Username=user.sub)

    def enable(self, user: User) -> None:
        """Lets the user sign in again."""
        with aws_errors():
            self._cognito.admin_enable_user(UserPoolId=self._pool, Username=user.sub)

    def remove(self, user: User) -> None:
        """Removes the user from Cognito; the folder stays as it is."""
        with aws_errors():
            self._cognito.admin_delete_user(UserPoolId=self._pool, Username=user.sub)

    def folder(self, user: User) -> Folder:
        """What lies in the user's folder."""
        prefix = jobs_prefix(user.sub)
        jobs: set[Job] = set()
        strays: list[tuple[str, str]] = []
        versions = size = 0
        with aws_errors():
            pages = self._store.client.get_paginator("list_object_versions").paginate(
                Bucket=self._store.bucket, Prefix=prefix
            )
            for page in pages:
                kept, marks = page.get("Versions", []), page.get("DeleteMarkers", [])
                for key, version in [(one["Key"], one["VersionId"]) for one in (*kept, *marks)]:
                    if (found := Job.of_key(key)) is not None:
                        jobs.add(found[0])
                    else:
                        strays.append((key, version))
                versions += len(kept) + len(marks)
                size += sum(one["Size"] for one in kept)
        oldest_first = sorted(jobs, key=lambda job: job.id, reverse=True)
        return Folder(self._store.uri(prefix), tuple(oldest_first), tuple(strays), versions, size)

    def empty(self, user: User, folder: Folder, tell: Callable[[int], None] = lambda _: None) -> Emptied:
        """Removes all versions of all that lies in the user's folder, job by job. Done again, it goes on.

        Args:
            user: Whose.
            folder: What `folder` has found there.
            tell: Is told how many jobs are done with.

        Raises:
            Gen3DError: `aws_unusable`, also where S3 keeps a version.
        """
        now = datetime.now(UTC)
        versions = under_way = 0
        with aws_errors(), _deletion_errors():
            pending = self._pending(user)
            for done, job in enumerate(folder.jobs, 1):
                found = JobFolder(self._store, job)
                if created_at(job.id) > now - _OPEN_FOR and (until := _written_until(found, pending, now)) is not None:
                    # First what has the sweep come back, then what has everybody else stop.
                    found.look_at(until)
                    found.bury(DELETED, now)
                    versions += found.empty()
                    under_way += 1
                else:
                    versions += self._store.delete_for_good(job.prefix, but="")
                tell(done)
            for key, version in folder.strays:
                self._store.delete_version(key, version)
        return Emptied(versions + len(folder.strays), under_way)

    def _pending(self, user: User) -> set[Job]:
        """The user's jobs that the sweep is to look at: the others have ended, and their mails are sent."""
        found = (Job.of_marker(item.key) for item in self._store.list_all(PENDING))
        return {marked[0] for marked in found if marked is not None and marked[0].sub == user.sub}


def _written_until(folder: JobFolder, pending: set[Job], now: datetime) -> datetime | None:
    """Until when somebody may write for the job; None where nobody will."""
    names = folder.names()
    try:
        outcome = folder.outcome() if OUTCOME in names else None
        submission = folder.submission()
    except DocumentError:  # the most that can be
        return now + _OPEN_FOR
    # Who has given an answer writes no more; of a job that was cancelled or given up nobody knows.
    has_answered = outcome is not None and outcome.status in ("succeeded", "partial", "failed")
    deadline = None if submission is None or has_answered else submission.deadline
    if folder.job not in pending and (deadline is None or deadline < now):
        return None
    return max(now + _LATE_WRITERS, now if deadline is None else deadline + timedelta(minutes=1))


@contextmanager
def _deletion_errors() -> Iterator[None]:
    try:
        yield
    except OSError as error:  # the store's word for versions that S3 did not delete
        message = f"{error}. Once that is mended, the same command goes on."
        raise Gen3DError("aws_unusable", message) from None


def _check(email: str) -> None:
    if not _EMAIL.fullmatch(email) or not email.isprintable():
        raise Gen3DError("email_invalid", f"'{email}' is no e-mail address, such as ada@example.com.")


def _user(found: dict[str, Any], attributes: list[dict[str, str]]) -> User:
    own = {one["Name"]: one["Value"] for one in attributes}
    if not is_sub(own["sub"]):
        raise Gen3DError("aws_unreachable", f"Cognito names a user {own['sub']!r}, which is no user's id.")
    status = found["UserStatus"]
    return User(
        email=own["email"],
        sub=own["sub"],
        status=_STATUSES.get(status, status.lower().replace("_", " ")) if found["Enabled"] else "disabled",
        is_invited=status == _INVITED,
        since=found["UserCreateDate"].astimezone(UTC),
    )
