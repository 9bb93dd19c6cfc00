//! What a client says that it is.

/// What a user agent tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Agent {
    /// It says nothing.
    Nameless,
    /// Apple's mail says no more than this, behind a proxy that hides who asks.
    Bare,
    /// A product that inspects mail.
    Gateway,
    /// A script, a crawler, a maker of previews.
    Program,
    /// What apps load pictures with; people follow links with browsers.
    Loader,
    /// A browser, a mail program, or the proxy of a mailbox that fetches what
    /// somebody reads.
    Browser,
}

const BARE: &str = "mozilla/5.0";

const GATEWAYS: &[&str] = &[
    "barracuda",
    "bingpreview", // Microsoft's Safe Links looks at pages with it.
    "bitdefender",
    "ciscosecureemail",
    "cloudmark",
    "fireeye",
    "forcepoint",
    "fortiguard",
    "fortimail",
    "hornetsecurity",
    "ironport",
    "mailscanner",
    "mcafee",
    "messagelabs",
    "microsoft defender",
    "microsoft-urlanalyzer",
    "mimecast",
    "netcraft",
    "phishtank",
    "proofpoint",
    "safelink",
    "sophos",
    "symantec",
    "trellix",
    "trendmicro",
    "trend micro",
    "urldefense",
    "urlscan",
    "vadesecure",
    "virustotal",
    "zscaler",
];

const PROGRAMS: &[&str] = &[
    "ahc/",
    "aiohttp",
    "amazon cloudfront",
    "apache-httpclient",
    "axios/",
    "chrome-lighthouse",
    "curl/",
    // Not a browser that ever was: Gmail and others look at letters with it.
    "edge/12.246 mozilla/5.0",
    "embedly",
    "facebookexternalhit",
    "faraday",
    "go-http-client",
    "googlemessages/",
    "guzzlehttp",
    "headlesschrome",
    "httpx/",
    "hubspot connect",
    "java/",
    "libwww-perl",
    "lua-resty-http",
    "node-fetch",
    "phantomjs",
    "playwright",
    "puppeteer",
    "python-requests",
    "python-urllib",
    "python/",
    "scrapy",
    "skypeuripreview",
    "url preview",
    "wget/",
    "whatsapp/",
];

/// Words at whose end a program gives itself away: `Googlebot/2.1`.
const ENDINGS: &[&str] = &["bot", "crawler", "spider", "scanner"];

/// A maker of telephones.
const NO_BOT: &str = "cubot";

const LOADERS: &[&str] = &["okhttp", "dalvik/", "cfnetwork", "dataaccessd"];

impl Agent {
    pub(super) fn of(user_agent: &str) -> Self {
        let agent = user_agent.trim().to_ascii_lowercase();
        let has_one_of = |names: &[&str]| names.iter().any(|name| agent.contains(name));
        if agent.is_empty() || agent == "-" {
            Self::Nameless
        } else if agent == BARE {
            Self::Bare
        } else if has_one_of(GATEWAYS) {
            Self::Gateway
        } else if has_one_of(PROGRAMS) || has_ending(&agent) {
            Self::Program
        } else if has_one_of(LOADERS) {
            Self::Loader
        } else {
            Self::Browser
        }
    }
}

fn has_ending(agent: &str) -> bool {
    let mut words = agent.split(|character: char| !character.is_ascii_alphanumeric());
    words.any(|word| word != NO_BOT && ENDINGS.iter().any(|ending| word.ends_with(ending)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(expected: Agent, agents: &[&str]) {
        for agent in agents {
            assert_eq!(Agent::of(agent), expected, "{agent}");
        }
    }

    #[test]
    fn clients_are_what_they_say() {
        check(Agent::Nameless, &["", " ", "-"]);
        check(Agent::Bare, &["Mozilla/5.0", " Mozilla/5.0 "]);
        check(
            Agent::Gateway,
            &["Barracuda Sentinel (EE)", "Mozilla/5.0 (Windows NT; Microsoft Office SafeLinks)"],
        );
        check(
            Agent::Program,
            &["python-requests/2.32.3", "Mozilla/5.0 (compatible; Googlebot/2.1)", "curl/8.5.0"],
        );
        check(Agent::Program, &["Slackbot-LinkExpanding 1.0", "Java/17.0.2", "AdsBot-Google"]);
        check(Agent::Loader, &["okhttp/4.12.0", "Dalvik/2.1.0 (Linux; U; Android 14)"]);
        check(Agent::Browser, &["Mozilla/5.0 (Linux; Android 13; CUBOT P80) AppleWebKit/537.36"]);
        check(
            Agent::Browser,
            &["Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)"],
        );
    }

    #[test]
    fn names_are_written_as_they_are_compared() {
        for name in [GATEWAYS, PROGRAMS, ENDINGS, LOADERS].concat() {
            assert_eq!(name, name.to_ascii_lowercase());
        }
    }
}
