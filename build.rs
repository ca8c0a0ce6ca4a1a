//! Has the linker put the functions that a message passes next to each other (`layout/hot.ld`).
//!
//! Only in optimised builds for Linux, by lld and GNU ld: gold, mold and wild do not read such a script. `TWSMUX_LAYOUT=off` leaves it
//! out.

use std::env;

fn main() {
    println!("cargo::rerun-if-changed=layout/hot.ld");
    println!("cargo::rerun-if-env-changed=TWSMUX_LAYOUT");
    let is = |name: &str, value: &str| env::var(name).is_ok_and(|found| found == value);
    let others = ["gold", "mold", "wild"];
    let linker =
        ["CARGO_ENCODED_RUSTFLAGS", "RUSTC_LINKER"].map(|name| env::var(name).unwrap_or_default()).concat();
    let reads_scripts = !others.iter().any(|other| linker.contains(other));
    // Names are of no use where nothing is inlined.
    let optimised = is("PROFILE", "release");
    if is("CARGO_CFG_TARGET_OS", "linux") && optimised && reads_scripts && !is("TWSMUX_LAYOUT", "off") {
        let folder = env::var("CARGO_MANIFEST_DIR").expect("cargo tells it");
        println!("cargo::rustc-link-arg-bins=-Wl,-T,{folder}/layout/hot.ld");
    }
}
