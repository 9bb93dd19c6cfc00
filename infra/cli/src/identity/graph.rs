//! A lineage as text: a tree of identifiers, and below each how it came.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

/// An identifier as it is printed.
type Node = String;

/// What tied two identifiers together, in lines.
struct Edge {
    ends: [Node; 2],
    told: Vec<String>,
}

pub(super) fn lines(lineage: &Value) -> Vec<String> {
    let merges = list(lineage, "merges").count();
    let mut lines = vec![format!(
        "profile {}: {} identifiers, {} of other profiles taken in",
        text(lineage, "id"),
        list(lineage, "identifiers").count(),
        merges
    )];
    lines.push(String::new());
    tree(lineage, &mut lines);
    section(&mut lines, "open ties, on which nothing was decided yet", list(lineage, "open_ties").map(tie));
    section(&mut lines, "refused", list(lineage, "refusals").map(refused));
    section(&mut lines, "taken apart", list(lineage, "taken_apart").map(taken_apart));
    section(&mut lines, "stays apart from", list(lineage, "apart").map(apart));
    section(&mut lines, "left out, the last of each kind", list(lineage, "left_out").map(left_out));
    section(&mut lines, "blocked by the rules", list(lineage, "blocked").map(blocked));
    lines
}

fn tree(lineage: &Value, lines: &mut Vec<String>) {
    let mut nodes: Vec<&Value> = list(lineage, "identifiers").collect();
    // Of those that one event brought its home comes first: the others hang on it.
    let is_home = |node: &Value| brought(node).is_some_and(|edge| edge.ends.first() == edge.ends.last());
    nodes.sort_by_key(|node| (text(node, "since"), !is_home(node), named(node)));
    let mut first: BTreeMap<Node, String> = BTreeMap::new();
    let (mut edges, mut unknown) = (Vec::new(), Vec::new());
    for merge in list(lineage, "merges") {
        match merge.get("because").filter(|tie| tie.is_object()) {
            Some(because) => edges.push(merged(merge, because)),
            None => unknown.push(taken_in(merge)),
        }
    }
    for node in &nodes {
        match brought(node) {
            Some(edge) if edge.ends.first() != edge.ends.last() => edges.push(edge),
            Some(Edge { told, .. }) => drop(first.insert(named(node), told.concat())),
            None => drop(
                first.insert(named(node), format!("since {}; its event is not kept", text(node, "since"))),
            ),
        }
    }
    let (kept, more) = spanning(edges);
    let mut drawn = BTreeSet::new();
    for node in nodes.iter().map(|node| named(node)) {
        if !drawn.contains(&node) {
            draw(&node, None, &kept, &first, ("", ""), &mut drawn, lines);
        }
    }
    section(
        lines,
        "tied once more by",
        more.into_iter().map(|Edge { ends, told }| [vec![ends.join(" = ")], told].concat()),
    );
    section(lines, "taken in, by ties that are not kept", unknown.into_iter().map(|line| vec![line]));
}

/// Edges without which something would fall apart, and those that close a circle.
fn spanning(edges: Vec<Edge>) -> (Vec<Edge>, Vec<Edge>) {
    let mut group: BTreeMap<Node, Node> = BTreeMap::new();
    let root = |group: &BTreeMap<Node, Node>, node: &Node| {
        let mut node = node.clone();
        while let Some(next) = group.get(&node) {
            node.clone_from(next);
        }
        node
    };
    edges.into_iter().partition(|edge| {
        let [a, b] = edge.ends.each_ref().map(|end| root(&group, end));
        let is_new = a != b;
        if is_new {
            group.insert(a, b);
        }
        is_new
    })
}

/// Draws a node and all that hangs on it; `at` and `below` stand in front of it and of what follows it.
fn draw(
    node: &Node,
    by: Option<&Edge>,
    edges: &[Edge],
    first: &BTreeMap<Node, String>,
    (at, below): (&str, &str),
    drawn: &mut BTreeSet<Node>,
    lines: &mut Vec<String>,
) {
    drawn.insert(node.clone());
    lines.push(format!("{at}{node}"));
    let children: Vec<(&Node, &Edge)> = edges
        .iter()
        .filter_map(|edge| match &edge.ends {
            [a, b] if a == node => Some((b, edge)),
            [a, b] if b == node => Some((a, edge)),
            _ => None,
        })
        .filter(|(child, _)| !drawn.contains(*child))
        .collect();
    let bar = if children.is_empty() { "   " } else { "│  " };
    for told in by.iter().flat_map(|edge| &edge.told).chain(first.get(node)) {
        lines.push(format!("{below}{bar}{told}"));
    }
    let last = children.len().saturating_sub(1);
    for (nth, (child, edge)) in children.into_iter().enumerate() {
        let (corner, rest) = if nth == last { ("└─ ", "   ") } else { ("├─ ", "│  ") };
        let (at, below) = (format!("{below}{corner}"), format!("{below}{rest}"));
        draw(child, Some(edge), edges, first, (&at, &below), drawn, lines);
    }
}

fn merged(merge: &Value, because: &Value) -> Edge {
    let mut ends = list(because, "identifiers").map(named);
    let ends = [ends.next().unwrap_or_default(), ends.next().unwrap_or_default()];
    Edge { ends, told: vec![why(because), taken_in(merge)] }
}

fn brought(node: &Value) -> Option<Edge> {
    let because = node.get("because").filter(|because| because.is_object())?;
    let home = because.get("home").map(named)?;
    let told = format!(
        "{} `{}` from {}, {}",
        text(because, "type"),
        text(because, "message_id"),
        text(because, "source"),
        text(node, "since")
    );
    Some(Edge { ends: [home, named(node)], told: vec![told] })
}

fn taken_in(merge: &Value) -> String {
    format!("took in profile {}, {}", text(merge, "absorbed"), text(merge, "at"))
}

/// `the same event `tie` from web, 2026-…`
fn why(tie: &Value) -> String {
    let (id, source, at) = (text(tie, "message_id"), text(tie, "source"), text(tie, "at"));
    match text(tie, "reason").as_str() {
        "operator" => format!("ordered by key {source}, order {id}, {at}"),
        "alias" => format!("alias `{id}` from {source}, {at}"),
        _ => format!("named together by `{id}` from {source}, {at}"),
    }
}

fn tie(tie: &Value) -> Vec<String> {
    vec![both(tie), why(tie)]
}

fn refused(refused: &Value) -> Vec<String> {
    let Some(tie) = refused.get("tie") else { return Vec::new() };
    let rule = format!("{}: {}, {}", text(refused, "reason"), text(refused, "detail"), text(refused, "at"));
    vec![both(tie), why(tie), rule]
}

fn both(tie: &Value) -> String {
    list(tie, "identifiers").map(named).collect::<Vec<_>>().join(" = ")
}

fn taken_apart(record: &Value) -> Vec<String> {
    let events =
        |side: &str| record.pointer(&format!("/events/{side}")).and_then(Value::as_u64).unwrap_or_default();
    let shared = record.pointer("/named_both/count").and_then(Value::as_u64).unwrap_or_default();
    let mut told = vec![
        format!(
            "profile {} left profile {}, {}",
            text(record, "leaves"),
            text(record, "stays"),
            text(record, "at")
        ),
        format!("ordered by key {}: {}", text(record, "by"), text(record, "why")),
        format!("{} events stayed, {} left, {shared} of them named both", events("stays"), events("leaves")),
    ];
    let ids = record.pointer("/named_both/message_ids").and_then(Value::as_array);
    let ids: Vec<&str> = ids.into_iter().flatten().filter_map(Value::as_str).collect();
    if !ids.is_empty() {
        told.push(format!("named both: {}", ids.join(", ")));
    }
    told
}

fn apart(id: &Value) -> Vec<String> {
    vec![format!("profile {}", id.as_str().unwrap_or("-"))]
}

fn left_out(left: &Value) -> Vec<String> {
    let (reason, rules) = (text(left, "reason"), text(left, "rules"));
    let (id, source, at) = (text(left, "message_id"), text(left, "source"), text(left, "at"));
    vec![named(left), format!("{reason}, version {rules} of the rules; `{id}` from {source}, {at}")]
}

fn blocked(count: &Value) -> Vec<String> {
    let [kind, count, last] = ["kind", "count", "last"].map(|name| text(count, name));
    vec![format!("{kind}: {count} times, the last {last}")]
}

fn named(identifier: &Value) -> Node {
    format!("{} {}", text(identifier, "kind"), text(identifier, "value"))
}

/// A heading, and below it each item: its first line, and the others further in.
fn section(lines: &mut Vec<String>, heading: &str, items: impl Iterator<Item = Vec<String>>) {
    let mut heading = Some(heading);
    for item in items {
        if let Some(heading) = heading.take() {
            lines.extend([String::new(), heading.to_owned()]);
        }
        for (nth, line) in item.into_iter().enumerate() {
            lines.push(format!("{}{line}", if nth == 0 { "  " } else { "     " }));
        }
    }
}

fn list<'a>(of: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> {
    of.get(name).and_then(Value::as_array).into_iter().flatten()
}

fn text(of: &Value, name: &str) -> String {
    match of.get(name) {
        None | Some(Value::Null) => "-".to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn one(kind: &str, value: &str) -> Value {
        json!({ "kind": kind, "value": value })
    }

    fn identifier(kind: &str, value: &str, since: &str, home: Option<Value>) -> Value {
        let because =
            home.map(|home| json!({ "type": "identify", "home": home, "source": "web", "message_id": "m" }));
        json!({ "kind": kind, "value": value, "since": since, "because": because })
    }

    fn tied(a: &Value, b: &Value, reason: &str) -> Value {
        json!({ "identifiers": [a, b], "reason": reason, "source": "web", "message_id": "t", "at": "T3" })
    }

    #[test]
    fn a_lineage_is_a_tree_in_which_every_line_says_how_it_came() {
        let (user, browser) = (one("user_id", "u-1"), one("anonymous_id", "a-1"));
        let lineage = json!({
            "id": "p1",
            "identifiers": [
                identifier("anonymous_id", "a-1", "T1", Some(browser.clone())),
                identifier("email", "ann@example.com", "T3", Some(user.clone())),
                identifier("phone", "+47", "T4", Some(user.clone())),
                identifier("user_id", "u-1", "T2", Some(user.clone())),
            ],
            "merges": [{ "absorbed": "p2", "at": "T5", "because": tied(&user, &browser, "same_event") }],
            "open_ties": [], "refusals": [], "taken_apart": [], "apart": [], "left_out": [], "blocked": [],
        });
        let expected = "\
profile p1: 4 identifiers, 1 of other profiles taken in

anonymous_id a-1
│  identify `m` from web, T1
└─ user_id u-1
   │  named together by `t` from web, T3
   │  took in profile p2, T5
   │  identify `m` from web, T2
   ├─ email ann@example.com
   │     identify `m` from web, T3
   └─ phone +47
         identify `m` from web, T4";
        assert_eq!(lines(&lineage).join("\n"), expected);
    }

    #[test]
    fn what_was_not_done_is_told_with_its_reason() {
        let (user, other) = (one("user_id", "u-1"), one("user_id", "u-2"));
        let lineage = json!({
            "id": "p1",
            "identifiers": [identifier("user_id", "u-1", "T1", None)],
            "merges": [{ "absorbed": "p9", "at": "T2", "because": null }],
            "open_ties": [tied(&user, &other, "alias")],
            "refusals": [{ "tie": tied(&user, &other, "operator"), "reason": "limit", "detail": "one user", "at": "T6" }],
            "taken_apart": [{
                "stays": "p1", "leaves": "p3", "at": "T7", "by": "k", "why": "two people", "events": { "stays": 3, "leaves": 2 },
                "named_both": { "count": 1, "message_ids": ["m-9"] },
            }],
            "apart": ["p3"],
            "left_out": [{ "kind": "card", "value": "7", "reason": "identifier_limit", "rules": 2, "source": "web", "message_id": "m", "at": "T8" }],
            "blocked": [{ "kind": "email", "count": 4, "first": "T1", "last": "T9" }],
        });
        let told = lines(&lineage).join("\n");
        for expected in [
            "user_id u-1\n   since T1; its event is not kept\n",
            "taken in, by ties that are not kept\n  took in profile p9, T2\n",
            "open ties, on which nothing was decided yet\n  user_id u-1 = user_id u-2\n     alias `t` from web, T3\n",
            "refused\n  user_id u-1 = user_id u-2\n     ordered by key web, order t, T3\n     limit: one user, T6\n",
            "taken apart\n  profile p3 left profile p1, T7\n     ordered by key k: two people\n     3 events stayed, 2 left, 1 of them named both\n     named both: m-9\n",
            "stays apart from\n  profile p3\n",
            "left out, the last of each kind\n  card 7\n     identifier_limit, version 2 of the rules; `m` from web, T8\n",
            "blocked by the rules\n  email: 4 times, the last T9",
        ] {
            assert!(told.contains(expected), "{expected}\nis not in\n{told}");
        }
    }

    #[test]
    fn what_one_event_brought_hangs_on_its_home() {
        let user = one("user_id", "u-1");
        let lineage = json!({ "id": "p", "identifiers": [
            identifier("email", "ann@example.com", "T1", Some(user.clone())),
            identifier("user_id", "u-1", "T1", Some(user)),
        ]});
        let told = lines(&lineage).join("\n");
        let expected = "user_id u-1\n│  identify `m` from web, T1\n└─ email ann@example.com\n      identify `m` from web, T1";
        assert!(told.ends_with(expected), "{told}");
    }

    #[test]
    fn a_circle_is_drawn_once_and_what_closes_it_is_told() {
        let named = ["a", "b", "c"].map(|value| one("card", value));
        let pairs = [(0, 1), (1, 2), (2, 0)];
        let merges = pairs.map(
            |(a, b)| json!({ "absorbed": "p", "at": "T", "because": tied(&named[a], &named[b], "alias") }),
        );
        let identifiers =
            named.clone().map(|one| identifier("card", one["value"].as_str().unwrap(), "T", None));
        let lineage = json!({ "id": "p", "identifiers": identifiers, "merges": merges });
        let told = lines(&lineage).join("\n");
        for (value, times) in [("card a", 2), ("card b", 1), ("card c", 2)] {
            assert_eq!(told.matches(value).count(), times, "{value}: {told}");
        }
        assert!(told.contains("tied once more by\n  card c = card a\n"), "{told}");
    }
}
