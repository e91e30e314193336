//! What a test needs of its engine.

use proc_macro2::TokenStream;
use quote::quote;
use syn::Ident;

/// Names as they are written, and as `testcelery_api::Capability` has them.
const KNOWN: &[(&str, &str)] = &[
    ("images", "Images"),
    ("image_build", "ImageBuild"),
    ("partition", "Partition"),
    ("memory_limit", "MemoryLimit"),
    ("users", "Users"),
    ("tmpfs", "Tmpfs"),
    ("read_only_mounts", "ReadOnlyMounts"),
    ("host_ports", "HostPorts"),
];

/// The need that is none of an engine's capabilities.
const SOFTWARE: &str = "software";

/// The slice of needs that the runner takes.
pub(crate) fn expand(needs: &[Ident]) -> syn::Result<TokenStream> {
    let needs = needs.iter().map(|need| match KNOWN.iter().find(|(name, _)| need == name) {
        Some((_, capability)) => {
            let capability = Ident::new(capability, need.span());
            Ok(quote!(::testcelery::runner::Need::Engine(::testcelery::api::Capability::#capability)))
        }
        None if need == SOFTWARE => Ok(quote!(::testcelery::runner::Need::Software)),
        None => {
            let names: Vec<&str> = KNOWN.iter().map(|(name, _)| *name).chain([SOFTWARE]).collect();
            let message = format!("no engine is asked for `{need}`; known needs are {}", names.join(", "));
            Err(syn::Error::new(need.span(), message))
        }
    });
    let needs = needs.collect::<syn::Result<Vec<_>>>()?;
    Ok(quote!(&[#(#needs),*]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expanded(names: &[&str]) -> Result<String, String> {
        let names: Vec<Ident> =
            names.iter().map(|name| Ident::new(name, proc_macro2::Span::call_site())).collect();
        expand(&names).map(|tokens| tokens.to_string()).map_err(|error| error.to_string())
    }

    #[test]
    fn known_needs_become_values() {
        let code = expanded(&["partition", "software"]).unwrap().replace(' ', "");
        let need = "::testcelery::runner::Need";
        assert_eq!(
            code,
            format!("&[{need}::Engine(::testcelery::api::Capability::Partition),{need}::Software]")
        );
        assert_eq!(expanded(&[]).unwrap(), "& []");
    }

    #[test]
    fn unknown_needs_are_told_with_the_known_ones() {
        let error = expanded(&["teleport"]).unwrap_err();
        assert!(error.contains("`teleport`") && error.contains("partition, memory_limit"), "{error}");
    }
}
