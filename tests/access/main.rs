//! Who sees what, on a running `zhiku serve` with keys made by `zhiku keys`:
//!
//! 1. Every route there is has a row in the matrix; each role gets the status that its row says.
//! 2. What a caller may not see stands in no answer: not by audience, department or region, in no
//!    route, no error, no header; a random walk finds none.
//! 3. What a caller may not see answers like what does not exist, byte by byte.
//! 4. A key counts at once and stops at once, for streams and WebSockets within a second.
//! 5. A call shows to nobody who may see less than whoever began it.
//! 6. Without keys only this machine is answered, and nothing that came through a proxy.
//! 7. Whoever asks too often is told when to come back; who tries keys, too.
//! 8. What editors do and what was refused stands in the book, without words or tokens.
//! 9. Damaged keys let nobody in.
//! 10. Contracts refuse in their own form; pages of other origins do not get to `/mcp`.

mod contracts;
mod doors;
mod hostile;
mod matrix;
mod server;
mod site;
mod traces;
mod walk;
