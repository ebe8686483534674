"""`gen3d redrive`: messages that nobody could handle are shown, and put back. Knows no queue."""

import argparse
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from gen3d.bar import Bar
from gen3d.confirm import confirm
from gen3d.stage_options import add_region, add_stage, stage_of, typed
from gen3d.words import age, count

if TYPE_CHECKING:
    from infra.operator.queues import Letter, Queue, Subject
    from infra.operator.stage import DeployedStage

_EXAMPLES = """examples:
  gen3d redrive --stage local
  gen3d redrive --queue job-finished --yes

A message that a Lambda could not handle five times is a dead letter; SQS keeps it for two weeks. First see why
(gen3d logs JOB), and mend it: what is put back is tried five times more, six minutes apart. Looking changes nothing but
the count of how often each was received. A message that comes twice is handled once.

In AWS the identity needs cloudformation:DescribeStacks, sqs:GetQueueUrl, sqs:ReceiveMessage,
sqs:ChangeMessageVisibility, sqs:SendMessage, sqs:DeleteMessage; s3:GetObject, s3:ListBucket for what they are about.
"""
# As infra/ has them, which is imported only when the command runs.
QUEUES = ("image-uploaded", "job-finished")
# So many are described, each by a look into its job's folder.
_MOST_SHOWN = 20


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declares the subcommand and its options."""
    parser = commands.add_parser(
        "redrive",
        help="show a stage's dead letters, and put them back",
        description="Show the messages that a stage's Lambdas could not handle, and put them back to be tried again.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_stage(parser)
    add_region(parser)
    parser.add_argument("--queue", choices=QUEUES, help="only this queue's; both where absent")
    parser.add_argument("--yes", action="store_true", help="put them back without asking")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Shows all, asks once, and puts them back."""
    stage = stage_of(arguments)
    from infra.operator.queues import MOST_LETTERS, find_queues, read_letters

    queues = [queue for queue in find_queues(stage) if arguments.queue in (None, queue.name)]
    letters = {queue.name: read_letters(stage, queue) for queue in queues}
    for queue in queues:
        _show(stage, queue, letters[queue.name])
    total = sum(map(len, letters.values()))
    if not total:
        return 0
    sys.stdout.flush()  # before the question, which goes elsewhere
    confirm(f"put {count(total, 'message')} back?", is_sure=arguments.yes)
    for queue in queues:
        found = letters[queue.name]
        if not found:
            continue
        try:
            moved = _move(stage, queue, found)
        except BaseException:
            again = typed(arguments, "redrive", queue=arguments.queue)
            print(f"what was not put back is a dead letter still; to go on: {again}", file=sys.stderr)
            raise
        print(f"{queue.name}: {count(moved, 'message')} put back")
        if moved < len(found):
            print(f"{queue.name}: {len(found) - moved} were no longer there, or somebody else has them")
        if len(found) >= MOST_LETTERS:
            print(f"{queue.name}: there may be more; the same command shows them")
    return 0


def _show(stage: "DeployedStage", queue: "Queue", letters: "list[Letter]") -> None:
    from infra.operator.queues import subject_of

    print(f"{queue.name}: {count(len(letters), 'message') if letters else 'no dead letters'}")
    now = datetime.now(UTC)
    for letter in letters[:_MOST_SHOWN]:
        about = _about(subject_of(stage, queue, letter))
        print(f"  {age(now - letter.sent_at):>10} old, received {count(letter.received, 'time')}: {about}")
    if len(letters) > _MOST_SHOWN:
        print(f"  … and {len(letters) - _MOST_SHOWN} younger ones")


def _move(stage: "DeployedStage", queue: "Queue", letters: "list[Letter]") -> int:
    from infra.operator.queues import move_back

    with Bar() as bar:
        return move_back(stage, queue, letters, lambda done: bar.show("putting back", 10 * done // len(letters) * 10))


def _about(subject: "Subject") -> str:
    if subject.job is None:
        return subject.what
    told = f"{subject.what} of job {subject.job.id}, {subject.status or 'of which nothing is there'}"
    return told if subject.error is None else f"{told}; {subject.error}"
