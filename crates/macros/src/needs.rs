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

/// The slice of capabilities that the runner takes.
pub(crate) fn expand(needs: &[Ident]) -> syn::Result<TokenStream> {
    let capabilities = needs.iter().map(|need| match KNOWN.iter().find(|(name, _)| need == name) {
        Some((_, capability)) => {
            let capability = Ident::new(capability, need.span());
            Ok(quote!(::testcelery::api::Capability::#capability))
        }
        None => {
            let names: Vec<&str> = KNOWN.iter().map(|(name, _)| *name).collect();
            let message = format!("no engine is asked for `{need}`; known needs are {}", names.join(", "));
            Err(syn::Error::new(need.span(), message))
        }
    });
    let capabilities = capabilities.collect::<syn::Result<Vec<_>>>()?;
    Ok(quote!(&[#(#capabilities),*]))
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
    fn known_needs_become_capabilities() {
        assert_eq!(
            expanded(&["partition", "image_build"]).unwrap(),
            "& [:: testcelery :: api :: Capability :: Partition , :: testcelery :: api :: Capability :: ImageBuild]"
        );
        assert_eq!(expanded(&[]).unwrap(), "& []");
    }

    #[test]
    fn unknown_needs_are_told_with_the_known_ones() {
        let error = expanded(&["teleport"]).unwrap_err();
        assert!(error.contains("`teleport`") && error.contains("partition, memory_limit"), "{error}");
    }
}
