//! Templates: text with references, which is rendered to the text of a file, and matched back
//! against one.

use std::collections::BTreeMap;

use zeroize::Zeroizing;

use super::interpolation::split;
use crate::document::{PropertyPath, Segment, document_path_text};
use crate::secret::Secret;

/// How many steps a match may take before it is given up as having no one answer.
const MOST_STEPS: u32 = 200_000;
/// A text longer than this times the number of references is not matched.
const LONGEST_MATCH: usize = 4_000_000;

/// A template that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    parts: Vec<TemplatePart>,
}

/// A piece of text, then a reference where there is one.
#[derive(Debug, Clone, PartialEq, Eq)]
struct TemplatePart {
    text: String,
    reference: Option<Vec<Segment>>,
}

/// A template with the values of its references.
#[derive(Debug)]
pub struct Rendered {
    /// The whole text.
    pub text: Secret,
    /// The values in it that nobody may see.
    pub secrets: Vec<Secret>,
}

impl Template {
    /// Reads a template.
    ///
    /// # Errors
    /// What is wrong with its references, one sentence for each.
    pub fn parse(text: &str) -> Result<Self, Vec<String>> {
        let (parts, faults) = split(text);
        if !faults.is_empty() {
            let words = faults.iter().map(|fault| fault.summary.to_owned());
            return Err(words.collect());
        }
        let parts = parts.into_iter().map(|part| TemplatePart {
            text: part.text.to_string(),
            reference: part
                .access
                .map(|steps| steps.into_iter().map(|step| step.segment).collect()),
        });
        Ok(Self {
            parts: parts.collect(),
        })
    }

    /// The references, as often as they stand in the text.
    pub fn references(&self) -> impl Iterator<Item = &[Segment]> {
        let parts = self.parts.iter();
        parts.filter_map(|part| part.reference.as_deref())
    }

    /// The text with the values of the references, in their order.
    #[must_use]
    pub fn fill(&self, values: &[Secret]) -> Secret {
        let mut text = Zeroizing::new(String::new());
        let mut values = values.iter();
        for part in &self.parts {
            text.push_str(&part.text);
            if part.reference.is_some()
                && let Some(value) = values.next()
            {
                text.push_str(value.expose());
            }
        }
        Secret::new(text.as_str().to_owned())
    }

    /// The values with which the template becomes `text`, each path once. `None` where there are
    /// none, and where there are several: a guess would be worse than no answer.
    #[must_use]
    pub fn extract(&self, text: &str) -> Option<Vec<(PropertyPath, Secret)>> {
        let found = Matching::new(self, text)?.only()?;
        let mut values: Vec<(PropertyPath, Secret)> = Vec::new();
        for (segments, value) in found {
            let path: PropertyPath = document_path_text(segments).parse().ok()?;
            if !values.iter().any(|(known, _)| *known == path) {
                values.push((path, Secret::new(value.to_owned())));
            }
        }
        Some(values)
    }
}

/// A value for each path, as ranges of the text.
type Bindings<'t> = BTreeMap<&'t [Segment], &'t str>;

/// All ways in which a template can be matched against a text.
struct Matching<'t> {
    parts: &'t [TemplatePart],
    text: &'t str,
    /// For each part: whether the rest can be matched from a byte of the text on, the same path
    /// having several values left aside.
    reachable: Vec<Vec<bool>>,
    steps: u32,
    found: Vec<Bindings<'t>>,
}

impl<'t> Matching<'t> {
    fn new(template: &'t Template, text: &'t str) -> Option<Self> {
        let parts = &template.parts[..];
        if text.len().saturating_mul(parts.len()) > LONGEST_MATCH {
            return None;
        }
        let end = text.len();
        let mut reachable = vec![vec![false; end + 1]; parts.len() + 1];
        reachable[parts.len()][end] = true;
        for (index, part) in parts.iter().enumerate().rev() {
            let (before, after) = reachable.split_at_mut(index + 1);
            let next = &after[0];
            // From here on some value ends where the next part can begin.
            let mut later = vec![false; end + 1];
            let mut any = false;
            for at in (0..=end).rev() {
                any |= next[at];
                later[at] = any;
            }
            for at in (0..=end).filter(|at| text.is_char_boundary(*at)) {
                before[index][at] = text[at..].starts_with(&part.text) && {
                    let behind = at + part.text.len();
                    match part.reference {
                        Some(_) => later[behind],
                        None => next[behind],
                    }
                };
            }
        }
        Some(Self {
            parts,
            text,
            reachable,
            steps: 0,
            found: Vec::new(),
        })
    }

    /// The one match, if there is exactly one.
    fn only(mut self) -> Option<Bindings<'t>> {
        let is_whole = self.go(0, 0, &mut BTreeMap::new());
        match (is_whole, self.found.len()) {
            (true, 1) => self.found.pop(),
            _ => None,
        }
    }

    /// Says whether it was looked at as a whole, or may stop since there are two matches.
    fn go(&mut self, index: usize, at: usize, bound: &mut Bindings<'t>) -> bool {
        self.steps += 1;
        if self.steps > MOST_STEPS {
            return false;
        }
        if self.found.len() > 1 || !self.reachable[index][at] {
            return true;
        }
        let Some(part) = self.parts.get(index) else {
            if !self.found.contains(bound) {
                self.found.push(bound.clone());
            }
            return true;
        };
        let start = at + part.text.len();
        let Some(reference) = part.reference.as_deref() else {
            return self.go(index + 1, start, bound);
        };
        if let Some(value) = bound.get(reference) {
            let end = start + value.len();
            return !self.text[start..].starts_with(value) || self.go(index + 1, end, bound);
        }
        for end in start..=self.text.len() {
            if !self.text.is_char_boundary(end) || !self.reachable[index + 1][end] {
                continue;
            }
            bound.insert(reference, &self.text[start..end]);
            let is_whole = self.go(index + 1, end, bound);
            bound.remove(reference);
            if !is_whole {
                return false;
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn template(text: &str) -> Template {
        Template::parse(text).expect("a template")
    }

    fn extracted(text: &str, file: &str) -> Option<Vec<(String, String)>> {
        let values = template(text).extract(file)?;
        let plain =
            |(path, value): (PropertyPath, Secret)| (path.to_string(), value.expose().to_owned());
        Some(values.into_iter().map(plain).collect())
    }

    #[test]
    fn a_file_is_read_back_by_its_template() {
        let text = "URL=postgres://${db.u}:${db.p}@h/x\nUSER=${db.u}\nCOST=5$$\n";
        let file = "URL=postgres://app_a:s-e_c@h/x\nUSER=app_a\nCOST=5$\n";
        let pair = |path: &str, value: &str| (path.to_owned(), value.to_owned());
        let expected = vec![pair("db.p", "s-e_c"), pair("db.u", "app_a")];
        assert_eq!(extracted(text, file), Some(expected));
        assert_eq!(extracted("a${x}b", "ab"), Some(vec![pair("x", "")]));
        assert_eq!(extracted("nothing", "nothing"), Some(vec![]));
    }

    #[test]
    fn what_has_no_one_answer_has_none() {
        for (text, file) in [
            ("${a}${b}", "xy"),
            ("${a}:${b}", "x:y:z"),
            ("a=${a};", "b=1;"),
            ("${a}-${a}", "x-y"),
            ("a", "b"),
        ] {
            assert_eq!(extracted(text, file), None, "{text} {file}");
        }
        // The second place decides what the first one means.
        let pair = |path: &str, value: &str| (path.to_owned(), value.to_owned());
        let twice = extracted("${a}:${b};${a}", "x:y:z;x:y");
        assert_eq!(twice, Some(vec![pair("a", "x:y"), pair("b", "z")]));
    }

    #[test]
    fn a_text_that_could_be_matched_in_very_many_ways_ends() {
        let text = "${a},${b},${c},${d},${e}!";
        let file = format!("{}?", ",".repeat(5_000));
        assert_eq!(extracted(text, &file), None);
        let file = format!("{}!", ",".repeat(5_000));
        assert_eq!(extracted(text, &file), None);
    }

    #[test]
    fn a_reference_that_is_none_is_named() {
        let faults = Template::parse("a ${b").expect_err("no template");
        assert_eq!(faults, ["missing closing brace '}' in interpolation"]);
    }

    fn any_parts() -> impl Strategy<Value = Vec<(String, usize)>> {
        let literal = proptest::sample::select(vec![
            "",
            ":",
            "@",
            "\n",
            "=",
            "a",
            "é",
            "$$",
            "x=",
            "password: ",
        ]);
        let one = (literal.prop_map(str::to_owned), 0_usize..4);
        proptest::collection::vec(one, 1..6)
    }

    fn any_value() -> impl Strategy<Value = String> {
        prop_oneof![
            3 => "[A-Za-z0-9_-]{1,12}",
            1 => "[a:@=é\n$]{0,4}",
        ]
    }

    proptest! {
        /// Whatever the template: what is answered is what was put in, and never a guess.
        #[test]
        fn what_is_extracted_is_what_was_rendered(
            parts in any_parts(),
            values in proptest::collection::vec(any_value(), 4),
        ) {
            let text: String = parts.iter().map(|(text, number)| format!("{text}${{v{number}}}")).collect();
            let read = template(&text);
            let secrets: Vec<Secret> = parts
                .iter()
                .map(|(_, number)| Secret::new(values[*number].clone()))
                .collect();
            let file = read.fill(&secrets);
            if let Some(found) = read.extract(file.expose()) {
                for (path, value) in found {
                    let number: usize = path.to_string()[1..].parse().expect("a number");
                    prop_assert_eq!(value.expose(), &values[number]);
                }
            }
        }

        /// Passwords of ours between words that they cannot hold are always read back.
        #[test]
        fn our_own_passwords_are_always_read_back(
            user in "[a-z_]{1,12}",
            password in "[A-Za-z0-9_-]{16,32}",
            separator in proptest::sample::select(vec![":", "@", "\n", " ", "=", "\u{e9}"]),
        ) {
            let read = template(&format!("{separator}${{u}}{separator}${{p}}{separator}"));
            let file = read.fill(&[Secret::new(user.clone()), Secret::new(password.clone())]);
            let found = read.extract(file.expose()).expect("one answer");
            prop_assert_eq!(found.len(), 2);
            prop_assert_eq!(found[0].1.expose(), &password);
            prop_assert_eq!(found[1].1.expose(), &user);
        }
    }
}
