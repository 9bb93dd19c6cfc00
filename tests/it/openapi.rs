//! `infra/openapi.yaml` against the specification, the routers and real answers.
//!
//! `openapi/schema-3.1.json` is the `OpenAPI` Initiative's own schema of 2022-10-07 (Apache-2.0), unchanged.
#![cfg(test)]

mod world;

use std::collections::BTreeSet;

use jsonschema::Validator;
use serde_json::{Value, json};

use crate::template::model::read;
use world::{Asked, World};

const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];

/// The document, with the path items that its paths refer to in their places.
struct Document {
    root: Value,
}

/// An operation by its method and path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Operation {
    method: String,
    path: String,
}

impl Document {
    fn load() -> Self {
        let root = serde_yaml_ng::from_str(&read("infra/openapi.yaml")).expect("infra/openapi.yaml is YAML");
        Self { root }
    }

    /// What a value says, or what it refers to says.
    fn resolve<'a>(&'a self, value: &'a Value) -> &'a Value {
        let Some(reference) = value.get("$ref").and_then(Value::as_str) else { return value };
        let place = reference.strip_prefix('#').and_then(|place| self.root.pointer(place));
        self.resolve(place.unwrap_or_else(|| panic!("{reference} is nowhere")))
    }

    fn operations(&self) -> BTreeSet<Operation> {
        let paths = self.root["paths"].as_object().expect("paths");
        let of = |(path, item): (&String, &Value)| {
            let item = self.resolve(item).as_object().expect("a path item").clone();
            let methods = METHODS.into_iter().filter(move |method| item.contains_key(*method));
            methods
                .map(|method| Operation { method: method.to_uppercase(), path: path.clone() })
                .collect::<Vec<_>>()
        };
        paths.iter().flat_map(of).collect()
    }

    fn operation(&self, of: &Operation) -> &Value {
        &self.resolve(&self.root["paths"][&of.path])[of.method.to_lowercase()]
    }

    /// What the document says of an answer with this status.
    fn response(&self, of: &Operation, status: u16) -> &Value {
        let responses = &self.operation(of)["responses"];
        let named =
            responses.get(status.to_string()).or_else(|| responses.get("default").filter(|_| status >= 400));
        self.resolve(named.unwrap_or_else(|| panic!("{of:?} says nothing of {status}")))
    }

    /// A schema of the document, by itself.
    fn schema(&self, schema: &Value) -> Validator {
        let whole = json!({ "components": self.root["components"], "allOf": [schema] });
        let options =
            jsonschema::options().with_draft(jsonschema::Draft::Draft202012).should_validate_formats(true);
        options.build(&whole).unwrap_or_else(|error| panic!("{schema}: {error}"))
    }

    fn assert_fits(&self, schema: &Value, value: &Value, what: &str) {
        let wrong: Vec<String> = self
            .schema(schema)
            .iter_errors(value)
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect();
        assert!(wrong.is_empty(), "{what}: {wrong:#?} in {value:#}");
    }

    /// Checks an answer: its status, headers, type and body are those that the document names.
    fn assert_says(&self, of: &Operation, asked: &Asked) {
        let what = format!("{} {} -> {}", of.method, of.path, asked.status);
        let response = self.response(of, asked.status);
        for (name, header) in response["headers"].as_object().into_iter().flatten() {
            let header = self.resolve(header);
            let Some(value) = asked.headers.get(name) else {
                assert_ne!(header["required"], true, "{what} lacks {name}");
                continue;
            };
            let value = value.to_str().expect("text");
            let value = if header["schema"]["type"] == "integer" {
                json!(value.parse::<u32>().expect("a number"))
            } else {
                json!(value)
            };
            self.assert_fits(&header["schema"], &value, &format!("{what}, {name}"));
        }
        let Some(content) = response["content"].as_object() else {
            assert_eq!(asked.body, None, "{what} has a body");
            return;
        };
        let kind = asked.headers["content-type"].to_str().expect("text");
        let content = content.get(kind).unwrap_or_else(|| panic!("{what} is {kind}"));
        if let Some(schema) = content.get("schema") {
            self.assert_fits(schema, asked.body.as_ref().expect("JSON"), &what);
        }
    }
}

#[test]
fn the_document_is_openapi_3_1() {
    let meta: Value = serde_json::from_str(&read("tests/it/openapi/schema-3.1.json")).expect("JSON");
    let validator = jsonschema::validator_for(&meta).expect("the specification's own schema");
    let document = Document::load();
    let wrong: Vec<String> = validator
        .iter_errors(&document.root)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert_eq!(wrong, Vec::<String>::new());
    let broken = json!({ "openapi": "3.1.0", "info": { "title": "x" }, "paths": {} });
    assert!(!validator.is_valid(&broken), "a document without a version is none");
    for (name, schema) in document.root["components"]["schemas"].as_object().expect("schemas") {
        assert!(jsonschema::draft202012::meta::is_valid(schema), "{name} is no JSON Schema");
        document.schema(schema);
    }
}

#[test]
fn every_example_fits_its_schema() {
    fn walk(document: &Document, place: &str, value: &Value, seen: &mut usize) {
        let mut check = |schema: &Value, example: &Value| {
            *seen += 1;
            document.assert_fits(schema, example, place);
        };
        if let (Some(schema), Some(example)) = (value.get("schema"), value.get("example")) {
            check(schema, example);
        }
        for example in value.get("examples").and_then(Value::as_array).into_iter().flatten() {
            check(value, example);
        }
        match value {
            Value::Object(members) => {
                members
                    .iter()
                    .for_each(|(name, inner)| walk(document, &format!("{place}/{name}"), inner, seen));
            }
            Value::Array(items) => items.iter().for_each(|item| walk(document, place, item, seen)),
            _ => (),
        }
    }
    let mut seen = 0;
    let document = Document::load();
    walk(&document, "", &document.root, &mut seen);
    assert!(seen >= 15, "only {seen} examples were found");
}

/// From the document to the routers: each operation is answered, by the function that its tags name.
#[tokio::test]
async fn every_documented_operation_is_routed() {
    let (document, world) = (Document::load(), World::new());
    for operation in document.operations() {
        let asked = world
            .ask(&Asked::request(&operation.method, &filled(&operation.path)), door(&document, &operation))
            .await;
        assert!(![404, 405].contains(&asked.status), "{operation:?} is answered {}", asked.status);
    }
}

/// From the routers to the document: every path that can be made of a router's own words is documented.
#[tokio::test]
async fn every_route_is_documented() {
    let (document, world) = (Document::load(), World::new());
    let documented = document.operations();
    for (source, door, parts) in [
        ("functions/ingest/src/route.rs", Door::Ingest, 3),
        ("functions/profile/src/api/ask.rs", Door::Profile, 4),
    ] {
        let mut words = words(&read(source));
        // `v1` makes no difference to ingest, which drops it; any word stands for a parameter.
        words.retain(|word| door == Door::Profile || word != "v1");
        words.insert("x".to_owned());
        let of_door: Vec<&Operation> =
            documented.iter().filter(|operation| self::door(&document, operation) == door).collect();
        let mut found = BTreeSet::new();
        for path in paths(&words, parts) {
            // No route takes PATCH: whatever is there says which method it takes.
            let asked = world.ask(&Asked::request("PATCH", &path), door).await;
            if asked.status == 404 {
                continue;
            }
            assert_eq!(asked.status, 405, "{path}");
            let method = asked.headers["allow"].to_str().expect("text");
            let known =
                of_door.iter().find(|known| known.method == method && matches(&known.path, &path, door));
            found.insert(known.unwrap_or_else(|| panic!("{method} {path} is not documented")).path.clone());
        }
        let all: BTreeSet<String> = of_door.iter().map(|operation| operation.path.clone()).collect();
        let missed: Vec<&String> =
            all.difference(&found).filter(|path| !is_double(path, &found, door)).collect();
        assert!(missed.is_empty(), "{missed:?} cannot be made of the router's words");
    }
}

#[tokio::test]
async fn a_browser_may_ask_about_every_path_of_ingest() {
    let (document, world) = (Document::load(), World::new());
    for operation in document.operations() {
        if door(&document, &operation) == Door::Ingest {
            let asked = world.ask(&Asked::request("OPTIONS", &filled(&operation.path)), Door::Ingest).await;
            assert_eq!(asked.status, 204, "{operation:?}");
        }
    }
}

#[test]
fn every_code_of_an_error_is_documented_and_every_documented_code_exists() {
    let document = Document::load();
    let documented = |pointer: &str| -> BTreeSet<String> {
        let codes =
            document.root.pointer(pointer).and_then(Value::as_array).unwrap_or_else(|| panic!("{pointer}"));
        codes.iter().map(|code| code.as_str().expect("text").to_owned()).collect()
    };
    let schemas = "/components/schemas";
    assert_eq!(
        codes("functions/ingest/src/answer.rs", "fn code("),
        documented(&format!("{schemas}/Refusal/properties/code/enum"))
    );
    assert_eq!(
        codes("functions/profile/src/api/answer.rs", "fn name("),
        documented(&format!("{schemas}/Problem/properties/code/enum"))
    );
    assert_eq!(
        codes("shared/domain/src/rejection.rs", "fn name("),
        documented(&format!("{schemas}/Reason/enum"))
    );
    let refused = format!("{schemas}/Imported/properties/results/items/oneOf/1/properties/code/enum");
    assert_eq!(codes("functions/profile/src/api/import.rs", "fn code("), documented(&refused));
}

/// What the document gives as an example is taken as it stands, and answered as the document says.
#[tokio::test]
async fn the_examples_of_requests_are_taken() {
    let (document, world) = (Document::load(), World::new());
    world.know_someone().await;
    let before = world.rejected();
    let mut posted = 0;
    for operation in document.operations() {
        let body = document.resolve(&document.operation(&operation)["requestBody"]);
        let content = &body["content"]["application/json"];
        let example = content
            .get("example")
            .or_else(|| document.resolve(content.get("schema")?).get("examples")?.get(0));
        let Some(example) = example else { continue };
        let door = door(&document, &operation);
        let request = Asked::request(&operation.method, &filled(&operation.path)).body(example).key(door);
        let asked = world.ask(&request, door).await;
        assert_eq!(asked.status, 200, "{operation:?}: {:?}", asked.body);
        document.assert_says(&operation, &asked);
        posted += 1;
    }
    assert_eq!(posted, 19, "sixteen paths for events, two for imports, one look-up");
    assert_eq!(world.rejected(), before, "an example was refused");
}

#[tokio::test]
async fn real_answers_are_as_the_document_says() {
    let (document, world) = (Document::load(), World::new());
    let id = world.know_someone().await;
    let apart = world.apart_from(&id).await;
    let mut statuses = BTreeSet::new();
    for (path, request, door) in world::requests(&id, &apart) {
        let asked = world.ask(&request, door).await;
        let operation = Operation { method: request.method.clone(), path: path.to_owned() };
        let taken = if asked.status == 405 {
            Operation { method: asked.headers["allow"].to_str().expect("text").to_owned(), ..operation }
        } else {
            operation
        };
        document.assert_says(&taken, &asked);
        statuses.insert(asked.status);
    }
    assert_eq!(statuses, BTreeSet::from([200, 304, 400, 401, 403, 404, 405, 413, 415, 422, 429, 503]));
}

/// Which function answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Door {
    Ingest,
    Profile,
}

fn door(document: &Document, of: &Operation) -> Door {
    match document.operation(of)["tags"][0].as_str() {
        Some("ingest" | "sdk") => Door::Ingest,
        Some("profiles" | "segments" | "sources") => Door::Profile,
        tag => panic!("{of:?} has the tag {tag:?}"),
    }
}

/// Words in quotes, as a router's arms have them.
fn words(source: &str) -> BTreeSet<String> {
    let code = source.split("#[cfg(test)]").next().unwrap_or_default();
    let is_step = |text: &&str| {
        !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    // Comments may hold quotes of their own.
    let code: String = code.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
    code.split('"')
        .skip(1)
        .step_by(2)
        .filter(is_step)
        .filter(|word| !["POST", "GET", "OPTIONS"].contains(word))
        .map(str::to_owned)
        .collect()
}

/// All paths of at most so many of the words.
fn paths(words: &BTreeSet<String>, parts: usize) -> Vec<String> {
    let mut all = vec![String::new()];
    let mut longest = vec![String::new()];
    for _ in 0..parts {
        longest =
            longest.iter().flat_map(|path| words.iter().map(move |word| format!("{path}/{word}"))).collect();
        all.extend(longest.iter().cloned());
    }
    all
}

fn steps(path: &str, door: Door) -> Vec<&str> {
    path.split('/').filter(|step| !step.is_empty() && (door == Door::Profile || *step != "v1")).collect()
}

/// Whether a documented path, with anything in the places of its parameters, is this one.
fn matches(documented: &str, path: &str, door: Door) -> bool {
    let (documented, path) = (steps(documented, door), steps(path, door));
    documented.len() == path.len()
        && documented.iter().zip(&path).all(|(known, step)| known.starts_with('{') || known == step)
}

/// Whether a path that was found differs by nothing that the router sees.
fn is_double(path: &str, found: &BTreeSet<String>, door: Door) -> bool {
    found.iter().any(|other| steps(other, door) == steps(path, door))
}

fn filled(path: &str) -> String {
    let step = |step: &'static str, word: &str| (format!("{{{step}}}"), word.to_owned());
    let steps = [
        step("key", world::WRITE_KEY),
        step("kind", "page"),
        step("id", &"0".repeat(32)),
        step("source", "web"),
    ];
    steps.iter().fold(path.to_owned(), |path, (name, word)| path.replace(name, word))
}

/// The text in quotes that the arms of a function give.
fn codes(path: &str, function: &str) -> BTreeSet<String> {
    let source = read(path);
    let (_, body) = source.split_once(function).unwrap_or_else(|| panic!("{path} has no {function}"));
    let body = body.split("\n    }\n").next().unwrap_or_default();
    let arms = body.split("=> \"").skip(1).filter_map(|arm| arm.split('"').next());
    arms.map(str::to_owned).collect()
}
