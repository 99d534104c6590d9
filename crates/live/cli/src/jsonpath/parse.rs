//! Reads JSONPath templates.

use serde_json::Value;

use super::{Comparison, Operand, Part, Path, Step};

/// A place in a text that is read from left to right.
struct Reader<'a> {
    text: &'a str,
    at: usize,
}

/// The parts of a template. Without a brace, what looks like a path is one.
pub(super) fn template(text: &str) -> Result<Vec<Part>, String> {
    if !text.contains('{') && text.starts_with(['.', '$']) {
        return Ok(vec![Part::Path(path(text)?)]);
    }
    let mut reader = Reader { text, at: 0 };
    let parts = reader.parts(false)?;
    Ok(parts)
}

/// One path, with or without braces and its first dot.
pub(super) fn path(text: &str) -> Result<Path, String> {
    let inner = text.strip_prefix('{').and_then(|it| it.strip_suffix('}')).unwrap_or(text).trim();
    let dotted = if inner.starts_with(['.', '$', '@', '[']) {
        inner.to_owned()
    } else {
        format!(".{inner}")
    };
    let mut reader = Reader { text: &dotted, at: 0 };
    let path = reader.path()?;
    reader.blanks();
    if reader.rest().is_empty() { Ok(path) } else { Err(reader.wanted("the end of the path")) }
}

impl<'a> Reader<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let letter = self.peek()?;
        self.at += letter.len_utf8();
        Some(letter)
    }

    fn eat(&mut self, text: &str) -> bool {
        let here = self.rest().starts_with(text);
        if here {
            self.at += text.len();
        }
        here
    }

    fn expect(&mut self, text: &str) -> Result<(), String> {
        if self.eat(text) { Ok(()) } else { Err(self.wanted(text)) }
    }

    fn blanks(&mut self) {
        while self.peek().is_some_and(char::is_whitespace) {
            self.next();
        }
    }

    fn wanted(&self, what: &str) -> String {
        let (before, after) = self.text.split_at(self.at);
        let place = before.chars().count() + 1;
        let found = after.chars().next().map_or("the end".to_owned(), |it| format!("{it:?}"));
        format!("jsonpath {:?}: at letter {place} {what} is wanted, not {found}", self.text)
    }

    fn parts(&mut self, within: bool) -> Result<Vec<Part>, String> {
        let mut parts = Vec::new();
        while let Some(letter) = self.peek() {
            if letter != '{' {
                let end = self.rest().find('{').unwrap_or(self.rest().len());
                parts.push(Part::Text(self.rest()[..end].to_owned()));
                self.at += end;
                continue;
            }
            let began = self.at;
            self.next();
            self.blanks();
            if self.word("end") {
                self.expect("}")?;
                if within {
                    return Ok(parts);
                }
                self.at = began;
                return Err(self.wanted("a {range} before this {end}"));
            }
            if self.word("range") {
                self.blanks();
                let path = self.path()?;
                self.blanks();
                self.expect("}")?;
                parts.push(Part::Range(path, self.parts(true)?));
                continue;
            }
            while !self.eat("}") {
                parts.push(match self.peek() {
                    Some('"' | '\'') => Part::Text(self.quoted()?),
                    _ => Part::Path(self.path()?),
                });
                self.blanks();
                if self.peek().is_none() {
                    return Err(self.wanted("}"));
                }
            }
        }
        if within { Err(self.wanted("{end}")) } else { Ok(parts) }
    }

    /// Takes a keyword, unless it goes on as another word.
    fn word(&mut self, word: &str) -> bool {
        let Some(after) = self.rest().strip_prefix(word) else { return false };
        let whole = after.chars().next().is_none_or(|it| it == '}' || it.is_whitespace());
        if whole {
            self.at += word.len();
        }
        whole
    }

    fn quoted(&mut self) -> Result<String, String> {
        let quote = self.next().ok_or_else(|| self.wanted("a quote"))?;
        let mut text = String::new();
        loop {
            match self.next() {
                None => return Err(self.wanted("a closing quote")),
                Some(letter) if letter == quote => return Ok(text),
                Some('\\') => match self.next() {
                    Some('n') => text.push('\n'),
                    Some('t') => text.push('\t'),
                    Some('r') => text.push('\r'),
                    Some(letter) => text.push(letter),
                    None => {}
                },
                Some(letter) => text.push(letter),
            }
        }
    }

    fn path(&mut self) -> Result<Path, String> {
        let from_root = self.eat("$");
        let mut begun = from_root || self.eat("@");
        let mut steps = Vec::new();
        loop {
            if self.eat("..") {
                steps.push(Step::Deep);
                if self.peek().is_some_and(|it| it != '[') {
                    steps.push(self.field()?);
                }
            } else if self.eat(".") {
                // A dot alone is the current value.
                if self
                    .peek()
                    .is_some_and(|it| !matches!(it, '[' | '}' | ')') && !it.is_whitespace())
                {
                    steps.push(self.field()?);
                }
            } else if self.eat("[") {
                steps.push(self.bracket()?);
            } else if begun {
                return Ok(Path { from_root, steps });
            } else {
                return Err(self.wanted("a path such as .metadata.name"));
            }
            begun = true;
        }
    }

    fn field(&mut self) -> Result<Step, String> {
        if self.eat("*") {
            return Ok(Step::All);
        }
        let mut name = String::new();
        while let Some(letter) = self.peek() {
            if letter == '\\' {
                self.next();
                name.extend(self.next());
            } else if ".[]{}(),=!<>\"'".contains(letter) || letter.is_whitespace() {
                break;
            } else {
                name.push(letter);
                self.next();
            }
        }
        if name.is_empty() {
            Err(self.wanted("the name of a field"))
        } else {
            Ok(Step::Field(name))
        }
    }

    fn bracket(&mut self) -> Result<Step, String> {
        self.blanks();
        if self.eat("?(") {
            let filter = self.filter()?;
            self.expect(")")?;
            self.blanks();
            self.expect("]")?;
            return Ok(filter);
        }
        let mut steps = Vec::new();
        loop {
            self.blanks();
            steps.push(match self.peek() {
                Some('"' | '\'') => Step::Field(self.quoted()?),
                Some('*') => {
                    self.next();
                    Step::All
                }
                _ => self.numbers()?,
            });
            self.blanks();
            if self.eat("]") {
                let one = steps.len() == 1;
                return Ok(if one { steps.remove(0) } else { Step::Union(steps) });
            }
            self.expect(",").map_err(|_| self.wanted("]"))?;
        }
    }

    /// `1`, `-1`, `1:3`, `:3`, `1:`, `::2`
    fn numbers(&mut self) -> Result<Step, String> {
        let first = self.number();
        if !self.eat(":") {
            return first
                .map(Step::Index)
                .ok_or_else(|| self.wanted("a number, a quoted name or *"));
        }
        let to = self.number();
        let by = if self.eat(":") { self.number() } else { None };
        Ok(Step::Slice(first, to, by.unwrap_or(1)))
    }

    fn number(&mut self) -> Option<i64> {
        let rest = self.rest();
        let sign = usize::from(rest.starts_with('-'));
        let digits =
            rest[sign..].find(|it: char| !it.is_ascii_digit()).unwrap_or(rest.len() - sign);
        let number = rest[..sign + digits].parse().ok()?;
        self.at += sign + digits;
        Some(number)
    }

    fn filter(&mut self) -> Result<Step, String> {
        self.blanks();
        let left = self.operand()?;
        self.blanks();
        if self.peek() == Some(')') {
            return Ok(Step::Filter(left, None));
        }
        let signs = [
            ("==", Comparison::Equal),
            ("!=", Comparison::NotEqual),
            ("<=", Comparison::LessOrEqual),
            (">=", Comparison::GreaterOrEqual),
            ("<", Comparison::Less),
            (">", Comparison::Greater),
        ];
        let sign = signs.into_iter().find(|(sign, _)| self.eat(sign));
        let (_, comparison) = sign.ok_or_else(|| self.wanted("==, !=, <, <=, > or >="))?;
        self.blanks();
        let right = self.operand()?;
        self.blanks();
        Ok(Step::Filter(left, Some((comparison, right))))
    }

    fn operand(&mut self) -> Result<Operand, String> {
        match self.peek() {
            Some('"' | '\'') => Ok(Operand::Literal(Value::String(self.quoted()?))),
            Some('@' | '$' | '.' | '[') => Ok(Operand::Path(self.path()?)),
            _ => {
                let end = self.rest().find([')', ' ', '=', '!', '<', '>']);
                let word = &self.rest()[..end.unwrap_or(self.rest().len())];
                let value = serde_json::from_str(word)
                    .map_err(|_| self.wanted("a path, a number or a quoted word"))?;
                self.at += word.len();
                Ok(Operand::Literal(value))
            }
        }
    }
}
