use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::identifier::Identifier;
use domain::key::{DeliveryId, ProfileId};
use domain::messaging::address::{Address, CALL_MAX, Claimed, Delivery, State};
use domain::messaging::consent::{Said, Status};
use domain::messaging::outreach::{MessageId, Topic, Written};
use domain::messaging::record::{How, Record};
use domain::messaging::{Channel, Kind};
use domain::rules::Rules;
use domain::time::Timestamp;
use domain::workspace::{SourceId, WorkspaceId};
use ports::definitions::Workspace;
use serde_json::json;
use testkit::{
    Fault, Faulty, MemoryDefinitions, MemoryPeople, MemoryQueue, SeededEntropy, TestClock, TestTimer,
};

use super::*;
use crate::consent::{hear, look};

mod choosing;
mod confirming;
mod following;
mod leaving;
mod racing;

pub(super) const NOW: Timestamp = Timestamp::from_millis(1_790_000_000_000);

pub(super) fn shop() -> WorkspaceId {
    WorkspaceId::parse("shop").unwrap()
}

pub(super) fn key() -> IdKey {
    IdKey::new([7; IdKey::LENGTH])
}

pub(super) fn keys() -> SigningKeys {
    SigningKeys::make("k1", [[3; 16]; 2]).unwrap()
}

pub(super) fn ann() -> Identifier {
    Identifier::parse("email", "ann@example.com", None).unwrap()
}

pub(super) fn topic(id: &str) -> TopicId {
    TopicId::parse(id).unwrap()
}

pub(super) fn of(topic: Option<&str>) -> About {
    About { channel: Channel::Email, topic: topic.map(self::topic) }
}

pub(super) fn collection() -> ProfileId {
    key().address(&shop(), &ann())
}

pub(super) fn delivery() -> Delivery {
    Delivery {
        id: DeliveryId::from_bytes([5; 16]),
        at: NOW.plus(-Timestamp::HOUR),
        channel: Channel::Email,
        kind: Kind::Promotional,
        topic: Some(topic("news")),
        message: MessageId::parse("sale").unwrap(),
        variant: 1,
        state: State::Accepted,
    }
}

/// A world in which Ann gets news and offers, and got one letter.
pub(super) struct World {
    pub(super) people: MemoryPeople,
    pub(super) definitions: MemoryDefinitions,
    pub(super) queue: MemoryQueue,
    pub(super) clock: TestClock,
    entropy: SeededEntropy,
}

pub(super) type Site<P> = Web<P, MemoryDefinitions, MemoryQueue, TestClock, SeededEntropy, TestTimer>;

thread_local! {
    static RUNTIME: tokio::runtime::Runtime =
        tokio::runtime::Builder::new_current_thread().build().unwrap();
}

pub(super) fn finish<T>(future: impl Future<Output = T>) -> T {
    RUNTIME.with(|runtime| runtime.block_on(future))
}

impl World {
    pub(super) fn new() -> Self {
        let (definitions, people) = (MemoryDefinitions::default(), MemoryPeople::default());
        let mut settings = Settings::default();
        settings.sender.name = Some("Shop & <Sons>".to_owned());
        for (id, english, russian) in [("news", "News", "Новости"), ("offers", "Offers <b>", "Акции")]
        {
            let name =
                [("en", english), ("ru", russian)].map(|(code, name)| (code.to_owned(), name.to_owned()));
            settings.topics.insert(id.to_owned(), Topic { name: name.into() });
        }
        let rules = Rules::default();
        definitions.define(Workspace { id: shop(), rules, sources: Vec::new(), segments: 0, outreach: 1 });
        definitions.write(&shop(), Written::Settings(settings));
        let (queue, clock) = (MemoryQueue::default(), TestClock::at(NOW));
        let world = Self { people, definitions, queue, clock, entropy: SeededEntropy::seeded(1) };
        world.claim(&delivery());
        for id in ["news", "offers"] {
            world.hear(&of(Some(id)), Said::Subscribed, NOW.plus(-Timestamp::DAY));
        }
        world
    }

    pub(super) fn web(&self) -> Site<MemoryPeople> {
        self.over(self.people.clone())
    }

    pub(super) fn over<P: People>(&self, people: P) -> Site<P> {
        Web {
            people,
            definitions: Cached::new(self.definitions.clone()),
            queue: self.queue.clone(),
            clock: self.clock.clone(),
            entropy: self.entropy.clone(),
            timer: TestTimer::moving(self.clock.clone()),
            key: key(),
            keys: keys(),
        }
    }

    pub(super) fn hear(&self, about: &About, said: Said, at: Timestamp) {
        let name = Record::name(&key(), &SourceId::parse("import").unwrap(), &ann(), (about, said, at));
        let word = Record { about: about.clone(), said, at, name, how: How::default() };
        finish(hear(&self.people, (&key(), &shop()), &ann(), &word, NOW)).unwrap();
    }

    pub(super) fn change(&self, change: impl Fn(&mut Address)) {
        let workspace = shop();
        let changed = store::change_address(&self.people, &workspace, collection(), |address| {
            change(address);
            (true, ())
        });
        finish(changed).unwrap();
    }

    pub(super) fn claim(&self, delivery: &Delivery) {
        self.change(|address| {
            address.name(&ann());
            assert_eq!(address.claim(delivery.clone(), NOW), Claimed::Now);
        });
    }

    pub(super) fn status(&self, id: &str) -> Status {
        self.look().0.status(Channel::Email, &topic(id))
    }

    pub(super) fn look(&self) -> (Address, Vec<Record>) {
        finish(look(&self.people, (&key(), &shop()), &ann())).unwrap()
    }
}

pub(super) fn path(link: Link) -> String {
    let kind = match link.purpose() {
        Purpose::Open => "o",
        Purpose::Click => "c",
        Purpose::Unsubscribe => "u",
        Purpose::Preferences => "p",
        Purpose::Confirm => "confirm",
    };
    let token = Token {
        workspace: shop(),
        address: collection(),
        delivery: delivery().id,
        issued: NOW.plus(-Timestamp::MINUTE),
        link,
    };
    format!("/{kind}/{}", token.seal(&keys()))
}

pub(super) fn unsubscribe(topic: Option<&str>) -> String {
    path(Link::Unsubscribe { about: of(topic) })
}

/// A request of the front door.
pub(super) fn request(
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: Option<&str>,
) -> ApiGatewayV2httpRequest {
    let headers: serde_json::Map<_, _> =
        headers.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
    let request = json!({
        "version": "2.0", "routeKey": "$default", "rawPath": path, "rawQueryString": "",
        "headers": headers, "isBase64Encoded": false, "body": body,
        "requestContext": {
            "accountId": "1", "apiId": "a", "stage": "$default", "timeEpoch": 0,
            "http": { "method": method, "path": path, "sourceIp": "203.0.113.9", "userAgent": "" },
        },
    });
    serde_json::from_value(request).unwrap()
}

pub(super) fn ask<P: People>(web: &Site<P>, method: &str, path: &str, body: Option<&str>) -> (i64, String) {
    answered(web, request(method, path, &[("accept-language", "en")], body))
}

pub(super) fn answered<P: People>(web: &Site<P>, request: ApiGatewayV2httpRequest) -> (i64, String) {
    let response = finish(web.handle(request));
    let body = match response.body {
        Some(aws_lambda_events::encodings::Body::Text(text)) => text,
        Some(aws_lambda_events::encodings::Body::Binary(bytes)) => STANDARD.encode(bytes),
        _ => String::new(),
    };
    (response.status_code, body)
}
