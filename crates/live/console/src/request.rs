//! What a request asks for, or why it is refused: decided from its head alone.

use http::{HeaderMap, Method, Uri, header};
use percent_encoding::percent_decode_str;

/// What a request asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// The page of the whole mesh.
    Overview,
    /// One object as YAML.
    Object {
        /// Its namespace; `-` for kinds without.
        namespace: String,
        /// Its kind, as in YAML.
        kind: String,
        /// Its name.
        name: String,
    },
    /// The stream of changes.
    Events,
    /// The script.
    Script,
    /// The style sheet.
    Style,
    /// Whether the console runs.
    Health,
    /// There is nothing at this path.
    Nothing,
    /// The console only reads.
    Method,
    /// The request comes from elsewhere: the sentence says how that is seen.
    Elsewhere(&'static str),
}

/// Reads the head of a request.
pub(crate) fn wanted(method: &Method, uri: &Uri, headers: &HeaderMap) -> Wanted {
    // A name of somebody else's that leads to this machine (DNS rebinding) would let that site's
    // scripts read the mesh; the browser tells the name in Host.
    let mut hosts = headers.get_all(header::HOST).iter();
    let (host, more) = (hosts.next().and_then(|host| host.to_str().ok()), hosts.next());
    let authority = uri.authority().is_none_or(|it| is_this_machine(it.as_str()));
    if more.is_some() || !authority || !host.is_some_and(is_this_machine) {
        return Wanted::Elsewhere(
            "The console answers to 127.0.0.1, localhost and [::1] only: open it by one of these names.\n",
        );
    }
    if method != Method::GET && method != Method::HEAD {
        return Wanted::Method;
    }
    match uri.path() {
        "/" => Wanted::Overview,
        "/events" if !is_same_site(headers) => {
            Wanted::Elsewhere("Another site may not hold a stream of the console's.\n")
        }
        "/events" => Wanted::Events,
        "/live.js" => Wanted::Script,
        "/style.css" => Wanted::Style,
        "/healthz" => Wanted::Health,
        path => object(path).unwrap_or(Wanted::Nothing),
    }
}

/// Reads `/objects/NAMESPACE/KIND/NAME`.
fn object(path: &str) -> Option<Wanted> {
    let mut parts = path
        .strip_prefix("/objects/")?
        .split('/')
        .map(|part| percent_decode_str(part).decode_utf8().ok().filter(|part| !part.is_empty()));
    let (namespace, kind, name) = (parts.next()??, parts.next()??, parts.next()??);
    if parts.next().is_some() {
        return None;
    }
    Some(Wanted::Object {
        namespace: namespace.into_owned(),
        kind: kind.into_owned(),
        name: name.into_owned(),
    })
}

/// Whether a `host` or `host:port` names this machine by its own names.
fn is_this_machine(host: &str) -> bool {
    let (name, port) = match host.strip_prefix('[') {
        Some(_) => match host.find(']') {
            Some(end) => host.split_at(end + 1),
            None => return false,
        },
        None => host.split_at(host.find(':').unwrap_or(host.len())),
    };
    let port = port.strip_prefix(':').unwrap_or(port);
    let known = ["127.0.0.1", "localhost", "[::1]"];
    known.iter().any(|own| own.eq_ignore_ascii_case(name))
        && (port.is_empty() || port.parse::<u16>().is_ok())
}

/// Whether the console's own page, a person, or a plain program asks. Browsers say so by
/// `Sec-Fetch-Site`; what does not say is no browser of today.
fn is_same_site(headers: &HeaderMap) -> bool {
    headers
        .get("sec-fetch-site")
        .is_none_or(|site| site.as_bytes() == b"same-origin" || site.as_bytes() == b"none")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(method: &str, uri: &str, host: &str) -> Wanted {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, host.parse().unwrap());
        wanted(&method.parse().unwrap(), &uri.parse().unwrap(), &headers)
    }

    #[test]
    fn each_path_asks_for_its_own() {
        let object = |namespace: &str, kind: &str, name: &str| Wanted::Object {
            namespace: namespace.to_owned(),
            kind: kind.to_owned(),
            name: name.to_owned(),
        };
        let table = [
            ("/", Wanted::Overview),
            ("/?a=b", Wanted::Overview),
            ("/events", Wanted::Events),
            ("/live.js", Wanted::Script),
            ("/style.css", Wanted::Style),
            ("/healthz", Wanted::Health),
            ("/objects/shop/Service/cart", object("shop", "Service", "cart")),
            ("/objects/-/Namespace/shop", object("-", "Namespace", "shop")),
            ("/objects/a%2Fb/Pod/%3Cx%3E", object("a/b", "Pod", "<x>")),
            ("/objects/shop/Service", Wanted::Nothing),
            ("/objects/shop/Service/cart/status", Wanted::Nothing),
            ("/objects//Service/cart", Wanted::Nothing),
            ("/objects/shop/Service/%ff", Wanted::Nothing),
            ("/index.html", Wanted::Nothing),
            ("//", Wanted::Nothing),
        ];
        for (path, expected) in table {
            assert_eq!(ask("GET", path, "127.0.0.1:20001"), expected, "{path}");
            assert_eq!(ask("HEAD", path, "127.0.0.1:20001"), expected, "{path}");
            assert_eq!(ask("POST", path, "127.0.0.1:20001"), Wanted::Method, "{path}");
            assert_eq!(ask("OPTIONS", path, "127.0.0.1:20001"), Wanted::Method, "{path}");
        }
    }

    #[test]
    fn only_names_of_this_machine_are_answered() {
        let table = [
            ("127.0.0.1", true),
            ("127.0.0.1:20001", true),
            ("localhost", true),
            ("LOCALHOST:1", true),
            ("[::1]", true),
            ("[::1]:8080", true),
            ("", false),
            ("127.0.0.1.evil.example", false),
            ("localhost.evil.example:20001", false),
            ("evil.example", false),
            ("evil.example:20001", false),
            ("localhost:evil", false),
            ("localhost:80:80", false),
            ("[::1", false),
            ("[::1]evil", false),
            ("[::2]", false),
            ("10.0.0.1", false),
            ("user@localhost", false),
        ];
        for (host, good) in table {
            let refused = matches!(ask("GET", "/", host), Wanted::Elsewhere(_));
            assert_eq!(refused, !good, "{host:?}");
        }
    }

    #[test]
    fn the_host_must_be_named_once_and_agree() {
        let (get, path) = (Method::GET, Uri::from_static("/healthz"));
        let mut headers = HeaderMap::new();
        assert!(matches!(wanted(&get, &path, &headers), Wanted::Elsewhere(_)));
        headers.append(header::HOST, "localhost".parse().unwrap());
        let whole = Uri::from_static("http://evil.example/healthz");
        assert!(matches!(wanted(&get, &whole, &headers), Wanted::Elsewhere(_)));
        assert_eq!(wanted(&get, &path, &headers), Wanted::Health);
        headers.append(header::HOST, "localhost".parse().unwrap());
        assert!(matches!(wanted(&get, &path, &headers), Wanted::Elsewhere(_)));
    }

    #[test]
    fn another_site_gets_no_stream_and_may_link_to_the_page() {
        let table =
            [("same-origin", true), ("none", true), ("same-site", false), ("cross-site", false)];
        for (site, good) in table {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, "localhost".parse().unwrap());
            headers.insert("sec-fetch-site", site.parse().unwrap());
            let ask = |path: &'static str| wanted(&Method::GET, &Uri::from_static(path), &headers);
            assert_eq!(ask("/events") == Wanted::Events, good, "{site}");
            assert_eq!(ask("/"), Wanted::Overview, "{site}");
        }
    }
}
