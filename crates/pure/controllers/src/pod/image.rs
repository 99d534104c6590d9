//! Which command plays an image on one machine.

use std::collections::BTreeMap;

/// What is run for an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Play {
    /// The program and its arguments. Empty `program` means lateen itself.
    pub program: Program,
    /// Arguments before those of the container.
    pub args: Vec<String>,
    /// It marks its sockets (SO_MARK), which takes CAP_NET_ADMIN.
    pub marks: bool,
}

/// Who is run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Program {
    /// This very binary.
    Own,
    /// A program of the host: a path, or a name to be found in the container's PATH.
    Host(String),
}

/// Image pattern -> command. Patterns may hold `*`; the first that matches wins.
#[derive(Debug, Clone)]
pub struct Table {
    rows: Vec<(String, Play)>,
}

/// Pattern, words after the binary's name, whether it marks sockets.
const BUILT_IN: [(&str, &[&str], bool); 9] = [
    ("lateen/proxyv2*", &["sidecar"], true),
    ("*istio/proxyv2*", &["sidecar"], true),
    ("lateen/gateway*", &["gateway"], false),
    ("lateen/istiod*", &["istiod"], false),
    ("lateen/dns*", &["dns"], false),
    ("lateen/service*", &["workload", "service"], false),
    ("lateen/echo*", &["workload", "echo"], false),
    ("*httpbin*", &["workload", "httpbin"], false),
    ("*echo*", &["workload", "echo"], false),
];

impl Table {
    /// The images that the binary plays by itself.
    #[must_use]
    pub fn built_in() -> Table {
        let row = |(pattern, words, marks): &(&str, &[&str], bool)| {
            let args = words.iter().map(|w| (*w).to_owned()).collect();
            ((*pattern).to_owned(), Play { program: Program::Own, args, marks: *marks })
        };
        Table { rows: BUILT_IN.iter().map(row).collect() }
    }

    /// The built-in table with a person's rows before it: pattern -> words, or a JSON array of
    /// words. A row without words is left out and told in the second value.
    #[must_use]
    pub fn with(extra: &BTreeMap<String, String>) -> (Table, Vec<String>) {
        let mut table = Table::built_in();
        let mut wrong = Vec::new();
        let mut rows: Vec<(&String, &String)> = extra.iter().collect();
        // The more exact pattern wins over the wider one.
        rows.sort_by_key(|(pattern, _)| (pattern.contains('*'), usize::MAX - pattern.len()));
        let mut own = Vec::new();
        for (pattern, value) in rows {
            match words(value) {
                Ok(mut words) if !words.is_empty() => {
                    let program = Program::Host(words.remove(0));
                    own.push((pattern.clone(), Play { program, args: words, marks: false }));
                }
                Ok(_) => wrong.push(format!("{pattern}: the command is empty")),
                Err(error) => wrong.push(format!("{pattern}: {error}")),
            }
        }
        own.append(&mut table.rows);
        (Table { rows: own }, wrong)
    }

    /// The row of an image, if one fits. `docker.io/` and `library/` before the name and the
    /// digest after it do not matter.
    #[must_use]
    pub fn find(&self, image: &str) -> Option<&Play> {
        self.rows.iter().find(|(pattern, _)| fits(pattern, image)).map(|(_, play)| play)
    }
}

/// Whether an image pattern means this image.
#[must_use]
pub fn fits(pattern: &str, image: &str) -> bool {
    let short = image.strip_prefix("docker.io/").unwrap_or(image);
    let short = short.strip_prefix("library/").unwrap_or(short);
    let short = short.split_once('@').map_or(short, |(name, _)| name);
    let bare = match short.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => name,
        _ => short,
    };
    [image, short, bare].iter().any(|i| matches(pattern, i))
}

/// Why an image cannot be played, and what to do about it.
#[must_use]
pub fn unknown(image: &str) -> String {
    format!(
        "no command plays the image \"{image}\" on one machine; give the container a `command` \
         of this host, or add the image to the ConfigMap lateen-images in namespace lateen-system: \
         kubectl -n lateen-system create configmap lateen-images --from-literal='{}=PROGRAM ARGS'",
        config_key(image)
    )
}

/// ConfigMap keys may hold neither slash nor colon: the last part of the name, with stars.
fn config_key(image: &str) -> String {
    let name = image.rsplit('/').next().unwrap_or(image);
    let name = name.split([':', '@']).next().unwrap_or(name);
    name.to_owned()
}

/// `*` stands for any text, also for none; all else is itself. A pattern without a slash also
/// fits the last part of the image's name (a ConfigMap's keys can hold neither slash nor star).
fn matches(pattern: &str, image: &str) -> bool {
    let last = image.rsplit('/').next().unwrap_or(image);
    glob(pattern, image) || (!pattern.contains('/') && glob(pattern, last))
}

fn glob(pattern: &str, text: &str) -> bool {
    let Some((head, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(mut text) = text.strip_prefix(head) else { return false };
    let mut parts: Vec<&str> = rest.split('*').collect();
    let tail = parts.pop().unwrap_or("");
    for part in parts {
        let Some(at) = text.find(part) else { return false };
        text = &text[at + part.len()..];
    }
    text.ends_with(tail)
}

/// Splits a command line as a shell does: spaces, quotes, backslash. A JSON array is its words.
fn words(line: &str) -> Result<Vec<String>, String> {
    let line = line.trim();
    if line.starts_with('[') {
        return serde_json::from_str(line).map_err(|e| format!("not a JSON array of words: {e}"));
    }
    let mut out = Vec::new();
    let mut word: Option<String> = None;
    let mut quote: Option<char> = None;
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        match (quote, c) {
            (Some(q), c) if c == q => quote = None,
            (Some('\''), c) => word.get_or_insert_default().push(c),
            (_, '\\') => word.get_or_insert_default().extend(chars.next()),
            (Some(_), c) => word.get_or_insert_default().push(c),
            (None, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, c) if c.is_whitespace() => out.extend(word.take()),
            (None, c) => word.get_or_insert_default().push(c),
        }
    }
    if let Some(quote) = quote {
        return Err(format!("the quote {quote} is not closed"));
    }
    out.extend(word);
    Ok(out)
}

/// The words to run: Kubernetes' `command` replaces the image's program, `args` follow it.
///
/// # Errors
/// The text of `ErrImagePull` when no row fits and the container has no command.
pub fn choose(
    table: &Table,
    image: &str,
    command: Option<&[String]>,
    args: Option<&[String]>,
) -> Result<Play, String> {
    let args = args.unwrap_or_default();
    if let Some([program, rest @ ..]) = command {
        let args = rest.iter().chain(args).cloned().collect();
        return Ok(Play { program: Program::Host(program.clone()), args, marks: false });
    }
    let mut play = table.find(image).cloned().ok_or_else(|| unknown(image))?;
    play.args.extend(args.iter().cloned());
    Ok(play)
}

/// Whether a container may mark its sockets and change the network of its own pod: its image does
/// so, or it asks for `NET_ADMIN` as a foreign proxy does. Other capabilities are never given.
#[must_use]
pub fn may_mark(play: &Play, container: &kinds::core::Container) -> bool {
    let context = container.security_context.as_ref();
    let added = context.and_then(|it| it.capabilities.as_ref()).and_then(|it| it.add.as_deref());
    let is_net_admin = |it: &String| matches!(it.as_str(), "NET_ADMIN" | "CAP_NET_ADMIN");
    play.marks || added.unwrap_or_default().iter().any(is_net_admin)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_who_asks_may_mark() {
        let play = Play { program: Program::Own, args: Vec::new(), marks: false };
        for (text, wanted) in [
            (r#"{"name":"a"}"#, false),
            (r#"{"name":"a","securityContext":{"capabilities":{"add":["NET_ADMIN"]}}}"#, true),
            (r#"{"name":"a","securityContext":{"capabilities":{"add":["SYS_ADMIN"]}}}"#, false),
        ] {
            assert_eq!(may_mark(&play, &serde_json::from_str(text).unwrap()), wanted, "{text}");
        }
    }

    fn run(table: &Table, image: &str) -> Option<String> {
        let play = table.find(image)?;
        let program = match &play.program {
            Program::Own => "self",
            Program::Host(path) => path,
        };
        Some(format!("{program} {}", play.args.join(" ")))
    }

    #[test]
    fn images_are_found_by_pattern() {
        let table = Table::built_in();
        for (image, command) in [
            ("lateen/proxyv2", Some("self sidecar")),
            ("lateen/proxyv2:1.2", Some("self sidecar")),
            ("docker.io/lateen/service:latest", Some("self workload service")),
            ("docker.io/kennethreitz/httpbin", Some("self workload httpbin")),
            ("registry.example:5000/my-echo@sha256:00", Some("self workload echo")),
            ("nginx:1.25", None),
            ("example/lateen-service", None),
        ] {
            assert_eq!(run(&table, image).as_deref(), command, "{image}");
        }
    }

    #[test]
    fn own_rows_win_and_may_be_words_or_json() {
        let extra = BTreeMap::from([
            ("nginx".to_owned(), "python3 -m 'http server' 80".to_owned()),
            ("my*".to_owned(), r#"["/bin/sh", "-c", "sleep 1"]"#.to_owned()),
            ("bad".to_owned(), "'oops".to_owned()),
        ]);
        let (table, wrong) = Table::with(&extra);
        assert_eq!(run(&table, "nginx:1.25").as_deref(), Some("python3 -m http server 80"));
        assert_eq!(run(&table, "docker.io/x/my-echo:2").as_deref(), Some("/bin/sh -c sleep 1"));
        assert_eq!(wrong, ["bad: the quote ' is not closed"]);
    }

    #[test]
    fn command_replaces_the_program_and_args_follow() {
        let table = Table::built_in();
        let words = |w: &[&str]| w.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>();
        let play = choose(&table, "nginx", Some(&words(&["sh", "-c"])), Some(&words(&["x"])));
        assert_eq!(
            play.unwrap(),
            Play { program: Program::Host("sh".into()), args: words(&["-c", "x"]), marks: false }
        );
        let play = choose(&table, "lateen/echo", None, Some(&words(&["--port=1"]))).unwrap();
        assert_eq!(play.args, words(&["workload", "echo", "--port=1"]));
        assert!(choose(&table, "nginx", None, None).unwrap_err().contains("lateen-images"));
    }
}
