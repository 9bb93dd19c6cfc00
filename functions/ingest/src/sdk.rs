//! What browser and mobile SDKs ask for before they send anything, and events
//! that come as the address of an image.

use base64::Engine as _;
use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde_json::{Map, Value, json};

use crate::call::Call;
use crate::keys::Access;

/// Settings as Segment's SDKs read them from their CDN: where to send, and no
/// telemetry of the SDK's own.
pub(crate) fn settings(key: &str, scheme: &str, host: &str) -> Value {
    let enabled = json!({ "__default": { "enabled": true, "integrations": {} } });
    json!({
        "integrations": {
            "Segment.io": {
                "apiKey": key,
                "apiHost": format!("{host}/v1"),
                "protocol": scheme,
                "addBundledMetadata": true,
                "unbundledIntegrations": [],
                "versionSettings": { "version": "4.4.7", "componentTypes": ["browser"] },
            }
        },
        "plan": {
            "track": enabled,
            "identify": { "__default": { "enabled": true } },
            "group": { "__default": { "enabled": true } },
        },
        "edgeFunction": {},
        "analyticsNextEnabled": true,
        "middlewareSettings": {},
        "enabledMiddleware": {},
        "metrics": { "sampleRate": 0 },
        "legacyVideoPluginsEnabled": false,
        "remotePlugins": [],
    })
}

/// The source as `RudderStack`'s SDKs read it: enabled, with no destinations of
/// its own, and no telemetry.
pub(crate) fn source_config(access: &Access, key: &str) -> Value {
    let quiet = json!({ "enabled": false });
    json!({
        "source": {
            "id": access.source.id.as_str(),
            "name": access.source.id.as_str(),
            "writeKey": key,
            "workspaceId": access.workspace.as_str(),
            "enabled": true,
            "config": { "statsCollection": { "errors": quiet, "metrics": quiet } },
            "destinations": [],
            "connections": [],
        }
    })
}

/// Deeper names in a pixel's address are taken as they stand.
const DOTS_MAX: usize = 8;

const LENIENT: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);

/// The body that a pixel's address stands for: `data` as JSON in base64, else
/// each parameter a member, with dots between the levels.
pub(crate) fn pixel_body(call: &Call) -> Vec<u8> {
    let data = call.query().find(|(name, value)| name == "data" && !value.is_empty());
    if let Some((_, data)) = data {
        let data = data.replace(' ', "+"); // A plus that was not escaped.
        let alphabet = if data.contains(['-', '_']) { &URL_SAFE } else { &STANDARD };
        return GeneralPurpose::new(alphabet, LENIENT).decode(&data).unwrap_or_default();
    }
    let mut body = Map::new();
    for (name, value) in call.query() {
        let path: Vec<&str> = name.splitn(DOTS_MAX, '.').collect();
        insert(&mut body, &path, Value::from(value));
    }
    Value::from(body).to_string().into_bytes()
}

/// The first of two that claim one place keeps it.
fn insert(object: &mut Map<String, Value>, path: &[&str], value: Value) {
    match path {
        [] => (),
        [name] => {
            object.entry(*name).or_insert(value);
        }
        [name, rest @ ..] => {
            let inner = object.entry(*name).or_insert_with(|| Value::from(Map::new()));
            if let Some(inner) = inner.as_object_mut() {
                insert(inner, rest, value);
            }
        }
    }
}
