//! What operators see: refused events in parts, and their counts.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::operation::query::QueryOutput;
use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use futures_util::future::try_join_all;
use ports::rejections::{Kept, Part, Place};
use ports::{Clock, Unavailable};

use super::{COUNT, KEPT, MINUTE, Rejections, VERSION, pack, rest};
use crate::item::{Attributes, bytes, check_version, is_expired, s, text};
use crate::unavailable;

/// Items of one read, each of up to 350 KB unpacked.
const READ_ITEMS: i32 = 4;
/// Bytes after which a part is not filled any further.
const PART_BYTES: usize = 2 * 1024 * 1024;
/// Behind every time of day.
const LAST: &str = "kept#~";

/// A place is no place of ours.
#[derive(Debug, thiserror::Error)]
#[error("the place is not one that a listing of this build gave")]
struct NoPlace;

/// Behind one refused event of an item.
struct Position<'a> {
    sk: &'a str,
    number: usize,
}

impl<'a> Position<'a> {
    fn parse(Place(place): &'a Place) -> Result<Self, Unavailable> {
        let parsed =
            place.split_once(' ').and_then(|(sk, number)| Some(Self { sk, number: number.parse().ok()? }));
        let ours = parsed.filter(|position| position.sk.starts_with(KEPT));
        ours.ok_or_else(|| Unavailable::new("reading a place", NoPlace))
    }

    /// How many refused events of an item were listed before.
    fn listed(this: Option<&Self>, sk: &str) -> usize {
        this.filter(|position| position.sk == sk).map_or(0, |position| position.number + 1)
    }
}

impl<C: Clock> Rejections<C> {
    /// Reads backwards by time, a few items at once.
    pub(super) async fn part(
        &self,
        pk: &str,
        after: Option<&Place>,
        limit: usize,
    ) -> Result<Part, Unavailable> {
        let position = after.map(Position::parse).transpose()?;
        let last = position.as_ref().map_or(LAST, |position| position.sk);
        let mut part = Part::default();
        let mut room = Room { left: limit, bytes: 0 };
        let mut next = None;
        loop {
            let query = self
                .query(pk)
                .key_condition_expression("pk = :pk AND sk BETWEEN :first AND :last")
                .expression_attribute_values(":first", s(KEPT))
                .expression_attribute_values(":last", s(last))
                .scan_index_forward(false)
                .limit(READ_ITEMS);
            let page = sent(query.set_exclusive_start_key(next)).await?;
            for item in self.living(page.items())? {
                let sk = text(item, "sk")?;
                let listed = Position::listed(position.as_ref(), sk);
                if !room.take(&mut part.kept, item, sk, listed)? {
                    part.more = true;
                    return Ok(part);
                }
            }
            next = page.last_evaluated_key;
            if next.is_none() {
                return Ok(part);
            }
        }
    }

    /// The counts of a day's minutes and of what they had no room for.
    pub(super) async fn sums(&self, pk: &str) -> Result<Vec<(String, u64)>, Unavailable> {
        let rests: Vec<String> = (0..rest::SHARDS).map(|shard| rest::partition(pk, shard)).collect();
        let rests = rests.iter().map(|partition| self.sum(partition, rest::ITEM));
        let all = std::iter::once(self.sum(pk, MINUTE)).chain(rests);
        let mut sums = BTreeMap::<String, u64>::new();
        for (reason, count) in try_join_all(all).await?.into_iter().flatten() {
            *sums.entry(reason).or_default() += count;
        }
        Ok(sums.into_iter().collect())
    }

    async fn sum(&self, pk: &str, prefix: &str) -> Result<BTreeMap<String, u64>, Unavailable> {
        let mut counts = BTreeMap::new();
        let mut next = None;
        loop {
            let query = self
                .query(pk)
                .key_condition_expression("pk = :pk AND begins_with(sk, :prefix)")
                .expression_attribute_values(":prefix", s(prefix));
            let page = sent(query.set_exclusive_start_key(next)).await?;
            self.living(page.items())?.into_iter().for_each(|item| add_counts(&mut counts, item));
            next = page.last_evaluated_key;
            if next.is_none() {
                return Ok(counts);
            }
        }
    }

    fn query(&self, pk: &str) -> QueryFluentBuilder {
        self.client.query().table_name(&self.table).expression_attribute_values(":pk", s(pk))
    }

    /// Those that have not expired, all of a form that can be read.
    fn living<'a>(&self, items: &'a [Attributes]) -> Result<Vec<&'a Attributes>, Unavailable> {
        let now = self.clock.now();
        let living = items.iter().filter(|item| !is_expired(item, now));
        living.map(|item| check_version(item, VERSION).map(|()| item)).collect()
    }
}

async fn sent(query: QueryFluentBuilder) -> Result<QueryOutput, Unavailable> {
    query.send().await.map_err(|error| unavailable("Query", error))
}

/// What a part can still hold.
struct Room {
    left: usize,
    bytes: usize,
}

impl Room {
    /// Takes what an item holds beyond what was listed before; `false` if not
    /// all of it found room.
    fn take(
        &mut self,
        kept: &mut Vec<Kept>,
        item: &Attributes,
        sk: &str,
        listed: usize,
    ) -> Result<bool, Unavailable> {
        let mut packed = pack::unpack(bytes(item, "b")?)?;
        packed.sort_by_key(|refused| std::cmp::Reverse(refused.at));
        for (number, rejection) in packed.into_iter().enumerate().skip(listed) {
            if self.left == 0 || self.bytes > PART_BYTES {
                return Ok(false);
            }
            self.left -= 1;
            self.bytes += rejection.sample.len() + rejection.detail.len();
            kept.push(Kept { place: Place(format!("{sk} {number}")), rejection });
        }
        Ok(true)
    }
}

fn add_counts(counts: &mut BTreeMap<String, u64>, item: &Attributes) {
    for (name, value) in item {
        let counted = value.as_n().ok().and_then(|count| count.parse::<u64>().ok());
        if let (Some(reason), Some(counted)) = (name.strip_prefix(COUNT), counted) {
            *counts.entry(reason.to_owned()).or_default() += counted;
        }
    }
}
