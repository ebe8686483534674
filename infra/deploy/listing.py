"""The AWS CLI's commands that do what the steps do, as a script of bash. Runs nothing, and asks nobody.

A block is headed by what it does. One that no cloud on this machine can play says so: `# not tried: …`.
"""

import shlex
from dataclasses import dataclass
from typing import Final

from infra.deploy.preflight import BUILD_QUOTA
from infra.deploy.stack_steps import TYPES, default_types
from infra.deploy.step import Asked, Engine
from infra.deploy.weights import HUB_PAGE, weights_prefix
from infra.lambda_codes import KEYS
from infra.page import ASK_AGAIN, FOR_A_YEAR
from infra.page import TYPES as MEDIA_TYPES
from infra.templates import Name, read_template


@dataclass(frozen=True)
class Block:
    """Some of the commands.

    Attributes:
        step: Of which step they are.
        title: What they do.
        lines: The commands.
        not_tried: Why no test runs them; empty where one does.
    """

    step: str
    title: str
    lines: str
    not_tried: str = ""

    def __str__(self) -> str:
        mark = f"# not tried: {self.not_tried}\n" if self.not_tried else ""
        return f"# {self.step}: {self.title}\n{mark}{self.lines.strip()}\n"


def listing(asked: Asked, region: str | None) -> str:
    """The whole script.

    Args:
        asked: What is to be deployed.
        region: The AWS region; that of the environment where absent.
    """
    return "\n".join([_HEAD, *map(str, blocks(asked, region))])


def blocks(asked: Asked, region: str | None) -> list[Block]:
    """Its blocks, in order; those of a step are together."""
    engine: Engine = asked.engine or "sam3d"
    return [
        Block("variables", "all that differs from one stage to another", _variables(asked, region, engine)),
        Block("preflight", "who deploys, and what the account may", _PREFLIGHT),
        Block(
            "preflight",
            "the quotas: of instances, one more than MaxInstances; of builds, 1",
            _QUOTAS,
            "no local cloud has Service Quotas",
        ),
        Block("foundation", "the stack that holds data", _foundation(asked)),
        Block("sources", "zips and the commit's archive, under keys that say what is in them", _SOURCES),
        *_image(asked),
        *(_WEIGHTS if engine == "sam3d" else ()),
        Block("service", "the stack with Lambdas, routes, mail and alarms", _service(asked)),
        Block("endpoint", "other instance types are refused while they are scaled", _SCALING_OFF),
        Block("endpoint", "the stack with the endpoint, which starts an instance", _endpoint(asked)),
        Block("page", "the page's files; index.html, which names the others, comes last", _PAGE),
        Block("page", "CloudFront forgets the old one", _INVALIDATION, "no local cloud has CloudFront"),
        *([_SMOKE] if asked.with_smoke_test else []),
        Block("prune", "what of earlier commits is in the bucket; old versions of it stay for a while", _prune(engine)),
        Block("summary", "where it is", 'echo "The page: $(output PageUrl)"'),
    ]


_HEAD: Final = """\
#!/usr/bin/env bash
# Gen3D in AWS by the AWS CLI alone: what `gen3d deploy` does, step by step.
# Run it in the checkout, with everything committed, after `make setup`. It may be run again, and leaves alone what is
# done. Nobody has run it in AWS; a test runs it against a cloud on one machine, but for the blocks
# that say `not tried`. `gen3d deploy` does more: it shows changes before it makes them (here: --no-execute-changeset),
# makes a stack anew whose first creation failed, and adopts what a destroyed stage has left.
set -euo pipefail
"""

_PREFLIGHT: Final = """\
aws sts get-caller-identity
aws lambda get-account-settings --query AccountLimit.UnreservedConcurrentExecutions
aws sesv2 get-account --query '{OutOfSandbox: ProductionAccessEnabled, MaySend: SendingEnabled}'
test -z "$(git status --porcelain)" || { echo "Commit first: a stage is that of a commit."; exit 1; }"""

_QUOTAS: Final = f"""\
for type in $INSTANCE_TYPE $SECOND_INSTANCE_TYPE $THIRD_INSTANCE_TYPE; do
  aws service-quotas list-service-quotas --service-code sagemaker --output text \\
    --query "Quotas[?QuotaName=='$type for endpoint usage'].[QuotaName, QuotaCode, Value]"
done
aws service-quotas list-service-quotas --service-code codebuild --output text \\
  --query "Quotas[?QuotaName=='{BUILD_QUOTA}'].[QuotaName, QuotaCode, Value]"
# For more: aws service-quotas request-service-quota-increase --service-code … --quota-code … --desired-value …"""

_SOURCES: Final = f"""\
rm -rf "$OUT" && mkdir -p "$OUT"
.venv/bin/python -m infra.lambda_codes "$OUT"
aws s3 cp --recursive --only-show-errors "$OUT/code" "s3://$BUCKET/code"
git archive --format=zip --output "$OUT/source.zip" "$COMMIT"
aws s3 cp --only-show-errors "$OUT/source.zip" "s3://$BUCKET/$SOURCE"
{chr(10).join(f'{name.upper()}_CODE=$(cd "$OUT" && echo {pattern})' for name, pattern in KEYS.items())}"""

_IMAGE_BY_CODEBUILD: Final = """\
digest | grep -q sha256: ||
  follow "$(aws codebuild start-build --project-name "$(output ImageBuildName)" \\
  --source-location-override "$BUCKET/$SOURCE" \\
  --environment-variables-override "name=GEN3D_REVISION,value=$COMMIT" "name=GEN3D_TARGETS,value=$ENGINE" \\
  --query build.id --output text)\""""

_IMAGE_BY_DOCKER: Final = """\
.venv/bin/gen3d image build "$ENGINE"
.venv/bin/gen3d image push "$ENGINE" --repository "$(output ImagesUri)\""""

_IMAGE_URI: Final = """\
DIGEST=$(aws ecr describe-images --repository-name "gen3d-$STAGE" --image-ids "imageTag=$ENGINE-$COMMIT" \\
  --query 'imageDetails[0].imageDigest' --output text)
IMAGE_URI=$(output ImagesUri)@$DIGEST"""

_WEIGHTS: Final = (
    Block(
        "weights",
        "the token into the secret, once",
        f"""\
# HF_TOKEN is that of a Hugging Face account with access to {HUB_PAGE}
[ -z "${{HF_TOKEN:-}}" ] ||
  aws secretsmanager put-secret-value --secret-id "$(output HubTokenArn)" --query Name --output text \\
    --secret-string file:///dev/stdin < <(printf %s "$HF_TOKEN")""",
    ),
    Block(
        "weights",
        "a build brings 14 GB from the hub into the bucket",
        """\
aws s3 ls "${WEIGHTS_URI}manifest.json" ||
  follow "$(aws codebuild start-build --project-name "$(output WeightsBuildName)" \\
  --source-location-override "$BUCKET/$SOURCE" \\
  --environment-variables-override "name=GEN3D_WEIGHTS_URI,value=$WEIGHTS_URI" \\
  --query build.id --output text)\"""",
        "no local CodeBuild builds",
    ),
    Block("weights", "they are there", 'aws s3 ls "${WEIGHTS_URI}manifest.json"'),
)

_SCALING_OFF: Final = f"""\
HAS_TYPES="$(parameter endpoint {TYPES[0]}) $(parameter endpoint {TYPES[1]}) $(parameter endpoint {TYPES[2]})"
# If anything fails from here on, an instance runs, and costs, until the stack endpoint is deployed.
if [ "$(parameter endpoint Scaling)" = on ] && \\
  [ "$HAS_TYPES" != "$INSTANCE_TYPE $SECOND_INSTANCE_TYPE $THIRD_INSTANCE_TYPE" ]; then
  aws cloudformation update-stack --stack-name "Gen3D-$STAGE-endpoint" --use-previous-template \\
    --capabilities CAPABILITY_NAMED_IAM --output text --parameters ParameterKey=Scaling,ParameterValue=off $(
      aws cloudformation describe-stacks --stack-name "Gen3D-$STAGE-endpoint" --output text \\
        --query "Stacks[0].Parameters[?ParameterKey!='Scaling'].ParameterKey" |
        sed -E 's/[^[:space:]]+/ParameterKey=&,UsePreviousValue=true/g')
  aws cloudformation wait stack-update-complete --stack-name "Gen3D-$STAGE-endpoint"
fi"""

_PAGE: Final = f"""\
.venv/bin/python -c 'from infra.page import build_page; build_page()'
put() {{ aws s3 cp --recursive --only-show-errors web/dist "s3://$BUCKET/PUBLIC" --exclude '*' "$@"; }}
printf '{{"schema_version": "1.0", "stage": "%s", "cognito": "%s", "client_id": "%s", "engine": "%s"}}' \\
  "$STAGE" "$COGNITO" "$(output UserPoolClientId)" "$ENGINE" |
  aws s3 cp --only-show-errors - "s3://$BUCKET/PUBLIC/config.json" \\
    --content-type application/json --cache-control {ASK_AGAIN}
while read -r suffix type; do
  [ -n "$(find web/dist -name "*$suffix" ! -name index.html)" ] || continue
  put --include "assets/*$suffix" --content-type "$type" --cache-control '{FOR_A_YEAR}'
  put --include "*$suffix" --exclude 'assets/*' --exclude index.html --content-type "$type" --cache-control {ASK_AGAIN}
done <<'TYPES'
{chr(10).join(f"{suffix} {kind}" for suffix, kind in MEDIA_TYPES.items())}
TYPES
put --include index.html --content-type '{MEDIA_TYPES[".html"]}' --cache-control {ASK_AGAIN}"""

_PRUNE: Final = f"""\
aws s3 rm --recursive --only-show-errors "s3://$BUCKET/source" --exclude "${{SOURCE#*/}}"
aws s3 rm --recursive --only-show-errors "s3://$BUCKET/code" \\
  {" ".join(f'--exclude "${{{name.upper()}_CODE#*/}}"' for name in KEYS)}"""

_INVALIDATION: Final = """\
aws cloudfront create-invalidation --distribution-id "$(output PageDistributionId)" --paths '/*' \\
  --query Invalidation.Id --output text"""

_SMOKE: Final = Block(
    "smoke test",
    "a photo through the endpoint, by a user who is made for it, and whose mails nobody reads",
    """\
POOL=$(output UserPoolId) USER_EMAIL=success+gen3d@simulator.amazonses.com
# A smoke test that failed has left its user.
aws cognito-idp admin-delete-user --user-pool-id "$POOL" --username "$USER_EMAIL" 2> /dev/null || true
aws cognito-idp admin-create-user --user-pool-id "$POOL" --username "$USER_EMAIL" --message-action SUPPRESS \\
  --user-attributes "Name=email,Value=$USER_EMAIL" Name=email_verified,Value=true --query User.Username --output text
export GEN3D_PASSWORD="Aa1-$(openssl rand -hex 16)"
aws cognito-idp admin-set-user-password --user-pool-id "$POOL" --username "$USER_EMAIL" --permanent \\
  --password "$GEN3D_PASSWORD"
.venv/bin/gen3d submit demo/demo.jpg --box 20,20,400,400 --quality draft --stage "$STAGE" --region "$REGION" \\
  --user "$USER_EMAIL"
aws cognito-idp admin-delete-user --user-pool-id "$POOL" --username "$USER_EMAIL\"""",
    "this cloud has no endpoint that works; tests/infra/deploy/test_smoke.py does the same at the stage local",
)


def _variables(asked: Asked, region: str | None, engine: Engine) -> str:
    types = {**default_types(engine), **{name: asked.parameters[name] for name in TYPES if name in asked.parameters}}
    weights = f"s3://$BUCKET/{weights_prefix()}" if engine == "sam3d" else ""
    return f"""\
STAGE={asked.stage}
REGION={shlex.quote(region) if region else '"${AWS_DEFAULT_REGION:?}"'}
ADMIN_EMAIL={_given(asked, "AdminEmail", "ADMIN_EMAIL")}
SENDER={_given(asked, "SenderEmail", "SENDER")}
ENGINE={engine}
INSTANCE_TYPE={types["InstanceType"]}
SECOND_INSTANCE_TYPE={types["SecondInstanceType"]}
THIRD_INSTANCE_TYPE={types["ThirdInstanceType"]}
export AWS_DEFAULT_REGION=$REGION AWS_PAGER=
ACCOUNT=$(aws sts get-caller-identity --query Account --output text)
BUCKET=gen3d-$STAGE-$ACCOUNT-$REGION
COGNITO=https://cognito-idp.$REGION.amazonaws.com
COMMIT=$(git rev-parse HEAD)
SOURCE=source/gen3d-${{COMMIT:0:16}}.zip
WEIGHTS_URI={weights}
OUT=out/deploy
# An output of the stack foundation; a parameter of any stack; the image's digest; the end of a build.
output() {{ awk -F '\\t' -v key="$1" '$1 == key {{ print $2 }}' <<< "$OUTPUTS"; }}
parameter() {{
  aws cloudformation describe-stacks --stack-name "Gen3D-$STAGE-$1" --output text \\
    --query "Stacks[0].Parameters[?ParameterKey=='$2'].ParameterValue" 2> /dev/null || true
}}
digest() {{
  aws ecr describe-images --repository-name "gen3d-$STAGE" --image-ids "imageTag=$ENGINE-$COMMIT" --output text \\
    --query 'imageDetails[0].imageDigest' 2> /dev/null || true
}}
follow() {{
  local status=IN_PROGRESS
  while [ "$status" = IN_PROGRESS ]; do
    sleep 15
    status=$(aws codebuild batch-get-builds --ids "$1" --query 'builds[0].buildStatus' --output text)
    echo "$1: $status"
  done
  [ "$status" = SUCCEEDED ]
}}"""


def _given(asked: Asked, parameter: str, variable: str) -> str:
    """What the operator gives, else what the environment has under the variable's own name."""
    value = asked.parameters.get(parameter)
    return shlex.quote(value) if value else f'"${{{variable}:?}}"'


def _image(asked: Asked) -> list[Block]:
    if asked.image == "keep":
        line = "IMAGE_URI=$(parameter endpoint ImageUri)"
        return [Block("image", "the one that the endpoint has", line)]
    if asked.image == "local":
        build = Block("image", "built here by Docker, and pushed", _IMAGE_BY_DOCKER, "the repository is in AWS")
    else:
        build = Block("image", "built by CodeBuild, and pushed", _IMAGE_BY_CODEBUILD, "no local CodeBuild builds")
    return [build, Block("image", "its address, by the digest", _IMAGE_URI)]


def _foundation(asked: Asked) -> str:
    return f"""\
{_deploy("foundation", _parameters(asked, "foundation", {"Stage": "$STAGE", "AdminEmail": "$ADMIN_EMAIL"}))}
OUTPUTS=$(aws cloudformation describe-stacks --stack-name "Gen3D-$STAGE-foundation" --output text \\
  --query 'Stacks[0].Outputs[].[OutputKey, OutputValue]')"""


def _service(asked: Asked) -> str:
    made = {"Stage": "$STAGE", "AdminEmail": "$ADMIN_EMAIL", "SenderEmail": "$SENDER"}
    made |= {f"{name}Code": f"${name.upper()}_CODE" for name in KEYS}
    made |= {"NotebookSource": "$SOURCE", "SenderIdentity": "$SENDER_IDENTITY"}
    return f"""\
# What SES knows already, the stack does not make; what the stack has made, it keeps.
SENDER_IDENTITY=$(parameter service SenderIdentity)
if [ -z "$SENDER_IDENTITY" ]; then
  SENDER_IDENTITY=make
  for identity in "$SENDER" "${{SENDER#*@}}"; do
    ! aws sesv2 get-email-identity --email-identity "$identity" > /dev/null 2>&1 || SENDER_IDENTITY=is-there
  done
fi
{_deploy("service", _parameters(asked, "service", made))}"""


def _endpoint(asked: Asked) -> str:
    types = dict(zip(TYPES, ("$INSTANCE_TYPE", "$SECOND_INSTANCE_TYPE", "$THIRD_INSTANCE_TYPE"), strict=True))
    made = {"Stage": "$STAGE", "Engine": "$ENGINE", "ImageUri": "$IMAGE_URI", "WeightsUri": "$WEIGHTS_URI", **types}
    made |= {"ConcurrentJobs": "$CONCURRENT_JOBS", "Scaling": "on"}
    default = read_template("endpoint")["Parameters"]["ConcurrentJobs"]["Default"]
    jobs = asked.parameters.get("ConcurrentJobs")
    has = f"$(parameter endpoint ConcurrentJobs)\nCONCURRENT_JOBS=${{CONCURRENT_JOBS:-{default}}}"
    lines = "\n".join(f"  {line}" for line in _parameters(asked, "endpoint", made))
    return f"""\
CONCURRENT_JOBS={has if jobs is None else shlex.quote(jobs)}
ENDPOINT=(
{lines}
)
# In the names of the model and of the endpoint's configuration, which are to differ where those do.
CONTENT_HASH=$(.venv/bin/python -c 'import sys; from infra.templates import content_hash
print(content_hash(dict(each.split("=", 1) for each in sys.argv[1:])))' "${{ENDPOINT[@]}}")
{_deploy("endpoint", ['"${ENDPOINT[@]}" "ContentHash=$CONTENT_HASH"'])}"""


def _prune(engine: Engine) -> str:
    weights = 'aws s3 rm --recursive --only-show-errors "s3://$BUCKET/weights" --exclude "${WEIGHTS_URI#*/weights/}*"'
    return f"{_PRUNE}\n{weights}" if engine == "sam3d" else _PRUNE


def _parameters(asked: Asked, name: Name, made: dict[str, str]) -> list[str]:
    """A stack's, as words of bash: what is made for it, the outputs of the foundation that it takes, what is given."""
    declared, outputs = read_template(name)["Parameters"], read_template("foundation")["Outputs"]
    taken = {key: f"$(output {key})" for key in declared if key in outputs}
    given = {key: value for key, value in asked.parameters.items() if key in declared and key not in made}
    lines = [f'"{key}={value}"' for key, value in {**made, **taken}.items()]
    return lines + [shlex.quote(f"{key}={value}") for key, value in given.items()]


def _deploy(name: Name, parameters: list[str]) -> str:
    return " \\\n".join(
        [
            f'aws cloudformation deploy --stack-name "Gen3D-$STAGE-{name}" --template-file infra/{name}.yaml',
            "  --capabilities CAPABILITY_NAMED_IAM --no-fail-on-empty-changeset --parameter-overrides",
            *(f"  {line}" for line in parameters),
        ]
    )
