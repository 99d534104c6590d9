//! What a person or a pipe reads, and how the end of a pipe is taken.

use std::{fmt, io::Write as _};

use crate::api::Failure;

/// Nobody reads any more, as in `lateen get pods | head -1`: the end of the work, and no error.
#[derive(Debug)]
pub struct Closed;

impl fmt::Display for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("nobody reads the output any more")
    }
}

impl std::error::Error for Closed {}

/// Writes to standard output at once.
///
/// # Errors
/// [`Closed`] when nobody reads any more; the system's error otherwise.
pub fn print(text: &str) -> anyhow::Result<()> {
    print_bytes(text.as_bytes())
}

pub(crate) fn print_bytes(bytes: &[u8]) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(bytes).and_then(|()| out.flush()).map_err(|error| match error.kind() {
        std::io::ErrorKind::BrokenPipe => Closed.into(),
        _ => anyhow::Error::new(error).context("write standard output"),
    })
}

/// The text of an error for standard error: what the server said as the server said it, all else
/// after `error: `.
#[must_use]
pub fn complaint(error: &anyhow::Error) -> String {
    let text = format!("{error:#}");
    let text = text.trim_end();
    if error.is::<Failure>() { format!("{text}\n") } else { format!("error: {text}\n") }
}

/// Says an error and goes on.
pub(crate) fn complain(error: &anyhow::Error) {
    eprint!("{}", complaint(error));
}

/// No column is narrower than this, its gap included.
///
/// Spec: kubectl's tables, which scripts compare.
const COLUMN_MIN: usize = 6;

/// Lines in columns with three spaces between; the last column is as long as it likes.
pub(crate) fn columns(lines: &[Vec<String>]) -> String {
    let mut widths = Vec::new();
    lay_out(&mut widths, lines)
}

/// The same with widths that only grow from one call to the next.
pub(crate) fn lay_out(widths: &mut Vec<usize>, lines: &[Vec<String>]) -> String {
    for line in lines {
        widths.resize(widths.len().max(line.len()), 0);
        for (width, cell) in widths.iter_mut().zip(line) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut out = String::new();
    for line in lines {
        let mut row = String::new();
        for (width, cell) in widths.iter().zip(line) {
            row.push_str(cell);
            row.extend(std::iter::repeat_n(
                ' ',
                (width + 3).max(COLUMN_MIN) - cell.chars().count(),
            ));
        }
        out.push_str(row.trim_end());
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let lines = [["NAME", "AGE"], ["a-long-name", "1s"]];
        let lines = lines.map(|line| line.map(str::to_owned).to_vec());
        assert_eq!(columns(&lines), "NAME          AGE\na-long-name   1s\n");
        let lines = [["a", "1"], ["b", "2"]].map(|line| line.map(str::to_owned).to_vec());
        assert_eq!(columns(&lines), "a     1\nb     2\n");
    }

    #[test]
    fn the_server_speaks_in_its_own_words() {
        let failure = Failure {
            code: 404,
            reason: "NotFound".to_owned(),
            message: "no".to_owned(),
            hint: None,
        };
        assert_eq!(complaint(&failure.into()), "Error from server (NotFound): no\n");
        assert_eq!(complaint(&anyhow::anyhow!("b").context("a")), "error: a: b\n");
    }
}
