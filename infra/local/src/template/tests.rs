use super::*;
use crate::queue::settings::{DeduplicationScope, Fifo, Redrive};

/// A small template with one of everything.
const SMALL: &str = r#"
Parameters:
  Concurrency: { Type: Number, Default: 7 }
  FrontDoor: { Type: String, Default: FunctionUrl }
  KeyArn: { Type: String, Default: "" }
  LogLevel: { Type: String, Default: INFO }
Conditions:
  UseUrl: !Equals [!Ref FrontDoor, FunctionUrl]
  UseApi: !Not [!Condition UseUrl]
  HasKey: { "Fn::And": [!Not [!Equals [!Ref KeyArn, ""]], !Or [!Condition UseUrl, !Condition UseApi]] }
Globals:
  Function:
    Timeout: 20
    Environment: { Variables: { LOG_LEVEL: !Ref LogLevel, STAGE: shared } }
Resources:
  People:
    Type: AWS::DynamoDB::Table
    DeletionPolicy: Retain
    Properties:
      BillingMode: PAY_PER_REQUEST
      SSESpecification: !If [HasKey, { SSEEnabled: true }, !Ref "AWS::NoValue"]
      AttributeDefinitions:
        - { AttributeName: pk, AttributeType: S }
        - { AttributeName: sk, AttributeType: B }
        - { AttributeName: due, AttributeType: N }
      KeySchema: [{ AttributeName: pk, KeyType: HASH }, { AttributeName: sk, KeyType: RANGE }]
      TimeToLiveSpecification: { AttributeName: expires, Enabled: true }
      GlobalSecondaryIndexes:
        - IndexName: due
          KeySchema: [{ AttributeName: due, KeyType: HASH }]
          Projection: { ProjectionType: KEYS_ONLY }
  ProfileQueue:
    Type: AWS::SQS::Queue
    Properties:
      VisibilityTimeout: 240
      DelaySeconds: 5
      KmsMasterKeyId: !If [HasKey, !Ref KeyArn, !Ref "AWS::NoValue"]
      RedrivePolicy: { deadLetterTargetArn: !GetAtt ProfileDlq.Arn, maxReceiveCount: 5 }
  ProfileDlq: { Type: AWS::SQS::Queue, Properties: { MessageRetentionPeriod: 1209600 } }
  MergeQueue:
    Type: AWS::SQS::Queue
    Properties: { FifoQueue: true, DeduplicationScope: messageGroup, FifoThroughputLimit: perMessageGroupId }
  Unused: { Type: AWS::SQS::Queue, Condition: UseApi }
  UpsertFunction:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: target/lambda/profile-upsert/
      Timeout: 30
      Environment:
        Variables:
          PEOPLE: !Ref People
          QUEUE_URL: { Ref: ProfileQueue }
          QUEUE_ARN: !GetAtt ProfileQueue.Arn
          DLQ_NAME: { "Fn::GetAtt": [ProfileDlq, QueueName] }
          ID_KEY: !Sub "/tributary/${AWS::StackName}/id-key"
          OWN: !Sub ["${a}-${LogLevel}-${!literal}", { a: 1 }]
          JOINED: !Join ["/", [!Ref LogLevel, x, !If [UseApi, api, url]]]
          STAGE: profile
          MAX: 5
      Events:
        Profile:
          Type: SQS
          Properties:
            Queue: !GetAtt ProfileQueue.Arn
            BatchSize: 1000
            MaximumBatchingWindowInSeconds: 1
            FunctionResponseTypes: [ReportBatchItemFailures]
            ScalingConfig: { MaximumConcurrency: !Ref Concurrency }
        Minute:
          Type: ScheduleV2
          Properties: { ScheduleExpression: rate(1 minute), RetryPolicy: { MaximumRetryAttempts: 0 } }
        Noon: { Type: Schedule, Properties: { Schedule: cron(0 12 * * ? *) } }
        Never: { Type: ScheduleV2, Properties: { ScheduleExpression: rate(1 day), State: DISABLED } }
  HttpFunction:
    Type: AWS::Serverless::Function
    Properties: { CodeUri: target/lambda/ingest-http }
  OwnUrlFunction:
    Type: AWS::Serverless::Function
    Properties: { CodeUri: target/lambda/own/, FunctionUrlConfig: { AuthType: NONE } }
  HttpUrl:
    Type: AWS::Lambda::Url
    Condition: UseUrl
    Properties: { TargetFunctionArn: !GetAtt HttpFunction.Arn, AuthType: NONE }
  SweepIntegration:
    Type: AWS::ApiGatewayV2::Integration
    Condition: UseApi
    Properties: { IntegrationUri: !GetAtt UpsertFunction.Arn }
"#;

fn small() -> Wiring {
    Wiring::parse(SMALL).unwrap()
}

#[test]
fn tables_have_their_keys_indexes_and_ends() {
    let people = small().table("People").unwrap().clone();
    let attribute = |name: &str, kind| Attribute { name: name.to_owned(), kind };
    let key = Key {
        hash: attribute("pk", AttributeKind::Text),
        range: Some(attribute("sk", AttributeKind::Binary)),
    };
    assert_eq!((people.key, people.ends_by.as_deref()), (key, Some("expires")));
    let key = Key { hash: attribute("due", AttributeKind::Number), range: None };
    assert_eq!(people.indexes, [Index { name: "due".to_owned(), key, projection: Projection::KeysOnly }]);
}

#[test]
fn queues_have_what_the_template_says_and_else_what_sqs_assumes() {
    let wiring = small();
    let redrive = Some(Redrive { to: "ProfileDlq".to_owned(), max_receives: 5 });
    let fifo = Some(Fifo { scope: DeduplicationScope::Group, by_content: false });
    assert_eq!(
        wiring.queues,
        [
            QueueSettings {
                visibility_s: 240,
                delay_s: 5,
                redrive,
                ..QueueSettings::standard("ProfileQueue")
            },
            QueueSettings { retention_s: 1_209_600, ..QueueSettings::standard("ProfileDlq") },
            QueueSettings { fifo, ..QueueSettings::standard("MergeQueue") },
        ]
    );
}

#[test]
fn a_function_has_its_bin_its_sources_and_its_schedules() {
    let wiring = small();
    let upsert = wiring.function("profile-upsert").unwrap();
    let timeout = Duration::from_secs(30);
    let mapping = Mapping { batch_size: 1000, window_ms: 1_000, concurrency: 7, timeout };
    assert_eq!(upsert.sources, [Source { queue: "ProfileQueue".to_owned(), mapping }]);
    let schedule = |name: &str, when| Schedule { name: name.to_owned(), when };
    let noon = When::Cron("0 12 * * ? *".to_owned());
    let minute = When::Rate { every_ms: 60_000 };
    assert_eq!(upsert.schedules, [schedule("Minute", minute), schedule("Noon", noon)]);
    assert_eq!((upsert.id.as_str(), upsert.timeout), ("UpsertFunction", timeout));
    assert_eq!(wiring.function("ingest-http").unwrap().timeout, Duration::from_secs(20));
}

#[test]
fn only_what_stands_behind_an_open_door_answers_http() {
    let wiring = small();
    let http = wiring.functions.iter().filter(|function| function.is_http);
    assert_eq!(http.map(|function| function.bin.as_str()).collect::<Vec<_>>(), ["ingest-http", "own"]);
    let by_api = SMALL.replace("Default: FunctionUrl", "Default: HttpApi");
    let wiring = Wiring::parse(&by_api).unwrap();
    let http = wiring.functions.iter().filter(|function| function.is_http);
    assert_eq!(http.map(|function| function.bin.as_str()).collect::<Vec<_>>(), ["profile-upsert", "own"]);
    assert!(wiring.queue("Unused").is_some());
}

#[test]
fn variables_are_worked_out_as_far_as_a_template_allows() {
    let wiring = small();
    let environment = &wiring.function("profile-upsert").unwrap().environment;
    let text = |text: &str| Setting::Text(text.to_owned());
    let attribute = |resource: &str, attribute: &str| Setting::Attribute {
        resource: resource.to_owned(),
        attribute: attribute.to_owned(),
    };
    let expected = [
        ("PEOPLE", Setting::Resource("People".to_owned())),
        ("QUEUE_URL", Setting::Resource("ProfileQueue".to_owned())),
        ("QUEUE_ARN", attribute("ProfileQueue", "Arn")),
        ("DLQ_NAME", attribute("ProfileDlq", "QueueName")),
        ("ID_KEY", text("/tributary/local/id-key")),
        ("OWN", text("1-INFO-${literal}")),
        ("JOINED", text("INFO/x/url")),
        ("LOG_LEVEL", text("INFO")),
        ("STAGE", text("profile")),
        ("MAX", text("5")),
    ];
    assert_eq!(*environment, expected.map(|(name, value)| (name.to_owned(), value)).into());
    assert_eq!(environment["QUEUE_ARN"].name(), "ProfileQueue");
}

/// The small template with a change, and what is said of it.
fn check(from: &str, to: &str, expected: &str) {
    assert!(SMALL.contains(from), "{from}");
    let error = Wiring::parse(&SMALL.replacen(from, to, 1)).unwrap_err();
    let said = runtime::failure::chain(&error);
    assert!(said.contains(expected), "{said}");
}

#[test]
fn what_cannot_be_done_is_refused_with_its_place() {
    check("BatchSize: 1000", "BatchSizze: 1000", "unknown field `BatchSizze`");
    check("BatchSize: 1000", "BatchSizze: 1000", "`UpsertFunction.Events.Profile`");
    check(
        "MaximumBatchingWindowInSeconds: 1\n",
        "MaximumBatchingWindowInSeconds: 0\n",
        "no MaximumBatchingWindow",
    );
    check("BatchSize: 1000", "BatchSize: 20000", "not from 1 to 10000");
    check("[ReportBatchItemFailures]", "[]", "`FunctionResponseTypes: [ReportBatchItemFailures]`");
    check("Default: 7", "Default: 1", "from 2 to 1000");
    check("Queue: !GetAtt ProfileQueue.Arn", "Queue: !GetAtt People.Arn", "names no queue");
    check("Queue: !GetAtt ProfileQueue.Arn", "Queue: !GetAtt MergeQueue.Arn", "BatchSize over 10");
    check(
        "deadLetterTargetArn: !GetAtt ProfileDlq.Arn",
        "deadLetterTargetArn: !GetAtt MergeQueue.Arn",
        "FIFO",
    );
    check("!GetAtt ProfileDlq.Arn", "!GetAtt Nowhere.Arn", "names no queue: `Nowhere`");
    check("rate(1 minute)", "rate(0 minutes)", "neither `rate(…)` nor `cron(…)`");
    check("Type: ScheduleV2", "Type: S3", "type `S3`");
    check(
        "PEOPLE: !Ref People",
        "PEOPLE: !Ref Peeple",
        "`UpsertFunction.Environment.Variables.PEOPLE` refers to `Peeple`",
    );
    check("PEOPLE: !Ref People", "PEOPLE: !Select [0, [a]]", "uses `!Select`");
    check("PEOPLE: !Ref People", "PEOPLE: !Wonder x", "unknown tag: !Wonder");
    check("PEOPLE: !Ref People", "PEOPLE: !Sub \"${People.Arn}/index\"", "only as a `!GetAtt` alone");
    check("Condition: UseUrl", "Condition: UseNothing", "condition `UseNothing`");
    check("Default: 7", "Description: none", "needs parameter `Concurrency`, which has no default");
    check("target/lambda/profile-upsert/", "src/", "`UpsertFunction.CodeUri`");
    check(
        "AttributeName: pk, AttributeType: S",
        "AttributeName: qk, AttributeType: S",
        "without an attribute definition",
    );
    check("Resources:", "Resource:", "no `Resources`");
    check("UseApi: !Not [!Condition UseUrl]", "UseApi: !Not [!Condition UseApi]", "nested too deeply");
    check("UseApi: !Not [!Condition UseUrl]", "UseApi: [", "not YAML");
}

#[test]
fn expressions_of_time_are_read() {
    let rate = |every_ms| Some(When::Rate { every_ms });
    assert_eq!(When::parse("rate(5 minutes)"), rate(300_000));
    assert_eq!(When::parse("rate(1 hour)"), rate(3_600_000));
    assert_eq!(When::parse("rate(2 days)"), rate(172_800_000));
    for wrong in [
        "",
        "rate()",
        "rate(5)",
        "rate(-1 minutes)",
        "rate(5 weeks)",
        "cron(* * *)",
        "at(2026-01-01)",
        "5 minutes",
    ] {
        assert_eq!(When::parse(wrong), None, "{wrong}");
    }
}

/// The project's own template is the one that counts.
#[test]
fn the_template_of_the_project_is_read() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../template.yaml");
    let wiring = Wiring::read(&file).unwrap();
    assert!(wiring.function("ingest-http").unwrap().is_http);
    let upsert = wiring.function("profile-upsert").unwrap();
    assert_eq!(upsert.sources[0].queue, "ProfileQueue");
    assert_eq!(wiring.queue("ProfileQueue").unwrap().redrive.as_ref().unwrap().to, "ProfileDlq");
    assert_eq!(wiring.table("PeopleTable").unwrap().indexes[0].name, "due");
    let error = Wiring::read(Path::new("no/such/template.yaml")).unwrap_err();
    assert!(error.to_string().contains("start in the project's folder"));
}
