//! Format 1: profile items of the first release, which are only read, and
//! traits as groups still write them.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{Corrupt, PackedSetting, kind_of, pack_setting, unpack_setting};
use crate::identifier::Identifier;
use crate::key::EventName;
use crate::profile::counters::{Count, Counters, Money};
use crate::profile::ledger::{Entry, Ledger};
use crate::profile::outbox::{Outbox, Tie};
use crate::profile::stamp::Stamp;
use crate::profile::traits::{Traits, Written};
use crate::profile::{Campaign, Campaigns, Family, Held, Profile, Standing};
use crate::segment::Segments;
use crate::time::Timestamp;
use crate::workspace::SourceId;

#[derive(Deserialize)]
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
    #[expect(dead_code, reason = "ties were only recorded then: the next event that brings one sends it")]
    ties: Vec<[u8; 8]>,
    ledger: Vec<(i64, [u8; 8])>,
    spilled_to: Option<i64>,
    outbox: Vec<Tie>,
    epoch: u32,
}

#[derive(Serialize, Deserialize)]
pub(super) struct PackedTraits {
    stamps: Vec<(i64, [u8; 8])>,
    /// Path, place of the stamp, place of the source, setting.
    registers: Vec<(String, u32, u32, PackedSetting)>,
}

type PackedCount = (u64, Option<i64>, Option<i64>);
type PackedTouch = (i64, [u8; 8], Vec<(String, String)>);

pub(super) fn decode(bytes: &[u8]) -> Result<Profile, Corrupt> {
    let packed: PackedProfile = postcard::from_bytes(bytes).map_err(|_| Corrupt::Bytes)?;
    let base = Timestamp::from_millis(packed.base);
    let absolute = |millis: i64| base.plus(millis);
    let entry = |(at, name): (i64, [u8; 8])| Entry { at: absolute(at), name: hash(name) };
    // Format 1 did not keep since when an identifier is held.
    let held = |(identifier, generation)| (identifier, Held { generation, since: base });
    Ok(Profile {
        standing: if packed.erased { Standing::Erased } else { Standing::Live },
        identifiers: packed.identifiers.into_iter().map(held).collect(),
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
            blocked: BTreeMap::new(),
        },
        campaigns: Campaigns {
            first: packed.campaign_first.map(|touch| unpack_touch(touch, base)),
            last: packed.campaign_last.map(|touch| unpack_touch(touch, base)),
        },
        sources: packed.sources.iter().map(ToString::to_string).collect(),
        seed: packed.seed.map(u64::from_le_bytes),
        ties: BTreeSet::new(),
        ledger: Ledger::from_parts(
            packed.ledger.into_iter().map(entry).collect(),
            packed.spilled_to.map(absolute),
        ),
        outbox: Outbox::from_parts(packed.outbox, Vec::new()),
        segments: Segments::default(),
        epoch: packed.epoch,
        family: Family::default(), // Format 1 knew no merges.
    })
}

pub(super) fn pack_traits(traits: &Traits, base: Timestamp, sources: &[SourceId]) -> PackedTraits {
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

pub(super) fn unpack_traits(
    packed: PackedTraits,
    base: Timestamp,
    sources: &[SourceId],
) -> Result<Traits, Corrupt> {
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

fn unpack((count, first, last): PackedCount, base: Timestamp) -> Count {
    Count { count, first: first.map(|at| base.plus(at)), last: last.map(|at| base.plus(at)) }
}

fn unpack_touch((at, event, campaign): PackedTouch, base: Timestamp) -> (Stamp, Campaign) {
    (Stamp { at: base.plus(at), event: hash(event) }, campaign.into_iter().collect())
}

const fn hash(bytes: [u8; 8]) -> EventName {
    EventName(u64::from_le_bytes(bytes))
}
