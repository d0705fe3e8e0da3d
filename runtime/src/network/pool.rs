//! Which subnet a network gets that asks for none: docker's pools, without what is in use.
use super::subnet::Subnet;

/// Docker's default pools: a range, and the prefix of each network in it.
const POOLS: [(&str, u8); 7] = [
    ("172.17.0.0/16", 16),
    ("172.18.0.0/16", 16),
    ("172.19.0.0/16", 16),
    ("172.20.0.0/14", 16),
    ("172.24.0.0/14", 16),
    ("172.28.0.0/14", 16),
    ("192.168.0.0/16", 20),
];

/// All of them, in the order in which they are given out.
fn candidates() -> impl Iterator<Item = Subnet> {
    let parse = |(text, prefix): &(&str, u8)| text.parse().ok().map(|pool: Subnet| (pool, *prefix));
    POOLS.iter().filter_map(parse).flat_map(|(pool, prefix)| pool.parts(prefix))
}

/// The first that overlaps with nothing; the first of all is kept for docker's and our own default network.
pub(super) fn choose(taken: &[Subnet], is_default: bool) -> Option<Subnet> {
    let free = |candidate: &Subnet| !taken.iter().any(|other| other.overlaps(*candidate));
    candidates().skip(usize::from(!is_default)).find(free)
}

/// The last one that overlaps with nothing: for networks that nobody asked for.
pub(super) fn choose_last(taken: &[Subnet], _is_default: bool) -> Option<Subnet> {
    let free = |candidate: &Subnet| !taken.iter().any(|other| other.overlaps(*candidate));
    candidates().filter(free).last()
}

pub(super) fn count() -> usize {
    candidates().count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(taken: &[&str], is_default: bool) -> String {
        let taken: Vec<Subnet> = taken.iter().map(|text| text.parse().unwrap()).collect();
        choose(&taken, is_default).map_or("none".to_owned(), |subnet| subnet.to_string())
    }

    #[test]
    fn the_first_subnet_that_nobody_uses() {
        for (taken, is_default, expected) in [
            (&[][..], true, "172.17.0.0/16"),
            (&[], false, "172.18.0.0/16"),
            (&["172.17.0.0/16"], true, "172.18.0.0/16"),
            (&["172.18.5.0/24"], false, "172.19.0.0/16"),
            (&["172.16.0.0/12"], false, "192.168.0.0/20"),
            (&["172.16.0.0/12", "192.168.16.0/20"], false, "192.168.0.0/20"),
            (&["172.16.0.0/12", "192.168.0.0/24"], true, "192.168.16.0/20"),
            (&["172.16.0.0/12", "192.168.0.0/16"], true, "none"),
        ] {
            assert_eq!(chosen(taken, is_default), expected, "{taken:?}");
        }
        assert_eq!(choose_last(&[], false).unwrap().to_string(), "192.168.240.0/20");
        assert_eq!(count(), 31);
    }
}
