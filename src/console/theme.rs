//! Themes: what a role looks like. Screens name roles, never colours.

use std::collections::BTreeMap;

use ratatui::style::{Color, Modifier, Style};
use serde::Deserialize;

/// What a text means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Role {
    Text,
    Muted,
    Title,
    Header,
    Footer,
    Key,
    KeyDisabled,
    Border,
    BorderFocus,
    Selection,
    Match,
    Ok,
    Warn,
    Danger,
    Info,
    Pending,
    Draining,
    Production,
    Readonly,
    Unlocked,
    Banner,
    Stale,
    Button,
    ButtonFocus,
    Toast,
    ToastError,
}

/// The looks of all roles.
#[derive(Debug, Clone)]
pub(super) struct Theme {
    styles: BTreeMap<Role, Style>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    name: String,
    roles: BTreeMap<Role, Look>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Look {
    fg: Option<Color>,
    bg: Option<Color>,
    #[serde(default)]
    bold: bool,
    #[serde(default)]
    underlined: bool,
    #[serde(default)]
    reversed: bool,
}

impl Theme {
    /// The default.
    pub(super) fn dark() -> Self {
        Self::built_in(include_str!("../../themes/dark.toml"))
    }

    /// Without colours.
    pub(super) fn mono() -> Self {
        Self::built_in(include_str!("../../themes/mono.toml"))
    }

    fn built_in(text: &str) -> Self {
        Self::parse(text).expect("the themes in the binary are checked by a test")
    }

    fn parse(text: &str) -> Result<Self, toml::de::Error> {
        let file: File = toml::from_str(text)?;
        tracing::debug!(theme = file.name, "theme");
        let styles = file
            .roles
            .into_iter()
            .map(|(role, look)| (role, look.style()))
            .collect();
        Ok(Self { styles })
    }

    /// What a role looks like.
    pub(super) fn style(&self, role: Role) -> Style {
        self.styles.get(&role).copied().unwrap_or_default()
    }
}

impl Look {
    fn style(&self) -> Style {
        let mut style = Style::new();
        style.fg = self.fg;
        style.bg = self.bg;
        for (wanted, modifier) in [
            (self.bold, Modifier::BOLD),
            (self.underlined, Modifier::UNDERLINED),
            (self.reversed, Modifier::REVERSED),
        ] {
            if wanted {
                style = style.add_modifier(modifier);
            }
        }
        style
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROLES: usize = Role::ToastError as usize + 1;

    fn channel(value: u8) -> f64 {
        let value = f64::from(value) / 255.0;
        if value <= 0.03928 {
            value / 12.92
        } else {
            ((value + 0.055) / 1.055).powf(2.4)
        }
    }

    fn luminance(colour: Color) -> f64 {
        let Color::Rgb(red, green, blue) = colour else {
            panic!("the dark theme names exact colours");
        };
        0.2126 * channel(red) + 0.7152 * channel(green) + 0.0722 * channel(blue)
    }

    fn contrast(one: Color, other: Color) -> f64 {
        let (one, other) = (luminance(one), luminance(other));
        (one.max(other) + 0.05) / (one.min(other) + 0.05)
    }

    #[test]
    fn every_theme_defines_every_role() {
        for theme in [Theme::dark(), Theme::mono()] {
            assert_eq!(theme.styles.len(), ROLES);
        }
    }

    #[test]
    fn mono_names_no_colour() {
        for (role, style) in Theme::mono().styles {
            assert_eq!((style.fg, style.bg), (None, None), "{role:?}");
        }
    }

    /// WCAG 2: 4.5 to 1 for text. Decoration (borders, disabled keys) may be fainter.
    #[test]
    fn text_of_the_dark_theme_can_be_read() {
        let background = Color::Rgb(0x16, 0x18, 0x1d);
        for (role, style) in Theme::dark().styles {
            let least = match role {
                Role::Border => 2.0,
                Role::KeyDisabled => 3.0,
                _ => 4.5,
            };
            let fg = style.fg.expect("a colour");
            let found = contrast(fg, style.bg.unwrap_or(background));
            assert!(found >= least, "{role:?}: {found:.1}");
        }
    }
}
