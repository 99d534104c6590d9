//! The pages as HTML, from the view model alone.

mod parts;
mod rules;
mod workloads;

use mesh::Severity;

use crate::html::Html;
use crate::scene::{Id, Scene};
use crate::view::{NamespaceView, Overview};
use parts::{findings, findings_of_all, link, plural};

/// The page of the whole mesh.
pub(crate) fn overview(view: &Overview<'_>) -> String {
    page("Mesh", view.stamp, |html| {
        html.raw("<h1>Mesh</h1>");
        notices(html, view.notices);
        summary(html, view);
        html.raw("<nav aria-label=\"Namespaces\"><ul class=\"spaces\">");
        for space in &view.namespaces {
            html.raw("<li><a href=\"#ns-").text(&space.id.name).raw("\">");
            html.text(&space.id.name).raw("</a></li>");
        }
        html.raw("</ul></nav>");
        for space in &view.namespaces {
            namespace(html, space);
        }
    })
}

/// The page of one object, with what is wrong with it; `None` if it is not there.
pub(crate) fn object(scene: &Scene, id: &Id) -> Option<String> {
    let object = scene.object(id)?;
    let yaml = serde_saphyr::to_string(object)
        .or_else(|_| serde_json::to_string_pretty(object))
        .unwrap_or_default();
    let title = title(id);
    Some(page(&title, &scene.stamp, |html| {
        heading(html, id);
        notices(html, &scene.notices);
        findings(html, &scene.findings_of(id));
        html.raw("<h2>YAML</h2><pre tabindex=\"0\" aria-label=\"YAML\"><code>");
        html.text(yaml).raw("</code></pre>");
    }))
}

/// The page in place of an object that is not there.
pub(crate) fn gone(scene: &Scene, id: &Id) -> String {
    page(&title(id), &scene.stamp, |html| {
        heading(html, id);
        notices(html, &scene.notices);
        html.raw("<p class=\"quiet\">There is no such object now.</p>");
    })
}

fn title(id: &Id) -> String {
    format!("{} {}", id.kind, id.name)
}

fn heading(html: &mut Html, id: &Id) {
    html.raw("<p class=\"crumbs\"><a href=\"/\">Mesh</a>");
    if !id.namespace.is_empty() {
        html.raw(" / <a href=\"/#ns-").text(&id.namespace).raw("\">");
        html.text(&id.namespace).raw("</a>");
    }
    html.raw(" / ").text(id.kind).raw("</p><h1>").text(&id.name).raw("</h1>");
}

/// The frame of every page. The text beside the name is the script's to change; `main` alone is
/// swapped.
fn page(title: &str, stamp: &str, main: impl FnOnce(&mut Html)) -> String {
    let mut html = Html::default();
    html.raw("<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>")
        .text(title);
    html.raw(concat!(
        " · lateen</title>",
        "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">",
        "<meta name=\"color-scheme\" content=\"light dark\">",
        "<link rel=\"stylesheet\" href=\"/style.css\">",
        "<script src=\"/live.js\" defer></script></head><body>",
        "<a class=\"skip\" href=\"#main\">Skip to the content</a>",
        "<header><a class=\"name\" href=\"/\">lateen</a>",
        "<span id=\"live\" role=\"status\">as of this load</span></header>",
        "<main id=\"main\" tabindex=\"-1\" data-stamp=\"",
    ));
    html.text(stamp).raw("\">");
    main(&mut html);
    html.raw("</main></body></html>\n");
    html.finish()
}

fn notices(html: &mut Html, notices: &[String]) {
    for notice in notices {
        html.raw("<p class=\"notice\">").text(notice).raw("</p>");
    }
}

/// All errors and warnings in one place, each with the way to its object.
fn summary(html: &mut Html, view: &Overview<'_>) {
    html.raw("<section aria-labelledby=\"findings\"><h2 id=\"findings\">Findings</h2>");
    let errors = view.findings.iter().filter(|it| it.severity() == Severity::Error).count();
    let warnings = view.findings.len() - errors;
    html.raw("<p>");
    if view.findings.is_empty() {
        html.raw("Nothing is wrong with the objects of the mesh.");
    } else {
        html.text(plural(errors, "error", "errors")).raw(", ");
        html.text(plural(warnings, "warning", "warnings")).raw(".");
    }
    if view.infos > 0 {
        html.raw(" <span class=\"quiet\">").text(plural(view.infos, "hint", "hints"));
        html.raw(" beside the objects.</span>");
    }
    html.raw("</p>");
    findings_of_all(html, &view.findings);
    html.raw("</section>");
}

fn namespace(html: &mut Html, space: &NamespaceView<'_>) {
    let name = &space.id.name;
    html.raw("<section class=\"space\" aria-labelledby=\"ns-").text(name);
    html.raw("\"><h2 id=\"ns-").text(name).raw("\">");
    link(html, &space.id, name);
    if space.system {
        html.raw(" <span class=\"tag\">system</span>");
    }
    if space.injects {
        html.raw(" <span class=\"tag\">injects sidecars</span>");
    }
    html.raw("</h2>");
    if space.is_empty() {
        html.raw("<p class=\"quiet\">Nothing here yet.</p>");
    }
    workloads::services(html, space);
    workloads::deployments(html, space);
    workloads::loose(html, space);
    rules::virtuals(html, &space.virtuals);
    rules::destinations(html, &space.rules);
    rules::gateways(html, &space.gateways);
    html.raw("</section>");
}

#[cfg(test)]
mod tests;
