//! The picture as SVG that needs nothing else: cards in columns, arrows for dependencies, colours for networks
//! and volumes.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::{Edge, Graph, ServiceNode};

/// Okabe and Ito's colours, which most eyes can tell apart.
const COLOURS: [&str; 7] =
    ["#0072b2", "#e69f00", "#009e73", "#cc79a7", "#d55e00", "#56b4e9", "#7f7f00"];
const MARGIN: usize = 24;
const HEADER: usize = 48;
/// Room for `completed, optional` before the arrow.
const GAP_X: usize = 140;
const GAP_Y: usize = 22;
/// Between arrows that pass above cards.
const CHANNEL: usize = 8;
const LINE: usize = 18;
const PADDING: usize = 12;
/// Of a character of the 12-pixel font; generous, since fonts differ.
const CHARACTER: usize = 8;
const LONGEST: usize = 44;

struct Card<'a> {
    service: &'a ServiceNode,
    lines: Vec<Line>,
    x: usize,
    y: usize,
    width: usize,
    height: usize,
}

/// A line of a card; with a colour it gets a dot.
struct Line {
    text: String,
    colour: Option<&'static str>,
    class: &'static str,
}

pub fn svg(graph: &Graph) -> String {
    let cards = layout(graph);
    let legend = graph.networks.len() + graph.volumes.len();
    let bottom = cards.iter().map(|card| card.y + card.height).max().unwrap_or(HEADER + MARGIN);
    let right = cards.iter().map(|card| card.x + card.width).max().unwrap_or(240);
    let (width, height) = (right.max(360) + MARGIN, bottom + MARGIN + (legend + 1) * LINE);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" role=\"img\">\n"
    );
    // Writing to a string cannot fail.
    let _ = writeln!(out, "<title>{}</title>", escaped(&graph.project));
    out.push_str(STYLE);
    let _ = writeln!(out, "<rect width=\"{width}\" height=\"{height}\" class=\"page\"/>");
    let _ = writeln!(
        out,
        "<text x=\"{MARGIN}\" y=\"{}\" class=\"project\">{}</text>",
        MARGIN + 8,
        escaped(&graph.project)
    );
    let places: BTreeMap<&str, &Card<'_>> =
        cards.iter().map(|card| (card.service.name.as_str(), card)).collect();
    let mut channels = 0;
    for card in &cards {
        for (at, edge) in card.service.dependencies.iter().enumerate() {
            if let Some(to) = places.get(edge.to.as_str()) {
                let is_long = to.service.column > card.service.column + 1;
                let channel = is_long.then_some(HEADER + channels * CHANNEL);
                channels += usize::from(is_long);
                put_edge(&mut out, card, to, edge, (at, channel));
            }
        }
    }
    cards.iter().for_each(|card| put_card(&mut out, card));
    put_legend(&mut out, graph, bottom + MARGIN);
    out.push_str("</svg>\n");
    out
}

const STYLE: &str = "<style>
.page{fill:#fff}.card{fill:#f8f9fb;stroke:#5b6470;stroke-width:1.2}.stack{fill:#e8ebf0;stroke:#5b6470}
text{font:12px sans-serif;fill:#2b313a}.project{font-size:18px;font-weight:600}.name{font-weight:600;font-size:13px}
.dim{fill:#6b7480}.edge{fill:none;stroke:#5b6470;stroke-width:1.4}.optional{stroke-dasharray:5 4}.label{font-size:11px;fill:#5b6470}
</style>
<defs><marker id=\"tip\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerWidth=\"8\" markerHeight=\"8\" orient=\"auto\"><path d=\"M0 0L8 4L0 8z\" fill=\"#5b6470\"/></marker></defs>
";

fn colour(graph: &Graph, kind: &str, key: &str) -> Option<&'static str> {
    let networks = graph.networks.iter().map(|it| ("network", it.key.as_str()));
    let volumes = graph.volumes.iter().map(|it| ("volume", it.key.as_str()));
    let at = networks.chain(volumes).position(|it| it == (kind, key))?;
    Some(COLOURS[at % COLOURS.len()])
}

fn layout(graph: &Graph) -> Vec<Card<'_>> {
    let mut columns: BTreeMap<usize, Vec<Card<'_>>> = BTreeMap::new();
    for service in &graph.services {
        columns.entry(service.column).or_default().push(card(graph, service));
    }
    let top = HEADER + MARGIN + long_edges(graph) * CHANNEL;
    let mut x = MARGIN;
    let mut placed: Vec<Card<'_>> = Vec::new();
    for (_, mut cards) in columns {
        // Near what depends on them, so that arrows cross little.
        cards.sort_by_key(|card| (wanted_height(card, &placed), card.service.name.clone()));
        let width = cards.iter().map(|card| card.width).max().unwrap_or(0);
        let mut y = top;
        for mut card in cards {
            (card.x, card.y, card.width) = (x, y, width);
            y += card.height + GAP_Y;
            placed.push(card);
        }
        x += width + GAP_X;
    }
    placed
}

/// How many arrows pass cards in between.
fn long_edges(graph: &Graph) -> usize {
    let column = |name: &str| graph.services.iter().find(|it| it.name == name).map(|it| it.column);
    let edges = graph
        .services
        .iter()
        .flat_map(|from| from.dependencies.iter().map(move |edge| (from.column, edge.to.as_str())));
    edges.filter(|(from, to)| column(to).is_some_and(|to| to > from + 1)).count()
}

/// The mean height of its dependents.
fn wanted_height(card: &Card<'_>, placed: &[Card<'_>]) -> usize {
    let depends =
        |it: &&Card<'_>| it.service.dependencies.iter().any(|edge| edge.to == card.service.name);
    let heights: Vec<usize> = placed.iter().filter(depends).map(|it| it.y).collect();
    heights.iter().sum::<usize>() / heights.len().max(1)
}

fn card<'a>(graph: &Graph, service: &'a ServiceNode) -> Card<'a> {
    let line = |text: String, class| Line { text: shortened(text), colour: None, class };
    let title = match service.replicas {
        1 => service.name.clone(),
        replicas => format!("{} ×{replicas}", service.name),
    };
    let mut lines = vec![line(title, "name"), line(service.image.clone(), "dim")];
    lines.extend(service.ports.iter().map(|port| line(format!("port {port}"), "")));
    lines.extend(service.network_mode.iter().map(|mode| line(format!("network {mode}"), "")));
    for key in &service.networks {
        let colour = colour(graph, "network", key);
        lines.push(Line { text: shortened(key.clone()), colour, class: "" });
    }
    for mount in &service.mounts {
        let colour =
            (mount.kind == "volume").then(|| colour(graph, "volume", &mount.source)).flatten();
        lines.push(Line { text: shortened(mount.label()), colour, class: "" });
    }
    let longest =
        lines.iter().map(|it| it.text.chars().count() + if it.colour.is_some() { 2 } else { 0 });
    let width = longest.max().unwrap_or(0).max(14) * CHARACTER + 2 * PADDING;
    let height = lines.len() * LINE + 2 * PADDING - 4;
    Card { service, lines, x: 0, y: 0, width, height }
}

fn shortened(text: String) -> String {
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

fn put_card(out: &mut String, card: &Card<'_>) {
    let Card { x, y, width, height, .. } = *card;
    if card.service.replicas > 1 {
        let (x, y) = (x + 5, y + 5);
        let _ = writeln!(
            out,
            "<rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" rx=\"7\" class=\"stack\"/>"
        );
    }
    let _ = writeln!(
        out,
        "<rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" rx=\"7\" class=\"card\"/>"
    );
    for (at, line) in card.lines.iter().enumerate() {
        let y = y + PADDING + at * LINE + 10;
        let mut x = x + PADDING;
        if let Some(colour) = line.colour {
            let _ = writeln!(
                out,
                "<circle cx=\"{}\" cy=\"{}\" r=\"5\" fill=\"{colour}\"/>",
                x + 5,
                y - 4
            );
            x += 16;
        }
        let class = if line.class.is_empty() {
            String::new()
        } else {
            format!(" class=\"{}\"", line.class)
        };
        let _ = writeln!(out, "<text x=\"{x}\" y=\"{y}\"{class}>{}</text>", escaped(&line.text));
    }
}

/// `at`: which edge of the card it is. Over cards in between it goes by a channel above them.
fn put_edge(
    out: &mut String,
    from: &Card<'_>,
    to: &Card<'_>,
    edge: &Edge,
    (at, channel): (usize, Option<usize>),
) {
    let (x1, y1) = (from.x + from.width, from.y + PADDING + 8 + at * 8);
    let (x2, y2) = (to.x, to.y + PADDING + 8);
    let path = match channel {
        None => {
            let bend = (x2.saturating_sub(x1) / 2).max(40);
            format!("C{} {y1} {} {y2} {x2} {y2}", x1 + bend, x2.saturating_sub(bend))
        }
        Some(y) => format!(
            "C{0} {y1} {0} {y} {1} {y}L{2} {y}C{3} {y} {3} {y2} {x2} {y2}",
            x1 + 40,
            x1 + 80,
            x2.saturating_sub(80),
            x2.saturating_sub(40)
        ),
    };
    let class = if edge.required { "edge" } else { "edge optional" };
    // Writing to a string cannot fail.
    let _ =
        writeln!(out, "<path d=\"M{x1} {y1}{path}\" class=\"{class}\" marker-end=\"url(#tip)\"/>");
    let label = edge.label();
    if !label.is_empty() {
        let (x, y) = (x2.saturating_sub(8), y2.saturating_sub(6));
        let _ = writeln!(
            out,
            "<text x=\"{x}\" y=\"{y}\" text-anchor=\"end\" class=\"label\">{label}</text>"
        );
    }
}

fn put_legend(out: &mut String, graph: &Graph, top: usize) {
    let networks = graph.networks.iter().map(|it| ("network", it));
    let volumes = graph.volumes.iter().map(|it| ("volume", it));
    for (at, (kind, resource)) in networks.chain(volumes).enumerate() {
        let y = top + at * LINE + 4;
        if let Some(colour) = colour(graph, kind, &resource.key) {
            let _ = writeln!(
                out,
                "<circle cx=\"{}\" cy=\"{}\" r=\"5\" fill=\"{colour}\"/>",
                MARGIN + 5,
                y - 4
            );
        }
        let external = if resource.external { ", external" } else { "" };
        let internal = if resource.internal { ", internal" } else { "" };
        let text = format!("{kind} {} ({}{external}{internal})", resource.key, resource.name);
        let _ = writeln!(out, "<text x=\"{}\" y=\"{y}\">{}</text>", MARGIN + 16, escaped(&text));
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
