//! Objects and one request: what would happen, and which rule decides.
//!
//! This is the only room that sees both sides of the wire: it lets the control plane's code make
//! the configuration of one proxy, and the proxy's code decide by it. It guesses nothing itself.
//! Invariant: it decides nothing; a wrong explanation is a bug of the mesh, not of this room.

pub mod book;
mod explanation;
mod question;
mod told;

pub use explanation::{Explanation, Goes, Guard, Share, explain};
pub use question::{Caller, Question, Scheme};
pub use told::{found, told};
