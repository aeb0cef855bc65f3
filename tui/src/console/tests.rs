//! The console as a whole: every screen as a picture, every key of the table pressed.

mod keys;
mod pictures;
mod storms;
