//! A line that the operator types.

/// A line of text with its cursor at the end.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct LineInput(String);

impl LineInput {
    pub(super) fn text(&self) -> &str {
        &self.0
    }

    /// Control characters, such as a pasted line break, are left out.
    pub(super) fn push(&mut self, character: char) {
        if !character.is_control() && self.0.len() < 300 {
            self.0.push(character);
        }
    }

    pub(super) fn backspace(&mut self) {
        self.0.pop();
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}
