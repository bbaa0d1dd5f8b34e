//! Answers as TensorFlow Serving's messages.

use prost::Message;
use taxiway_engine::{DEFAULT_SIGNATURE, Result, Signature, Tensor, WireForm};

use crate::api::metadata::SIGNATURE_DEF;
use crate::execute::Outputs;
use crate::loaded::Loaded;
use crate::proto;
use crate::table::VersionStatus;

/// The name under which a `SignatureDefMap` travels in an `Any`.
const SIGNATURE_DEF_MAP: &str = "type.googleapis.com/tensorflow.serving.SignatureDefMap";

/// The answer to Predict; tensor `i` is the signature's output `outputs[i]`.
pub(crate) fn predict(
    loaded: &Loaded,
    signature: &Signature,
    outputs: &Outputs,
    tensors: &[Tensor],
    form: WireForm,
) -> proto::PredictResponse {
    let named = outputs.iter().zip(tensors);
    let name = match signature.name.as_str() {
        "" => DEFAULT_SIGNATURE,
        name => name,
    };
    proto::PredictResponse {
        model_spec: Some(model_spec(loaded, name)),
        outputs: named.map(|(&index, tensor)| (signature.outputs[index].name.clone(), tensor.to_proto(form))).collect(),
    }
}

/// The answer to GetModelMetadata.
pub(crate) fn metadata(loaded: &Loaded) -> proto::GetModelMetadataResponse {
    let map = proto::SignatureDefMap { signature_def: loaded.engine.signatures().definitions().clone() };
    let any = prost_types::Any { type_url: SIGNATURE_DEF_MAP.to_owned(), value: map.encode_to_vec() };
    proto::GetModelMetadataResponse {
        model_spec: Some(model_spec(loaded, "")),
        metadata: [(SIGNATURE_DEF.to_owned(), any)].into(),
    }
}

/// The answer to GetModelStatus.
pub(crate) fn status(versions: Result<Vec<&VersionStatus>>) -> Result<proto::GetModelStatusResponse> {
    let versions = versions?.into_iter().map(|status| proto::ModelVersionStatus {
        version: status.version,
        state: status.state as i32,
        status: Some(proto::StatusProto { error_code: status.error_code, error_message: status.error_message.clone() }),
    });
    Ok(proto::GetModelStatusResponse { model_version_status: versions.collect() })
}

/// Which version answered, by which signature.
pub(crate) fn model_spec(loaded: &Loaded, signature: &str) -> proto::ModelSpec {
    proto::ModelSpec {
        name: loaded.name.clone(),
        signature_name: signature.to_owned(),
        version_choice: Some(proto::model_spec::VersionChoice::Version(loaded.version)),
    }
}
