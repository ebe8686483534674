"""What somebody can type to make jobs of their own: scripts of curl, which need Python to read JSON."""

import json
import shlex
from pathlib import Path
from typing import Final

from infra.local.cloud import REGION, ROOT_KEYS
from infra.local.stage import Stage, User

# A cup on a plate, and the picture that the README begins with.
PHOTO: Final = Path(__file__).parents[2] / "demo" / "demo.jpg"
BOX: Final = [20, 20, 400, 400]
TWO_USERS: Final = Path(__file__).parents[2] / "docs" / "examples" / "two_users.sh"

_SCRIPT: Final = """\
value() {{ python3 -c "import json, sys; print(json.load(sys.stdin)$1)"; }}
TOKEN=$(curl -sS {cloud} -H 'Content-Type: application/x-amz-json-1.1' \\
  -H 'X-Amz-Target: AWSCognitoIdentityProviderService.InitiateAuth' \\
  -d {sign_in} \\
  | value '["AuthenticationResult"]["IdToken"]')
JOB=$(curl -sS {page}/api/jobs -H "Authorization: Bearer $TOKEN" \\
  -d {job})
printf %s "$JOB" | python3 -c 'if True:
  import json, sys
  form = json.load(sys.stdin)["upload"]
  print("url =", json.dumps(form["url"]))
  for field in form["fields"].items():
    print("form-string =", json.dumps("=".join(field)))
' | curl -sS -K - -F {file}
ID=$(printf %s "$JOB" | value '["id"]')
while curl -sSf -o job.json {page}/api/jobs/$ID -H "Authorization: Bearer $TOKEN" \\
  && ! grep -q '"ended_at": "' job.json; do sleep 1; done
curl -sS -o object-0.glb "$(value '["objects"][0]["files"][0]["url"]' < job.json)"
"""


def example(stage: Stage, user: User) -> str:
    """Signs in, makes a job, uploads a photo, waits, and leaves `job.json` and `object-0.glb` in the current folder."""
    sign_in = {
        "AuthFlow": "USER_PASSWORD_AUTH",
        "ClientId": stage.outputs["UserPoolClientId"],
        "AuthParameters": {"USERNAME": user.email, "PASSWORD": user.password},
    }
    job = {"boxes": [BOX], "file": {"name": PHOTO.name, "type": "image/jpeg", "bytes": PHOTO.stat().st_size}}
    return _SCRIPT.format(
        cloud=stage.cloud.address,
        page=stage.page,
        sign_in=shlex.quote(json.dumps(sign_in)),
        job=shlex.quote(json.dumps(job)),
        file=shlex.quote(f"file=@{PHOTO}"),
    )


def two_users(stage: Stage) -> str:
    """Runs `docs/examples/two_users.sh`, which leaves what two users get in the folders `ada` and `bob`."""
    given = {
        "PAGE": stage.page,
        "COGNITO": stage.cloud.address,
        "POOL": stage.outputs["UserPoolId"],
        "CLIENT": stage.outputs["UserPoolClientId"],
        "REGION": REGION,
        "MAILS": f"{stage.cloud.address}/_ministack/ses/messages",
        "PHOTO": str(PHOTO),
        **ROOT_KEYS.environment(),
    }
    words = [f"{name}={shlex.quote(value)}" for name, value in given.items()]
    return " \\\n  ".join([*words, f"sh {shlex.quote(str(TWO_USERS))}\n"])
