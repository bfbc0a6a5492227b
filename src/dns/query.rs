//! Replies, section by section, written behind the question.
