//! Small parts of pages that several sections use.

use mesh::{Finding, Severity};

use crate::html::Html;
use crate::scene::Id;
use crate::view::{Count, Piece, Sentence};

/// A link to the page of an object.
pub(super) fn link(html: &mut Html, id: &Id, text: &str) {
    html.raw("<a href=\"").text(id.path()).raw("\">").text(text).raw("</a>");
}

/// A heading of a part of a namespace.
pub(super) fn heading(html: &mut Html, text: &'static str) {
    html.raw("<h3>").raw(text).raw("</h3>");
}

/// Findings about many objects as a list, each with the way to its object; nothing without any.
pub(super) fn findings_of_all(html: &mut Html, findings: &[&Finding]) {
    list(html, findings, |html, finding| {
        let name = finding.object.to_string();
        html.raw(" ");
        match Id::of_finding(finding) {
            Some(id) => link(html, &id, &name),
            None => drop(html.text(name)),
        }
    });
}

/// Findings as a list beside the object that they are about; nothing without any.
pub(super) fn findings(html: &mut Html, findings: &[&Finding]) {
    list(html, findings, |_, _| {});
}

fn list(html: &mut Html, findings: &[&Finding], about: impl Fn(&mut Html, &Finding)) {
    if findings.is_empty() {
        return;
    }
    html.raw("<ul class=\"findings\">");
    for finding in findings {
        let row = finding.code.row();
        html.raw(match row.severity {
            Severity::Error => "<li class=\"bad\">",
            Severity::Warning => "<li class=\"warn\">",
            Severity::Info => "<li class=\"info\">",
        });
        html.raw("<strong>").raw(row.severity.word()).raw("</strong>");
        about(html, finding);
        if !finding.path.is_empty() {
            html.raw(" <code>").text(&finding.path).raw("</code>");
        }
        html.raw(": ").text(&finding.text);
        html.raw(". <span class=\"quiet\">").raw(row.help).raw(" (").raw(row.id);
        html.raw(")</span></li>");
    }
    html.raw("</ul>");
}

/// `2/3`, marked when some are missing.
pub(super) fn count(html: &mut Html, count: Count) {
    html.raw(match (count.is_full(), count.some) {
        (true, _) => "<span class=\"good\">",
        (false, 0) => "<span class=\"bad\">",
        (false, _) => "<span class=\"warn\">",
    });
    html.text(count.some).raw("/").text(count.all).raw("</span>");
}

/// Words with what stands in the object set apart.
pub(super) fn sentence(html: &mut Html, sentence: &Sentence) {
    for (index, piece) in sentence.0.iter().enumerate() {
        if index > 0 {
            html.raw(" ");
        }
        match piece {
            Piece::Words(words) => html.raw(words),
            Piece::Code(text) => html.raw("<code>").text(text).raw("</code>"),
        };
    }
}

/// Texts of the object, set apart, with commas.
pub(super) fn codes<T: AsRef<str>>(html: &mut Html, texts: impl IntoIterator<Item = T>) {
    for (index, text) in texts.into_iter().enumerate() {
        if index > 0 {
            html.raw(", ");
        }
        html.raw("<code>").text(text.as_ref()).raw("</code>");
    }
}

/// `1 error`, `2 errors`.
pub(super) fn plural(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}
