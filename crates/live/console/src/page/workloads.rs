//! Services with their pods, Deployments, and pods without a Service, as tables.

use super::parts::{codes, count, findings, heading, link};
use crate::html::Html;
use crate::view::{NamespaceView, PodView, ServiceView};

/// The Services of a namespace, each with its pods below it.
pub(super) fn services(html: &mut Html, space: &NamespaceView<'_>) {
    if space.services.is_empty() {
        return;
    }
    heading(html, "Services");
    table(html, "Services and their pods in ", space, "Service and pods");
    for service in &space.services {
        html.raw("<tbody>");
        self::service(html, service);
        for pod in &service.pods {
            self::pod(html, pod);
        }
        html.raw("</tbody>");
    }
    html.raw("</table></div>");
}

/// The pods of a namespace that no Service selects.
pub(super) fn loose(html: &mut Html, space: &NamespaceView<'_>) {
    if space.loose.is_empty() {
        return;
    }
    heading(html, "Pods without a Service");
    table(html, "Pods without a Service in ", space, "Pod");
    html.raw("<tbody>");
    for pod in &space.loose {
        self::pod(html, pod);
    }
    html.raw("</tbody></table></div>");
}

/// The Deployments of a namespace.
pub(super) fn deployments(html: &mut Html, space: &NamespaceView<'_>) {
    if space.deployments.is_empty() {
        return;
    }
    heading(html, "Deployments");
    html.raw("<div class=\"wide\"><table><caption>Deployments in ").text(&space.id.name);
    html.raw(concat!(
        "</caption><thead><tr><th scope=\"col\">Deployment</th>",
        "<th scope=\"col\">Ready</th><th scope=\"col\">Images</th></tr></thead><tbody>",
    ));
    for deployment in &space.deployments {
        html.raw("<tr><th scope=\"row\">");
        link(html, deployment.id, &deployment.id.name);
        html.raw("</th><td>");
        count(html, deployment.ready);
        html.raw("</td><td>");
        codes(html, &deployment.images);
        html.raw("</td></tr>");
    }
    html.raw("</tbody></table></div>");
}

fn table(html: &mut Html, caption: &'static str, space: &NamespaceView<'_>, first: &'static str) {
    html.raw("<div class=\"wide\"><table><caption>").raw(caption).text(&space.id.name);
    html.raw("</caption><thead><tr><th scope=\"col\">").raw(first);
    html.raw(concat!(
        "</th><th scope=\"col\">Ready</th><th scope=\"col\">Version</th>",
        "<th scope=\"col\">Sidecar</th><th scope=\"col\">Restarts</th></tr></thead>",
    ));
}

fn service(html: &mut Html, service: &ServiceView<'_>) {
    html.raw("<tr class=\"group\"><th scope=\"rowgroup\">");
    link(html, service.id, &service.id.name);
    html.raw(" <span class=\"quiet\">").text(service.ports.join(", ")).raw("</span>");
    findings(html, &service.findings);
    if let Some(note) = service.note {
        html.raw("</th><td colspan=\"4\" class=\"quiet\">").raw(note).raw("</td></tr>");
        return;
    }
    html.raw("</th><td>");
    if service.pods.is_empty() {
        html.raw("<span class=\"bad\">no pods</span>");
    } else {
        count(html, service.ready);
    }
    html.raw("</td><td>");
    for (index, version) in service.versions.iter().enumerate() {
        html.raw(if index > 0 { ", " } else { "" }).text(version);
    }
    html.raw("</td><td>");
    match (service.sidecars.some, service.sidecars.all) {
        (_, 0) => {}
        (0, _) => drop(html.raw("no")),
        (some, all) if some == all => drop(html.raw("yes")),
        (some, all) => drop(html.text(format_args!("{some} of {all}"))),
    }
    html.raw("</td><td>").text(service.restarts).raw("</td></tr>");
}

fn pod(html: &mut Html, pod: &PodView<'_>) {
    html.raw("<tr><th scope=\"row\">");
    link(html, pod.id, &pod.id.name);
    html.raw("</th><td>");
    if pod.ready {
        html.raw("<span class=\"good\">ready</span>");
    } else if pod.over {
        html.raw("<span class=\"quiet\">").text(pod.state).raw("</span>");
    } else {
        html.raw("<span class=\"bad\">not ready</span> ").text(pod.state);
    }
    html.raw("</td><td>").text(pod.version).raw("</td><td>");
    html.raw(if pod.sidecar { "yes" } else { "no" });
    html.raw("</td><td>").text(pod.restarts).raw("</td></tr>");
}
