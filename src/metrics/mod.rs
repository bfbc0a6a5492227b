//! Counting: per-worker cells as plain structs, and their exposition.
