use aws::service::Service;
use domain::cursor::SigningKeys;
use local::Wiring;
use runtime::failure::chain;
use serde_json::{Value, json};

use super::*;
use crate::operate::local::stage;

const TEMPLATE: &str = include_str!("../../../../template.yaml");

fn resources() -> Value {
    let queues = json!({ "profile": { "url": "https://q", "dead_letters": "https://d" } });
    json!({ "v": 1, "definitions_table": "definitions", "kms_key": "", "queues": queues })
}

fn answer(resources: &Value) -> (u16, String) {
    (200, json!({ "Parameter": { "Value": resources.to_string() } }).to_string())
}

async fn open(name: &str, answers: Vec<(u16, String)>) -> (Result<Stack, Failed>, Service) {
    let service = Service::replay(answers);
    (Stack::with(name, service.config()).await, service)
}

async fn refused(code: &str) -> String {
    let (stack, _) = open("shop", vec![(400, json!({ "__type": code }).to_string())]).await;
    chain(stack.err().unwrap().as_ref())
}

/// Parameters that the resources repeat, and all that they may be.
const PARAMETERS: [(&str, &[&str]); 3] = [
    ("Architecture", &["arm64", "x86_64"]),
    ("FrontDoor", &["FunctionUrl", "HttpApi"]),
    ("Dashboard", &["no", "yes"]),
];

/// The value that the template gives the parameter: each name in it as itself,
/// and parameters at the value of this place.
fn written(place: usize) -> Resources {
    let plain = plain("/resources\"\n", place);
    Resources::parse(&plain).unwrap_or_else(|| panic!("{plain}"))
}

fn plain(parameter: &str, place: usize) -> String {
    let (_, rest) = TEMPLATE.split_once(parameter).expect("the parameter stands in the template");
    let (_, value) = rest.split_once("Value: !Sub |-\n").unwrap();
    let value: Vec<&str> = value.lines().take_while(|line| line.starts_with("        ")).collect();
    let mut plain = value.join("\n");
    while let Some((before, rest)) = plain.split_once("${") {
        let (name, after) = rest.split_once('}').unwrap();
        let parameter = PARAMETERS.iter().find(|(parameter, _)| *parameter == name);
        plain = format!("{before}{}{after}", parameter.map_or(name, |(_, values)| values[place]));
    }
    plain
}

#[test]
fn what_a_stack_has_of_messaging_is_counted_with_the_rest() {
    let mut resources = written(0);
    let (alarms, queues) = (resources.charged.as_ref().unwrap().alarm_metrics, resources.queues.len());
    let messaging = MessagingResources::parse(&plain("/resources-messaging\"\n", 0)).unwrap();
    resources.add(messaging);
    let charged = resources.charged.unwrap();
    assert_eq!((charged.alarm_metrics, resources.queues.len()), (alarms + 4, queues + 2));
    assert!(
        charged.functions.contains_key("messaging-send") && charged.functions.contains_key("ingest-http")
    );
}

#[test]
fn every_value_of_a_parameter_is_read() {
    let charged = [0, 1].map(|place| written(place).charged.unwrap());
    let said = charged.map(|charged| (charged.architecture, charged.front_door, charged.dashboard));
    let expected = [
        (Architecture::Arm64, FrontDoor::FunctionUrl, YesNo::No),
        (Architecture::X86, FrontDoor::HttpApi, YesNo::Yes),
    ];
    assert_eq!(said, expected);
    for (_, values) in PARAMETERS {
        let [plain, quoted] = [values.join(", "), format!("\"{}\"", values.join("\", \""))];
        let allowed = [plain, quoted].map(|values| format!("    AllowedValues: [{values}]\n"));
        assert!(allowed.iter().any(|allowed| TEMPLATE.contains(allowed)), "{values:?}");
    }
}

#[test]
fn the_template_names_every_queue_that_has_dead_letters() {
    let queues = Wiring::parse(TEMPLATE).unwrap().queues;
    let with_dead = queues.iter().filter_map(|queue| Some((queue, queue.redrive.as_ref()?)));
    let expected: BTreeMap<String, Fed> = with_dead
        .map(|(queue, redrive)| {
            let fed = Fed { url: queue.name.clone(), dead_letters: redrive.to.clone() };
            (stage(&queue.name), fed)
        })
        .collect();
    assert!(!expected.is_empty());
    let written = written(0);
    assert_eq!((written.queues, written.definitions_table.as_str()), (expected, "DefinitionsTable"));
    assert_eq!(written.kms_key, "KmsKeyArn");
}

#[tokio::test]
async fn a_stack_is_found_by_its_name() {
    let (stack, service) = open("my-shop", vec![answer(&resources())]).await;
    let stack = stack.unwrap();
    assert!(service.asked()[0].body.contains(r#""/tributary/my-shop/resources""#));
    assert_eq!((stack.parameter("id-key").as_str(), stack.kms_key()), ("/tributary/my-shop/id-key", None));
    let names: Vec<String> = stack.shelves().into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["profile"]);
}

#[tokio::test]
async fn what_keeps_a_stack_from_being_found_is_said_with_its_remedy() {
    let missing = refused("ParameterNotFound").await;
    assert!(missing.starts_with("there is no stack `shop` in eu-north-1"), "{missing}");
    let denied = refused("AccessDeniedException").await;
    assert!(denied.starts_with("these credentials may not do this with stack `shop`"), "{denied}");
    assert!(denied.ends_with("the service answered 400 AccessDeniedException"), "{denied}");
    let expired = refused("ExpiredTokenException").await;
    assert!(expired.contains("sign in again"), "{expired}");
    for wrong in [json!({ "v": 2 }), json!("words"), json!({ "v": 1 })] {
        let (stack, _) = open("shop", vec![answer(&wrong)]).await;
        assert!(stack.err().unwrap().to_string().contains("update `tributary`"), "{wrong}");
    }
    for name in ["", "1st", "a/b", "a b", &"a".repeat(129)] {
        let (stack, service) = open(name, Vec::new()).await;
        assert!(stack.err().unwrap().to_string().contains("is no name of a stack"), "{name}");
        assert_eq!(service.asked(), [], "{name}");
    }
}

#[tokio::test]
async fn without_a_region_or_credentials_nothing_is_asked() {
    let service = Service::replay([]);
    let nowhere = service.config().to_builder().region(None).build();
    let told = Stack::with("shop", nowhere).await.err().unwrap().to_string();
    assert!(told.contains("--region"), "{told}");
    let mut nobody = service.config().to_builder();
    nobody.set_credentials_provider(None);
    let told = Stack::with("shop", nobody.build()).await.err().unwrap().to_string();
    assert!(told.contains("AWS_PROFILE"), "{told}");
    assert_eq!(service.asked(), []);
}

#[tokio::test]
async fn signing_keys_are_replaced_under_the_key_of_the_stack() {
    let mut with_key = resources();
    with_key["kms_key"] = json!("arn:key");
    let keys = SigningKeys::make("k1", [[1; 16]; 2]).unwrap();
    let kept = json!({ "Parameter": { "Value": keys.reveal() } }).to_string();
    let (stack, service) = open("shop", vec![answer(&with_key), (200, kept), (200, "{}".to_owned())]).await;
    let stack = stack.unwrap();
    assert_eq!(stack.load().await.unwrap().reveal(), keys.reveal());
    stack.store(&keys).await.unwrap();
    let put = &service.asked()[2].body;
    assert!(put.contains(r#""KeyId":"arn:key""#) && put.contains(r#""Overwrite":true"#), "{put}");
}

#[tokio::test]
async fn a_stack_without_signing_keys_names_what_makes_them() {
    let missing = (400, r#"{"__type":"ParameterNotFound"}"#.to_owned());
    let (stack, _) = open("shop", vec![answer(&resources()), missing]).await;
    let told = stack.unwrap().load().await.unwrap_err().to_string();
    assert!(told.contains("tributary init --stack shop"), "{told}");
}
