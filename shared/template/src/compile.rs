//! Makes a tree of pieces, and finds for each value the place in which it stands.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use liquid_core::Language;

use crate::context::{Context, State};
use crate::draft::Partials;
use crate::filters;
use crate::limits::{BLOCK_DEPTH_MAX, MISTAKES_MAX, PARTIAL_DEPTH_MAX};
use crate::place::{Mistake, Slip, Spot};
use crate::scan::{self, Piece, What};
use crate::tags;
use crate::tree::{Arm, Duty, For, Node, Print, Program};
use crate::words::{self, ROOTS, Seen, nearest};

const TAGS: [&str; 16] = [
    "if",
    "elsif",
    "else",
    "endif",
    "unless",
    "endunless",
    "case",
    "when",
    "endcase",
    "for",
    "endfor",
    "assign",
    "capture",
    "endcapture",
    "render",
    "comment",
];

/// Reads the parts of one template, which share snippets and mistakes.
pub(crate) struct Compiler<'s> {
    language: Language,
    partials: [&'s Partials; 2],
    /// Snippets that were read, by name and by whether they are HTML; `None` had mistakes.
    read: BTreeMap<(String, bool), Option<Arc<Program>>>,
    /// Snippets that are being read, the outermost first.
    open: Vec<String>,
    pub(crate) mistakes: Vec<Mistake>,
}

impl<'s> Compiler<'s> {
    /// Snippets of the first map stand before those of the second.
    pub(crate) fn new(own: &'s Partials, shared: &'s Partials) -> Self {
        Self {
            language: filters::language(),
            partials: [own, shared],
            read: BTreeMap::new(),
            open: Vec::new(),
            mistakes: Vec::new(),
        }
    }

    pub(crate) fn mistake(&mut self, mistake: Mistake) {
        if self.mistakes.len() < MISTAKES_MAX && !self.mistakes.contains(&mistake) {
            self.mistakes.push(mistake);
        }
    }

    /// Reads a part from its source.
    pub(crate) fn part(&mut self, part: &str, source: &str, state: State) -> Option<Arc<Program>> {
        match scan::scan(source) {
            Ok(pieces) => self.pieces(part, pieces, state),
            Err((spot, slip)) => {
                self.mistake(slip.at(spot, part));
                None
            }
        }
    }

    /// Reads a part from its pieces: of MJML these are not those of the source.
    pub(crate) fn pieces(&mut self, part: &str, pieces: Vec<Piece>, state: State) -> Option<Arc<Program>> {
        let before = self.mistakes.len();
        let within = !self.open.is_empty();
        let mut block = Block {
            compiler: self,
            part,
            pieces: pieces.into(),
            begun: state.clone(),
            state,
            loops: Vec::new(),
            looping: 0,
            depth: 0,
            names: BTreeSet::new(),
            prints: BTreeSet::new(),
            any_name: within,
        };
        let nodes = block.body(&[], 0).nodes;
        let (ends, depth, prints) = (block.state.clone(), block.depth + 1, std::mem::take(&mut block.prints));
        if within && ends != block.begun {
            let reason = "a snippet ends in another place of the HTML than it begins";
            self.mistake(Slip::new(reason, "let it hold whole elements").at(Spot::START, part));
        }
        let program = Program { part: part.to_owned(), nodes, prints, depth };
        (self.mistakes.len() == before).then(|| Arc::new(program))
    }

    fn partial(&mut self, name: &str, html: bool) -> Result<Option<Arc<Program>>, Slip> {
        if self.open.iter().any(|open| open == name) {
            let way = format!("{} → {name}", self.open.join(" → "));
            return Err(Slip::new(format!("a snippet renders itself: {way}"), "break the circle"));
        }
        if let Some(known) = self.read.get(&(name.to_owned(), html)) {
            return Ok(known.clone());
        }
        let [own, shared] = self.partials;
        let Some(source) = own.get(name).or_else(|| shared.get(name)) else {
            let names = own.keys().chain(shared.keys()).map(String::as_str);
            let remedy = match nearest(name, names) {
                Some(near) => format!("perhaps `{near}` is meant"),
                None => "write it first".to_owned(),
            };
            return Err(Slip::new(format!("there is no snippet `{name}`"), remedy));
        };
        if self.open.len() >= PARTIAL_DEPTH_MAX {
            return Err(too_deep());
        }
        self.open.push(name.to_owned());
        let state = if html { State::Text } else { State::Plain };
        let program = self.part(&format!("partials.{name}"), source, state);
        self.open.pop();
        self.read.insert((name.to_owned(), html), program.clone());
        Ok(program)
    }
}

/// One part while it is read.
struct Block<'c, 's> {
    compiler: &'c mut Compiler<'s>,
    part: &'c str,
    pieces: VecDeque<Piece>,
    begun: State,
    state: State,
    /// Where in the HTML each open loop began.
    loops: Vec<State>,
    /// How many loops are open around, those around a `capture` included.
    looping: usize,
    /// How deep the snippets go that were rendered so far.
    depth: usize,
    /// Names that the template made itself.
    names: BTreeSet<String>,
    prints: BTreeSet<String>,
    /// A snippet is given names by whoever renders it.
    any_name: bool,
}

/// What a block held, and the tag that ended it.
struct Body {
    nodes: Vec<Node>,
    end: Option<End>,
}

struct End {
    spot: Spot,
    name: String,
    rest: String,
}

impl Block<'_, '_> {
    fn slip(&mut self, spot: Spot, slip: Slip) {
        self.compiler.mistake(slip.at(spot, self.part));
    }

    /// What `read` makes, or a mistake at `spot`.
    fn told<T>(&mut self, spot: Spot, read: Result<T, Slip>) -> Option<T> {
        read.map_err(|slip| self.slip(spot, slip)).ok()
    }

    /// Reads up to one of `ends`, or up to the end of the part.
    fn body(&mut self, ends: &[&str], depth: usize) -> Body {
        let mut nodes = Vec::new();
        while let Some(Piece { spot, what }) = self.pieces.pop_front() {
            match what {
                What::Text(text) => {
                    let fed = self.state.feed(&text);
                    self.told(spot, fed);
                    nodes.push(Node::Text(text));
                }
                What::Output(text) => nodes.extend(self.output(spot, &text)),
                What::Tag { name, rest } if ends.contains(&name.as_str()) => {
                    return Body { nodes, end: Some(End { spot, name, rest }) };
                }
                What::Tag { name, rest } => nodes.extend(self.tag(spot, &name, &rest, depth)),
            }
        }
        Body { nodes, end: None }
    }

    fn output(&mut self, spot: Spot, text: &str) -> Option<Node> {
        let placed = self.state.output();
        let context = self.told(spot, placed)?;
        let seen = self.look(spot, text)?;
        let raw = seen.filters.iter().position(|(name, _)| name == "raw");
        let last = seen.filters.last();
        let (text, context) = match (raw, last) {
            (Some(at), Some((_, bar))) if at + 1 == seen.filters.len() => {
                (text.get(..*bar).unwrap_or_default(), Context::Plain)
            }
            (Some(_), _) => {
                self.slip(spot, Slip::new("`raw` is not the last filter", "move it to the end"));
                return None;
            }
            // Escaped for the address anyway: once is enough.
            (None, Some((name, bar))) if name == "url_encode" && context == Context::Component => {
                (text.get(..*bar).unwrap_or_default(), context)
            }
            (None, _) => (text, context),
        };
        let read = words::chain(text, &self.compiler.language);
        let chain = self.told(spot, read)?;
        let shown = seen.variables.first().cloned().unwrap_or_default();
        let duty = Duty::ALL.into_iter().find(|duty| duty.variable() == shown);
        self.prints.insert(shown);
        Some(Node::Print(Print { spot, chain, context, duty }))
    }

    /// Looks through an expression, and whether its names are known.
    fn look(&mut self, spot: Spot, text: &str) -> Option<Seen> {
        let seen = words::look(text);
        let seen = self.told(spot, seen)?;
        for variable in &seen.variables {
            let root = variable.split('.').next().unwrap_or_default();
            let looped = root == "forloop" && self.looping > 0;
            if self.any_name || looped || ROOTS.contains(&root) || self.names.contains(root) {
                continue;
            }
            let names = ROOTS.into_iter().chain(self.names.iter().map(String::as_str));
            let remedy = match nearest(root, names) {
                Some(near) => format!("perhaps `{near}` is meant"),
                None => format!("names begin with one of {}", ROOTS.join(", ")),
            };
            self.slip(spot, Slip::new(format!("there is no variable `{variable}`"), remedy));
            return None;
        }
        Some(seen)
    }

    fn tag(&mut self, spot: Spot, name: &str, rest: &str, depth: usize) -> Option<Node> {
        if depth >= BLOCK_DEPTH_MAX {
            let reason = format!("blocks more than {BLOCK_DEPTH_MAX} deep in each other");
            self.slip(spot, Slip::new(reason, "move the inner ones into a snippet"));
            self.pieces.clear();
            return None;
        }
        match name {
            "if" | "unless" => self.branches(spot, name, rest, depth),
            "case" => self.case(spot, rest, depth),
            "for" => self.for_loop(spot, rest, depth),
            "assign" => {
                // The new name may stand in its own value only if it was there before.
                let value = rest.split_once('=').map_or(rest, |(_, value)| value);
                self.look(spot, value)?;
                let read = tags::assign(rest, &self.compiler.language);
                let (name, chain) = self.told(spot, read)?;
                self.names.insert(name.clone());
                Some(Node::Assign { spot, name, chain })
            }
            "capture" => self.capture(spot, rest, depth),
            "render" => self.render(spot, rest),
            "break" | "continue" => {
                let slip = match self.loops.last() {
                    None => Some(Slip::new(format!("`{name}` outside of a loop"), "leave it out")),
                    Some(begun) if self.state != *begun => Some(Slip::new(
                        format!("`{name}` within an element or attribute that the loop opened"),
                        "move it between whole elements",
                    )),
                    Some(_) => None,
                };
                if let Some(slip) = slip {
                    self.slip(spot, slip);
                }
                Some(if name == "break" { Node::Break } else { Node::Continue })
            }
            _ => {
                self.slip(spot, unknown_tag(name));
                None
            }
        }
    }

    fn branches(&mut self, spot: Spot, name: &str, rest: &str, depth: usize) -> Option<Node> {
        let close = format!("end{name}");
        let begun = self.state.clone();
        let mut ends: Option<State> = None;
        let mut arms = Vec::new();
        let (mut at, mut rest) = (spot, rest.to_owned());
        let mut negated = name == "unless";
        loop {
            let seen = self.look(at, &rest);
            let read = seen.map(|_| tags::condition(&rest, negated, &self.compiler.language));
            let condition = read.and_then(|read| self.told(at, read));
            let Body { nodes, end } = self.body(&["elsif", "else", &close], depth + 1);
            arms.extend(condition.map(|condition| Arm { spot: at, condition, body: nodes }));
            ends = Some(self.branch_ends(at, ends, &begun));
            let end = self.closed(spot, end, &close)?;
            match end.name.as_str() {
                "elsif" => (at, rest, negated) = (end.spot, end.rest, false),
                "else" => {
                    let Body { nodes, end } = self.body(&[&close], depth + 1);
                    let joined = self.branch_ends(spot, ends, &begun);
                    self.closed(spot, end, &close)?;
                    self.state = joined;
                    return Some(Node::If { arms, otherwise: nodes });
                }
                _ => break,
            }
        }
        // No branch at all may be taken.
        self.state = begun.clone();
        self.state = self.branch_ends(spot, ends, &begun);
        Some(Node::If { arms, otherwise: Vec::new() })
    }

    /// Joins where this branch ended with the ends of those before; the next begins where all began.
    fn branch_ends(&mut self, spot: Spot, ends: Option<State>, begun: &State) -> State {
        let this = std::mem::replace(&mut self.state, begun.clone());
        match ends {
            None => this,
            Some(others) => {
                let joined = others.clone().joined(this);
                self.told(spot, joined).unwrap_or(others)
            }
        }
    }

    fn closed(&mut self, spot: Spot, end: Option<End>, close: &str) -> Option<End> {
        if end.is_none() {
            let name = close.strip_prefix("end").unwrap_or(close);
            self.slip(spot, Slip::new(format!("`{name}` is not closed"), format!("add `{{% {close} %}}`")));
        }
        end
    }

    fn case(&mut self, spot: Spot, subject: &str, depth: usize) -> Option<Node> {
        let begun = self.state.clone();
        let (mut arms, mut otherwise) = (Vec::new(), Vec::new());
        self.look(spot, subject);
        let Body { nodes, mut end } = self.body(&["when", "else", "endcase"], depth + 1);
        if nodes.iter().any(|node| !matches!(node, Node::Text(text) if text.trim().is_empty())) {
            self.slip(spot, Slip::new("something stands between `case` and `when`", "move it before `case`"));
        }
        let (mut ends, mut has_else) = (None, false);
        self.state = begun.clone();
        loop {
            let found = self.closed(spot, end, "endcase")?;
            match found.name.as_str() {
                "endcase" => break,
                "else" => {
                    let body = self.body(&["endcase"], depth + 1);
                    (otherwise, has_else, end) = (body.nodes, true, body.end);
                }
                _ => {
                    let seen = self.look(found.spot, &found.rest);
                    let read = seen.map(|_| tags::when(subject, &found.rest, &self.compiler.language));
                    let condition = read.and_then(|read| self.told(found.spot, read));
                    let body = self.body(&["when", "else", "endcase"], depth + 1);
                    arms.extend(condition.map(|condition| Arm {
                        spot: found.spot,
                        condition,
                        body: body.nodes,
                    }));
                    end = body.end;
                }
            }
            ends = Some(self.branch_ends(found.spot, ends, &begun));
        }
        if !has_else {
            ends = Some(self.branch_ends(spot, ends, &begun));
        }
        self.state = ends.unwrap_or(begun);
        Some(Node::If { arms, otherwise })
    }

    fn for_loop(&mut self, spot: Spot, rest: &str, depth: usize) -> Option<Node> {
        let begun = self.state.clone();
        let over = rest.split_once(" in ").map_or(rest, |(_, over)| over);
        self.look(spot, over);
        let read = tags::for_head(rest, &self.compiler.language);
        let head = self.told(spot, read);
        let new_name = head.as_ref().is_some_and(|head| self.names.insert(head.name.clone()));
        self.loops.push(begun.clone());
        self.looping += 1;
        let Body { nodes: body, mut end } = self.body(&["else", "endfor"], depth + 1);
        self.loops.pop();
        self.looping -= 1;
        if let Some(head) = head.as_ref().filter(|_| new_name) {
            self.names.remove(&head.name);
        }
        let mut ends = self.branch_ends(spot, Some(begun.clone()), &begun);
        let mut otherwise = Vec::new();
        if end.as_ref().is_some_and(|end| end.name == "else") {
            let body = self.body(&["endfor"], depth + 1);
            (otherwise, end) = (body.nodes, body.end);
            ends = self.branch_ends(spot, Some(ends), &begun);
        }
        self.closed(spot, end, "endfor")?;
        self.state = ends;
        let tags::ForHead { name, over, limit, offset, reversed } = head?;
        Some(Node::For(Box::new(For { spot, name, over, limit, offset, reversed, body, otherwise })))
    }

    /// What is captured is text: it is escaped where it is printed.
    fn capture(&mut self, spot: Spot, rest: &str, depth: usize) -> Option<Node> {
        let around = std::mem::replace(&mut self.state, State::Plain);
        let loops = std::mem::take(&mut self.loops);
        let Body { nodes: body, end } = self.body(&["endcapture"], depth + 1);
        (self.state, self.loops) = (around, loops);
        self.closed(spot, end, "endcapture")?;
        let read = tags::only_name(rest);
        let name = self.told(spot, read)?;
        self.names.insert(name.clone());
        Some(Node::Capture { spot, name, body })
    }

    fn render(&mut self, spot: Spot, rest: &str) -> Option<Node> {
        let html = match self.state {
            State::Plain => false,
            State::Text => true,
            _ => {
                let reason = "a snippet within a tag, a comment or an attribute";
                self.slip(spot, Slip::new(reason, "move it between elements"));
                return None;
            }
        };
        let given = rest.split_once(',').map_or("", |(_, given)| given);
        self.look(spot, given)?;
        let read = tags::render(rest);
        let (name, given) = self.told(spot, read)?;
        let found = self.compiler.partial(&name, html);
        let program = self.told(spot, found)??;
        self.depth = self.depth.max(program.depth);
        if self.depth > PARTIAL_DEPTH_MAX {
            self.slip(spot, too_deep());
            return None;
        }
        self.prints.extend(program.prints.iter().cloned());
        Some(Node::Render { spot, given, program })
    }
}

fn too_deep() -> Slip {
    let reason = format!("snippets more than {PARTIAL_DEPTH_MAX} deep in each other");
    Slip::new(reason, "put some of them together")
}

fn unknown_tag(name: &str) -> Slip {
    let reason = format!("there is no tag `{name}` here");
    match name {
        "include" => Slip::new(reason, "use `render`"),
        "tablerow" => Slip::new(reason, "use `for` and write the cells out"),
        "cycle" => Slip::new(reason, "use `forloop.index0 | modulo: 2`"),
        "increment" | "decrement" => Slip::new(reason, "use `assign n = n | plus: 1`"),
        _ => match nearest(name, TAGS) {
            Some(near) if near != name => Slip::new(reason, format!("perhaps `{near}` is meant")),
            _ => Slip::new(reason, "docs/templates.md lists the tags; each end follows its own beginning"),
        },
    }
}
