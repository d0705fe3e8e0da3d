//! `rcompose graph` from a compose file as people write it.

use crate::support::{Output, Sandbox, run};

const FILE: &str = "services:\n  web:\n    image: nginx\n    ports: ['8080:80']\n    depends_on: [db]\n  \
     db:\n    image: postgres\n    volumes: ['data:/var/lib/postgresql']\n  idle: {image: busybox}\nvolumes: {data: }\n";

fn graph(sandbox: &Sandbox, args: &[&str]) -> Output {
    let mut command = sandbox.command(env!("CARGO_BIN_EXE_rcompose"));
    run(command.args(["-p", "shop", "graph"]).args(args), "")
}

#[test]
fn a_stack_is_drawn() {
    let sandbox = Sandbox::new();
    sandbox.write("compose.yaml", FILE);
    graph(&sandbox, &["web"]).success().prints(
        "shop\n\
         ├─ web (nginx)\n\
         │    after    db\n\
         │    port     8080 → 80/tcp\n\
         │    network  default\n\
         ├─ db (postgres)\n\
         │    network  default\n\
         │    mount    data → /var/lib/postgresql\n\
         ├─ network default (shop_default)\n\
         └─ volume data (shop_data)\n",
    );
    let dot = graph(&sandbox, &["--format", "dot"]).success();
    assert!(dot.stdout.contains("\"web\" -> \"db\""), "{dot}");
    graph(&sandbox, &["--format", "svg", "-o", "shop.svg"]).success().prints("");
    let picture = std::fs::read_to_string(sandbox.path("shop.svg")).expect("the picture");
    assert!(picture.starts_with("<svg ") && picture.contains(">idle</text>"), "{picture}");
    graph(&sandbox, &["wbe"]).exits(1).says("did you mean `web`?");
}
