//! The picture as SVG that needs nothing else: the host as a panel with its bridges, cables to the containers, a
//! colour for each network.

use std::fmt::Write as _;

use runtime::network::Picture;

use super::layout::{self, Card, LINE, Lane, Layout, PADDING, Plug, Space, inner_height};

/// Okabe and Ito's colours, which most eyes can tell apart.
const COLOURS: [&str; 7] =
    ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#b58900", "#56b4e9", "#6b6b00"];
const GREY: &str = "#8a93a0";

const STYLE: &str = "<style>
.page{fill:#fff}.host{fill:#f4f6f9;stroke:#c3cad4;stroke-width:1.5}.card{fill:#fff;stroke:#9aa4b1;stroke-width:1.2}
.space{fill:#fff;stroke:#5b6470;stroke-width:1.4}.inset{fill:#f7f8fa;stroke-width:1.4}.pill{fill:#fff;stroke-width:1.4}
text{font:12px 'DejaVu Sans','Helvetica Neue',Arial,sans-serif;fill:#2b313a}
.title{font-size:18px;font-weight:600}.name{font-size:14px;font-weight:600}
.code{font-family:'DejaVu Sans Mono',Menlo,Consolas,monospace;font-size:11px}
.dim{font-size:11px;fill:#6b7480}.names{font-size:11px;font-style:italic;fill:#4a5361}
.wire{fill:none;stroke-width:2}.cable{fill:none;stroke-width:4;stroke-linecap:round}
.way{fill:none;stroke:#8a93a0;stroke-width:1.6;stroke-dasharray:6 4}
.lost{stroke:#c62828;stroke-dasharray:3 4}
</style>
";

pub(super) fn svg(picture: &Picture) -> String {
    let layout = layout::of(picture);
    let (width, height) = (layout.width, layout.height);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" role=\"img\">\n"
    );
    // Writing to a string cannot fail.
    let _ = writeln!(out, "<title>networks of {}</title>", escaped(&picture.host.name));
    out.push_str(STYLE);
    let _ = writeln!(out, "<rect width=\"{width}\" height=\"{height}\" class=\"page\"/>");
    put_box(&mut out, &layout.host, "host", 14, None);
    put_lines(&mut out, &layout.host, 6);
    for (at, lane) in layout.lanes.iter().enumerate() {
        put_lane(&mut out, &layout, lane, COLOURS[at % COLOURS.len()]);
    }
    for card in &layout.interfaces {
        put_box(&mut out, card, "card", 7, None);
        put_lines(&mut out, card, 0);
    }
    for space in &layout.spaces {
        for plug in &space.plugs {
            put_wires(&mut out, &layout, plug);
        }
    }
    for (at, lane) in layout.lanes.iter().enumerate() {
        put_bridge(&mut out, lane, COLOURS[at % COLOURS.len()]);
    }
    layout.spaces.iter().for_each(|space| put_space(&mut out, space));
    let _ = writeln!(
        out,
        "<text x=\"{}\" y=\"{}\" class=\"dim\">↓ received and ↑ sent by each interface; #: its number in its namespace</text>",
        layout.host.x,
        height - 12
    );
    out.push_str("</svg>\n");
    out
}

fn colour(plug: &Plug) -> &'static str {
    plug.lane.map_or(GREY, |lane| COLOURS[lane % COLOURS.len()])
}

/// A tinted band, the published ports at its left end, and the way out of the host.
fn put_lane(out: &mut String, layout: &Layout<'_>, lane: &Lane<'_>, colour: &str) {
    let (x, width) = (layout.host.x + 6, layout.host.width - 12);
    let _ = writeln!(
        out,
        "<rect x=\"{x}\" y=\"{}\" width=\"{width}\" height=\"{}\" rx=\"10\" fill=\"{colour}\" opacity=\"0.07\"/>",
        lane.top,
        lane.bottom - lane.top
    );
    let bridge = &lane.bridge;
    if let Some(way_out) = layout.way_out.map(|at| &layout.interfaces[at])
        && !lane.network.internal
        && lane.network.bridge.is_some()
    {
        put_way(out, layout, way_out, lane);
    }
    for pill in &lane.pills {
        let (from, to) = (pill.right(), bridge.x);
        let (y1, y2) = (pill.middle(), bridge.middle());
        let bend = (to - from) / 2;
        let _ = writeln!(
            out,
            "<path d=\"M{from} {y1}C{} {y1} {} {y2} {to} {y2}\" class=\"wire\" stroke=\"{colour}\"/>",
            from + bend,
            to - bend
        );
        put_box(out, pill, "pill", 12, Some(colour));
        let _ = writeln!(
            out,
            "<text x=\"{}\" y=\"{}\" class=\"code\">{}</text>",
            pill.x + PADDING,
            pill.y + 16,
            escaped(&pill.lines[0].text)
        );
    }
}

/// From the interface that leads out down to the bridge.
fn put_way(out: &mut String, layout: &Layout<'_>, way_out: &Card, lane: &Lane<'_>) {
    let (x, y) = (layout.trunk, lane.bridge.y + 20);
    // Straight down where the trunk is below the card, else from its nearer edge.
    let begin = x.clamp(way_out.x + 24, way_out.right() - 24);
    let turn = way_out.bottom() + 12;
    let _ = writeln!(
        out,
        "<path d=\"M{begin} {}V{turn}H{x}V{y}H{}\" class=\"way\"/>",
        way_out.bottom(),
        lane.bridge.x
    );
    let label = if lane.network.masquerade { "NAT" } else { "routed" };
    let _ = writeln!(out, "<text x=\"{}\" y=\"{}\" class=\"dim\">{label}</text>", x + 8, y - 5);
}

fn put_bridge(out: &mut String, lane: &Lane<'_>, colour: &str) {
    let card = &lane.bridge;
    put_box(out, card, "card", 8, Some(colour));
    let _ = writeln!(
        out,
        "<path d=\"M{} {}h6v{}h-6a8 8 0 0 1 -8 -8v-{}a8 8 0 0 1 8 -8z\" fill=\"{colour}\"/>",
        card.x + 8,
        card.y,
        card.height,
        card.height - 16
    );
    put_lines(out, card, 8);
}

/// From the bridge to the host's end, and the cable from there to the container's.
fn put_wires(out: &mut String, layout: &Layout<'_>, plug: &Plug) {
    let (colour, chip, inside) = (colour(plug), &plug.chip, &plug.inside);
    if let Some(lane) = plug.lane.map(|at| &layout.lanes[at]) {
        let (from, to) = (lane.bridge.right(), chip.x);
        let (y1, y2) = (lane.bridge.middle(), chip.middle());
        let bend = (to.saturating_sub(from)) / 2;
        let lost = if plug.is_connected { "" } else { " lost" };
        let stroke =
            if plug.is_connected { format!(" stroke=\"{colour}\"") } else { String::new() };
        let _ = writeln!(
            out,
            "<path d=\"M{from} {y1}C{} {y1} {} {y2} {to} {y2}\" class=\"wire{lost}\"{stroke}/>",
            from + bend,
            to.saturating_sub(bend)
        );
    }
    let y = chip.middle();
    let _ = writeln!(
        out,
        "<path d=\"M{} {y}H{}\" class=\"cable\" stroke=\"{colour}\"/>",
        chip.right(),
        inside.x
    );
    put_box(out, chip, "card", 5, Some(colour));
    for (at, line) in chip.lines.iter().enumerate() {
        let _ = writeln!(
            out,
            "<text x=\"{}\" y=\"{}\" class=\"{}\">{}</text>",
            chip.x + PADDING,
            chip.y + 17 + at * 16,
            line.class,
            escaped(&line.text)
        );
    }
}

/// The title, the interfaces, then routes and processes.
fn put_space(out: &mut String, space: &Space) {
    let card = &space.card;
    // The cable ends within the card, so the card is drawn below it and the end above.
    put_box(out, card, "space", 10, None);
    for (at, line) in card.lines.iter().enumerate() {
        let below = if at < 2 { 0 } else { inner_height(&space.plugs) };
        let y = card.y + PADDING + at * LINE + 9 + below;
        put_line(out, card.x + PADDING, y, line);
    }
    for plug in &space.plugs {
        let (colour, inside) = (colour(plug), &plug.inside);
        put_box(out, inside, "inset", 6, Some(colour));
        put_lines(out, inside, 0);
        let (x, y) = (inside.x, plug.chip.middle());
        let _ = writeln!(
            out,
            "<path d=\"M{} {y}H{x}\" class=\"cable\" stroke=\"{colour}\"/>\n<circle cx=\"{x}\" cy=\"{y}\" r=\"5\" fill=\"{colour}\"/>",
            card.x
        );
    }
}

fn put_box(out: &mut String, card: &Card, class: &str, radius: usize, stroke: Option<&str>) {
    let stroke = stroke.map_or(String::new(), |colour| format!(" style=\"stroke:{colour}\""));
    let Card { x, y, width, height, .. } = card;
    let _ = writeln!(
        out,
        "<rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" rx=\"{radius}\" class=\"{class}\"{stroke}/>"
    );
}

fn put_lines(out: &mut String, card: &Card, indent: usize) {
    for (at, line) in card.lines.iter().enumerate() {
        let y = card.y + PADDING + at * LINE + 9;
        put_line(out, card.x + PADDING + indent, y, line);
    }
}

fn put_line(out: &mut String, x: usize, y: usize, line: &layout::Text) {
    let _ = writeln!(
        out,
        "<text x=\"{x}\" y=\"{y}\" class=\"{}\">{}</text>",
        line.class,
        escaped(&line.text)
    );
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use runtime::network::{Picture, PicturedHost};

    use super::super::sample;
    use super::*;

    #[test]
    fn everything_of_a_picture_is_in_its_drawing() {
        sample::compare("picture.svg", &svg(&sample::picture()));
    }

    #[test]
    fn nothing_is_drawn_over_something_else() {
        let picture = sample::picture();
        let layout = layout::of(&picture);
        let lanes = layout.lanes.iter().flat_map(|lane| lane.pills.iter().chain([&lane.bridge]));
        let spaces = layout
            .spaces
            .iter()
            .flat_map(|space| space.plugs.iter().map(|plug| &plug.chip).chain([&space.card]));
        let all: Vec<&Card> = layout.interfaces.iter().chain(lanes).chain(spaces).collect();
        for (at, one) in all.iter().enumerate() {
            assert!(one.right() <= layout.width && one.bottom() <= layout.height, "{one:?}");
            for other in &all[at + 1..] {
                let apart = one.right() <= other.x
                    || other.right() <= one.x
                    || one.bottom() <= other.y
                    || other.bottom() <= one.y;
                assert!(apart, "{one:?} and {other:?}");
            }
        }
    }

    #[test]
    fn a_picture_of_nothing_is_one() {
        let host = PicturedHost { name: "<box>".to_owned(), ..PicturedHost::default() };
        let picture = Picture { host, ..Picture::default() };
        let drawn = svg(&picture);
        assert!(drawn.contains("host &lt;box&gt;") && drawn.ends_with("</svg>\n"), "{drawn}");
    }
}
