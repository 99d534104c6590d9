//! Floods and the like on HTTP/2, and beside them what a client may do.

use super::Add;
use crate::h2wire::{
    DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, PADDED, PING, PRIORITY, RST_STREAM, SETTINGS,
    WINDOW_UPDATE, block, frame,
};

/// What a client may do, and what only an attacker does.
pub(super) fn abuses(add: Add<'_>) {
    let cancel = |stream: u32| frame(RST_STREAM, 0, stream, &[0, 0, 0, 8]);
    add("rapid resets of whole requests", false, &|it| {
        (0..2_000).flat_map(|n| [it.get(1 + 2 * n, &[]), cancel(1 + 2 * n)].concat()).collect()
    });
    add("a reset of each of a few requests", true, &|it| {
        let reset = (0..5).flat_map(|n| [it.post(1 + 2 * n, &[]), cancel(1 + 2 * n)].concat());
        [reset.collect(), it.get(101, &[])].concat()
    });
    for (name, stream) in [("a flood of windows", 0), ("a flood of windows on a stream", 1)] {
        add(name, false, &|it| {
            let updates = (0..20_000).flat_map(|_| frame(WINDOW_UPDATE, 0, stream, &[0, 0, 0, 1]));
            [it.post(1, &[]), updates.collect()].concat()
        });
    }
    add("a flood of padded nothing", false, &|it| {
        let empty = (0..20_000).flat_map(|_| frame(DATA, PADDED, 1, &[3, 0, 0, 0]));
        [it.post(1, &[]), empty.collect()].concat()
    });
    add("a flood of priority updates", false, &|_| {
        (0..20_000).flat_map(|_| frame(0x10, 0, 0, &[0, 0, 0, 1, b'u', b'=', b'1'])).collect()
    });
    add("a flood of trailers", false, &|it| {
        let trailers = frame(HEADERS, END_HEADERS | END_STREAM, 1, &block(&[("x-t", "v")]));
        [it.post(1, &[]), trailers.repeat(100)].concat()
    });
    add("a bomb of indexed headers", false, &|it| {
        // One long header put into the table, then named again and again.
        let value = "v".repeat(3_000);
        let mut bomb = it.block("GET", &[]);
        bomb.extend([0x40, 5]);
        bomb.extend_from_slice(b"x-big");
        bomb.extend([127, 0x80 | 57, 22]);
        bomb.extend_from_slice(value.as_bytes());
        bomb.extend([0xbe; 4_000]);
        frame(HEADERS, END_HEADERS | END_STREAM, 1, &bomb)
    });
    add("a few empty data frames", false, &|it| {
        [it.post(1, &[]), frame(DATA, 0, 1, &[]).repeat(3), frame(DATA, END_STREAM, 1, b"x")]
            .concat()
    });
    add("an empty data frame and the end", true, &|it| {
        [it.post(1, &[]), frame(DATA, 0, 1, &[]), frame(DATA, END_STREAM, 1, &[])].concat()
    });
    add("a hundred pings", true, &|it| {
        [frame(PING, 0, 0, &[0; 8]).repeat(100), it.get(1, &[])].concat()
    });
    add("a window of zero for answers", true, &|it| {
        [frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 0]), it.get(1, &[])].concat()
    });
    add("a table of zero", true, &|it| {
        [frame(SETTINGS, 0, 0, &[0, 1, 0, 0, 0, 0]), it.get(1, &[])].concat()
    });
    add("a request after goaway", false, &|it| {
        [frame(GOAWAY, 0, 0, &[0; 8]), it.get(1, &[])].concat()
    });
    add("a short goaway", false, &|_| frame(GOAWAY, 0, 0, &[0; 7]));
    add("a long reset", false, &|it| [it.post(1, &[]), frame(RST_STREAM, 0, 1, &[0; 5])].concat());
    add("a long window", false, &|_| frame(WINDOW_UPDATE, 0, 0, &[0, 0, 0, 1, 0]));
    add("a long priority", false, &|_| frame(PRIORITY, 0, 1, &[0; 6]));
    add("the greatest stream", true, &|it| it.get(0x7fff_ffff, &[]));
    add("a reserved bit of the stream", true, &|it| it.get(0x8000_0001, &[]));
}
