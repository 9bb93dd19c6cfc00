//! Definitions of every kind, from a seed; values are few, so that they meet.

use domain::time::Timestamp;
use fastrand::Rng;
use serde_json::{Value, json};

/// The operators of the language, each with whether time alone can flip it.
pub(super) const OPERATORS: [(&str, bool); 86] = [
    ("is", false),
    ("is_not", false),
    ("less_than", false),
    ("at_most", false),
    ("more_than", false),
    ("at_least", false),
    ("between numbers", false),
    ("in", false),
    ("not_in", false),
    ("contains", false),
    ("not_contains", false),
    ("starts_with", false),
    ("ends_with", false),
    ("matches", false),
    ("exists", false),
    ("missing", false),
    ("is_true", false),
    ("is_false", false),
    ("before", false),
    ("after", false),
    ("within_last", true),
    ("within_next", true),
    ("older_than", true),
    ("anniversary_within", true),
    ("for", true),
    ("any element", false),
    ("every element", false),
    ("no element", false),
    ("version_is", false),
    ("version_less_than", false),
    ("version_at_most", false),
    ("version_more_than", false),
    ("version_at_least", false),
    ("near", false),
    ("another trait", false),
    ("count, lifetime", false),
    ("count, rolling", true),
    ("count, this period", true),
    ("count, last period", true),
    ("count, between", false),
    ("count, session", false),
    ("count, current session", true),
    ("sum, lifetime", false),
    ("sum, rolling", true),
    ("sum, last period", true),
    ("avg, lifetime", false),
    ("avg, rolling", true),
    ("min, lifetime", false),
    ("min, rolling", true),
    ("max, lifetime", false),
    ("max, rolling", true),
    ("distinct, lifetime", false),
    ("distinct, rolling", true),
    ("first, lifetime", false),
    ("first, rolling", true),
    ("last, lifetime", false),
    ("last, rolling", true),
    ("most_frequent, lifetime", false),
    ("most_frequent, rolling", true),
    ("where", false),
    ("where, a trait", false),
    ("hours", false),
    ("page", true),
    ("any event", true),
    ("sequence", false),
    ("sequence, same, during", true),
    ("absence", true),
    ("absence, same, during", true),
    ("regular", true),
    ("returned", true),
    ("returned, hours", true),
    ("returned, where, a trait", true),
    ("lapsed", true),
    ("absent", true),
    ("segment", true),
    ("segment, ever", false),
    ("segment, entered_within", true),
    ("listed", false),
    ("identifier", false),
    ("group", false),
    ("first_seen", true),
    ("last_seen", true),
    ("score", true),
    ("bucket", false),
    ("all", true),
    ("any, not", true),
];

/// Segments of each story that others ask: one of events, one of its past, and
/// one that asks that one.
pub(super) const BASE: &str = "base";
pub(super) const PAST: &str = "base-past";
pub(super) const ABOVE: &str = "base-past-not";

/// What these segments say.
pub(super) fn asked(rng: &mut Rng) -> [(&'static str, Value); 3] {
    let past = if rng.bool() {
        json!({"segment": BASE, "ever": true})
    } else {
        json!({"segment": BASE, "entered_within": span(rng)})
    };
    [(BASE, condition("count, rolling", rng)), (PAST, past), (ABOVE, json!({"not": {"segment": PAST}}))]
}

fn one<'a>(rng: &mut Rng, of: &[&'a str]) -> &'a str {
    rng.choice(of).unwrap()
}

fn span(rng: &mut Rng) -> &'static str {
    one(rng, &["12h", "1d", "36h", "2d", "3d", "5d", "1w", "1mo", "2mo", "1y"])
}

/// Afternoons or evenings, some of them over midnight.
fn hours(rng: &mut Rng) -> Value {
    let days: &[&str] =
        if rng.bool() { &["mon", "wed", "sat"] } else { &["mon", "tue", "thu", "fri", "sun"] };
    json!({"days": days, "from": one(rng, &["12:00", "18:00"]), "to": one(rng, &["23:30", "06:00"])})
}

fn event(rng: &mut Rng) -> &'static str {
    one(rng, &["Ordered", "Viewed", "Added"])
}

/// What a computed trait measures, and over which window.
pub(super) const VALUES: [&str; 10] =
    ["count", "sum", "avg", "min", "max", "distinct", "first", "last", "most_frequent", "list"];

/// A computed trait of one measure.
pub(super) fn value(measure: &str, rng: &mut Rng) -> Value {
    let of = if matches!(measure, "sum" | "avg" | "min" | "max") { "total" } else { "category" };
    let mut value = json!({"event": event(rng)});
    value[measure] = if measure == "count" { json!({}) } else { json!({"of": of}) };
    match rng.u8(..6) {
        0 => value["within"] = json!(span(rng)),
        1 => value["calendar"] = json!({"this": one(rng, &["day", "week"])}),
        2 => value["calendar"] = json!({"last": "day", "back": rng.u8(1..3)}),
        3 => value["between"] = json!(["2026-11-03", "2026-11-12"]),
        4 => value["where"] = json!({"property": "category", "is_not": "toys"}),
        _ => (),
    }
    value
}

/// A condition with one operator.
#[expect(clippy::too_many_lines, reason = "one arm an operator: a table")]
pub(super) fn condition(operator: &str, rng: &mut Rng) -> Value {
    match operator {
        "is" => match rng.u8(..3) {
            0 => json!({"trait": "plan", "is": one(rng, &["PRO", "free"])}),
            1 => json!({"trait": "age", "is": rng.i32(1..4)}),
            _ => json!({"trait": "city", "is": one(rng, &["strasse", "ÖREBRO"])}),
        },
        "is_not" => json!({"trait": "plan", "is_not": one(rng, &["pro", "free"])}),
        "less_than" | "at_most" | "more_than" | "at_least" => {
            json!({"trait": "age", operator: if rng.bool() { json!(rng.i32(1..4)) } else { json!(2.5) }})
        }
        "between numbers" => json!({"trait": "age", "between": [rng.i32(0..2), rng.i32(2..4)]}),
        "in" | "not_in" => json!({"trait": "plan", operator: ["Pro", "team", 7]}),
        "contains" | "not_contains" => {
            let of = one(rng, &["plan", "tags"]);
            json!({"trait": of, operator: one(rng, &["R", "red", "ee"])})
        }
        "starts_with" => json!({"trait": "city", "starts_with": one(rng, &["str", "ö"])}),
        "ends_with" => json!({"trait": "city", "ends_with": one(rng, &["E", "bro"])}),
        "matches" => json!({"trait": "plan", "matches": one(rng, &["^pr?o", "e+$"])}),
        "exists" | "missing" => json!({"trait": one(rng, &["plan", "home", "home.lat"]), operator: true}),
        "is_true" | "is_false" => json!({"trait": "vip", operator: true}),
        "before" | "after" => {
            let said = if rng.bool() { json!("2026-11-10") } else { json!({"trait": "renews"}) };
            json!({"trait": "joined", operator: said})
        }
        "within_last" | "within_next" | "older_than" => {
            json!({"trait": one(rng, &["joined", "renews"]), operator: span(rng)})
        }
        "anniversary_within" => json!({"trait": "born", "anniversary_within": rng.u8(..4)}),
        "for" => {
            let mut held = match rng.u8(..3) {
                0 => json!({"trait": "plan", "is": "pro"}),
                1 => json!({"trait": "age", "at_least": 2}),
                _ => json!({"trait": "plan", "is_not": "free"}),
            };
            held["for"] = json!(span(rng));
            held
        }
        "any element" => json!({"trait": "cart", "any": {"property": "sku", "is": one(rng, &["a", "b"])}}),
        "every element" => json!({"trait": "cart", "every": {"property": "price", "at_most": rng.i32(1..4)}}),
        "no element" => json!({"trait": "tags", "none": {"is": one(rng, &["red", "blue"])}}),
        "version_is" | "version_less_than" | "version_at_most" | "version_more_than" | "version_at_least" => {
            json!({"trait": "app", operator: one(rng, &["2.9", "2.10.0", "3"])})
        }
        "near" => {
            json!({"trait": "home", "near": {"lat": 50.45, "lon": 30.52, "km": one_number(rng, &[10.0, 500.0, 9000.0])}})
        }
        "another trait" => json!({"trait": "age", one(rng, &["is", "less_than"]): {"trait": "score"}}),
        "where" => json!({"event": "Ordered", "where": {"any": [
            {"property": "total", "at_least": rng.i32(1..4)},
            {"not": {"property": "category", "is": "Books"}},
        ]}, "count": {"at_least": rng.i32(1..4)}}),
        "where, a trait" => {
            json!({"event": "Ordered", "where": {"property": "total", "is": {"trait": "age"}}, "count": {"at_least": rng.i32(1..3)}})
        }
        "hours" => {
            json!({"event": [event(rng), event(rng)], "hours": hours(rng), "count": {"at_least": rng.i32(1..3)}})
        }
        "page" => json!({"page": one(rng, &["Home", "*"]), "within": span(rng)}),
        "any event" => json!({"event": "*", "within": span(rng), "count": {"at_least": rng.i32(1..4)}}),
        "sequence" => {
            json!({"sequence": [{"event": "Viewed"}, {"event": "Added"}, {"event": "Ordered"}], "within": span(rng)})
        }
        "sequence, same, during" => json!({
            "sequence": [{"event": "Viewed"}, {"event": one(rng, &["Added", "Viewed"])}],
            "within": span(rng), "same": "category", "during": span(rng),
        }),
        "absence" => {
            json!({"absence": {"after": {"event": "Added"}, "of": {"event": "Ordered"}, "for": span(rng)}})
        }
        "absence, same, during" => json!({
            "absence": {"after": {"event": "Added"}, "of": {"event": "Ordered"}, "for": span(rng)},
            "same": "category", "during": span(rng),
        }),
        "regular" => {
            json!({"regular": {"event": "Viewed"}, "in_at_least": rng.i32(1..3), "of_last": rng.i32(2..5), "unit": one(rng, &["day", "week"])})
        }
        "returned" => {
            json!({"returned": {"event": event(rng)}, "after_gap": one(rng, &["1d", "2d", "1mo"]), "within": span(rng)})
        }
        "returned, hours" => {
            let again = json!({"event": [event(rng), event(rng)], "hours": hours(rng)});
            json!({"returned": again, "after_gap": one(rng, &["12h", "1d", "2d"]), "within": span(rng)})
        }
        "returned, where, a trait" => {
            let less = json!({"property": "total", "less_than": {"trait": "age"}});
            let again = json!({"event": [event(rng), event(rng)], "where": less});
            json!({"returned": again, "after_gap": one(rng, &["6h", "12h"]), "within": span(rng)})
        }
        "lapsed" | "absent" => json!({operator: {"event": event(rng)}, "for": span(rng)}),
        "segment" => json!({"segment": one(rng, &[BASE, PAST, ABOVE])}),
        "segment, ever" => json!({"segment": one(rng, &[BASE, PAST, ABOVE]), "ever": true}),
        "segment, entered_within" => {
            json!({"segment": one(rng, &[BASE, PAST, ABOVE]), "entered_within": span(rng)})
        }
        "listed" => {
            json!({"listed": one(rng, &["vip", "staff"]), "since": format!("2026-11-{:02}", rng.u8(1..10))})
        }
        "identifier" => json!({"identifier": one(rng, &["email", "phone"])}),
        "group" => json!({"group": one(rng, &["g-1", "g-2"])}),
        "first_seen" | "last_seen" => {
            json!({"fact": operator, one(rng, &["within_last", "older_than"]): span(rng)})
        }
        "score" => json!({"score": [
            {"when": {"event": "Ordered", "within": span(rng)}, "points": 10},
            {"when": {"trait": "plan", "is": "pro"}, "points": 2.5},
            {"when": {"event": "Viewed", "within": span(rng)}, "points": -3},
        ], "at_least": one_number(rng, &[2.0, 7.0, 10.0])}),
        "bucket" => json!({"bucket": {"salt": one(rng, &["a", "b"]), "from": 0, "to": rng.i32(20..80)}}),
        "all" => {
            json!({"all": [condition("count, rolling", rng), condition("within_last", rng), condition("is_not", rng)]})
        }
        "any, not" => {
            json!({"any": [{"not": condition("count, rolling", rng)}, condition("for", rng), condition("returned", rng)]})
        }
        measured => {
            let (measure, window) = measured.split_once(", ").unwrap();
            let mut made =
                json!({"event": if rng.bool() { json!(event(rng)) } else { json!(["Ordered", "Viewed"]) }});
            match window {
                "rolling" => made["within"] = json!(span(rng)),
                "this period" => made["calendar"] = json!({"this": one(rng, &["day", "week", "month"])}),
                "last period" => made["calendar"] = json!({"last": one(rng, &["day", "week"])}),
                "between" => made["between"] = json!(["2026-11-05", "2026-11-12"]),
                "session" => made["session"] = json!({"gap": "2h"}),
                "current session" => made["session"] = json!({"gap": "2h", "current": true}),
                _ => (),
            }
            made[measure] = match measure {
                "count" => match rng.u8(..4) {
                    0 => json!({"at_most": rng.i32(0..3)}),
                    1 => json!({"is": rng.i32(0..3)}),
                    2 => json!({"between": [1, rng.i32(1..4)]}),
                    _ => json!({"at_least": rng.i32(1..4)}),
                },
                "distinct" => json!({"of": "category", "at_least": rng.i32(1..4)}),
                "first" | "last" | "most_frequent" => {
                    json!({"of": "category", "is": one(rng, &["books", "toys"])})
                }
                _ => {
                    json!({"of": "total", one(rng, &["at_least", "less_than"]): one_number(rng, &[1.0, 2.5, 4.0])})
                }
            };
            made
        }
    }
}

fn one_number(rng: &mut Rng, of: &[f64]) -> f64 {
    *rng.choice(of).unwrap()
}

/// What an event says, of its kind.
pub(super) fn payload(rng: &mut Rng, now: Timestamp) -> (domain::event::EventKind, Value) {
    use domain::event::EventKind;
    match rng.u8(..20) {
        0..8 => {
            let mut properties = json!({"category": one(rng, &["Books", "books", "toys", "food"])});
            properties["total"] = match rng.u8(..6) {
                0 => json!("2.50"),
                1 => json!("dear"),
                2 => json!(0.1),
                _ => json!(rng.i32(0..5)),
            };
            (EventKind::Track, json!({"event": event(rng), "properties": properties}))
        }
        8..16 => (EventKind::Identify, json!({"traits": traits(rng, now)})),
        16..18 => (EventKind::Page, json!({"name": one(rng, &["Home", "Prices"]), "properties": {}})),
        18 => (EventKind::Group, json!({"groupId": one(rng, &["g-1", "g-2", "g-3"])})),
        _ => (EventKind::Screen, json!({"name": "Start"})),
    }
}

#[expect(clippy::semicolon_if_nothing_returned, reason = "each arm sets one trait")]
fn traits(rng: &mut Rng, now: Timestamp) -> Value {
    let mut traits = json!({});
    for _ in 0..rng.u8(1..4) {
        let date = |rng: &mut Rng| now.plus(rng.i64(-14 * 24..14 * 24) * Timestamp::HOUR).rfc3339();
        match rng.u8(..20) {
            14 | 15 => traits[one(rng, &["joined", "renews"])] = json!(date(rng)),
            0 | 1 | 16 => {
                traits["plan"] =
                    if rng.u8(..5) == 0 { Value::Null } else { json!(one(rng, &["pro", "Free", "team"])) }
            }
            2 => {
                traits["age"] =
                    [json!(1), json!(2), json!("3"), json!(2.5), Value::Null][rng.usize(..5)].clone()
            }
            3 => traits["city"] = json!(one(rng, &["Straße", "örebro", "Kyiv"])),
            4 => {
                traits["vip"] =
                    [json!(true), json!(false), json!("true"), Value::Null][rng.usize(..4)].clone()
            }
            5 => traits["joined"] = json!(date(rng)),
            6 => {
                traits["renews"] = if rng.bool() {
                    json!(date(rng))
                } else {
                    json!(now.millis() / 1000 + rng.i64(-400_000..1_500_000))
                }
            }
            7 => traits["born"] = json!(format!("19{}-11-{:02}", rng.u8(60..99), rng.u8(1..29))),
            8 => {
                traits["tags"] = [json!(["red", "blue"]), json!(["green"]), json!([])][rng.usize(..3)].clone()
            }
            9 => {
                traits["cart"] =
                    json!([{"sku": one(rng, &["a", "B"]), "price": rng.i32(1..4)}, {"sku": "c", "price": 2}])
            }
            10 => traits["app"] = json!(one(rng, &["2.9.0", "2.10", "2.10.1", "3.0"])),
            11 => {
                traits["home"] = match rng.u8(..4) {
                    0 => Value::Null,
                    1 => json!("nowhere"),
                    2 => json!({"lat": 49.84, "lon": 24.03}),
                    _ => json!({"lat": 50.4, "lon": 30.5}),
                }
            }
            18 => {
                let at = 1_793_491_200_000 + rng.i64(0..10 * 86_400_000);
                let at = if rng.u8(..4) == 0 { Value::Null } else { json!(at) };
                traits["$tributary"] = json!({"lists": {one(rng, &["vip", "staff"]): at}})
            }
            12 => traits["score"] = json!(rng.i32(1..4)),
            _ => {
                traits["timezone"] = json!(one(
                    rng,
                    &["Europe/Kyiv", "America/New_York", "Asia/Kathmandu", "UTC", "Nowhere/At_All"]
                ))
            }
        }
    }
    traits
}
