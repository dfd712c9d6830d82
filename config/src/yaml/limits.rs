//! Bounds on what a file may cost, whatever it says.

/// How deep mappings and lists may nest, aliases included. Real files need about ten; walking a tree
/// recurses, so this also bounds the stack.
pub(super) const MAX_DEPTH: usize = 64;

/// How many values a file may hold. 10 000 alerting rules are about 150 000.
const MAX_NODES: usize = 1_000_000;

/// How many values aliases may add. Sharing a block of settings between a thousand checks takes 10 000; a
/// "billion laughs" needs far more.
const MAX_ALIAS_NODES: usize = 100_000;

/// How many bytes of text aliases may add.
const MAX_ALIAS_BYTES: usize = 8 * 1024 * 1024;

/// Where a path stops growing, in bytes: deeper values share the path of their parent, or a file of deeply
/// nested long keys would cost their product.
pub(super) const MAX_PATH: usize = 512;

/// How large and how deep a value is.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Weight {
    /// Values, itself included.
    pub(super) nodes: usize,
    /// Bytes of scalars.
    pub(super) bytes: usize,
    /// Levels below and including itself.
    pub(super) depth: usize,
}

impl Weight {
    /// Takes in a child.
    pub(super) fn add(&mut self, child: Self) {
        self.nodes = self.nodes.saturating_add(child.nodes);
        self.bytes = self.bytes.saturating_add(child.bytes);
        self.depth = self.depth.max(child.depth + 1);
    }
}

/// What has been used so far.
#[derive(Default, Debug)]
pub(super) struct Budget {
    nodes: usize,
    alias: Weight,
}

impl Budget {
    /// Counts values: one for each that is written, and again all of a value that has an anchor, which is
    /// kept aside for its aliases.
    ///
    /// # Errors
    /// The limit that was passed, in words.
    pub(super) fn take(&mut self, nodes: usize) -> Result<(), String> {
        self.nodes = self.nodes.saturating_add(nodes);
        if self.nodes > MAX_NODES {
            return Err(format!("more than {MAX_NODES} values in one file"));
        }
        Ok(())
    }

    /// Counts what an alias stands for.
    ///
    /// # Errors
    /// The limit that was passed, in words.
    pub(super) fn take_alias(&mut self, weight: Weight) -> Result<(), String> {
        self.alias.add(weight);
        if self.alias.nodes > MAX_ALIAS_NODES {
            return Err(format!("the aliases of this file expand to more than {MAX_ALIAS_NODES} values"));
        }
        if self.alias.bytes > MAX_ALIAS_BYTES {
            return Err(format!("the aliases of this file expand to more than {MAX_ALIAS_BYTES} bytes"));
        }
        Ok(())
    }
}
