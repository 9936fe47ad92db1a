//! Just enough JSON for a function's answer.

use alloc::string::String;
use core::fmt::Write;

/// A text as a JSON string, with its quotes.
pub fn quote(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => {
                out.push('\\');
                out.push(c);
            }
            '\0'..='\x1f' => {
                let _ = write!(out, "\\u{:04x}", c as u32); // a String takes everything
            }
            _ => out.push(c),
        }
    }
    out.push('"');
    out
}
