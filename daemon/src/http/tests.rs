//! Routes as a client sees them.
