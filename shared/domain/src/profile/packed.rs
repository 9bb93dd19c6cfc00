//! The profile item as bytes: one packed attribute.
//!
//! An update is billed for the whole item in steps of 1 KB. So what repeats
//! stands in [`tables`] and is named by its place, and the rest, mostly words
//! that many profiles share, is squeezed with a [dictionary](super::dictionary).
//! The first byte is the version of the format; a build reads its own and the
//! one before.

mod first;
mod segments;
mod tables;

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::counters::{Count, Counters, Money};
use super::dictionary::{self, UNPACKED_MAX};
use super::ledger::{Entry, Ledger};
use super::outbox::{Outbox, Tie};
use super::stamp::Stamp;
use super::traits::{Setting, Traits, Written};
use super::{Absorbed, Campaign, Campaigns, Family, Held, Profile, Standing};
use crate::event::EventKind;
use crate::identifier::Identifier;
use crate::key::{EventName, ProfileId};
use crate::segment::Segments;
use crate::time::Timestamp;
use crate::workspace::SourceId;
use segments::PackedSegments;
use tables::{Place, Rows, Stamped, Tables};

/// The format of ledger pages, ties and groups.
pub const VERSION: u8 = 1;
/// The format of a profile item that no segment has asked. Format 1 is still read.
pub const PROFILE_VERSION: u8 = 2;
/// The same with what segments keep behind it.
pub const SEGMENTS_VERSION: u8 = 3;

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
pub(crate) fn encode(value: &impl Serialize) -> Vec<u8> {
    append(vec![VERSION], value)
}

/// Appends a packed value.
pub(super) fn append(to: Vec<u8>, value: &impl Serialize) -> Vec<u8> {
    #[expect(clippy::expect_used, reason = "plain types are serialised into memory; it cannot fail")]
    let bytes = postcard::to_extend(value, to).expect("plain data");
    bytes
}

/// Reads what [`encode`] wrote.
pub(crate) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Corrupt> {
    match bytes.split_first() {
        None => Err(Corrupt::Bytes),
        Some((&VERSION, rest)) => whole(rest),
        Some((&newer, _)) if newer > VERSION => Err(Corrupt::Newer(newer)),
        Some((&older, _)) => Err(Corrupt::Older(older)),
    }
}

/// Reads a packed value that is all there is.
pub(super) fn whole<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Corrupt> {
    match postcard::take_from_bytes(bytes) {
        Ok((value, [])) => Ok(value),
        Ok(_) | Err(_) => Err(Corrupt::Bytes),
    }
}

/// A profile behind its tables. The ledger's entries are the first rows of
/// both tables, so that only their number stands here.
#[derive(Serialize, Deserialize)]
struct Packed {
    ledger: u32,
    spilled_to: Option<Place>,
    erased: bool,
    epoch: u32,
    seed: Option<Place>,
    ties: Vec<Place>,
    sources: Vec<SourceId>,
    kinds: Vec<(u8, PackedCount)>,
    other_names: PackedCount,
    names: Vec<(String, PackedCount)>,
    revenue: Vec<(String, i128, u64)>,
    blocked: Vec<(String, PackedCount)>,
    /// Identifier, generation, since when.
    identifiers: Vec<(Identifier, u32, Place)>,
    traits: Vec<PackedTrait>,
    groups: Vec<String>,
    campaign_first: Option<PackedTouch>,
    campaign_last: Option<PackedTouch>,
    outbox: Vec<Tie>,
    absorbed_into: Option<ProfileId>,
    /// Profile, epoch, when, the tie's mark.
    absorbed: Vec<(ProfileId, u32, Place, Place)>,
    apart: Vec<ProfileId>,
}

/// Path, stamp, place of the source, setting.
type PackedTrait = (String, Stamped, Place, PackedSetting);
type PackedCount = (u64, Option<Place>, Option<Place>);
type PackedTouch = (Stamped, Vec<(String, String)>);

#[derive(Serialize, Deserialize)]
enum PackedSetting {
    Json(String),
    /// Text without its quotes: most values are text.
    Text(String),
    Removed,
    Covered,
}

impl Profile {
    pub fn encode(&self) -> Vec<u8> {
        let (mut tables, packed) = self.pack();
        let changes = self.outbox.changes();
        if PackedSegments::is_nothing(&self.segments, changes) {
            let bytes = tables.write(vec![PROFILE_VERSION]);
            return dictionary::PROFILE.squeeze(bytes, &append(Vec::new(), &packed));
        }
        let segments = PackedSegments::of(&self.segments, changes, &mut tables);
        let bytes = tables.write_features(tables.write(vec![SEGMENTS_VERSION]));
        dictionary::PROFILE.squeeze(bytes, &append(append(Vec::new(), &packed), &segments))
    }

    pub fn decode(bytes: &[u8]) -> Result<Self, Corrupt> {
        match bytes.split_first() {
            None => Err(Corrupt::Bytes),
            Some((&PROFILE_VERSION, rest)) => {
                let (rows, rest) = Rows::read(rest)?;
                Self::unpack(&rows, whole(&dictionary::PROFILE.unfold(rest, UNPACKED_MAX)?)?)
            }
            Some((&SEGMENTS_VERSION, rest)) => {
                let (mut rows, rest) = Rows::read(rest)?;
                let rest = rows.read_features(rest)?;
                let (packed, segments): (Packed, PackedSegments) =
                    whole(&dictionary::PROFILE.unfold(rest, UNPACKED_MAX)?)?;
                let (segments, changes) = segments.segments(&rows)?;
                let mut profile = Self { segments, ..Self::unpack(&rows, packed)? };
                profile.outbox = Outbox::from_parts(profile.outbox.ties().to_vec(), changes);
                Ok(profile)
            }
            Some((&1, rest)) => first::decode(rest),
            Some((&newer, _)) if newer > SEGMENTS_VERSION => Err(Corrupt::Newer(newer)),
            Some((&older, _)) => Err(Corrupt::Older(older)),
        }
    }

    fn pack(&self) -> (Tables, Packed) {
        let mut tables = Tables::default();
        let ledger = self.ledger.entries();
        for entry in ledger {
            tables.push(entry.at, entry.name);
        }
        let to = &mut tables;
        let sources: Vec<SourceId> =
            self.sources.iter().filter_map(|source| SourceId::parse(source).ok()).collect();
        let packed = Packed {
            ledger: u32::try_from(ledger.len()).unwrap_or(u32::MAX),
            spilled_to: self.ledger.spilled_to().map(|at| to.moment(at)),
            erased: self.standing == Standing::Erased,
            epoch: self.epoch,
            seed: self.seed.map(|seed| to.hash(seed)),
            ties: self.ties.iter().map(|mark| to.hash(*mark)).collect(),
            kinds: self
                .counters
                .kinds
                .iter()
                .map(|(kind, count)| (number(*kind), pack_count(*count, to)))
                .collect(),
            other_names: pack_count(self.counters.other_names, to),
            names: self
                .counters
                .names
                .iter()
                .map(|(name, count)| (name.clone(), pack_count(*count, to)))
                .collect(),
            revenue: self
                .counters
                .revenue
                .iter()
                .map(|(currency, money)| (currency.clone(), money.billionths, money.count))
                .collect(),
            blocked: self
                .counters
                .blocked
                .iter()
                .map(|(kind, count)| (kind.clone(), pack_count(*count, to)))
                .collect(),
            identifiers: self
                .identifiers
                .iter()
                .map(|(identifier, held)| (identifier.clone(), held.generation, to.moment(held.since)))
                .collect(),
            traits: pack_traits(&self.traits, &sources, to),
            groups: self.groups.iter().cloned().collect(),
            campaign_first: self.campaigns.first.as_ref().map(|touch| pack_touch(touch, to)),
            campaign_last: self.campaigns.last.as_ref().map(|touch| pack_touch(touch, to)),
            outbox: self.outbox.ties().to_vec(),
            absorbed_into: self.family.absorbed_into,
            absorbed: self
                .family
                .absorbed
                .iter()
                .map(|(id, how)| (*id, how.epoch, to.moment(how.at), to.hash(how.tie)))
                .collect(),
            apart: self.family.apart.iter().copied().collect(),
            sources,
        };
        (tables, packed)
    }

    fn unpack(rows: &Rows, packed: Packed) -> Result<Self, Corrupt> {
        let moment = |place| rows.moment(place);
        let entry = |place| Ok(Entry { at: rows.moment(place)?, name: EventName(rows.hash(place)?) });
        let entries = (0..packed.ledger).map(entry).collect::<Result<_, Corrupt>>()?;
        let count = |count| unpack_count(count, rows);
        let touch = |touch| unpack_touch(touch, rows);
        Ok(Self {
            standing: if packed.erased { Standing::Erased } else { Standing::Live },
            identifiers: packed
                .identifiers
                .into_iter()
                .map(|(identifier, generation, since)| {
                    Ok((identifier, Held { generation, since: moment(since)? }))
                })
                .collect::<Result<_, Corrupt>>()?,
            traits: unpack_traits(packed.traits, &packed.sources, rows)?,
            groups: packed.groups.into_iter().collect(),
            counters: Counters {
                kinds: packed
                    .kinds
                    .into_iter()
                    .map(|(kind, of)| Ok((kind_of(kind)?, count(of)?)))
                    .collect::<Result<_, Corrupt>>()?,
                names: packed
                    .names
                    .into_iter()
                    .map(|(name, of)| Ok((name, count(of)?)))
                    .collect::<Result<_, Corrupt>>()?,
                other_names: count(packed.other_names)?,
                revenue: packed
                    .revenue
                    .into_iter()
                    .map(|(currency, billionths, count)| (currency, Money { billionths, count }))
                    .collect(),
                blocked: packed
                    .blocked
                    .into_iter()
                    .map(|(kind, of)| Ok((kind, count(of)?)))
                    .collect::<Result<_, Corrupt>>()?,
            },
            campaigns: Campaigns {
                first: packed.campaign_first.map(touch).transpose()?,
                last: packed.campaign_last.map(touch).transpose()?,
            },
            sources: packed.sources.iter().map(ToString::to_string).collect(),
            seed: packed.seed.map(|place| rows.hash(place)).transpose()?,
            ties: packed.ties.into_iter().map(|place| rows.hash(place)).collect::<Result<_, _>>()?,
            ledger: Ledger::from_parts(entries, packed.spilled_to.map(moment).transpose()?),
            outbox: Outbox::from_parts(packed.outbox, Vec::new()),
            segments: Segments::default(),
            epoch: packed.epoch,
            family: Family {
                absorbed_into: packed.absorbed_into,
                absorbed: packed
                    .absorbed
                    .into_iter()
                    .map(|(id, epoch, at, tie)| {
                        Ok((id, Absorbed { epoch, at: moment(at)?, tie: rows.hash(tie)? }))
                    })
                    .collect::<Result<_, Corrupt>>()?,
                apart: packed.apart.into_iter().collect(),
            },
        })
    }

    /// The part of the item that is squeezed; a dictionary is trained on it.
    #[cfg(test)]
    pub(super) fn squeezed_part(&self) -> Vec<u8> {
        append(Vec::new(), &self.pack().1)
    }
}

/// The traits of a group, which has no profile around them.
pub(super) fn encode_traits(traits: &Traits) -> Vec<u8> {
    let sources: BTreeSet<SourceId> = traits.registers().map(|(_, written)| written.source.clone()).collect();
    let sources: Vec<SourceId> = sources.into_iter().collect();
    let packed = first::pack_traits(traits, Timestamp::default(), &sources);
    encode(&(sources, packed))
}

pub(super) fn decode_traits(bytes: &[u8]) -> Result<Traits, Corrupt> {
    let (sources, packed): (Vec<SourceId>, first::PackedTraits) = decode(bytes)?;
    first::unpack_traits(packed, Timestamp::default(), &sources)
}

fn pack_traits(traits: &Traits, sources: &[SourceId], to: &mut Tables) -> Vec<PackedTrait> {
    let pack = |(path, written): (&str, &Written)| {
        let source = sources.iter().position(|source| *source == written.source).unwrap_or_default();
        let source = Place::try_from(source).unwrap_or_default();
        (path.to_owned(), to.stamp(written.at), source, pack_setting(&written.value))
    };
    traits.registers().map(pack).collect()
}

fn unpack_traits(packed: Vec<PackedTrait>, sources: &[SourceId], rows: &Rows) -> Result<Traits, Corrupt> {
    let unpack = |(path, at, source, value): PackedTrait| {
        let source = sources.get(source as usize).ok_or(Corrupt::Bytes)?.clone();
        Ok((path, Written { value: unpack_setting(value), at: rows.stamp(at)?, source }))
    };
    let registers: Result<Vec<_>, Corrupt> = packed.into_iter().map(unpack).collect();
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

fn pack_count(count: Count, to: &mut Tables) -> PackedCount {
    (count.count, count.first.map(|at| to.moment(at)), count.last.map(|at| to.moment(at)))
}

fn unpack_count((count, first, last): PackedCount, rows: &Rows) -> Result<Count, Corrupt> {
    let moment = |place: Option<Place>| place.map(|place| rows.moment(place)).transpose();
    Ok(Count { count, first: moment(first)?, last: moment(last)? })
}

fn pack_touch((stamp, campaign): &(Stamp, Campaign), to: &mut Tables) -> PackedTouch {
    (to.stamp(*stamp), campaign.iter().map(|(name, value)| (name.clone(), value.clone())).collect())
}

fn unpack_touch((stamp, campaign): PackedTouch, rows: &Rows) -> Result<(Stamp, Campaign), Corrupt> {
    Ok((rows.stamp(stamp)?, campaign.into_iter().collect()))
}

/// Frozen: these numbers stand in stored items.
pub(super) const fn number(kind: EventKind) -> u8 {
    match kind {
        EventKind::Track => 0,
        EventKind::Identify => 1,
        EventKind::Page => 2,
        EventKind::Screen => 3,
        EventKind::Group => 4,
        EventKind::Alias => 5,
    }
}

pub(super) const fn kind_of(number: u8) -> Result<EventKind, Corrupt> {
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
