//! `zhiku eval`: measure retrieval on a folder in BEIR layout.
