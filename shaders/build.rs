//! Compiles every `glsl/*.comp` with `glslc` and writes one static of SPIR-V words for each.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=glsl");
    println!("cargo::rerun-if-changed=build.rs");
    let out = PathBuf::from(std::env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    let mut shaders: Vec<PathBuf> = std::fs::read_dir("glsl")
        .expect("the folder glsl is beside build.rs")
        .map(|entry| entry.expect("an entry of glsl can be read").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "comp"))
        .collect();
    shaders.sort();
    let mut statics = String::new();
    for shader in &shaders {
        println!("cargo::rerun-if-changed={}", shader.display());
        let name = shader.file_stem().and_then(|stem| stem.to_str()).expect("shaders have plain names").to_uppercase();
        match compile(shader, &out) {
            Ok(words) => {
                writeln!(statics, "pub static {name}: &[u32] = &{words:?};").expect("a string takes any text");
            }
            Err(reason) => {
                println!("cargo::error={reason}");
                return;
            }
        }
    }
    std::fs::write(out.join("spirv.rs"), statics).expect("OUT_DIR can be written");
}

/// One shader to SPIR-V words; the error says what to install or shows the compiler's own words.
fn compile(shader: &Path, out: &Path) -> Result<Vec<u32>, String> {
    let binary = out.join(shader.with_extension("spv").file_name().expect("a shader has a file name"));
    let run = Command::new("glslc")
        .args(["--target-env=vulkan1.1", "-O", "-Werror", "-o"])
        .arg(&binary)
        .arg(shader)
        .output()
        .map_err(|error| {
            format!(
                "cannot run glslc ({error}): install the package glslc, on Debian and Ubuntu by `apt-get install glslc`"
            )
        })?;
    if !run.status.success() {
        let message = String::from_utf8_lossy(&run.stderr).trim().replace('\n', "; ");
        return Err(format!("glslc refuses {}: {message}", shader.display()));
    }
    let bytes = std::fs::read(&binary).map_err(|error| format!("cannot read what glslc wrote: {error}"))?;
    Ok(bytes.chunks_exact(4).map(|word| u32::from_le_bytes([word[0], word[1], word[2], word[3]])).collect())
}
