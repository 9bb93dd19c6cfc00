//! What the planner and the sender promise, against a world that fails.

mod world;
mod wire;
mod careless;
mod first;
mod crash;
mod race;
mod fleet;
mod pace;
mod storm;
mod waiting;
mod cost;
mod plan;
