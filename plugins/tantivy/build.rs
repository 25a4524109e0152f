// SPDX-License-Identifier: MIT
//! Links as every plug-in is linked: with no symbol undefined but those of libraries.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-cdylib-link-arg=-Wl,-z,defs");
}
