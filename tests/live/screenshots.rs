//! Pictures of the real program: the cells of its terminal as SVG. They are always drawn
//! and looked at; `HANDOVER_SCREENSHOTS=1` (`make screenshots`) keeps them.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use crate::demo;
use crate::shop::{Shop, ShopOptions};
use crate::terminal::{Start, Terminal};

/// Of DejaVu Sans Mono, in which box lines join: 0.602 and 1.164 of the font's size.
const FONT_SIZE: f64 = 14.0;
const COLUMN: f64 = 8.43;
const ROW: f64 = 16.3;
const MARGIN: f64 = 12.0;
const FOREGROUND: &str = "#d4d8e0";
const BACKGROUND: &str = "#16181d";

/// A screen as SVG. Every glyph gets its own place, so that it stands where it stood
/// whatever the reader's font.
fn svg(screen: &vt100::Screen, title: &str) -> String {
    let (rows, columns) = screen.size();
    let (rows, columns) = (rows.get(), columns.get());
    let width = f64::from(columns).mul_add(COLUMN, 2.0 * MARGIN);
    let height = f64::from(rows).mul_add(ROW, 2.0 * MARGIN);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.1}\" height=\"{height:.1}\" \
         viewBox=\"0 0 {width:.1} {height:.1}\" role=\"img\">\n\
         <title>{}</title>\n\
         <rect width=\"100%\" height=\"100%\" rx=\"8\" fill=\"{BACKGROUND}\"/>\n\
         <g font-family=\"DejaVu Sans Mono, Menlo, Consolas, monospace\" \
         font-size=\"{FONT_SIZE}\" xml:space=\"preserve\">\n",
        escaped(title)
    );
    for row in 0..rows {
        let top = f64::from(row).mul_add(ROW, MARGIN);
        let mut column = 0;
        while column < columns {
            column += draw_background(&mut svg, screen, row, column, top);
        }
        let mut column = 0;
        while column < columns {
            column += draw_text(&mut svg, screen, row, column, top);
        }
    }
    svg.push_str("</g>\n</svg>\n");
    svg
}

fn left(column: u16) -> f64 {
    f64::from(column).mul_add(COLUMN, MARGIN)
}

/// Draws what lies behind the run of cells that share it, in one piece, so that cells
/// leave no seam; answers how many they are.
fn draw_background(
    svg: &mut String,
    screen: &vt100::Screen,
    row: u16,
    column: u16,
    top: f64,
) -> u16 {
    let behind = |column: u16| screen.cell(row, column).map(|cell| colours(cell).1);
    let Some(background) = behind(column) else {
        return 1;
    };
    let mut count = 1;
    while behind(column + count).as_ref() == Some(&background) {
        count += 1;
    }
    if background != BACKGROUND {
        writeln!(
            svg,
            "<rect x=\"{:.2}\" y=\"{top:.1}\" width=\"{:.2}\" height=\"{ROW}\" fill=\"{background}\"/>",
            left(column),
            COLUMN * f64::from(count)
        )
        .expect("a String takes every text");
    }
    count
}

/// Draws the word of cells that look alike from `column` on; answers how many they are.
/// One element a word, as wide as its cells: some readers fold blanks, and some take only
/// the first of several places.
fn draw_text(svg: &mut String, screen: &vt100::Screen, row: u16, column: u16, top: f64) -> u16 {
    let look = |column: u16| {
        let cell = screen.cell(row, column)?;
        Some((colours(cell).0, cell.bold(), cell.underline()))
    };
    let Some((colour, bold, underlined)) = look(column) else {
        return 1;
    };
    let mut count = 0;
    let mut glyphs = String::new();
    while look(column + count).is_some_and(|next| next == (colour.clone(), bold, underlined)) {
        let contents = screen
            .cell(row, column + count)
            .map_or("", vt100::Cell::contents);
        if contents.trim().is_empty() {
            break;
        }
        glyphs.push_str(&escaped(contents));
        count += 1;
    }
    if !glyphs.is_empty() {
        let weight = if bold { " font-weight=\"bold\"" } else { "" };
        let line = if underlined {
            " text-decoration=\"underline\""
        } else {
            ""
        };
        writeln!(
            svg,
            "<text x=\"{:.2}\" y=\"{:.1}\" textLength=\"{:.2}\" fill=\"{colour}\"{weight}{line}>\
             {glyphs}</text>",
            left(column),
            top + FONT_SIZE * 0.93,
            COLUMN * f64::from(count)
        )
        .expect("a String takes every text");
    }
    count.max(1)
}

/// What is drawn and what lies behind it.
fn colours(cell: &vt100::Cell) -> (String, String) {
    let front = colour(cell.fgcolor(), FOREGROUND);
    let back = colour(cell.bgcolor(), BACKGROUND);
    if cell.inverse() {
        (back, front)
    } else {
        (front, back)
    }
}

fn colour(colour: vt100::Color, otherwise: &str) -> String {
    match colour {
        vt100::Color::Rgb(red, green, blue) => format!("#{red:02x}{green:02x}{blue:02x}"),
        // The themes name exact colours only.
        vt100::Color::Default | vt100::Color::Idx(_) => otherwise.to_owned(),
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

/// The text of an SVG, its tags left out; panics where tags do not close in order.
#[track_caller]
fn text_of(svg: &str) -> String {
    let mut open: Vec<&str> = Vec::new();
    let mut text = String::new();
    for part in svg.split('<').skip(1) {
        let (tag, after) = part.split_once('>').expect("every tag ends");
        assert_eq!(tag.matches('"').count() % 2, 0, "quotes in <{tag}>");
        assert!(!after.contains('&') || after.contains(';'), "{after}");
        let name = tag.split([' ', '/']).find(|name| !name.is_empty());
        let name = name.expect("every tag has a name");
        if tag.starts_with('/') {
            assert_eq!(open.pop(), Some(name), "closed in order");
        } else if !tag.ends_with('/') {
            open.push(name);
        }
        text.push_str(after);
    }
    assert_eq!(open, Vec::<&str>::new(), "every tag is closed");
    text
}

#[track_caller]
fn shoot(terminal: &Terminal, name: &str, title: &str, words: &[&str]) {
    let picture = svg(&terminal.screen(), title);
    let text = text_of(&picture);
    for word in words {
        assert!(text.contains(word), "no `{word}` in {text}");
    }
    if std::env::var_os("HANDOVER_SCREENSHOTS").is_some() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("screenshots");
        fs::create_dir_all(&folder).expect("makes the folder");
        fs::write(folder.join(format!("{name}.svg")), picture).expect("writes");
    }
}

#[test]
fn the_home_screen_and_a_review_are_drawn_as_pictures() {
    let shop = Shop::open("orders", ShopOptions::default());
    shop.rotate(&[]).expect_code(0);
    let billing = Shop::bare(
        "billing",
        ShopOptions {
            protect: Some("production"),
            ..ShopOptions::default()
        },
    );
    let [file, settings] =
        ["orders.yaml", "settings.yaml"].map(|name| billing.file(name).display().to_string());
    let (init, options) = (["env", "init", "shop/billing", "-f"], "--settings");
    shop.run(&[&init[..], &[&file, options, &settings]].concat())
        .expect_code(0);
    let start = Start {
        size: (100, 18),
        ..Start::default()
    };
    let mut terminal = Terminal::start(&shop, &start);
    terminal.see("promoted").see("● live").wait_until_idle();
    shoot(
        &terminal,
        "environments",
        "handover: all environments, what needs a human first",
        &[
            "environments",
            "shop/orders",
            "healthy",
            "PROD",
            "READ-ONLY",
        ],
    );
    terminal
        .press("j R")
        .see("Leave it (esc)")
        .wait_until_idle();
    shoot(
        &terminal,
        "review",
        "handover: the review of a rotation",
        &["rotate", "changes", "stays", "ALTER"],
    );
}

#[test]
fn the_demo_on_mysql_is_drawn_as_a_picture() {
    let home = tempfile::tempdir().expect("makes a folder");
    let Some(mut terminal) = demo::console_on_mysql((100, 18), home.path()) else {
        return;
    };
    demo::review_reports(&mut terminal);
    shoot(
        &terminal,
        "mysql-review",
        "handover: the review of a rotation on MySQL",
        &["shop/reports", "MySQL", "ALTER", "reports_a"],
    );
}

#[test]
fn the_ways_back_are_drawn_as_a_picture() {
    let shop = Shop::open("back_drawn", ShopOptions::default());
    shop.rotate(&[]).expect_code(0);
    let start = Start {
        size: (100, 24),
        ..Start::default()
    };
    let mut terminal = Terminal::start(&shop, &start);
    terminal.see("promoted").see("● live").wait_until_idle();
    terminal.press("B").see("recommended").wait_until_idle();
    shoot(
        &terminal,
        "rollback",
        "handover: the evidence, the case and the ways back",
        &["APPLICATIONS-FAIL", "re-promote", "recommended", "won't"],
    );
}

#[test]
fn the_schedules_are_drawn_as_a_picture() {
    let shop = Shop::open("scheduled_drawn", ShopOptions::default());
    shop.rotate(&[]).expect_code(0);
    let mut others = Vec::new();
    for name in ["billing", "reports", "stock"] {
        let other = Shop::bare(&format!("{name}_drawn"), ShopOptions::default());
        let [file, settings] =
            ["orders.yaml", "settings.yaml"].map(|name| other.file(name).display().to_string());
        let environment = format!("shop/{name}");
        let init = ["env", "init", &environment, "-f", &file];
        shop.run(&[&init[..], &["--settings", &settings]].concat())
            .expect_code(0);
        others.push(other);
    }
    let set = ["schedule", "set"];
    let in_berlin = ["--timezone", "Europe/Berlin", "--window", "2h"];
    for (name, when) in [
        ("shop/orders", ["--cron", "0 3 * * TUE,FRI"]),
        ("shop/billing", ["--cron", "30 2 * * SUN"]),
        ("shop/reports", ["--cron", "0 4 * * *"]),
    ] {
        shop.run(&[&set[..], &[name], &when, &in_berlin].concat())
            .expect_code(0);
    }
    shop.run(&["pause", "shop/billing", "--reason", "year-end closing"])
        .expect_code(0);
    let start = Start {
        size: (120, 22),
        ..Start::default()
    };
    let mut terminal = Terminal::start(&shop, &start);
    terminal.see("no agent").see("● live").press("S");
    terminal.see("▸ ● planned").wait_until_idle();
    shoot(
        &terminal,
        "schedules",
        "handover: all schedules, what needs a human first, and the next seven days",
        &[
            "schedules",
            "planned",
            "paused",
            "none",
            "◆",
            "Europe/Berlin",
        ],
    );
}
