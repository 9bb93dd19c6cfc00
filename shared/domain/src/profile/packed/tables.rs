//! What a profile names again and again, each once: moments and hashes.
//!
//! Both are random enough that nothing compresses them, so they stand in front
//! of the part that is compressed, which names them by their places.

use std::collections::BTreeMap;

use super::Corrupt;
use crate::key::EventName;
use crate::profile::stamp::Stamp;
use crate::segment::feature::FeatureId;
use crate::time::Timestamp;

/// The place of a row in its table.
pub(super) type Place = u32;
/// The places of a stamp's moment and of its event's name.
pub(super) type Stamped = (Place, Place);

/// Rows in the order in which they were first named.
#[derive(Debug, Default)]
struct Table<T> {
    rows: Vec<T>,
    places: BTreeMap<T, Place>,
}

impl<T: Ord + Copy> Table<T> {
    /// Adds a row at the end, even one that is there.
    fn push(&mut self, row: T) {
        // No profile comes near 2^32 rows: its item has at most 400 KB.
        let next = Place::try_from(self.rows.len()).unwrap_or(Place::MAX);
        self.places.entry(row).or_insert(next);
        self.rows.push(row);
    }

    fn place(&mut self, row: T) -> Place {
        if !self.places.contains_key(&row) {
            self.push(row);
        }
        self.places.get(&row).copied().unwrap_or_default()
    }
}

/// The tables of a profile that is being written.
#[derive(Debug, Default)]
pub(super) struct Tables {
    moments: Table<Timestamp>,
    hashes: Table<u64>,
    /// Only of a profile that keeps something for segments.
    features: Vec<FeatureId>,
}

impl Tables {
    /// Adds a row to both tables: so stand the entries of the ledger.
    pub(super) fn push(&mut self, at: Timestamp, name: EventName) {
        self.moments.push(at);
        self.hashes.push(name.0);
    }

    pub(super) fn moment(&mut self, at: Timestamp) -> Place {
        self.moments.place(at)
    }

    pub(super) fn hash(&mut self, hash: u64) -> Place {
        self.hashes.place(hash)
    }

    pub(super) fn feature(&mut self, id: FeatureId) {
        self.features.push(id);
    }

    pub(super) fn stamp(&mut self, stamp: Stamp) -> Stamped {
        (self.moment(stamp.at), self.hash(stamp.event.0))
    }

    /// Appends the tables: moments each as what it is after the one before it,
    /// hashes as eight bytes.
    pub(super) fn write(&self, to: Vec<u8>) -> Vec<u8> {
        let mut before = 0;
        let mut apart = |at: &Timestamp| {
            let apart = at.millis().wrapping_sub(before);
            before = at.millis();
            apart
        };
        let moments: Vec<i64> = self.moments.rows.iter().map(&mut apart).collect();
        let hashes: Vec<[u8; 8]> = self.hashes.rows.iter().map(|hash| hash.to_le_bytes()).collect();
        super::append(to, &(moments, hashes))
    }

    /// Appends the names of features, five bytes each.
    pub(super) fn write_features(&self, to: Vec<u8>) -> Vec<u8> {
        let byte = |id: FeatureId, place: usize| (id.0 >> (8 * place)).to_le_bytes()[0];
        let short =
            |id: &FeatureId| -> [u8; FeatureId::BYTES] { std::array::from_fn(|place| byte(*id, place)) };
        super::append(to, &self.features.iter().map(short).collect::<Vec<_>>())
    }
}

/// The tables of a profile that is being read.
#[derive(Debug)]
pub(super) struct Rows {
    moments: Vec<Timestamp>,
    hashes: Vec<u64>,
    features: Vec<FeatureId>,
}

impl Rows {
    /// Reads what [`Tables::write`] appended; gives back what follows it.
    pub(super) fn read(bytes: &[u8]) -> Result<(Self, &[u8]), Corrupt> {
        let read = postcard::take_from_bytes::<(Vec<i64>, Vec<[u8; 8]>)>(bytes);
        let ((moments, hashes), rest) = read.map_err(|_| Corrupt::Bytes)?;
        let mut at = 0_i64;
        let mut add = |apart| {
            at = at.wrapping_add(apart);
            Timestamp::from_millis(at)
        };
        let moments = moments.into_iter().map(&mut add).collect();
        let hashes = hashes.into_iter().map(u64::from_le_bytes).collect();
        Ok((Self { moments, hashes, features: Vec::new() }, rest))
    }

    /// Reads what [`Tables::write_features`] appended behind these; gives back what follows it.
    pub(super) fn read_features<'a>(&mut self, bytes: &'a [u8]) -> Result<&'a [u8], Corrupt> {
        let read = postcard::take_from_bytes::<Vec<[u8; FeatureId::BYTES]>>(bytes);
        let (features, rest) = read.map_err(|_| Corrupt::Bytes)?;
        let add = |id: u64, byte: u8| id << 8 | u64::from(byte);
        let long = |short: [u8; FeatureId::BYTES]| short.into_iter().rev().fold(0, add);
        self.features = features.into_iter().map(|short| FeatureId(long(short))).collect();
        Ok(rest)
    }

    pub(super) fn features(&self) -> impl Iterator<Item = FeatureId> {
        self.features.iter().copied()
    }

    pub(super) fn moment(&self, place: Place) -> Result<Timestamp, Corrupt> {
        self.moments.get(place as usize).copied().ok_or(Corrupt::Bytes)
    }

    pub(super) fn hash(&self, place: Place) -> Result<u64, Corrupt> {
        self.hashes.get(place as usize).copied().ok_or(Corrupt::Bytes)
    }

    pub(super) fn stamp(&self, (at, event): Stamped) -> Result<Stamp, Corrupt> {
        Ok(Stamp { at: self.moment(at)?, event: EventName(self.hash(event)?) })
    }
}
