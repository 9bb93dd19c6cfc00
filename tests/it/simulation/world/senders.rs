//! What senders do: put events into requests, and count as sent only what they
//! saw answered with 200.

use std::sync::Arc;

use aws_lambda_events::apigw::ApiGatewayV2httpResponse;
use domain::time::Timestamp;
use domain::workspace::SourceId;
use ports::Clock as _;

use super::{DOORS, Live, World, named};
use crate::simulation::crowd::{message_id, workspace};
use crate::simulation::sdk::{self, Form};

/// Of what waits to be sent, how much may overtake the rest.
const WINDOW: usize = 4;

/// A request on its way.
pub(super) struct Post {
    pub(super) numbers: Vec<usize>,
    pub(super) door: usize,
    /// Whether its sender still waits for the answer.
    pub(super) is_awaited: bool,
}

impl<X: profile::Conduct, Y: ingest::Conduct> World<X, Y> {
    /// A sender puts what waits into one request.
    pub(super) fn post(&mut self) {
        let first = self.waiting[self.steps.pick(self.waiting.len().min(WINDOW))];
        let source = self.said[first].source;
        let form = Form::ALL[self.steps.pick(Form::ALL.len())];
        let most = if form == Form::Single { 1 } else { 1 + self.steps.pick(6) };
        let mut numbers = vec![first];
        let rest = self.waiting.iter().copied().filter(|number| self.said[*number].source == source);
        numbers.extend(rest.filter(|number| *number != first).take(most - 1));
        self.waiting.retain(|number| !numbers.contains(number));
        let door = self.steps.pick(DOORS);
        // What a closed laptop kept may say that it is sent at the time at which
        // it was first to be. Whichever copy is applied first stands, so that
        // this is for copies of what has been applied.
        let is_settled = self.is_month_later && numbers.iter().all(|number| self.answered.contains(number));
        let is_frozen = self.steps.sometimes(300) && is_settled;
        let now = self.clock.now();
        let sent_at = if is_frozen { now.plus(-29 * Timestamp::DAY) } else { now };
        self.tale.line(|| format!("{source} posts {} ({form:?}) at door {door}", named(&numbers)));
        let events: Vec<_> = numbers.iter().map(|number| &self.said[*number].json).collect();
        let request = sdk::request(form, source, &events, sent_at);
        let ingest = Arc::clone(&self.doors[door]);
        let running = Box::pin(async move { ingest.handle(request).await });
        self.live.push(Live::Post { post: Post { numbers, door, is_awaited: true }, running });
    }

    /// A sender gives an answer up and sends again, while its first request is
    /// still on its way.
    pub(super) fn lose_patience(&mut self) {
        let posts = self.live.iter_mut().filter_map(|live| match live {
            Live::Post { post, .. } if post.is_awaited => Some(post),
            _ => None,
        });
        let Some(post) = posts.last() else { return };
        post.is_awaited = false;
        self.tale.line(|| format!("{} waits no longer", named(&post.numbers)));
        self.waiting.extend(post.numbers.iter().copied());
    }

    /// A sender counts as sent only what it saw answered with 200.
    pub(super) fn hear(&mut self, post: Post, response: &ApiGatewayV2httpResponse) -> Result<(), String> {
        let Post { numbers, is_awaited, .. } = post;
        let status = response.status_code;
        self.tale.statuses.lock().unwrap().insert(status);
        if status == 200 {
            self.check_promise(&numbers)?;
        }
        if !is_awaited {
            return Ok(());
        }
        let is_lost = self.steps.sometimes(50);
        self.tale.line(|| {
            format!(
                "{} answered with {status}{}",
                named(&numbers),
                if is_lost { ", which is lost" } else { "" }
            )
        });
        match status {
            _ if is_lost => self.waiting.extend(numbers),
            200 => {
                for number in numbers {
                    // A second tab holds what the first has sent.
                    if self.answered.insert(number) && self.steps.sometimes(150) {
                        self.waiting.push_back(number);
                    }
                }
            }
            429 | 503 if self.steps.sometimes(80) => {
                self.tale.line(|| format!("{} given up", named(&numbers)));
            }
            429 | 503 => {
                self.clock.advance(Timestamp::SECOND);
                self.waiting.extend(numbers);
            }
            _ => {
                return Err(format!(
                    "{} answered with {status}, which makes a sender drop it",
                    named(&numbers)
                ));
            }
        }
        Ok(())
    }

    /// What an answer of 200 promises: the queue has every event, and whoever
    /// looks finds every refusal.
    fn check_promise(&self, numbers: &[usize]) -> Result<(), String> {
        for number in numbers {
            let id = message_id(*number);
            match &self.said[*number].meant {
                Ok(_) if self.accepted.contains(number) => (),
                Ok(_) => return Err(format!("{id} was answered with 200 and the queue has not accepted it")),
                Err(reason) => {
                    let source = SourceId::parse(self.said[*number].source).unwrap();
                    let kept = self.rejections.kept(&workspace(), &source);
                    if !kept
                        .iter()
                        .any(|kept| kept.reason == *reason && kept.message_id.as_ref() == Some(&id))
                    {
                        return Err(format!(
                            "{id} was refused and answered with 200, and nobody can see why"
                        ));
                    }
                }
            }
        }
        Ok(())
    }
}
