//! Routing rules, subsets and gateways.

use super::parts::{codes, count, findings, heading, link, sentence};
use crate::html::Html;
use crate::view::{GatewayView, RouteView, RuleView, Share, Then, VirtualView};

/// VirtualServices, each with its rules in order.
pub(super) fn virtuals(html: &mut Html, views: &[VirtualView<'_>]) {
    if views.is_empty() {
        return;
    }
    heading(html, "Routing rules");
    for view in views {
        html.raw("<article><h4>");
        link(html, view.id, &view.id.name);
        html.raw("</h4><p>Requests to ");
        codes(html, &view.hosts);
        let (mesh, gateways): (Vec<_>, Vec<_>) =
            view.gateways.iter().partition(|it| it.as_str() == "mesh");
        if !mesh.is_empty() {
            html.raw(" from inside the mesh");
        }
        if !gateways.is_empty() {
            html.raw(if mesh.is_empty() { " through " } else { " and through " });
            html.raw(if gateways.len() == 1 { "gateway " } else { "gateways " });
            codes(html, gateways);
        }
        html.raw(":</p>");
        findings(html, &view.findings);
        if view.routes.is_empty() {
            html.raw("<p class=\"quiet\">No rules.</p>");
        } else {
            html.raw("<ol class=\"routes\">");
            for rule in &view.routes {
                route(html, rule);
            }
            html.raw("</ol>");
        }
        html.raw("</article>");
    }
}

fn route(html: &mut Html, route: &RouteView) {
    html.raw("<li><p>");
    if !route.name.is_empty() {
        html.raw("<span class=\"tag\">").text(&route.name).raw("</span> ");
    }
    if route.protocol != "HTTP" {
        html.raw("<span class=\"tag\">").raw(route.protocol).raw("</span> ");
    }
    if route.when.is_empty() {
        html.raw(if route.protocol == "HTTP" { "Every request" } else { "Every connection" });
    }
    for (index, when) in route.when.iter().enumerate() {
        html.raw(if index == 0 { "When " } else { ", or when " });
        sentence(html, when);
    }
    match &route.then {
        Then::Does(does) => {
            html.raw(": ");
            sentence(html, does);
            html.raw(".</p>");
        }
        Then::Routes(shares) if shares.is_empty() => drop(html.raw(": goes nowhere.</p>")),
        Then::Routes(shares) => {
            html.raw(if route.when.is_empty() { "" } else { ":" });
            html.raw(" goes to</p><ul class=\"shares\">");
            for one in shares {
                share(html, one);
            }
            html.raw("</ul>");
        }
    }
    if !route.extras.is_empty() {
        html.raw("<ul class=\"extras\">");
        for extra in &route.extras {
            html.raw("<li>");
            sentence(html, extra);
            html.raw("</li>");
        }
        html.raw("</ul>");
    }
    html.raw("</li>");
}

fn share(html: &mut Html, share: &Share) {
    html.raw("<li><span class=\"place\">");
    match &share.service {
        Some(id) => link(html, id, &share.to),
        None => drop(html.text(&share.to)),
    }
    if !share.subset.is_empty() {
        html.raw(" <span class=\"tag\">").text(&share.subset).raw("</span>");
    }
    html.raw("</span>");
    if let Some(thousandths) = share.share {
        // The number stands beside it: the bar says nothing new to who cannot see it. Its width is
        // an attribute, for the policy of the page allows no style in the markup.
        html.raw("<svg class=\"bar\" viewBox=\"0 0 1000 10\" preserveAspectRatio=\"none\" ");
        html.raw("aria-hidden=\"true\"><rect height=\"10\" width=\"").text(thousandths);
        html.raw("\"/></svg><span class=\"share\">").text(thousandths / 10);
        if thousandths % 10 != 0 {
            html.raw(".").text(thousandths % 10);
        }
        html.raw(" %</span>");
    } else {
        html.raw("<span class=\"share bad\">no weight</span>");
    }
    html.raw("</li>");
}

/// DestinationRules, each with its subsets.
pub(super) fn destinations(html: &mut Html, views: &[RuleView<'_>]) {
    if views.is_empty() {
        return;
    }
    heading(html, "Destination rules");
    for view in views {
        html.raw("<article><h4>");
        link(html, view.id, &view.id.name);
        html.raw("</h4><p>For ");
        match &view.service {
            Some(id) => link(html, id, &view.host),
            None => codes(html, [&view.host]),
        }
        if !view.policy.is_empty() {
            html.raw(": ").text(view.policy.join(", "));
        }
        html.raw("</p>");
        findings(html, &view.findings);
        subsets(html, view);
        html.raw("</article>");
    }
}

fn subsets(html: &mut Html, view: &RuleView<'_>) {
    if view.subsets.is_empty() {
        return;
    }
    html.raw("<div class=\"wide\"><table><caption>Subsets of ").text(&view.host);
    html.raw(concat!(
        "</caption><thead><tr><th scope=\"col\">Subset</th><th scope=\"col\">Ready pods</th>",
        "<th scope=\"col\">Labels</th><th scope=\"col\">Policy</th></tr></thead><tbody>",
    ));
    for subset in &view.subsets {
        html.raw("<tr><th scope=\"row\">").text(&subset.name).raw("</th><td>");
        match subset.ready {
            Some(ready) if ready.all == 0 => drop(html.raw("<span class=\"bad\">no pods</span>")),
            Some(ready) => count(html, ready),
            None => drop(html.raw("<span class=\"quiet\">not a Service</span>")),
        }
        html.raw("</td><td>");
        codes(html, &subset.labels);
        html.raw("</td><td>").text(subset.policy.join(", ")).raw("</td></tr>");
    }
    html.raw("</tbody></table></div>");
}

/// Gateways, each with its servers.
pub(super) fn gateways(html: &mut Html, views: &[GatewayView<'_>]) {
    if views.is_empty() {
        return;
    }
    heading(html, "Gateways");
    for view in views {
        html.raw("<article><h4>");
        link(html, view.id, &view.id.name);
        html.raw("</h4><p>Played by the pods with ");
        codes(html, &view.selector);
        html.raw(": ");
        if view.ready.all == 0 {
            html.raw("<span class=\"bad\">no pods</span>");
        } else {
            count(html, view.ready);
            html.raw(" ready");
        }
        html.raw("</p>");
        findings(html, &view.findings);
        html.raw("<div class=\"wide\"><table><caption>Servers of ").text(&view.id.name);
        html.raw(concat!(
            "</caption><thead><tr><th scope=\"col\">Port</th><th scope=\"col\">Protocol</th>",
            "<th scope=\"col\">Hosts</th><th scope=\"col\">TLS</th></tr></thead><tbody>",
        ));
        for server in &view.servers {
            html.raw("<tr><th scope=\"row\">").text(server.port).raw("</th><td>");
            html.text(&server.protocol).raw("</td><td>");
            codes(html, &server.hosts);
            html.raw("</td><td>").text(&server.tls).raw("</td></tr>");
        }
        html.raw("</tbody></table></div></article>");
    }
}
