//! Records as released stay readable: bytes written by version 1, kept here as text.
