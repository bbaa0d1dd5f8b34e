//! Which of TensorFlow's executors runs a graph.
//!
//! The single-threaded one runs a small graph in about half the time of the general one, on the calling thread. It
//! does not take the control flow and the reference variables of TensorFlow 1.

use std::path::Path;

use prost::Message;

use crate::SessionOptions;

/// Which of TensorFlow's executors runs a graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Executor {
    /// `SINGLE_THREADED_EXECUTOR`.
    Calling,
    /// The one that hands operations to a pool.
    General,
}

/// The parts of `saved_model.pb` that name operations; everything else is skipped.
#[derive(Clone, PartialEq, Message)]
struct SavedModel {
    #[prost(message, repeated, tag = "2")]
    meta_graphs: Vec<MetaGraph>,
}

#[derive(Clone, PartialEq, Message)]
struct MetaGraph {
    #[prost(message, optional, tag = "2")]
    graph: Option<GraphDef>,
}

#[derive(Clone, PartialEq, Message)]
struct GraphDef {
    #[prost(message, repeated, tag = "1")]
    nodes: Vec<Node>,
    #[prost(message, optional, tag = "2")]
    library: Option<Library>,
}

#[derive(Clone, PartialEq, Message)]
struct Library {
    #[prost(message, repeated, tag = "1")]
    functions: Vec<Function>,
}

#[derive(Clone, PartialEq, Message)]
struct Function {
    #[prost(message, repeated, tag = "3")]
    nodes: Vec<Node>,
}

#[derive(Clone, PartialEq, Message)]
struct Node {
    #[prost(string, tag = "2")]
    op: String,
}

/// Operations of TensorFlow 1 that the single-threaded executor refuses: low-level control flow, and whatever gives a
/// reference.
const REFUSED: [&str; 19] = [
    "Switch",
    "Merge",
    "Enter",
    "Exit",
    "NextIteration",
    "LoopCond",
    "Variable",
    "VariableV2",
    "TemporaryVariable",
    "HashTable",
    "MutableHashTable",
    "MutableHashTableOfTensors",
    "MutableDenseHashTable",
    "FIFOQueue",
    "PaddingFIFOQueue",
    "PriorityQueue",
    "RandomShuffleQueue",
    "Barrier",
    "Stack",
];

/// The executor for the SavedModel in this directory.
pub(crate) fn choose(directory: &Path, options: &SessionOptions) -> Executor {
    if options.inter_op_threads > 1 {
        return Executor::General; // asked for
    }
    // A file that cannot be read here is TensorFlow's to complain about.
    match std::fs::read(directory.join("saved_model.pb")).map(|bytes| SavedModel::decode(bytes.as_slice())) {
        Ok(Ok(model)) if model.meta_graphs.iter().filter_map(|meta| meta.graph.as_ref()).all(runs_on_one_thread) => {
            Executor::Calling
        }
        _ => Executor::General,
    }
}

fn runs_on_one_thread(graph: &GraphDef) -> bool {
    let functions = graph.library.iter().flat_map(|library| &library.functions).flat_map(|function| &function.nodes);
    graph.nodes.iter().chain(functions).all(|node| !is_refused(&node.op))
}

fn is_refused(op: &str) -> bool {
    REFUSED.contains(&op) || op.strip_prefix("Ref").is_some_and(|rest| REFUSED.contains(&rest) || rest == "Select")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph(main: &[&str], function: &[&str]) -> GraphDef {
        let nodes = |ops: &[&str]| ops.iter().map(|&op| Node { op: op.to_owned() }).collect();
        let library = Library { functions: vec![Function { nodes: nodes(function) }] };
        GraphDef { nodes: nodes(main), library: Some(library) }
    }

    #[test]
    fn old_control_flow_and_references_need_the_general_executor() {
        assert!(runs_on_one_thread(&graph(&["Placeholder", "VarHandleOp", "MatMul"], &["While", "HashTableV2"])));
        assert!(!runs_on_one_thread(&graph(&["Placeholder", "VariableV2"], &[])));
        assert!(!runs_on_one_thread(&graph(&["Placeholder"], &["RefSwitch"])));
        assert!(!runs_on_one_thread(&graph(&["Placeholder"], &["Merge"])));
    }
}
