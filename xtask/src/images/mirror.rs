//! Which Debian mirror this machine uses.

use std::path::Path;

/// The first Debian archive in the machine's own apt sources.
pub(super) fn configured() -> Option<String> {
    let apt = Path::new("/etc/apt");
    let mut files = vec![apt.join("sources.list")];
    if let Ok(folder) = std::fs::read_dir(apt.join("sources.list.d")) {
        let mut parts: Vec<_> = folder.filter_map(|entry| Some(entry.ok()?.path())).collect();
        parts.sort();
        files.extend(parts);
    }
    let texts = files.iter().filter_map(|path| std::fs::read_to_string(path).ok());
    texts.filter_map(|text| archive(&text)).next()
}

/// The archive in one file of either format of sources.list(5): the first address whose path ends in `/debian`. Security and
/// foreign archives have other ends, and so have Ubuntu's.
fn archive(text: &str) -> Option<String> {
    let lines = text.lines().map(str::trim).filter(|line| !line.starts_with('#'));
    let fields = lines.filter(|line| line.starts_with("deb ") || line.starts_with("URIs:"));
    fields
        .flat_map(str::split_whitespace)
        .map(|word| word.trim_end_matches('/'))
        .find(|word| word.starts_with("http") && word.ends_with("/debian"))
        .map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_formats_are_read() {
        let deb822 = "Types: deb\n# http://other.example/debian\nURIs: http://mirror.example/debian/\nSuites: bookworm\n";
        assert_eq!(archive(deb822).as_deref(), Some("http://mirror.example/debian"));
        let one_line = "# deb http://a.example/debian x main\n\
            deb [signed-by=/k.gpg arch=amd64] https://b.example/pub/debian bookworm main\n";
        assert_eq!(archive(one_line).as_deref(), Some("https://b.example/pub/debian"));
    }

    #[test]
    fn other_archives_are_passed_over() {
        let other = "deb http://archive.example/ubuntu noble main\n\
            deb http://security.example/debian-security bookworm-security main\n\
            deb-src http://src.example/debian bookworm main\n";
        assert_eq!(archive(other), None);
    }
}
