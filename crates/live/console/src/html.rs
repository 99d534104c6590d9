//! HTML that cannot be injected into: markup is written by us, all else is escaped.

use std::fmt::{self, Display, Write as _};

/// A piece of HTML in the making.
#[derive(Debug, Default)]
pub(crate) struct Html {
    out: String,
}

impl Html {
    /// Appends markup; `'static`, so that no text of an object can be passed.
    pub(crate) fn raw(&mut self, markup: &'static str) -> &mut Html {
        self.out.push_str(markup);
        self
    }

    /// Appends text, escaped for element content and for quoted attribute values.
    pub(crate) fn text(&mut self, text: impl Display) -> &mut Html {
        // Writing to a String cannot fail; a Display that fails leaves what it wrote before.
        let _ = write!(Escaped(&mut self.out), "{text}");
        self
    }

    /// The whole.
    pub(crate) fn finish(self) -> String {
        self.out
    }
}

struct Escaped<'a>(&'a mut String);

impl fmt::Write for Escaped<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for c in text.chars() {
            match c {
                '&' => self.0.push_str("&amp;"),
                '<' => self.0.push_str("&lt;"),
                '>' => self.0.push_str("&gt;"),
                '"' => self.0.push_str("&quot;"),
                '\'' => self.0.push_str("&#39;"),
                _ => self.0.push(c),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_cannot_become_markup() {
        let mut html = Html::default();
        html.raw("<b title=\"")
            .text("a\" onclick='x'")
            .raw("\">")
            .text("</b><script>&")
            .raw("</b>");
        assert_eq!(
            html.finish(),
            "<b title=\"a&quot; onclick=&#39;x&#39;\">&lt;/b&gt;&lt;script&gt;&amp;</b>"
        );
    }
}
