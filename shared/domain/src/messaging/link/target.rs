//! Where a click leads.

use serde::{Deserialize, Serialize};
use url::Url;

/// A page on the web: `http` or `https`, a host, and nobody's name before it.
///
/// It is kept as browsers read it, in ASCII, so that what was looked at is
/// what a browser follows, and fits a header as it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Target(String);

/// Why a text is nothing that a link may lead to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidTarget {
    #[error("the link is longer than {} characters", Target::LENGTH_MAX)]
    TooLong,
    #[error("the link does not begin with https:// or http://")]
    Scheme,
    #[error("the link has a space, a line break, a backslash or a control character")]
    Character,
    #[error("the link names a user before its host, which hides where it leads")]
    User,
    #[error("the link is no URL")]
    Form,
}

impl Target {
    /// Browsers follow longer ones; proxies do not.
    pub const LENGTH_MAX: usize = 2048;

    pub fn parse(text: &str) -> Result<Self, InvalidTarget> {
        if text.len() > Self::LENGTH_MAX {
            return Err(InvalidTarget::TooLong);
        }
        // Browsers leave such characters out, or take them for others.
        let is_unsafe = |character: char| {
            character.is_whitespace() || character.is_control() || character == '\\' || is_unseen(character)
        };
        if text.chars().any(is_unsafe) {
            return Err(InvalidTarget::Character);
        }
        // The parser would mend `https:/host` and `https:host`.
        let (scheme, rest) = text.split_once("://").ok_or(InvalidTarget::Scheme)?;
        if !["http", "https"].iter().any(|known| scheme.eq_ignore_ascii_case(known)) {
            return Err(InvalidTarget::Scheme);
        }
        if rest.starts_with(['/', '?', '#']) {
            return Err(InvalidTarget::Form);
        }
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        if authority.contains('@') {
            return Err(InvalidTarget::User);
        }
        Self::read(text)
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn read(text: &str) -> Result<Self, InvalidTarget> {
        let url = Url::parse(text).map_err(|_| InvalidTarget::Form)?;
        if !url.has_host() {
            return Err(InvalidTarget::Form);
        }
        let url = String::from(url);
        if url.len() > Self::LENGTH_MAX { Err(InvalidTarget::TooLong) } else { Ok(Self(url)) }
    }
}

/// Characters that nobody sees, or that turn the order of others around.
fn is_unseen(character: char) -> bool {
    matches!(
        character,
        '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
    )
}

impl TryFrom<String> for Target {
    type Error = InvalidTarget;

    fn try_from(text: String) -> Result<Self, InvalidTarget> {
        Self::parse(&text)
    }
}

impl From<Target> for String {
    fn from(Target(url): Target) -> Self {
        url
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Result<&str, InvalidTarget>) {
        let target = Target::parse(text);
        assert_eq!(target.as_ref().map(Target::as_str), expected.as_ref().copied(), "{text:?}");
    }

    #[test]
    fn pages_are_kept_as_browsers_read_them() {
        check("https://shop.example/a?b=c#d", Ok("https://shop.example/a?b=c#d"));
        check("http://shop.example", Ok("http://shop.example/"));
        check("HTTPS://Shop.Example:443/A", Ok("https://shop.example/A"));
        check("https://магазин.укр/каталог?q=дім", {
            Ok(
                "https://xn--80aairftm.xn--j1amh/%D0%BA%D0%B0%D1%82%D0%B0%D0%BB%D0%BE%D0%B3?q=%D0%B4%D1%96%D0%BC",
            )
        });
        check("https://shop.example/a%0d%0ab", Ok("https://shop.example/a%0d%0ab"));
        check("https://shop.example/@ann", Ok("https://shop.example/@ann"));
        check("https://shop.example/?next=//evil.example", Ok("https://shop.example/?next=//evil.example"));
        // Full stops of other scripts are full stops to a browser, too.
        check("https://shop。example/", Ok("https://shop.example/"));
        check("https://[2001:db8::1]:8443/x", Ok("https://[2001:db8::1]:8443/x"));
    }

    #[test]
    fn nothing_else_is_a_page() {
        for text in
            ["javascript:alert(1)", "data:text/html,x", "//evil.example", "/a", "ftp://a.example/", ""]
        {
            check(text, Err(InvalidTarget::Scheme));
        }
        for text in ["javascript://a.example/%0aalert(1)", "file:///etc/passwd", "mailto://a", "xhttps://a.b"]
        {
            check(text, Err(InvalidTarget::Scheme));
        }
        for text in ["https:shop.example", "https:/shop.example", "https;//shop.example", "http:\u{2f}a"] {
            check(text, Err(InvalidTarget::Scheme));
        }
        for text in
            ["https://", "https:///shop.example", "https://?a", "https://#a", "https://a.example:99999/"]
        {
            check(text, Err(InvalidTarget::Form));
        }
        for text in
            ["https://exa mple.com\u{7f}", "https://a.example/\r\nSet-Cookie: a=b", " https://a.example"]
        {
            check(text, Err(InvalidTarget::Character));
        }
        for text in [r"https:\\evil.example", r"https://shop.example\@evil.example", "ht\ntps://a.example"] {
            check(text, Err(InvalidTarget::Character));
        }
        for text in
            ["https://a.example/\u{202e}gpj", "https://sh\u{200b}op.example", "https://a.example/\u{2028}"]
        {
            check(text, Err(InvalidTarget::Character));
        }
        for text in
            ["https://shop.example@evil.example/", "https://a:b@evil.example", "https://@evil.example"]
        {
            check(text, Err(InvalidTarget::User));
        }
        check(&format!("https://a.example/{}", "a".repeat(2048)), Err(InvalidTarget::TooLong));
        check(&format!("https://a.example/{}", "д".repeat(600)), Err(InvalidTarget::TooLong));
    }

    /// Made of what has fooled readers of URLs before.
    #[test]
    fn of_100_000_urls_each_is_refused_or_safe_in_a_header_and_reads_as_itself() {
        const PIECES: [&str; 34] = [
            "http",
            "https",
            "HTTPS",
            "javascript",
            "data",
            ":",
            "://",
            "//",
            "/",
            "\\",
            "@",
            "?",
            "#",
            "%",
            "%0d%0a",
            "%00",
            "\r\n",
            "\t",
            "\0",
            " ",
            ".",
            "。",
            "．",
            "\u{2024}",
            "／",
            "＠",
            "\u{200b}",
            "\u{202e}",
            "[::1]",
            "127.1",
            "evil",
            "shop.example",
            "ß",
            "ж",
        ];
        let mut random = fastrand::Rng::with_seed(7);
        let mut taken = 0;
        for _ in 0..100_000 {
            let begin = if random.bool() { "https://" } else { "" };
            let pieces = (0..random.usize(1..8)).map(|_| PIECES[random.usize(..PIECES.len())]);
            let text: String = [begin].into_iter().chain(pieces).collect();
            let Ok(target) = Target::parse(&text) else { continue };
            let url = target.as_str();
            assert!(url.starts_with("http://") || url.starts_with("https://"), "{text:?}");
            assert!(url.bytes().all(|byte| (0x21..=0x7e).contains(&byte) && byte != b'\\'), "{text:?}");
            assert_eq!(Target::parse(url).as_ref(), Ok(&target), "{text:?}");
            let read = Url::parse(url).unwrap();
            assert!(read.username().is_empty() && read.password().is_none() && read.has_host(), "{text:?}");
            taken += 1;
        }
        assert!(taken > 5_000, "{taken}");
    }
}
