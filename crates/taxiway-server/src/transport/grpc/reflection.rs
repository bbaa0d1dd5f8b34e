//! Server reflection: which services there are, and the files that describe them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use bytes::Bytes;
use prost::Message;
use prost_types::{DescriptorProto, FileDescriptorProto, FileDescriptorSet};
use taxiway_engine::ErrorKind;

use crate::grpc_proto::reflection::server_reflection_request::MessageRequest as Asked;
use crate::grpc_proto::reflection::server_reflection_response::MessageResponse as Answered;
use crate::grpc_proto::reflection::{
    ErrorResponse, FileDescriptorResponse, ListServiceResponse, ServerReflectionRequest, ServerReflectionResponse,
    ServiceResponse,
};

const HEALTH: &str = "grpc.health.v1.Health";
const PROFILER: &str = "tensorflow.ProfilerService";

static FILES: LazyLock<Files> =
    LazyLock::new(|| Files::read(include_bytes!(concat!(env!("OUT_DIR"), "/services.binpb"))));

/// What the build described.
#[derive(Default)]
struct Files {
    /// By name: the file, encoded, and the names of those it imports.
    by_name: BTreeMap<String, (Bytes, Vec<String>)>,
    /// By full name of a message, an enum, a service or a method: the name of its file.
    by_symbol: BTreeMap<String, String>,
    services: Vec<String>,
}

/// Which of the services that can be turned off are served.
#[derive(Clone, Copy)]
pub(super) struct Served {
    pub(super) health: bool,
    pub(super) profiler: bool,
}

/// Answers one question.
pub(super) fn answer(request: ServerReflectionRequest, served: Served) -> ServerReflectionResponse {
    let answered = match &request.message_request {
        Some(Asked::ListServices(_)) => Answered::ListServicesResponse(FILES.list(served)),
        Some(Asked::FileByFilename(name)) => FILES.file(name),
        Some(Asked::FileContainingSymbol(symbol)) => match FILES.by_symbol.get(symbol.trim_start_matches('.')) {
            Some(name) => FILES.file(name),
            None => missing("Symbol not found."),
        },
        // There are no extensions in these files.
        Some(Asked::FileContainingExtension(_)) => missing("Extension not found."),
        Some(Asked::AllExtensionNumbersOfType(_)) => missing("Type not found."),
        None => refusal(ErrorKind::InvalidArgument, "the request asks nothing"),
    };
    ServerReflectionResponse {
        valid_host: request.host.clone(),
        original_request: Some(request),
        message_response: Some(answered),
    }
}

fn missing(message: &str) -> Answered {
    refusal(ErrorKind::NotFound, message)
}

fn refusal(kind: ErrorKind, message: &str) -> Answered {
    Answered::ErrorResponse(ErrorResponse { error_code: kind.code(), error_message: message.to_owned() })
}

impl Files {
    /// The files of an encoded set; none when it is not one, which the tests of this module would show.
    fn read(set: &'static [u8]) -> Files {
        let mut files = Files::default();
        for file in FileDescriptorSet::decode(set).unwrap_or_default().file {
            files.add(&file);
        }
        files
    }

    fn add(&mut self, file: &FileDescriptorProto) {
        let package = file.package();
        for message in &file.message_type {
            self.add_message(package, message, file.name());
        }
        for one in &file.enum_type {
            self.add_symbol(join(package, one.name()), file.name());
        }
        for service in &file.service {
            let name = join(package, service.name());
            for method in &service.method {
                self.add_symbol(join(&name, method.name()), file.name());
            }
            self.add_symbol(name.clone(), file.name());
            self.services.push(name);
        }
        self.by_name.insert(file.name().to_owned(), (file.encode_to_vec().into(), file.dependency.clone()));
    }

    fn add_message(&mut self, prefix: &str, message: &DescriptorProto, file: &str) {
        let name = join(prefix, message.name());
        for nested in &message.nested_type {
            self.add_message(&name, nested, file);
        }
        for one in &message.enum_type {
            self.add_symbol(join(&name, one.name()), file);
        }
        self.add_symbol(name, file);
    }

    fn add_symbol(&mut self, symbol: String, file: &str) {
        self.by_symbol.insert(symbol, file.to_owned());
    }

    fn list(&self, served: Served) -> ListServiceResponse {
        let served = self.services.iter().filter(|name| match name.as_str() {
            HEALTH => served.health,
            PROFILER => served.profiler,
            _ => true,
        });
        ListServiceResponse { service: served.map(|name| ServiceResponse { name: name.clone() }).collect() }
    }

    /// A file and everything it imports, itself first.
    fn file(&self, name: &str) -> Answered {
        let mut encoded = Vec::new();
        let mut seen = BTreeSet::new();
        let mut next = vec![name];
        while let Some(name) = next.pop() {
            let Some((file, imports)) = self.by_name.get(name) else { continue };
            if seen.insert(name) {
                encoded.push(file.clone());
                next.extend(imports.iter().map(String::as_str));
            }
        }
        match encoded.is_empty() {
            true => missing("File not found."),
            false => Answered::FileDescriptorResponse(FileDescriptorResponse { file_descriptor_proto: encoded }),
        }
    }
}

fn join(prefix: &str, name: &str) -> String {
    if prefix.is_empty() { name.to_owned() } else { format!("{prefix}.{name}") }
}
