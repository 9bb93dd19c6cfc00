"""Deploys template.yaml with its real bootstraps into ministack, and uses what comes up as its users would.

Usage: python deploy.py SAM TRIBUTARY      (tests/deploy/run builds what it needs and calls it)

Functions act as their roles, whose policies ministack enforces: a right that is missing in the template fails here.

What ministack 1.5.33 lacks, with the document of AWS that says how it is there. The first three would stop the
stack: the test mends the first two after the deployment, and deploys without what the third names. Nothing of the
list is shown by this test to work.

 1. A mapping's MaximumConcurrency that comes from a parameter stays text, over which the poller stumbles. On AWS it
    is a number: lambda/latest/dg/services-sqs-scaling.html.
 2. SendMessageBatch asks for a right of its own name. AWS knows none, SendMessage covers it:
    AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-batch-api.html, "Permissions".
 3. Alarms over an expression (`Metrics`) are refused. On AWS:
    AWSCloudFormation/latest/UserGuide/aws-resource-cloudwatch-alarm.html.
 4. A change of a parameter that only conditions read is "no changes": the other front door is a stack of its own.
 5. Function URLs and HTTP APIs are served without TLS, on the emulator's port, by the Host header. On AWS:
    https://<url-id>.lambda-url.<region>.on.aws, lambda/latest/dg/urls-configuration.html.
 6. The batching window is not waited for, and one poller reads where AWS begins with five batches at a time:
    lambda/latest/dg/services-sqs-scaling.html.
 7. START, END and REPORT are logged whatever SystemLogLevel says: lambda/latest/dg/monitoring-cloudwatchlogs-log-level.html.
 8. SES publishes no events and End User Messaging is not there at all: the stack is deployed with what sends mail and
    SMS, and no claim sends any. On AWS: ses/latest/dg/event-publishing-retrieving-sns-examples.html.
 9. An identity of SES says no DKIM records, without which its outputs would stop the stack. On AWS:
    AWSCloudFormation/latest/TemplateReference/aws-resource-ses-emailidentity.html.
10. Memory, CPU and the ten seconds of a start are not limited: lambda/latest/dg/lambda-runtime-environment.html.

(All under https://docs.aws.amazon.com/.) Times of waiting are upper limits; nothing here measures time.
"""

import base64
import json
import re
import sys
import time
import uuid
from pathlib import Path

from emulator import Emulator, wait_for

ANSWER_SECONDS = 60     # a cold start on a busy machine, a window of one second, a poll
SCHEDULE_SECONDS = 150  # the schedule is due once a minute, the emulator looks every ten seconds
ROLLOUT_SECONDS = 180   # a new segment is asked of everybody once nobody knows the definitions before it
WINDOW_SECONDS = 120
NOT_A_MESSAGE = "not a message"
FUNCTIONS = (
    "ingest-http", "profile-upsert", "profile-api", "profile-sweep", "identity-merge", "segments-backfill",
    "messaging-plan", "messaging-send", "messaging-web", "messaging-feedback",
)
MAIL_DOMAIN = "mail.shop.example"


def deployable(template):
    """The template from another folder, without the alarms of lack 3 of the header and the outputs of lack 9."""
    resource = re.compile(r"^  \w+:\n(?:    .*\n|\n(?=    ))*", re.MULTILINE)
    is_lacking = lambda text: "Type: AWS::CloudWatch::Alarm" in text and "\n      Metrics:" in text
    template = resource.sub(lambda found: "" if is_lacking(found[0]) else found[0], template)
    template = re.sub(r"^  MailDkim\d: .*\n", "", template, flags=re.MULTILINE)
    return template.replace("CodeUri: target/", f"CodeUri: {Path.cwd()}/target/")


class Deployed:
    """The stack, and the keys that `tributary init` made."""

    def __init__(self, name, aws, sam, tributary, **parameters):
        self.name = name
        self.aws = aws
        self.sam = sam
        self.tributary = tributary
        self.deploy(Architecture="x86_64", **parameters)
        self.mend_mapping()
        self.mend_batches()
        self.keys = json.loads(self.operate("init", "--json"))

    def deploy(self, **parameters):
        """What the guide says, without its questions."""
        given = [f"{name}={value}" for name, value in parameters.items()]
        template = Path(self.aws.folder.name) / "template.yaml"
        template.write_text(deployable(Path("template.yaml").read_text()))
        self.aws.run(
            self.sam, "deploy", "--template-file", template, "--stack-name", self.name,
            "--capabilities", "CAPABILITY_IAM", "--resolve-s3", "--no-confirm-changeset", "--no-progressbar",
            "--parameter-overrides", *given,
        )
        described = self.aws.client("cloudformation").describe_stacks(StackName=self.name)["Stacks"][0]
        self.outputs = {output["OutputKey"]: output["OutputValue"] for output in described["Outputs"]}

    def mend_mapping(self):
        """Makes numbers of the mappings' MaximumConcurrency: lack 1 of the header."""
        functions = self.aws.client("lambda")
        for mapping in functions.list_event_source_mappings()["EventSourceMappings"]:
            concurrency = int(mapping["ScalingConfig"]["MaximumConcurrency"])
            functions.update_event_source_mapping(
                UUID=mapping["UUID"], ScalingConfig={"MaximumConcurrency": concurrency}
            )

    def mend_batches(self):
        """Lets whoever may send a message send several: lack 2 of the header."""
        roles = self.aws.client("iam")
        for _, role in self.resources("AWS::IAM::Role"):
            for policy in roles.list_role_policies(RoleName=role)["PolicyNames"]:
                document = roles.get_role_policy(RoleName=role, PolicyName=policy)["PolicyDocument"]
                for statement in document["Statement"]:
                    actions = statement["Action"]
                    actions = [actions] if isinstance(actions, str) else actions
                    batch = ["sqs:SendMessageBatch"] if "sqs:SendMessage" in actions else []
                    statement["Action"] = actions + batch
                roles.put_role_policy(RoleName=role, PolicyName=policy, PolicyDocument=json.dumps(document))

    def mapping(self):
        name = self.resource("ProfileUpsertFunction")
        mappings = self.aws.client("lambda").list_event_source_mappings(FunctionName=name)["EventSourceMappings"]
        return mappings[0]

    def resource(self, logical):
        return dict(self.resources())[logical]

    def resources(self, kind=None):
        """The logical and the physical names of the stack's resources."""
        found = self.aws.client("cloudformation").describe_stack_resources(StackName=self.name)["StackResources"]
        return [
            (one["LogicalResourceId"], one["PhysicalResourceId"])
            for one in found
            if kind in (None, one["ResourceType"])
        ]

    def operate(self, *command):
        return self.aws.run(self.tributary, *command, "--stack", self.name)

    def post(self, call, event):
        """Posts as an SDK does; the event's message id."""
        event = {"messageId": str(uuid.uuid4()), **event}
        key = base64.b64encode(f"{self.keys['write_key']}:".encode()).decode()
        headers = {"authorization": f"Basic {key}", "content-type": "application/json"}
        status, answer = self.aws.send(
            self.outputs["IngestEndpoint"], "POST", f"/v1/{call}", headers, json.dumps(event)
        )
        assert status == 200, f"POST /v1/{call} answered {status}: {answer}"
        return event["messageId"]

    def profile(self, kind, value):
        """The profile that has an identifier; none yet is `None`."""
        return self.ask("POST", "/v1/profiles/lookup", json.dumps({"identifier": {"kind": kind, "value": value}}))

    def ask(self, method, path, body=None):
        """What the API answers; what there is not is `None`."""
        headers = {"authorization": f"Bearer {self.keys['admin_key']}", "content-type": "application/json"}
        status, answer = self.aws.send(self.outputs["ProfileApiEndpoint"], method, path, headers, body)
        assert status in (200, 404), f"{method} {path} answered {status}: {answer}"
        return answer if status == 200 else None

    def set_segment(self, segment, when):
        """Publishes a segment to functions that have read no definitions yet."""
        file = Path(self.aws.folder.name) / f"{segment}.json"
        file.write_text(json.dumps({"name": segment, "when": when}))

        def publish():
            # The stack itself puts versions into force meanwhile: whoever meets that is asked to try again.
            try:
                return self.operate("segments", "set", segment, file)
            except AssertionError as failed:
                if "came between" in str(failed):
                    return None
                raise

        wait_for(f"segment {segment} is published", ANSWER_SECONDS, publish)
        self.restart("ProfileUpsertFunction")
        self.restart("ProfileApiFunction")

    def members(self, segment):
        return [member["id"] for member in self.ask("GET", f"/v1/segments/{segment}/members")["members"]]

    def counted(self, kind, value, events):
        """Waits until a profile counts so many events."""

        def probe():
            profile = self.profile(kind, value)
            return profile if profile and profile["counters"]["total"] >= events else None

        profile = wait_for(f"the profile of {kind} {value} counts {events} events", ANSWER_SECONDS, probe)
        assert profile["counters"]["total"] == events, f"{kind} {value} counts {profile['counters']['total']} events, not {events}"
        return profile

    def letters(self):
        """How many messages lie in the dead-letter queue."""
        asked = self.aws.client("sqs").get_queue_attributes(
            QueueUrl=self.outputs["ProfileDlqUrl"], AttributeNames=["ApproximateNumberOfMessages"]
        )
        return int(asked["Attributes"]["ApproximateNumberOfMessages"])

    def logged(self, function):
        return self.aws.logged(f"/tributary/{self.name}/{function}")

    def restart(self, logical):
        """Gives a function new environments, which have read nothing yet."""
        functions, name = self.aws.client("lambda"), self.resource(logical)
        timeout = functions.get_function_configuration(FunctionName=name)["Timeout"]
        functions.update_function_configuration(FunctionName=name, Timeout=timeout)


def an_event_posted_over_http_is_in_the_profile_table(stack):
    stack.post("identify", {"userId": "customer-1", "traits": {"email": "ann@example.com"}})
    profile = stack.counted("email", "Ann@Example.com", 1)
    people = stack.aws.client("dynamodb").scan(TableName=stack.outputs["PeopleTable"])["Items"]
    assert any(profile["id"] in item["pk"]["S"] for item in people), "the profile is not in the people table"


def a_repeated_event_is_counted_once(stack):
    message = stack.post("track", {"userId": "customer-2", "event": "Signed Up"})
    stack.counted("user_id", "customer-2", 1)
    stack.post("track", {"userId": "customer-2", "event": "Signed Up", "messageId": message})
    stack.post("track", {"userId": "customer-2", "event": "Looked Around"})
    stack.counted("user_id", "customer-2", 2)


def two_profiles_that_one_event_names_become_one(stack):
    stack.post("track", {"userId": "customer-3", "event": "Logged In"})
    stack.post("track", {"anonymousId": "visitor-3", "event": "Looked Around"})
    stack.counted("user_id", "customer-3", 1)
    stack.counted("anonymous_id", "visitor-3", 1)
    stack.post("identify", {"userId": "customer-3", "anonymousId": "visitor-3"})
    profiles = [stack.counted(kind, value, 3) for kind, value in (("user_id", "customer-3"), ("anonymous_id", "visitor-3"))]
    assert profiles[0]["id"] == profiles[1]["id"], "there are two profiles still"
    assert not profiles[0]["open_ties"], "the tie is open still"


def a_letter_whose_cause_is_mended_is_redriven_and_counted_once(stack):
    with Paused(stack):
        stack.post("track", {"userId": "customer-4", "event": "Signed Up"})
        taken = take_sources(stack)
    wait_for("the letter is in the dead-letter queue", ANSWER_SECONDS, stack.letters)
    give_back(stack, taken)
    stack.operate("dlq", "redrive")
    stack.counted("user_id", "customer-4", 1)
    assert stack.letters() == 0, "the letter is still in the dead-letter queue"


class Paused:
    """Nothing is taken from the profile queue meanwhile; then by a function that has read no definitions yet."""

    def __init__(self, stack):
        self.stack = stack
        self.functions = stack.aws.client("lambda")
        self.mapping = stack.mapping()["UUID"]

    def __enter__(self):
        self.set(Enabled=False, state="Disabled")

    def __exit__(self, *_):
        self.stack.restart("ProfileUpsertFunction")
        self.set(Enabled=True, state="Enabled")

    def set(self, Enabled, state):
        self.functions.update_event_source_mapping(UUID=self.mapping, Enabled=Enabled)
        said = lambda: self.functions.get_event_source_mapping(UUID=self.mapping)["State"] == state
        wait_for(f"the mapping is {state}", ANSWER_SECONDS, said)


def take_sources(stack):
    """Takes the definitions of all sources away, so that no message is anybody's."""
    definitions, store = stack.outputs["DefinitionsTable"], stack.aws.client("dynamodb")
    items = store.scan(TableName=definitions)["Items"]
    taken = [item for item in items if item["sk"]["S"].startswith("source#")]
    for item in taken:
        store.delete_item(TableName=definitions, Key={"pk": item["pk"], "sk": item["sk"]})
    return taken


def give_back(stack, taken):
    for item in taken:
        stack.aws.client("dynamodb").put_item(TableName=stack.outputs["DefinitionsTable"], Item=item)
    stack.restart("ProfileUpsertFunction")


def what_cannot_be_read_ends_as_a_letter_with_its_reason(stack):
    stack.aws.client("sqs").send_message(QueueUrl=stack.outputs["ProfileQueueUrl"], MessageBody=NOT_A_MESSAGE)
    wait_for("the letter is in the dead-letter queue", ANSWER_SECONDS, stack.letters)
    listed = stack.operate("dlq", "list")
    assert "rejected" in listed, f"`tributary dlq list` does not say how the record ended:\n{listed}"


def a_profile_left_behind_is_swept(stack):
    """A crash between a fold and its outbox leaves a profile that is due; here the test says that it is."""
    stack.post("track", {"userId": "customer-5", "event": "Searched"})
    profile = stack.counted("user_id", "customer-5", 1)
    store, people = stack.aws.client("dynamodb"), stack.outputs["PeopleTable"]
    found = [item for item in store.scan(TableName=people)["Items"] if item["pk"]["S"].endswith(f"#{profile['id']}")]
    key = next({"pk": item["pk"], "sk": item["sk"]} for item in found if item["sk"]["S"] == "profile")
    store.update_item(
        TableName=people, Key=key, UpdateExpression="SET due_shard = :shard, due = :due",
        ExpressionAttributeValues={":shard": {"N": "0"}, ":due": {"N": str(int(time.time() * 1000))}},
    )
    is_done = lambda: "due" not in store.get_item(TableName=people, Key=key, ConsistentRead=True)["Item"]
    wait_for("the schedule starts the sweep, which finds nothing left to do", SCHEDULE_SECONDS, is_done)


def whoever_meets_a_segment_is_listed(stack):
    """Also whom nothing tells of it: `early` is asked by the walk through all people."""
    stack.post("track", {"userId": "customer-6", "event": "Signed Up"})
    early = stack.counted("user_id", "customer-6", 1)["id"]
    stack.set_segment("signed-up", {"event": "Signed Up"})
    stack.set_segment("just-signed-up", {"event": "Signed Up", "within": f"{WINDOW_SECONDS}s"})
    stack.post("track", {"userId": "customer-7", "event": "Signed Up"})
    late = stack.counted("user_id", "customer-7", 1)["id"]
    for segment in ("signed-up", "just-signed-up"):
        wait_for(f"{segment} lists who just signed up", ANSWER_SECONDS, lambda: late in stack.members(segment))
    stack.segments = {"early": early, "late": late}


def the_schedule_ends_windows_and_asks_everybody(stack):
    """No event comes: the first leaves because time passes, the other enters because everybody is asked."""
    early, late = stack.segments["early"], stack.segments["late"]
    is_out = lambda: late not in stack.members("just-signed-up")
    wait_for("the sweep lists nobody whose window is over", WINDOW_SECONDS + SCHEDULE_SECONDS, is_out)
    history = stack.ask("GET", f"/v1/profiles/{late}/segments")["history"]
    told = [one["what"] for one in history if one["segment"] == "just-signed-up"]
    assert sorted(told) == ["entered", "exited"], f"what was told of the window: {told}"
    is_in = lambda: early in stack.members("signed-up")
    wait_for("everybody was asked about the new segment", ROLLOUT_SECONDS + 2 * SCHEDULE_SECONDS, is_in)


def the_other_front_door_leads_to_the_same_functions(stack):
    other = Deployed("frontdoor", stack.aws, stack.sam, stack.tributary, FrontDoor="HttpApi")
    other.post("identify", {"userId": "customer-1", "traits": {"email": "ann@example.com"}})
    other.counted("email", "ann@example.com", 1)


def no_log_line_holds_personal_data(stack):
    lines = [line for name in FUNCTIONS for line in stack.logged(name)]
    assert lines, "no function has logged anything: nothing is shown"
    for secret in ("example.com", "customer-1", "customer-2", "customer-3", "visitor-3", "customer-4", "customer-5", "customer-6", "customer-7", *stack.keys.values()):
        assert not [line for line in lines if secret in line], f"a log line holds {secret}"


CLAIMS = (
    an_event_posted_over_http_is_in_the_profile_table,
    whoever_meets_a_segment_is_listed,
    a_repeated_event_is_counted_once,
    two_profiles_that_one_event_names_become_one,
    a_letter_whose_cause_is_mended_is_redriven_and_counted_once,
    what_cannot_be_read_ends_as_a_letter_with_its_reason,
    a_profile_left_behind_is_swept,
    the_schedule_ends_windows_and_asks_everybody,
    the_other_front_door_leads_to_the_same_functions,
    no_log_line_holds_personal_data,
)


def main(sam, tributary):
    with Emulator() as aws:
        try:
            stack = timed("deployed", lambda: Deployed("tributary", aws, sam, tributary, MailDomain=MAIL_DOMAIN, SmsBy="sns"))
            for claim in CLAIMS:
                timed(claim.__name__.replace("_", " "), lambda: claim(stack))
        except BaseException:
            print(aws.everything_logged(), file=sys.stderr)
            raise


def timed(what, work):
    began = time.monotonic()
    result = work()
    print(f"{what}: {time.monotonic() - began:.1f} s", flush=True)
    return result


if __name__ == "__main__":
    main(*sys.argv[1:])
