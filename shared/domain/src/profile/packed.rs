//! The profile item as bytes: one packed attribute.
//!
//! An update is billed for the whole item in steps of 1 KB, so what repeats
//! (stamps, sources) stands in tables, times are relative to the oldest, and
//! hashes are fixed at eight bytes. The first byte is the version of the
//! format; a build reads its own and the one before.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::counters::{Count, Counters, Money};
use super::ledger::{Entry, Ledger};
use super::outbox::{Outbox, Tie};
use super::stamp::Stamp;
use super::traits::{Setting, Traits, Written};
use super::{Absorbed, Campaign, Campaigns, Family, Held, Profile, Standing};
use crate::event::EventKind;
use crate::identifier::Identifier;
use crate::key::{EventName, ProfileId};
use crate::time::Timestamp;
use crate::workspace::SourceId;

/// The format of pages, ties and groups.
pub const VERSION: u8 = 1;
/// The format of a profile item. Format 1 knew no merges; it is still read.
pub const PROFILE_VERSION: u8 = 2;

/// Stored bytes that this build cannot read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Corrupt {
    /// A rollback is under way: whoever wrote it can read it.
    #[error("the item has format {0}, which is newer than this build's")]
    Newer(u8),
    #[error("the item has format {0}, which no build reads any more")]
    Older(u8),
    #[error("the item's bytes are not those of its format")]
    Bytes,
}

/// Puts the version in front of a packed value.
pub(super) fn encode(value: &impl Serialize) -> Vec<u8> {
    encode_as(VERSION, value)
}

fn encode_as(version: u8, value: &impl Serialize) -> Vec<u8> {
    #[expect(clippy::expect_used, reason = "plain types are serialised into memory; it cannot fail")]
    let bytes = postcard::to_extend(value, vec![version]).expect("plain data");
    bytes
}

/// Reads what [`encode`] wrote.
pub(super) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Corrupt> {
    match bytes.split_first() {
        None => Err(Corrupt::Bytes),
        Some((&VERSION, rest)) => postcard::from_bytes(rest).map_err(|_| Corrupt::Bytes),
        Some((&newer, _)) if newer > VERSION => Err(Corrupt::Newer(newer)),
        Some((&older, _)) => Err(Corrupt::Older(older)),
    }
}

/// Reads a profile item of this format or the one before.
fn decode_profile(bytes: &[u8]) -> Result<(PackedProfile, PackedFamily), Corrupt> {
    match bytes.split_first() {
        None => Err(Corrupt::Bytes),
        Some((&PROFILE_VERSION, rest)) => postcard::from_bytes(rest).map_err(|_| Corrupt::Bytes),
        Some((&1, rest)) => {
            let packed = postcard::from_bytes(rest).map_err(|_| Corrupt::Bytes)?;
            Ok((packed, PackedFamily::default()))
        }
        Some((&newer, _)) if newer > PROFILE_VERSION => Err(Corrupt::Newer(newer)),
        Some((&older, _)) => Err(Corrupt::Older(older)),
    }
}

#[derive(Serialize, Deserialize)]
struct PackedProfile {
    erased: bool,
    /// All times are relative to this one.
    base: i64,
    sources: Vec<SourceId>,
    identifiers: Vec<(Identifier, u32)>,
    traits: PackedTraits,
    groups: Vec<String>,
    kinds: Vec<(u8, PackedCount)>,
    names: Vec<(String, PackedCount)>,
    other_names: PackedCount,
    revenue: Vec<(String, i128, u64)>,
    campaign_first: Option<PackedTouch>,
    campaign_last: Option<PackedTouch>,
    seed: Option<[u8; 8]>,
    ties: Vec<[u8; 8]>,
    ledger: Vec<(i64, [u8; 8])>,
    spilled_to: Option<i64>,
    outbox: Vec<Tie>,
    epoch: u32,
}

/// What format 2 added, behind all of format 1.
#[derive(Default, Serialize, Deserialize)]
struct PackedFamily {
    /// Since when each identifier is held, in the order of the identifiers.
    since: Vec<i64>,
    absorbed_into: Option<ProfileId>,
    /// Profile, epoch, when, the tie's mark.
    absorbed: Vec<(ProfileId, u32, i64, [u8; 8])>,
    apart: Vec<ProfileId>,
}

#[derive(Serialize, Deserialize)]
struct PackedTraits {
    stamps: Vec<(i64, [u8; 8])>,
    /// Path, place of the stamp, place of the source, setting.
    registers: Vec<(String, u32, u32, PackedSetting)>,
}

#[derive(Serialize, Deserialize)]
enum PackedSetting {
    Json(String),
    /// Text without its quotes: most values are text.
    Text(String),
    Removed,
    Covered,
}

type PackedCount = (u64, Option<i64>, Option<i64>);
type PackedTouch = (i64, [u8; 8], Vec<(String, String)>);

impl Profile {
    pub fn encode(&self) -> Vec<u8> {
        let (first, _) = self.counters.seen();
        let base = first.unwrap_or_default();
        let sources: Vec<SourceId> =
            self.sources.iter().filter_map(|source| SourceId::parse(source).ok()).collect();
        let ledger = self.ledger.entries();
        let relative = |at: Timestamp| at.since(base);
        let family = PackedFamily {
            since: self.identifiers.values().map(|held| relative(held.since)).collect(),
            absorbed_into: self.family.absorbed_into,
            absorbed: self
                .family
                .absorbed
                .iter()
                .map(|(id, how)| (*id, how.epoch, relative(how.at), how.tie.to_le_bytes()))
                .collect(),
            apart: self.family.apart.iter().copied().collect(),
        };
        let profile = PackedProfile {
            erased: self.standing == Standing::Erased,
            base: base.millis(),
            identifiers: self
                .identifiers
                .iter()
                .map(|(identifier, held)| (identifier.clone(), held.generation))
                .collect(),
            traits: pack_traits(&self.traits, base, &sources),
            sources,
            groups: self.groups.iter().cloned().collect(),
            kinds: self
                .counters
                .kinds
                .iter()
                .map(|(kind, count)| (number(*kind), pack(*count, base)))
                .collect(),
            names: self
                .counters
                .names
                .iter()
                .map(|(name, count)| (name.clone(), pack(*count, base)))
                .collect(),
            other_names: pack(self.counters.other_names, base),
            revenue: self
                .counters
                .revenue
                .iter()
                .map(|(currency, money)| (currency.clone(), money.billionths, money.count))
                .collect(),
            campaign_first: self.campaigns.first.as_ref().map(|touch| pack_touch(touch, base)),
            campaign_last: self.campaigns.last.as_ref().map(|touch| pack_touch(touch, base)),
            seed: self.seed.map(u64::to_le_bytes),
            ties: self.ties.iter().map(|mark| mark.to_le_bytes()).collect(),
            ledger: ledger.iter().map(|entry| (relative(entry.at), entry.name.0.to_le_bytes())).collect(),
            spilled_to: self.ledger.spilled_to().map(relative),
            outbox: self.outbox.ties().to_vec(),
            epoch: self.epoch,
        };
        encode_as(PROFILE_VERSION, &(profile, family))
    }

    pub fn decode(bytes: &[u8]) -> Result<Self, Corrupt> {
        let (packed, family) = decode_profile(bytes)?;
        let base = Timestamp::from_millis(packed.base);
        let absolute = |millis: i64| base.plus(millis);
        let entry = |(at, name): (i64, [u8; 8])| Entry { at: absolute(at), name: hash(name) };
        Ok(Self {
            standing: if packed.erased { Standing::Erased } else { Standing::Live },
            identifiers: packed
                .identifiers
                .into_iter()
                .zip(family.since.into_iter().map(absolute).chain(std::iter::repeat(base)))
                .map(|((identifier, generation), since)| (identifier, Held { generation, since }))
                .collect(),
            traits: unpack_traits(packed.traits, base, &packed.sources)?,
            groups: packed.groups.into_iter().collect(),
            counters: Counters {
                kinds: packed
                    .kinds
                    .into_iter()
                    .map(|(kind, count)| Ok((kind_of(kind)?, unpack(count, base))))
                    .collect::<Result<_, Corrupt>>()?,
                names: packed.names.into_iter().map(|(name, count)| (name, unpack(count, base))).collect(),
                other_names: unpack(packed.other_names, base),
                revenue: packed
                    .revenue
                    .into_iter()
                    .map(|(currency, billionths, count)| (currency, Money { billionths, count }))
                    .collect(),
            },
            campaigns: Campaigns {
                first: packed.campaign_first.map(|touch| unpack_touch(touch, base)),
                last: packed.campaign_last.map(|touch| unpack_touch(touch, base)),
            },
            sources: packed.sources.iter().map(ToString::to_string).collect(),
            seed: packed.seed.map(u64::from_le_bytes),
            ties: packed.ties.into_iter().map(u64::from_le_bytes).collect::<BTreeSet<_>>(),
            ledger: Ledger::from_parts(
                packed.ledger.into_iter().map(entry).collect(),
                packed.spilled_to.map(absolute),
            ),
            outbox: Outbox::from_ties(packed.outbox),
            epoch: packed.epoch,
            family: Family {
                absorbed_into: family.absorbed_into,
                absorbed: family
                    .absorbed
                    .into_iter()
                    .map(|(id, epoch, at, tie)| {
                        (id, Absorbed { epoch, at: absolute(at), tie: u64::from_le_bytes(tie) })
                    })
                    .collect(),
                apart: family.apart.into_iter().collect(),
            },
        })
    }
}

/// The traits of a group, which has no profile around them.
pub(super) fn encode_traits(traits: &Traits) -> Vec<u8> {
    let sources: BTreeSet<SourceId> = traits.registers().map(|(_, written)| written.source.clone()).collect();
    let sources: Vec<SourceId> = sources.into_iter().collect();
    let packed = pack_traits(traits, Timestamp::default(), &sources);
    encode(&(sources, packed))
}

pub(super) fn decode_traits(bytes: &[u8]) -> Result<Traits, Corrupt> {
    let (sources, packed): (Vec<SourceId>, PackedTraits) = decode(bytes)?;
    unpack_traits(packed, Timestamp::default(), &sources)
}

fn pack_traits(traits: &Traits, base: Timestamp, sources: &[SourceId]) -> PackedTraits {
    let stamps: BTreeSet<Stamp> = traits.registers().map(|(_, written)| written.at).collect();
    let places: BTreeMap<Stamp, u32> = stamps.iter().copied().zip(0..).collect();
    let registers = traits.registers().map(|(path, written)| {
        let stamp = places.get(&written.at).copied().unwrap_or_default();
        let source = sources.iter().position(|source| *source == written.source).unwrap_or_default();
        let source = u32::try_from(source).unwrap_or_default();
        (path.to_owned(), stamp, source, pack_setting(&written.value))
    });
    let registers = registers.collect();
    let stamps = stamps.iter().map(|stamp| (stamp.at.since(base), stamp.event.0.to_le_bytes())).collect();
    PackedTraits { stamps, registers }
}

fn unpack_traits(packed: PackedTraits, base: Timestamp, sources: &[SourceId]) -> Result<Traits, Corrupt> {
    let stamp = |place: u32| {
        let (at, event) = packed.stamps.get(place as usize).ok_or(Corrupt::Bytes)?;
        Ok(Stamp { at: base.plus(*at), event: hash(*event) })
    };
    let register = |(path, at, source, value): (String, u32, u32, PackedSetting)| {
        let source = sources.get(source as usize).ok_or(Corrupt::Bytes)?.clone();
        Ok((path, Written { value: unpack_setting(value), at: stamp(at)?, source }))
    };
    let registers: Result<Vec<_>, Corrupt> = packed.registers.into_iter().map(register).collect();
    registers.map(Traits::from_registers)
}

fn pack_setting(setting: &Setting) -> PackedSetting {
    match setting {
        Setting::Json(json) => match serde_json::from_str::<String>(json) {
            Ok(text) => PackedSetting::Text(text),
            Err(_) => PackedSetting::Json(json.clone()),
        },
        Setting::Removed => PackedSetting::Removed,
        Setting::Covered => PackedSetting::Covered,
    }
}

fn unpack_setting(setting: PackedSetting) -> Setting {
    match setting {
        PackedSetting::Json(json) => Setting::Json(json),
        PackedSetting::Text(text) => Setting::Json(serde_json::Value::String(text).to_string()),
        PackedSetting::Removed => Setting::Removed,
        PackedSetting::Covered => Setting::Covered,
    }
}

fn pack(count: Count, base: Timestamp) -> PackedCount {
    (count.count, count.first.map(|at| at.since(base)), count.last.map(|at| at.since(base)))
}

fn unpack((count, first, last): PackedCount, base: Timestamp) -> Count {
    Count { count, first: first.map(|at| base.plus(at)), last: last.map(|at| base.plus(at)) }
}

fn pack_touch((stamp, campaign): &(Stamp, Campaign), base: Timestamp) -> PackedTouch {
    let campaign = campaign.iter().map(|(name, value)| (name.clone(), value.clone()));
    (stamp.at.since(base), stamp.event.0.to_le_bytes(), campaign.collect())
}

fn unpack_touch((at, event, campaign): PackedTouch, base: Timestamp) -> (Stamp, Campaign) {
    (Stamp { at: base.plus(at), event: hash(event) }, campaign.into_iter().collect())
}

const fn hash(bytes: [u8; 8]) -> EventName {
    EventName(u64::from_le_bytes(bytes))
}

/// Frozen: these numbers stand in stored items.
const fn number(kind: EventKind) -> u8 {
    match kind {
        EventKind::Track => 0,
        EventKind::Identify => 1,
        EventKind::Page => 2,
        EventKind::Screen => 3,
        EventKind::Group => 4,
        EventKind::Alias => 5,
    }
}

const fn kind_of(number: u8) -> Result<EventKind, Corrupt> {
    Ok(match number {
        0 => EventKind::Track,
        1 => EventKind::Identify,
        2 => EventKind::Page,
        3 => EventKind::Screen,
        4 => EventKind::Group,
        5 => EventKind::Alias,
        _ => return Err(Corrupt::Bytes),
    })
}
