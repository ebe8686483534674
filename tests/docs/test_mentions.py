"""What the documents mention exists: in code, in templates, or among AWS's words."""

from pathlib import Path

import pytest

from tests.docs.documents import DOCUMENTS, Document
from tests.docs.mentions import missing_mentions


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_what_it_mentions_exists(path: Path) -> None:
    assert list(missing_mentions(Document(path))) == []


def said_of(folder: Path, text: str) -> list[str]:
    path = folder / "page.md"
    path.write_text(text)
    return [said.removeprefix("page.md, ") for said in missing_mentions(Document(path))]


@pytest.mark.parametrize(
    "text",
    [
        *(
            "infra/foundation.yaml",
            "infra/*.yaml",
            "lambdas/jobs/",
            "job_folder.py",
            "docs/images/page.jpg",
            "out/x.py",
        ),
        *("users/SUB/jobs/JOB/image", "application/json", "s3://bucket/weights/", ".venv/bin/gen3d"),
        *("GEN3D_MAX_BOXES", "GEN3D_ENGINE=preview", "MaxInstances", "ImageUploadedDead", "InvokeEndpointAsync"),
        *("ApproximateBacklogSizePerInstance", "AWS::SQS::Queue", "sqs:SendMessage", "Gen3D-prod-jobs", "gen3d-STAGE"),
        *("Gen3D-prod-foundation", "box_outside_image", "job_not_found", "gen3d weights fetch --to DIR"),
        *("gen3d submit PHOTO --box 1,2,3,4", "gen3d logs", "make test-image", "make PYTHON=python3.11 setup"),
    ],
)
def test_what_exists_is_not_complained_of(tmp_path: Path, text: str) -> None:
    assert said_of(tmp_path, f"See `{text}`.\n") == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("infra/foundations.yaml", "there is no infra/foundations.yaml"),
        ("sevre/app.py", "there is no sevre/app.py"),
        ("apps.py", "there is no apps.py"),
        ("infra/*.jsonc", "there is no infra/*.jsonc"),
        ("serve/", None),
        ("serve/meshes/", "there is no serve/meshes/"),
        ("GEN3D_MAX_BOXEN", "there is no variable GEN3D_MAX_BOXEN"),
        ("GEN3D_MOTOR=preview", "there is no variable GEN3D_MOTOR"),
        ("MaxInstancesEver", "MaxInstancesEver is in no code and no template, and no word of AWS's"),
        ("AWS::SQS::Topic", "no template has a AWS::SQS::Topic"),
        ("sqs:SendLetter", "AWS has no sqs:SendLetter"),
        ("Gen3D-prod-job", "nothing is called Gen3D-prod-job"),
        ("gen3d-STAGE-bucket", "nothing is called gen3d-STAGE-bucket"),
        ("box_beside_image", "box_beside_image is in no code: neither an error's code nor a field"),
        ("gen3d deplay", "there is no command gen3d deplay"),
        ("gen3d weights get", "there is no command gen3d weights get"),
        (".venv/bin/gen3d deploy --dry-run", "gen3d deploy has no option --dry-run"),
        ("make tests", "there is no target tests"),
        ("make PYTHONS=3 test", "the Makefile has no variable PYTHONS"),
    ],
)
def test_what_does_not_is(tmp_path: Path, text: str, said: str | None) -> None:
    assert said_of(tmp_path, f"See `{text}`.\n") == ([] if said is None else [f"line 1: {said}"])


def test_commands_in_blocks_are_looked_at_too_even_where_they_do_not_run(tmp_path: Path) -> None:
    text = (
        "> Needs an AWS account: no test runs this.\n```sh\nexport GEN3D_PASSWORT=x\n"
        '.venv/bin/gen3d deploy --stage prod \\\n    --admin-mail "a b@example.com"  # --no-comment\n'
        "make demos && gen3d stats\n```\n"
    )
    assert said_of(tmp_path, text) == [
        "the block on line 2: gen3d deploy has no option --admin-mail",
        "the block on line 2: there is no command gen3d stats",
        "the block on line 2: there is no target demos",
        "the block on line 2: there is no variable GEN3D_PASSWORT",
    ]


def test_an_error_has_the_status_that_a_table_gives_it(tmp_path: Path) -> None:
    table = "| code | status |\n|---|---|\n| `job_not_found` | 404 |\n| `job_ended` | 404 |\n"
    assert said_of(tmp_path, table) == ["line 4: the error job_ended has not the status 404"]
