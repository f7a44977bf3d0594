//! "Did you mean": names by how few changes turn one into the other.

/// The name nearest to `word`, if it is near enough to be a slip of the keyboard.
#[must_use]
pub fn nearest<'a>(word: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let limit = (word.chars().count() / 3).clamp(1, 3);
    names
        .into_iter()
        .map(|name| (distance(word, name), name))
        .filter(|(changes, _)| *changes <= limit)
        .min()
        .map(|(_, name)| name)
}

/// All names, nearest first; equally near ones by name.
#[must_use]
pub fn by_distance<'a>(word: &str, names: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let mut measured: Vec<_> = names
        .into_iter()
        .map(|name| (distance(word, name), name))
        .collect();
    measured.sort_unstable();
    measured.into_iter().map(|(_, name)| name).collect()
}

/// The number of characters to insert, remove, replace or swap with a neighbour.
fn distance(from: &str, to: &str) -> usize {
    // Names are short; a long text is no slip, and must not cost quadratic time.
    const LONGEST: usize = 128;
    let from: Vec<char> = from
        .chars()
        .flat_map(char::to_lowercase)
        .take(LONGEST)
        .collect();
    let to: Vec<char> = to
        .chars()
        .flat_map(char::to_lowercase)
        .take(LONGEST)
        .collect();
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=to.len()).collect();
    for (row, from_char) in from.iter().enumerate() {
        let mut current = vec![row + 1];
        for (column, to_char) in to.iter().enumerate() {
            let replaced = last[column] + usize::from(from_char != to_char);
            let mut best = replaced.min(last[column + 1] + 1).min(current[column] + 1);
            let swapped =
                row > 0 && column > 0 && *from_char == to[column - 1] && from[row - 1] == *to_char;
            if swapped {
                best = best.min(before_last[column - 1] + 1);
            }
            current.push(best);
        }
        before_last = std::mem::replace(&mut last, current);
    }
    last[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_keyboard_is_recognised() {
        assert_eq!(
            nearest("pasword", ["username", "password"]),
            Some("password")
        );
        assert_eq!(
            nearest("usernmae", ["username", "password"]),
            Some("username")
        );
        assert_eq!(nearest("Values", ["values"]), Some("values"));
        assert_eq!(nearest("zzz", ["username", "password"]), None);
    }

    #[test]
    fn names_are_listed_nearest_first() {
        assert_eq!(
            by_distance("import", ["values", "imports", "description"]),
            ["imports", "values", "description"]
        );
    }
}
