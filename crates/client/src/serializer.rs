//! Serializers that this client does not read, recognised by what they write.

/// Returns the name of the serializer in Celery's words (`pickle`, `msgpack`, `yaml`) for a body that it wrote; `None` for JSON and for what
/// is not known. The content type decides where the transport carries one, else the first bytes do.
///
/// ```
/// use testcelery_client::foreign_serializer;
///
/// assert_eq!(foreign_serializer(b"\x80\x04}", None), Some("pickle"));
/// assert_eq!(foreign_serializer(b"{}", Some("application/json")), None);
/// ```
pub fn foreign_serializer(body: &[u8], content_type: Option<&str>) -> Option<&'static str> {
    match content_type {
        Some(content_type) => by_content_type(content_type),
        None => by_first_bytes(body),
    }
}

/// The content types that Kombu registers (`kombu.serialization`).
fn by_content_type(content_type: &str) -> Option<&'static str> {
    match content_type {
        "application/x-python-serialize" => Some("pickle"),
        "application/x-msgpack" => Some("msgpack"),
        "application/x-yaml" => Some("yaml"),
        _ => None,
    }
}

/// A result document is a map with more than one key, which tells the formats apart.
fn by_first_bytes(body: &[u8]) -> Option<&'static str> {
    match body {
        // Pickle's opcode PROTO and the number of the protocol; older protocols than 2 have none and Celery does not use them.
        [0x80, 2..=5, ..] => Some("pickle"),
        // A map of 1 to 15 pairs (fixmap), or of up to 65,535 (map 16).
        [0x81..=0x8f | 0xde, ..] => Some("msgpack"),
        _ => is_yaml(body).then_some("yaml"),
    }
}

/// PyYAML writes one key a line: `status: SUCCESS`.
fn is_yaml(body: &[u8]) -> bool {
    let line = body.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let key = line.iter().take_while(|byte| byte.is_ascii_lowercase() || **byte == b'_').count();
    key > 0 && line.get(key) == Some(&b':') && matches!(line.get(key + 1), None | Some(b' '))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_are_told_apart_by_their_beginning() {
        for (body, serializer) in [
            (&b"\x80\x02}q\x00"[..], Some("pickle")),
            (b"\x80\x05\x95", Some("pickle")),
            (b"\x86\xa6status\xa7SUCCESS", Some("msgpack")),
            (b"children: []\ndate_done: '2026'\n", Some("yaml")),
            (b"children:\n- a\n", Some("yaml")),
            (b"{\"status\": \"SUCCESS\"}", None),
            (b"NaN", None),
            (b"\x80", None),
            (b"", None),
            (b"http://h/", None),
        ] {
            assert_eq!(foreign_serializer(body, None), serializer, "{body:?}");
        }
    }

    #[test]
    fn a_content_type_decides() {
        let by = |content_type| foreign_serializer(b"{}", Some(content_type));
        assert_eq!(by("application/x-python-serialize"), Some("pickle"));
        assert_eq!(by("application/x-msgpack"), Some("msgpack"));
        assert_eq!(by("application/x-yaml"), Some("yaml"));
        assert_eq!(by("application/json"), None);
    }
}
