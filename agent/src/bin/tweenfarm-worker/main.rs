//! `tweenfarm-worker`: renders segments and joins them, as its agent orders. Holds no keys, reaches no network.

mod failure;
mod pipeline;
#[cfg(test)]
mod testing;

fn main() {}
