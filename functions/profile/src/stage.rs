//! What the stage works with.

use std::marker::PhantomData;

use domain::key::IdKey;
use ports::{Clock, Definitions, Entropy, People, Rejections};

use crate::conduct::{Conduct, Proper};
use crate::definitions::Cached;

/// The profile stage over its ports.
#[derive(Debug)]
pub struct Stage<P, D, R, C, E, X = Proper> {
    pub people: P,
    pub definitions: Cached<D>,
    pub rejections: R,
    pub clock: C,
    pub entropy: E,
    pub key: IdKey,
    conduct: PhantomData<X>,
}

impl<P, D, R, C, E, X> Stage<P, D, R, C, E, X>
where
    P: People,
    D: Definitions,
    R: Rejections,
    C: Clock,
    E: Entropy,
    X: Conduct,
{
    pub fn new(people: P, definitions: D, rejections: R, clock: C, entropy: E, key: IdKey) -> Self {
        Self { people, definitions: Cached::new(definitions), rejections, clock, entropy, key, conduct: PhantomData }
    }
}
