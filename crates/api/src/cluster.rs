//! Ordered sets of nodes of one kind.

use std::{ops::Index, sync::Arc};

use crate::{Node, Result};

/// An ordered set of nodes of one kind: `Cluster<dyn Broker>`, `Cluster<dyn Backend>` or `Cluster<dyn Worker>`.
///
/// It iterates, indexes and has a length. Two clusters are equal when they hold the same nodes (the same containers) in the
/// same order.
#[derive(Debug)]
pub struct Cluster<N: ?Sized> {
    nodes: Vec<Arc<N>>,
}

impl<N: ?Sized> Cluster<N> {
    /// A cluster of nodes.
    pub fn new(nodes: Vec<Arc<N>>) -> Self {
        Self { nodes }
    }

    /// How many nodes it has.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether it has no nodes.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// The nodes, in order.
    pub fn iter(&self) -> std::slice::Iter<'_, Arc<N>> {
        self.nodes.iter()
    }

    /// The first node.
    pub fn first(&self) -> Option<&Arc<N>> {
        self.nodes.first()
    }

    /// A node by its place.
    pub fn get(&self, index: usize) -> Option<&Arc<N>> {
        self.nodes.get(index)
    }
}

impl<N: Node + ?Sized> Cluster<N> {
    /// Waits until every node is usable, all at the same time.
    ///
    /// # Errors
    /// The first that fails, as [`Node::ready`].
    pub async fn ready(&self) -> Result<()> {
        futures_util::future::try_join_all(self.nodes.iter().map(|node| node.ready())).await.map(drop)
    }
}

impl<N: ?Sized> Clone for Cluster<N> {
    fn clone(&self) -> Self {
        Self { nodes: self.nodes.clone() }
    }
}

impl<N: ?Sized> Default for Cluster<N> {
    fn default() -> Self {
        Self { nodes: Vec::new() }
    }
}

impl<N: Node + ?Sized> PartialEq for Cluster<N> {
    fn eq(&self, other: &Self) -> bool {
        self.nodes
            .iter()
            .map(|node| node.container().id())
            .eq(other.nodes.iter().map(|node| node.container().id()))
    }
}

impl<N: Node + ?Sized> Eq for Cluster<N> {}

impl<N: ?Sized> Index<usize> for Cluster<N> {
    type Output = Arc<N>;

    fn index(&self, index: usize) -> &Self::Output {
        &self.nodes[index]
    }
}

impl<N: ?Sized> FromIterator<Arc<N>> for Cluster<N> {
    fn from_iter<I: IntoIterator<Item = Arc<N>>>(nodes: I) -> Self {
        Self::new(nodes.into_iter().collect())
    }
}

impl<'a, N: ?Sized> IntoIterator for &'a Cluster<N> {
    type Item = &'a Arc<N>;
    type IntoIter = std::slice::Iter<'a, Arc<N>>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}
