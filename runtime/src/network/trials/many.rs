//! As many containers on one network as the kernel's bridges take, and no more.
use super::super::error::NetworkError;
use super::super::netlink::Socket;
use super::super::netlink::link::list_links;
use super::world::within_one;
use crate::containers::ProcessName;

/// What a bridge takes.
const MOST: usize = 1023;

#[test]
fn a_thousand_containers_are_on_one_network_and_one_too_many_is_refused_by_name() {
    within_one(|world| {
        let network = world.create("crowd");
        let own = ProcessName::of_self().unwrap();
        let residents: Vec<_> =
            (0..MOST).map(|number| world.resident_of(&format!("c{number}"), own)).collect();
        for (number, resident) in residents.iter().enumerate() {
            let endpoint = world.attach(resident, "crowd", Vec::new()).unwrap();
            assert_eq!(endpoint.network, network.id, "{number}");
        }
        world.assert_in_order("with a thousand");
        let links = list_links(&mut Socket::route().unwrap()).unwrap();
        let bridge = links.iter().find(|link| link.name == world.networks.bridge_name(&network));
        let index = bridge.unwrap().index;
        assert_eq!(links.iter().filter(|link| link.master == Some(index)).count(), MOST);
        // The 1,024th and the 1,025th.
        for number in [MOST, MOST + 1] {
            let late = world.resident_of(&format!("c{number}"), own);
            let error = world.attach(&late, "crowd", Vec::new()).unwrap_err();
            assert!(matches!(error, NetworkError::Full { .. }), "{error}");
            assert_eq!(
                error.to_string(),
                "network `crowd` has 1023 containers, which is all that a bridge takes"
            );
        }
        // Another network has room, and so has this one when somebody goes.
        world.create("other");
        world.attach(&residents[0], "other", Vec::new()).unwrap();
        let guard = world.networks.lock().unwrap();
        let first = world.networks.endpoints(&network.id).unwrap().remove(0);
        world.networks.detach(&guard, &first, true).unwrap();
        drop(guard);
        let late = world.resident_of("late", own);
        world.attach(&late, "crowd", Vec::new()).unwrap();
        world.assert_in_order("with one instead of another");
    });
}
