//! The secret that allows changes over the admin port.
//!
//! Owns: how its file is read, the comparison. May not know: who shows one. Driven by: the settings, and the control
//! endpoint.

use std::fmt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::tls::Mistake;

/// Fewest and most characters of a token.
const LENGTH: std::ops::RangeInclusive<usize> = 16..=512;

/// A secret. It is in no log and in no debug output.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

impl Token {
    /// Reads a token from its file: one line of 16 to 512 visible ASCII characters.
    ///
    /// # Errors
    /// When the file cannot be read, is readable by everybody, or holds something else.
    pub fn read(path: &Path) -> Result<Token, Mistake> {
        let mistake = |words: String| Mistake { key: "admin_token_file", words };
        let name = path.display();
        let read = || -> std::io::Result<(u32, String)> {
            let mode = std::fs::metadata(path)?.mode();
            Ok((mode, std::fs::read_to_string(path)?))
        };
        let (mode, text) = read().map_err(|error| mistake(format!("{name} cannot be read: {error}")))?;
        if mode & 0o004 != 0 {
            return Err(mistake(format!("{name} can be read by everybody on this machine: chmod 600 it")));
        }
        let token = text.trim_end_matches(['\r', '\n']);
        match LENGTH.contains(&token.len()) && token.bytes().all(|b| b.is_ascii_graphic()) {
            true => Ok(Token(token.to_owned())),
            false => Err(mistake(format!(
                "{name} must hold one line of {} to {} visible ASCII characters, as `openssl rand -hex 32` makes it",
                LENGTH.start(),
                LENGTH.end()
            ))),
        }
    }

    /// Whether somebody has shown this one. How long that takes tells nothing but the length.
    pub fn is(&self, shown: &[u8]) -> bool {
        let own = self.0.as_bytes();
        let differs = own.iter().zip(shown).fold(0, |all, (a, b)| all | (a ^ b));
        own.len() == shown.len() && std::hint::black_box(differs) == 0
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn read(text: &str, mode: u32) -> Result<Token, String> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("token");
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        Token::read(&path).map_err(|mistake| mistake.words)
    }

    #[test]
    fn a_token_is_one_line_that_not_everybody_can_read() {
        let token = read("0123456789abcdef\n", 0o640).unwrap();
        assert!(token.is(b"0123456789abcdef"));
        for other in ["0123456789abcdeF", "0123456789abcde", "0123456789abcdef0", "", "\0"] {
            assert!(!token.is(other.as_bytes()), "{other}");
        }
        assert!(!format!("{token:?}").contains("0123"));
        assert!(read("0123456789abcdef", 0o644).unwrap_err().contains("chmod 600"));
        for wrong in ["", "short", "0123456789 abcdef", "0123456789abcdef\nand more", &"x".repeat(513)] {
            assert!(read(wrong, 0o600).unwrap_err().contains("openssl rand"), "{wrong:?}");
        }
        assert!(Token::read(Path::new("/nowhere/token")).unwrap_err().words.contains("/nowhere/token"));
    }
}
