//! The web console: the mesh as a page that a person reads and that follows every change.
//!
//! It is one more client of the Kubernetes API and only reads: objects come by watch ([`run`]), are
//! understood (`scene`), become a view model (`view`) and HTML (`page`). Everything from objects to
//! HTML, and from a request's head to what it asks for (`request`), is a pure function; sockets
//! (`serve`, `service`, `events`) and watches (`watch`) stand apart.
//!
//! Invariants: no Secret is ever read. Text reaches HTML only through `html::Html::text`, which
//! escapes it. Requests that name another host than this machine are refused.

mod answer;
mod events;
mod html;
mod page;
mod patience;
mod request;
mod scene;
mod serve;
mod service;
mod view;
mod watch;

pub use serve::run;
