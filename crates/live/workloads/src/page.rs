//! The pages that people look at: which version served each part, as a tree of boxes.

use std::fmt::Write as _;

use serde_json::Value;

/// The page of one answer: `tree` for any service, `fleetman` and `bookinfo` with their own words.
///
/// Everything that came over the wire is escaped.
pub(crate) fn html(page: &str, title: &str, said: &Value) -> String {
    let lead = match page {
        "fleetman" => {
            "Every vehicle of the fleet, and who drives it. Reload to see which version answers."
        }
        "bookinfo" => "The book of the day. Reload to see which version of the reviews answers.",
        _ => "Reload to see which version of each part answers.",
    };
    let mut out = String::with_capacity(4096);
    // Writing to a String cannot fail.
    write!(
        out,
        "<!doctype html><html lang=en><head><meta charset=utf-8>\
         <meta name=viewport content=\"width=device-width\"><title>{title}</title><style>{STYLE}</style>\
         </head><body><h1>{title}</h1><p>{lead}</p>",
        title = escape(title),
    )
    .ok();
    part(&mut out, said, None);
    out.push_str("</body></html>\n");
    out
}

fn part(out: &mut String, said: &Value, call: Option<&Value>) {
    let text = |name: &str| escape(said[name].as_str().unwrap_or(""));
    let version = text("version");
    write!(
        out,
        "<section data-service=\"{0}\" data-version=\"{version}\" class=\"{1}\"><h2>{0} <b>{version}</b></h2>\
         <small>{2}{3}</small>",
        text("service"),
        accent(&version),
        text("pod"),
        call.and_then(|it| it["ms"].as_u64()).map_or(String::new(), |ms| format!(" · {ms} ms")),
    )
    .ok();
    if let Some(error) = said["error"].as_str() {
        write!(out, "<p class=bad>{}</p>", escape(error)).ok();
    }
    if let Some(data) = said["data"].as_object() {
        out.push_str("<dl>");
        for (name, value) in data {
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            write!(out, "<dt>{}</dt><dd>{}</dd>", escape(name), escape(&value)).ok();
        }
        out.push_str("</dl>");
    }
    for call in said["upstreams"].as_array().into_iter().flatten() {
        match call["said"].as_object().filter(|it| it.contains_key("service")) {
            Some(_) => part(out, &call["said"], Some(call)),
            None => {
                let name = escape(call["name"].as_str().unwrap_or(""));
                let why = call["error"].as_str().or(call["said"].as_str()).unwrap_or("");
                let code = call["status"].as_u64().map_or(String::new(), |code| format!("{code} "));
                write!(
                    out,
                    "<section data-service=\"{name}\" class=down><h2>{name}</h2><p class=bad>{code}{}</p></section>",
                    escape(why)
                )
                .ok();
            }
        }
    }
    out.push_str("</section>");
}

/// The colour of a version: the second and third stand out from the first.
fn accent(version: &str) -> &'static str {
    match version {
        "v2" | "experimental" | "risky" => "second",
        "v3" => "third",
        _ => "first",
    }
}

fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            other => out.push(other),
        }
    }
    out
}

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;\
color:#16202a;background:#f6f7f9}section{background:#fff;border:1px solid #d8dee5;border-left:6px solid #3a6ea5;\
border-radius:8px;padding:.6rem 1rem;margin:.7rem 0}h1{margin:0}h2{font-size:1.05rem;margin:0}b{font-size:.8rem;\
background:#e6eef7;border-radius:1rem;padding:.1rem .6rem}small{color:#66727f}.second{border-left-color:#d97706}\
.second>h2 b{background:#fdecd2}.third{border-left-color:#b91c1c}.third>h2 b{background:#fbdada}\
.down{border-left-color:#888;background:#fafafa}.bad{color:#b91c1c;margin:.2rem 0}dl{display:grid;\
grid-template-columns:max-content auto;gap:0 1rem;margin:.4rem 0}dt{color:#66727f}dd{margin:0}";

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_page_shows_each_version_and_lets_no_markup_through() {
        let said = json!({
            "service": "web", "version": "original", "pod": "p",
            "upstreams": [
                { "name": "staff", "status": 200, "said": { "service": "staff", "version": "risky",
                  "data": { "driver": "<script>" } } },
                { "name": "gone", "status": 503, "said": "no healthy upstream" },
            ],
        });
        let page = html("fleetman", "Fleet", &said);
        assert!(page.contains("data-service=\"staff\" data-version=\"risky\""));
        assert!(page.contains("503 no healthy upstream"));
        assert!(page.contains("&lt;script&gt;") && !page.contains("<script>"));
    }
}
