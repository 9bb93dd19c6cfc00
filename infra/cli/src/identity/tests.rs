//! A census of a deployed stack, whose services a test stands in for.

use aws::service::{Answer, Asked as Request, Service};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::event::{ClientTime, Event, EventKind};
use domain::identifier::Identifier;
use domain::identity_request::{IdentityRequest, Work};
use domain::key::ProfileId;
use domain::profile::outbox::{Tie, TieReason};
use domain::profile::{Held, Profile, lineage, page};
use domain::rejection::Reason;
use domain::time::Timestamp;
use domain::workspace::SourceId;
use runtime::failure::chain;

use super::*;

const AT: Timestamp = Timestamp::from_millis(1_795_343_400_000);

fn card(value: &str) -> Identifier {
    Identifier::parse("card", value, None).unwrap()
}

fn tie() -> Tie {
    Tie {
        identifiers: [card("1"), card("2")],
        reason: TieReason::Alias,
        source: "web".to_owned(),
        message_id: "m".to_owned(),
        at: AT,
    }
}

fn item(owner: u8, key: &str, body: &[u8]) -> Value {
    let id = ProfileId::from_bytes([owner; 16]);
    json!({ "pk": { "S": format!("shop#{id}") }, "sk": { "S": key }, "b": { "B": STANDARD.encode(body) } })
}

/// Two people with a card each, and a tie that stands with both.
fn table() -> Vec<Value> {
    let person = |value: &str| {
        let mut profile = Profile::default();
        profile.identifiers.insert(card(value), Held { generation: 0, since: AT });
        profile.encode()
    };
    let tie = page::tie(&tie());
    vec![
        item(1, "profile", &person("1")),
        item(1, &tie.key.0, &tie.body),
        item(2, "profile", &person("2")),
        item(2, &tie.key.0, &tie.body),
    ]
}

fn answer(request: &Request) -> Answer {
    let resources = json!({
        "v": 1, "definitions_table": "definitions", "kms_key": "",
        "queues": { "identity": { "url": "https://q/1/shop-identity.fifo", "dead_letters": "https://q/1/dead.fifo" } },
        "charged": {
            "architecture": "arm64", "front_door": "FunctionUrl", "dashboard": "no", "alarm_metrics": 0,
            "functions": {}, "tables": { "profile": { "people": "shop-people" } },
        },
    });
    let body: Value = serde_json::from_str(&request.body).unwrap();
    let said = match request.target.as_str() {
        "AmazonSSM.GetParameter" if request.body.contains("id-key") => {
            json!({ "Parameter": { "Value": "07".repeat(32) } })
        }
        "AmazonSSM.GetParameter" => json!({ "Parameter": { "Value": resources.to_string() } }),
        "DynamoDB_20120810.DescribeTable" => json!({ "Table": { "ItemCount": 4, "TableSizeBytes": 9 } }),
        "DynamoDB_20120810.Query" => {
            let rules = serde_json::to_string(&domain::rules::Rules::default()).unwrap();
            json!({ "Count": 1, "Items": [{
                "pk": { "S": "shop" }, "sk": { "S": "workspace" }, "v": { "N": "1" }, "rules": { "S": rules },
            }] })
        }
        // Two pages, so that one is not enough.
        "DynamoDB_20120810.Scan" => {
            let table = table();
            let (front, back) = table.split_at(2);
            let is_first = body["ExclusiveStartKey"].is_null();
            let items = if is_first { front } else { back };
            let next = if is_first { json!({ "pk": { "S": "x" }, "sk": { "S": "y" } }) } else { Value::Null };
            json!({ "Items": items, "Count": 2, "ScannedCount": 2, "LastEvaluatedKey": next })
        }
        "AmazonSQS.SendMessageBatch" => {
            let sent = body["Entries"].as_array().unwrap().iter();
            let sent =
                sent.map(|entry| json!({ "Id": entry["Id"], "MessageId": "1", "MD5OfMessageBody": "" }));
            json!({ "Successful": sent.collect::<Vec<_>>(), "Failed": [] })
        }
        other => panic!("{other} was not expected"),
    };
    (200, said.to_string())
}

async fn taken(service: &Service, census: Census) -> Result<Value, Failed> {
    let stack = Stack::with("shop", service.config()).await?;
    let workspace = Some(WorkspaceId::parse("shop")?);
    stack.explained(of_stack(&stack, &Asked { workspace, census }).await)
}

#[tokio::test]
async fn open_ties_of_a_stack_go_to_its_identity_queue_once_each() {
    let service = Service::new(answer);
    let answer = taken(&service, Census::Adopt).await.unwrap();
    assert_eq!(answer, json!({ "workspace": "shop", "ties": 1, "sent": 1 }));
    let asked = service.asked();
    let scans: Vec<Value> = asked
        .iter()
        .filter(|request| request.target.ends_with(".Scan"))
        .map(|request| serde_json::from_str(&request.body).unwrap())
        .collect();
    assert_eq!(scans.len(), 2);
    assert_eq!(scans[0]["TableName"], "shop-people");
    assert_eq!(scans[0]["ExpressionAttributeValues"][":workspace"], json!({ "S": "shop#" }));
    let sent = asked.iter().find(|request| request.target == "AmazonSQS.SendMessageBatch").unwrap();
    let sent: Value = serde_json::from_str(&sent.body).unwrap();
    assert_eq!(sent["QueueUrl"], "https://q/1/shop-identity.fifo");
    let entry = &sent["Entries"][0];
    let request = IdentityRequest::unpack(entry["MessageBody"].as_str().unwrap()).unwrap();
    assert_eq!(request.work, Work::Merge(tie()));
    assert!(entry["MessageGroupId"].is_string() && entry["MessageDeduplicationId"].is_string(), "{entry}");
}

#[tokio::test]
async fn an_item_that_cannot_be_read_ends_a_census_with_its_profile() {
    let service = Service::new(|request| {
        if request.target.ends_with(".Scan") {
            let items = [item(7, "profile", b"\0")];
            return (200, json!({ "Items": items, "Count": 1, "ScannedCount": 1 }).to_string());
        }
        answer(request)
    });
    let told = chain(taken(&service, Census::Suspects { top: 3 }).await.unwrap_err().as_ref());
    assert!(told.contains(&format!("an item of profile `{}` cannot be read", "07".repeat(16))), "{told}");
}

/// A tablet that made one person of a dozen, and an address that limits kept
/// out of everybody but the first: no tie is open, and none was refused.
#[tokio::test]
async fn what_made_many_one_and_what_limits_left_out_are_suspects_without_any_refusal() {
    let [tablet, address] = ["tablet", "test@example.com"].map(card);
    let event = Event {
        source: SourceId::parse("web").unwrap(),
        message_id: "m".to_owned(),
        kind: EventKind::Track,
        identifiers: Vec::new(),
        blocked: Vec::new(),
        rules: 1,
        client_time: ClientTime::Sent(AT),
        event_time: AT,
        received_at: AT,
        payload: String::new(),
        as_sent: String::new(),
    };
    let person = |held: &[&Identifier]| {
        let mut profile = Profile::default();
        for one in held {
            profile.identifiers.insert((*one).clone(), Held { generation: 0, since: AT });
        }
        profile.encode()
    };
    let mut items = vec![item(1, "profile", &person(&[&tablet])), item(2, "profile", &person(&[&address]))];
    for number in 0..12 {
        let other = card(&format!("c{number}"));
        let tie = page::tie(&Tie { identifiers: [other, tablet.clone()], ..tie() });
        items.push(item(1, &tie.key.0, &tie.body));
    }
    for owner in 3..7 {
        let left = lineage::left_out(&address, Reason::IdentifierLimit, &event, 1);
        items.push(item(owner, "profile", &person(&[&card(&format!("own{owner}"))])));
        items.push(item(owner, &left.key.0, &left.body));
    }
    let service = Service::new(move |request| {
        if request.target.ends_with(".Scan") {
            return (200, json!({ "Items": items, "Count": 1, "ScannedCount": 1 }).to_string());
        }
        answer(request)
    });
    let found = taken(&service, Census::Suspects { top: 9 }).await.unwrap();
    let expected = json!([
        { "kind": "card", "value": "tablet", "people": 1, "tied_to": 12, "refused": 0, "left_out": 0 },
        { "kind": "card", "value": "test@example.com", "people": 5, "tied_to": 0, "refused": 0, "left_out": 4 },
    ]);
    assert_eq!(found["shared"], expected, "{found}");
    let lines = shown::lines(&Census::Suspects { top: 9 }, &found, " --stack shop --workspace shop");
    let block = "     tributary identity block --stack shop --workspace shop -- 'test@example.com'";
    assert!(lines.iter().any(|line| line == block), "{lines:?}");
    assert!(lines.iter().any(|line| line.contains("dry-run --rules FILE --stack shop")), "{lines:?}");
}
