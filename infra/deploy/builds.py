"""A build of AWS CodeBuild: begun, or found under way, and followed to its end. Knows not what is built."""

import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from botocore.exceptions import ClientError

from serve.errors import Gen3DError

_LOOK_SECONDS: Final = 10.0
_RECENT: Final = 10


def run_build(
    codebuild: Any, project: str, source: str, variables: Mapping[str, str], tell: Callable[[str], None]
) -> None:
    """Has a project build; where such a build is under way already, of a command that was broken off, follows that.

    Args:
        codebuild: A boto3 client.
        project: The project's name.
        source: The archive to build, `BUCKET/KEY`.
        variables: The build's own.
        tell: Is told of each phase, in one line.

    Raises:
        Gen3DError: `deployment_failed`: the build did not begin, or failed; the message says in which phase, and why.
    """
    build = _find(codebuild, project, source, variables)
    if build is None:
        try:
            build = codebuild.start_build(
                projectName=project,
                sourceLocationOverride=source,
                environmentVariablesOverride=_as_variables(variables),
            )["build"]
        except ClientError as error:
            said = error.response["Error"]
            # Its message names no more than the quota, and without that nobody knows what to do.
            raise Gen3DError(
                "deployment_failed", f"CodeBuild does not begin {project}: {said['Code']}: {said['Message']}."
            ) from None
        tell(f"{project}: build {build['id']} begins")
    else:
        tell(f"{project}: build {build['id']} is under way already")
    _follow(codebuild, project, build, tell)


def _follow(codebuild: Any, project: str, build: dict[str, Any], tell: Callable[[str], None]) -> None:
    phase = ""
    while True:
        if build.get("currentPhase", "") != phase:
            phase = build["currentPhase"]
            tell(f"{project}: {phase}")
        if build["buildStatus"] == "SUCCEEDED":
            return
        if build["buildStatus"] != "IN_PROGRESS":
            raise Gen3DError("deployment_failed", _reason(project, build, codebuild.meta.region_name))
        time.sleep(_LOOK_SECONDS)
        build = codebuild.batch_get_builds(ids=[build["id"]])["builds"][0]


def _find(codebuild: Any, project: str, source: str, variables: Mapping[str, str]) -> dict[str, Any] | None:
    """The same build, if it is under way."""
    ids = codebuild.list_builds_for_project(projectName=project, sortOrder="DESCENDING").get("ids", [])[:_RECENT]
    wanted = {(each["name"], each["value"]) for each in _as_variables(variables)}
    for build in codebuild.batch_get_builds(ids=ids)["builds"] if ids else []:
        has = {(each["name"], each["value"]) for each in build.get("environment", {}).get("environmentVariables", ())}
        is_same = build.get("source", {}).get("location") == source and wanted <= has
        if build["buildStatus"] == "IN_PROGRESS" and is_same:
            return dict(build)
    return None


def _reason(project: str, build: dict[str, Any], region: str) -> str:
    """The first phase that failed, what it said, and where the log is."""
    failed = [each for each in build.get("phases", ()) if each.get("phaseStatus") not in (None, "SUCCEEDED")]
    phase = failed[0]["phaseType"] if failed else "no phase"
    said = "; ".join(each.get("message", "") for each in (failed[0].get("contexts") or ()) if failed) if failed else ""
    logs = build.get("logs", {})
    log = f" Its log: aws logs tail {logs['groupName']} --region {region} --since 4h" if logs.get("groupName") else ""
    stream = f" --log-stream-names {logs['streamName']}" if logs.get("streamName") else ""
    return (
        f"The build {build['id']} of {project} ended as {build['buildStatus']} in {phase}"
        f"{': ' + said if said else ''}.{log}{stream}"
    )


def _as_variables(variables: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"name": name, "value": value, "type": "PLAINTEXT"} for name, value in variables.items()]
