//! Finding signatures that read variables without a value.
//!
//! `tf.saved_model.save` of a Keras 3 model restores copies: the graph has a handle `dense/kernel`, which the signature
//! reads, and a handle `Variable`, made from it, which alone the checkpoint knows. A session then restores the copy,
//! and every run of the signature fails.

use std::collections::{BTreeMap, BTreeSet};

use prost::Message;
use taxiway_engine::{Error, ErrorKind, Result, Signature};

/// The parts of a MetaGraphDef that say what is read and what is restored.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct MetaGraph {
    #[prost(message, optional, tag = "2")]
    graph: Option<Graph>,
    #[prost(message, optional, tag = "3")]
    saver: Option<Saver>,
}

#[derive(Clone, PartialEq, Message)]
struct Graph {
    #[prost(message, repeated, tag = "1")]
    nodes: Vec<Node>,
}

#[derive(Clone, PartialEq, Message)]
struct Node {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    op: String,
    #[prost(string, repeated, tag = "3")]
    inputs: Vec<String>,
}

#[derive(Clone, PartialEq, Message)]
struct Saver {
    #[prost(string, tag = "3")]
    restore_op: String,
}

/// A variable that a signature reads and nothing in the graph is seen to give a value.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Suspect {
    variable: String,
    /// The operation that reads it, and fails when it has no value.
    reader: String,
}

/// Refuses a graph of which no signature can be run, because each reads a variable that has no value. `reads` says
/// whether a tensor can be read in the session.
///
/// # Errors
/// `FailedPrecondition` with the variable and what to do.
pub(crate) fn check<'a>(
    graph: &MetaGraph,
    signatures: impl Iterator<Item = &'a Signature>,
    reads: impl Fn(&str) -> bool,
) -> Result<()> {
    let nodes = Nodes::of(graph);
    let mut first = None;
    for signature in signatures {
        match nodes.suspects(signature).into_iter().find(|suspect| !reads(&suspect.reader)) {
            Some(suspect) => drop(first.get_or_insert((&signature.name, suspect.variable))),
            None => return Ok(()), // one that runs is worth serving
        }
    }
    let Some((signature, variable)) = first else { return Ok(()) };
    let message = format!(
        "signature \"{signature}\" reads the variable \"{variable}\", for which this SavedModel has no value, so that \
         no request could be answered. tf.saved_model.save writes a Keras 3 model so: export it with taxiway.export, \
         or with model.export, instead"
    );
    Err(Error::new(ErrorKind::FailedPrecondition, message))
}

/// The graph's operations, by name.
struct Nodes<'a> {
    by_name: BTreeMap<&'a str, &'a Node>,
    /// Handles that the restoring operation takes, or that an operation assigns to.
    given: BTreeSet<&'a str>,
    /// By handle, an operation that reads it.
    readers: BTreeMap<&'a str, &'a str>,
}

impl<'a> Nodes<'a> {
    fn of(graph: &'a MetaGraph) -> Nodes<'a> {
        let nodes = || graph.graph.iter().flat_map(|graph| &graph.nodes);
        let restore = graph.saver.as_ref().map_or("", |saver| saver.restore_op.as_str());
        let gives = |node: &&Node| node.name == restore || node.op == "AssignVariableOp";
        let restored = nodes().filter(gives).flat_map(|node| match node.op.as_str() {
            "AssignVariableOp" => &node.inputs[..node.inputs.len().min(1)],
            _ => &node.inputs[..],
        });
        let reading = nodes().filter(|node| node.op == "ReadVariableOp");
        Nodes {
            by_name: nodes().map(|node| (node.name.as_str(), node)).collect(),
            given: restored.map(|input| operation(input)).collect(),
            readers: reading.filter_map(|node| Some((operation(node.inputs.first()?), node.name.as_str()))).collect(),
        }
    }

    fn suspects(&self, signature: &Signature) -> Vec<Suspect> {
        let mut left: Vec<&str> = signature.outputs.iter().map(|port| operation(&port.tensor)).collect();
        let mut seen = BTreeSet::new();
        let mut suspects = Vec::new();
        while let Some(name) = left.pop() {
            let Some(node) = self.by_name.get(name).filter(|node| seen.insert(node.name.as_str())) else { continue };
            left.extend(node.inputs.iter().map(|input| operation(input)));
            if node.op == "VarHandleOp"
                && !self.given.contains(node.name.as_str())
                && let Some(reader) = self.readers.get(node.name.as_str())
            {
                suspects.push(Suspect { variable: node.name.clone(), reader: (*reader).to_owned() });
            }
        }
        suspects.sort_unstable();
        suspects
    }
}

/// The operation of an input: `x` of `x`, `x:1` and `^x`.
fn operation(input: &str) -> &str {
    let input = input.strip_prefix('^').unwrap_or(input);
    input.split_once(':').map_or(input, |(operation, _)| operation)
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use taxiway_engine::fake::definition;
    use taxiway_engine::{DType, Signatures};

    use super::*;

    fn node(name: &str, op: &str, inputs: &[&str]) -> Node {
        Node { name: name.into(), op: op.into(), inputs: inputs.iter().map(|&input| input.into()).collect() }
    }

    /// A graph whose signature reads the handle `v`, and a copy of it that `restored` says the checkpoint has.
    fn graph(restored: &[&str]) -> MetaGraph {
        let nodes = vec![
            node("v", "VarHandleOp", &[]),
            node("v/Read", "ReadVariableOp", &["v"]),
            node("copy", "VarHandleOp", &[]),
            node("copy/Assign", "AssignVariableOp", &["copy", "v/Read"]),
            node("y", "StatefulPartitionedCall", &["x", "v"]),
            node("restore", "StatefulPartitionedCall", restored),
        ];
        MetaGraph { graph: Some(Graph { nodes }), saver: Some(Saver { restore_op: "restore".into() }) }
    }

    fn signatures() -> Signatures {
        let port = |name| [(name, DType::Float, None)];
        Signatures::new([("s".to_owned(), definition(&port("x"), &port("y")))].into())
    }

    #[test]
    fn a_variable_that_is_not_restored_and_cannot_be_read_refuses_the_graph() {
        let error = check(&graph(&["copy"]), signatures().callable().map(|s| s.as_ref()), |_| false).unwrap_err();
        assert_eq!(error.kind, ErrorKind::FailedPrecondition);
        assert!(error.message.starts_with("signature \"s\" reads the variable \"v\", for which"), "{error}");
        assert!(error.message.contains("taxiway.export"), "{error}");
    }

    #[test]
    fn only_a_variable_that_is_suspected_is_read() {
        let asked = RefCell::new(Vec::new());
        let reads = |name: &str| {
            asked.borrow_mut().push(name.to_owned());
            true
        };
        check(&graph(&["copy", "v"]), signatures().callable().map(|s| s.as_ref()), reads).unwrap();
        assert!(asked.borrow().is_empty());
        check(&graph(&["copy"]), signatures().callable().map(|s| s.as_ref()), reads).unwrap();
        assert_eq!(*asked.borrow(), ["v/Read"]);
    }
}
