//! Where everything of the picture is: the host as a panel with a lane for each network, containers on the right, each
//! beside the lane of its first network.

use runtime::network::{Picture, PicturedInterface, PicturedNetwork, PicturedSpace};

use super::{addresses, manner, number, port, route, title, traffic};

pub(super) const MARGIN: usize = 24;
pub(super) const PADDING: usize = 14;
pub(super) const LINE: usize = 17;
/// Above the cards of the host's own interfaces.
const HEADER: usize = 52;
const GAP: usize = 22;
/// Room for the lines between columns.
const CHANNEL: usize = 96;
/// From the host to the containers.
const CABLE: usize = 84;
/// Of a character of the 12-pixel font; generous, since fonts differ.
const CHARACTER: usize = 7;
const LONGEST: usize = 52;
const PILL: usize = 24;
const CHIP: usize = 42;
/// Between a container's number and its interfaces, and from these to what follows.
pub(super) const BREATH: usize = 6;
/// As many interfaces of the host as are drawn, and as many processes and routes in a container.
const MOST: usize = 6;

/// A box with lines of text.
#[derive(Clone, Debug, Default)]
pub(super) struct Card {
    pub(super) x: usize,
    pub(super) y: usize,
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) lines: Vec<Text>,
}

#[derive(Clone, Debug)]
pub(super) struct Text {
    pub(super) text: String,
    pub(super) class: &'static str,
}

/// A network's part of the host.
#[derive(Debug)]
pub(super) struct Lane<'a> {
    pub(super) network: &'a PicturedNetwork,
    pub(super) bridge: Card,
    pub(super) pills: Vec<Card>,
    pub(super) top: usize,
    pub(super) bottom: usize,
}

/// A container's namespace.
#[derive(Debug)]
pub(super) struct Space {
    pub(super) card: Card,
    pub(super) plugs: Vec<Plug>,
}

/// A pair: the end in the container, the host's end beside it.
#[derive(Debug)]
pub(super) struct Plug {
    /// Position of the network among the lanes; none if that network is not shown.
    pub(super) lane: Option<usize>,
    pub(super) is_connected: bool,
    pub(super) inside: Card,
    pub(super) chip: Card,
}

#[derive(Debug)]
pub(super) struct Layout<'a> {
    pub(super) host: Card,
    pub(super) interfaces: Vec<Card>,
    /// The interface by which everything goes out.
    pub(super) way_out: Option<usize>,
    pub(super) trunk: usize,
    pub(super) lanes: Vec<Lane<'a>>,
    pub(super) spaces: Vec<Space>,
    pub(super) width: usize,
    pub(super) height: usize,
}

impl Card {
    fn of(lines: Vec<Text>) -> Card {
        let longest = lines.iter().map(|line| line.text.chars().count()).max().unwrap_or(0);
        let (width, height) =
            (longest.max(12) * CHARACTER + 2 * PADDING, lines.len() * LINE + 2 * PADDING - 5);
        Card { width, height, lines, ..Card::default() }
    }

    pub(super) fn right(&self) -> usize {
        self.x + self.width
    }

    pub(super) fn bottom(&self) -> usize {
        self.y + self.height
    }

    pub(super) fn middle(&self) -> usize {
        self.y + self.height / 2
    }
}

fn text(text: impl Into<String>, class: &'static str) -> Text {
    let text = text.into();
    let text = match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    };
    Text { text, class }
}

/// The first few, and how many there are besides.
fn few(all: Vec<Text>) -> Vec<Text> {
    let more = all.len().saturating_sub(MOST);
    let mut some: Vec<Text> = all.into_iter().take(MOST).collect();
    if more > 0 {
        some.push(text(format!("and {more} more"), "dim"));
    }
    some
}

pub(super) fn of(picture: &Picture) -> Layout<'_> {
    let (mut interfaces, way_out) = interfaces(picture);
    let mut lanes: Vec<Lane<'_>> = picture.networks.iter().map(|it| lane(picture, it)).collect();
    let mut spaces: Vec<Space> = picture.spaces.iter().map(|it| space(picture, it)).collect();

    // Those that are on the next network too are next to it, so that lines cross little.
    spaces
        .sort_by_key(|space| (home(space), space.plugs.iter().filter_map(|plug| plug.lane).max()));
    let column = widest(spaces.iter().map(|space| &space.card));
    spaces.iter_mut().for_each(|space| space.card.width = column);

    let left = MARGIN + PADDING;
    let mut x = left;
    for card in &mut interfaces {
        (card.x, card.y) = (x, MARGIN + HEADER);
        x += card.width + GAP;
    }
    let top = interfaces.iter().map(Card::bottom).max().unwrap_or(MARGIN + HEADER) + GAP + 8;

    let pills = widest(lanes.iter().flat_map(|lane| &lane.pills));
    let bridges = widest(lanes.iter().map(|lane| &lane.bridge));
    let chips = widest(spaces.iter().flat_map(|space| &space.plugs).map(|plug| &plug.chip));
    let trunk = left + pills + CHANNEL / 2;
    let bridge_x = left + pills + CHANNEL;
    let chip_x = bridge_x + bridges + if chips > 0 { CHANNEL } else { 0 };
    let host_right = (chip_x + chips + PADDING).max(x - GAP + PADDING);
    let space_x = host_right + CABLE;

    let mut y = top;
    for (at, lane) in lanes.iter_mut().enumerate() {
        y = place_lane(lane, &mut spaces, at, y, (left, bridge_x));
        lane.bridge.width = bridges;
    }
    let host_bottom = y.saturating_sub(GAP) + PADDING;
    // Containers on no network that is shown.
    for space in spaces.iter_mut().filter(|space| home(space).is_none()) {
        space.card.y = y;
        y = space.card.bottom() + GAP;
    }
    for space in &mut spaces {
        place_inside(space, space_x, (host_right - PADDING - chips, chips));
    }
    let host = Card {
        x: MARGIN,
        y: MARGIN,
        width: host_right - MARGIN,
        height: host_bottom.max(top) - MARGIN,
        lines: host_lines(picture),
    };
    let right = spaces.iter().map(|space| space.card.right()).max();
    let (width, height) =
        (right.unwrap_or(host_right) + MARGIN, y.max(host.bottom() + GAP) + MARGIN);
    Layout { host, interfaces, way_out, trunk, lanes, spaces, width, height }
}

fn widest<'a>(cards: impl Iterator<Item = &'a Card>) -> usize {
    cards.map(|card| card.width).max().unwrap_or(0)
}

fn host_lines(picture: &Picture) -> Vec<Text> {
    let mut lines = vec![text(format!("host {}", picture.host.name), "title")];
    if !picture.host.containers.is_empty() {
        let names = picture.host.containers.join(", ");
        lines.push(text(format!("with its network: {names}"), "dim"));
    }
    lines
}

/// Those that lead out first, then those with addresses.
fn interfaces(picture: &Picture) -> (Vec<Card>, Option<usize>) {
    let host = &picture.host;
    let leads_out = |interface: &PicturedInterface| {
        let mut routes = host.routes.iter();
        routes.any(|route| route.destination.is_none() && route.device == interface.name)
    };
    let mut all: Vec<&PicturedInterface> = host.interfaces.iter().collect();
    all.sort_by_key(|it| (!leads_out(it), it.addresses.is_empty(), it.index));
    let way_out = all.first().filter(|first| leads_out(first)).map(|_| 0);
    let card = |interface: &&PicturedInterface| {
        let mut lines = vec![text(format!("{} #{}", interface.name, interface.index), "name")];
        if !interface.addresses.is_empty() {
            lines.push(text(addresses(interface), "code"));
        }
        let state = if interface.up { "" } else { "down, " };
        lines.push(text(format!("{state}mtu {}  {}", interface.mtu, traffic(interface)), "dim"));
        let routes = host.routes.iter().filter(|route| route.device == interface.name);
        lines.extend(few(routes.map(|found| text(route(found), "code")).collect()));
        Card::of(lines)
    };
    let mut cards: Vec<Card> = all.iter().take(MOST).map(card).collect();
    if all.len() > MOST {
        cards.push(Card::of(vec![text(format!("and {} more", all.len() - MOST), "dim")]));
    }
    (cards, way_out)
}

fn lane<'a>(picture: &Picture, network: &'a PicturedNetwork) -> Lane<'a> {
    let mut lines = vec![text(&network.name, "name"), text(network.subnet.to_string(), "code")];
    match &network.bridge {
        Some(bridge) => {
            let state = if bridge.up { "" } else { ", down" };
            lines.push(text(format!("{} #{}{state}", bridge.name, bridge.index), "code"));
            lines.push(text(format!("gateway {}", addresses(bridge)), "code"));
            lines.push(text(format!("mtu {}  {}", bridge.mtu, traffic(bridge)), "dim"));
        }
        None => lines.push(text("nobody is on it", "dim")),
    }
    lines.push(text(manner(network), "dim"));
    let mut pills = Vec::new();
    for space in &picture.spaces {
        for endpoint in space.endpoints.iter().filter(|end| end.network == network.name) {
            let first = space.containers.first().map(String::as_str).unwrap_or_default();
            for found in &endpoint.ports {
                let mut pill = Card::of(vec![text(format!("{} {first}", port(found)), "code")]);
                pill.height = PILL;
                pills.push(pill);
            }
        }
    }
    Lane { network, bridge: Card::of(lines), pills, top: 0, bottom: 0 }
}

fn space(picture: &Picture, space: &PicturedSpace) -> Space {
    let mut plugs = Vec::new();
    for endpoint in &space.endpoints {
        let index = endpoint.far.as_ref().map_or(String::new(), |far| format!(" #{}", far.index));
        let mut lines = vec![text(
            format!("{}{index}  {}/{}", endpoint.far_name, endpoint.address, endpoint.prefix),
            "code",
        )];
        if let Some(far) = &endpoint.far {
            let mac = far.mac.map_or(String::new(), |mac| format!("{mac}  "));
            lines.push(text(format!("{mac}{}", traffic(far)), "dim"));
        }
        if !endpoint.names.is_empty() {
            lines.push(text(endpoint.names.join(", "), "names"));
        }
        let (name, counted) = match &endpoint.near {
            Some(near) => (format!("{} #{}", near.name, near.index), traffic(near)),
            None => (endpoint.near_name.clone(), "missing".to_owned()),
        };
        let mut chip = Card::of(vec![text(name, "code"), text(counted, "dim")]);
        chip.height = CHIP;
        let mut inside = Card::of(lines);
        // The host's end is beside it and must have room.
        inside.height = inside.height.max(CHIP);
        plugs.push(Plug {
            lane: picture.networks.iter().position(|it| it.name == endpoint.network),
            is_connected: endpoint.is_connected,
            inside,
            chip,
        });
    }
    let mut lines = vec![text(title(space), "name"), text(number(space), "dim")];
    for (heading, all) in [
        ("routes", space.routes.iter().map(|it| text(route(it), "code")).collect::<Vec<_>>()),
        (
            "processes",
            space
                .processes
                .iter()
                .map(|it| text(format!("{} {}", it.pid, it.command), "code"))
                .collect(),
        ),
    ] {
        if !all.is_empty() {
            lines.push(text(heading, "dim"));
            lines.extend(few(all));
        }
    }
    let mut card = Card::of(lines);
    card.height += inner_height(&plugs);
    card.width = card.width.max(widest(plugs.iter().map(|plug| &plug.inside)) + 2 * PADDING);
    Space { card, plugs }
}

/// Of a container's interfaces, with what is around them.
pub(super) fn inner_height(plugs: &[Plug]) -> usize {
    let heights: usize = plugs.iter().map(|plug| plug.inside.height + 10).sum();
    heights + 2 * BREATH
}

/// The lane beside which it is drawn.
fn home(space: &Space) -> Option<usize> {
    space.plugs.iter().find_map(|plug| plug.lane)
}

/// Places a lane and its containers below `y`; where the next one may begin.
fn place_lane(
    lane: &mut Lane<'_>,
    spaces: &mut [Space],
    at: usize,
    y: usize,
    (left, bridge_x): (usize, usize),
) -> usize {
    let mut below = y;
    for space in spaces.iter_mut().filter(|space| home(space) == Some(at)) {
        space.card.y = below;
        below = space.card.bottom() + GAP;
    }
    let pills = lane.pills.len() * (PILL + 8);
    let content = below.saturating_sub(y + GAP).max(lane.bridge.height).max(pills);
    let bottom = y + content + 2 * PADDING / 2;
    lane.bridge.x = bridge_x;
    lane.bridge.y = y + (content - lane.bridge.height) / 2;
    let first = y + (content - pills) / 2;
    for (position, pill) in lane.pills.iter_mut().enumerate() {
        (pill.x, pill.y) = (left, first + position * (PILL + 8));
    }
    (lane.top, lane.bottom) = (y.saturating_sub(8), bottom - 6);
    bottom + GAP
}

/// The container's ends, below its title, and the host's beside them.
fn place_inside(space: &mut Space, x: usize, (chip_x, chip_width): (usize, usize)) {
    space.card.x = x;
    let mut y = space.card.y + PADDING + 2 * LINE + BREATH;
    for plug in &mut space.plugs {
        (plug.inside.x, plug.inside.y) = (x + PADDING, y);
        plug.inside.width = space.card.width - 2 * PADDING;
        plug.chip.x = chip_x;
        plug.chip.width = chip_width;
        plug.chip.y = (plug.inside.middle()).saturating_sub(CHIP / 2);
        y += plug.inside.height + 10;
    }
}
