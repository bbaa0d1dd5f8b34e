//! The methods of TensorFlow Serving's services.

use std::time::Duration;

use bytes::Bytes;
use prost::Message;
use taxiway_engine::{Error, ErrorKind, Result, Tensor, WireForm};

use super::reply::Reply;
use super::{examples, health, message};
use crate::admit::{Deadline, timed_out};
use crate::api;
use crate::config::Limits;
use crate::execute::Run;
use crate::grpc_proto::health::HealthCheckRequest;
use crate::lease::Lease;
use crate::metrics::{Api, Tracked};
use crate::own_proto::feedback_request::Judgement as Said;
use crate::own_proto::{FeedbackRequest, FeedbackResponse};
use crate::profile;
use crate::profile_proto::TerminateResponse;
use crate::proto::model_spec::VersionChoice;
use crate::proto::{GetModelMetadataRequest, GetModelStatusRequest, ModelSpec, PredictRequest};
use crate::render::grpc;
use crate::request_log::record;
use crate::server::Core;
use crate::table::{Choice, Target};
use crate::traffic::{self, Judgement, unit};

/// What can be called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Called {
    Predict,
    Classify,
    Regress,
    MultiInference,
    GetModelMetadata,
    GetModelStatus,
    HandleReloadConfigRequest,
    Check,
    Profile,
    Terminate,
    Monitor,
    Feedback,
}

/// The method at a path.
///
/// # Errors
/// `Unimplemented` when there is none.
pub(super) fn find(path: &str, core: &Core) -> Result<Called> {
    match path {
        "/tensorflow.serving.PredictionService/Predict" => Ok(Called::Predict),
        "/tensorflow.serving.PredictionService/Classify" => Ok(Called::Classify),
        "/tensorflow.serving.PredictionService/Regress" => Ok(Called::Regress),
        "/tensorflow.serving.PredictionService/MultiInference" => Ok(Called::MultiInference),
        "/tensorflow.serving.PredictionService/GetModelMetadata" => Ok(Called::GetModelMetadata),
        "/tensorflow.serving.ModelService/GetModelStatus" => Ok(Called::GetModelStatus),
        "/tensorflow.serving.ModelService/HandleReloadConfigRequest" => Ok(Called::HandleReloadConfigRequest),
        "/taxiway.v1.FeedbackService/Give" => Ok(Called::Feedback),
        "/grpc.health.v1.Health/Check" if core.health => Ok(Called::Check),
        "/tensorflow.ProfilerService/Profile" if core.profiler => Ok(Called::Profile),
        "/tensorflow.ProfilerService/Terminate" if core.profiler => Ok(Called::Terminate),
        "/tensorflow.ProfilerService/Monitor" if core.profiler => Ok(Called::Monitor),
        _ => Err(Error::new(ErrorKind::Unimplemented, format!("{path} is not served"))),
    }
}

impl Called {
    /// How long the server lets the method take by itself. Only its caller says how long a reload, which loads models,
    /// and a profile may take.
    pub(super) fn limit(self, limits: &Limits) -> Option<Duration> {
        match self {
            Called::HandleReloadConfigRequest | Called::Profile | Called::Monitor => None,
            _ => limits.grpc_timeout(),
        }
    }

    /// What TensorFlow Serving counts it as, if at all.
    fn counted_as(self) -> Option<Api> {
        match self {
            Called::Predict => Some(Api::Predict),
            Called::Classify => Some(Api::Classify),
            Called::Regress => Some(Api::Regress),
            _ => None,
        }
    }

    /// The request, which is counted from here on: TensorFlow Serving does not see one that it cannot read.
    fn counted<M: Message + Default>(self, request: Bytes, tracked: &mut Tracked<'_>) -> Result<M> {
        let request = decode(request)?;
        if let Some(api) = self.counted_as() {
            tracked.asks(api);
        }
        Ok(request)
    }

    /// Calls the method with its encoded request.
    pub(super) async fn call(
        self,
        core: &Core,
        request: Bytes,
        deadline: Deadline,
        tracked: &mut Tracked<'_>,
    ) -> Result<Reply> {
        match self {
            Called::Predict => predict(core, self.counted(request, tracked)?, deadline, tracked).await,
            Called::Classify => examples::classify(core, self.counted(request, tracked)?, deadline, tracked).await,
            Called::Regress => examples::regress(core, self.counted(request, tracked)?, deadline, tracked).await,
            Called::MultiInference => examples::multi_inference(core, decode(request)?, deadline, tracked).await,
            Called::GetModelMetadata => metadata(core, &decode(request)?, tracked),
            Called::GetModelStatus => status(core, &decode(request)?),
            Called::Feedback => feedback(core, decode(request)?, tracked),
            Called::Check => {
                let question: HealthCheckRequest = decode(request)?;
                let answer = health::check(&question.service, *core.serving.borrow())?;
                Ok(Reply { frame: message::wrap(&answer)? })
            }
            Called::Profile => watched(deadline, profile::profile(core, &decode(request)?)).await,
            Called::Monitor => watched(deadline, profile::monitor(core, &decode(request)?)).await,
            Called::Terminate => {
                profile::terminate(core, &decode(request)?);
                Ok(Reply { frame: message::wrap(&TerminateResponse::default())? })
            }
            Called::HandleReloadConfigRequest => {
                let answer = core.reloads.call(request, deadline).await?;
                Ok(Reply { frame: message::wrap_encoded(&answer)? })
            }
        }
    }
}

/// What a call that waits gives, unless its caller stops waiting.
async fn watched(deadline: Deadline, call: impl Future<Output = Result<impl Message>>) -> Result<Reply> {
    let answer = deadline.bound(call).await.ok_or_else(timed_out)??;
    Ok(Reply { frame: message::wrap(&answer)? })
}

fn decode<M: Message + Default>(request: Bytes) -> Result<M> {
    M::decode(request).map_err(|error| message::does_not_parse(&error))
}

async fn predict(core: &Core, request: PredictRequest, deadline: Deadline, tracked: &mut Tracked<'_>) -> Result<Reply> {
    let spec = named(request.model_spec.as_ref())?;
    let lease = leased(core, spec, tracked, |_, field| key_of(&request, field, core.limits.max_tensor_bytes))?;
    let signature = api::predict::signature(lease.engine.as_ref(), &spec.signature_name)?.clone();
    api::predict::check_method(&signature, core.method_name_check)?;
    let inputs = api::predict::named_inputs(&signature, &request.inputs, core.limits.max_tensor_bytes)?;
    let outputs = api::predict::filtered_outputs(&signature, &request.output_filter)?;
    // What is not logged is dropped here: its buffers are not needed while the model runs.
    let logged = lease.sampled(tracked.caller()).map(|sampled| (sampled, request));
    let run = Run { signature: signature.clone(), inputs, outputs: outputs.clone(), deadline };
    let tensors = traffic::run(core, &lease, run, tracked).await?;
    let form = if core.tensor_content { WireForm::Content } else { WireForm::TypedFields };
    let answer = grpc::predict(&lease, &signature, &outputs, &tensors, form);
    let frame = message::wrap(&answer)?;
    if let Some((sampled, request)) = logged {
        sampled.log(|| record::predict(request, answer));
    }
    Ok(Reply { frame })
}

/// The first element of an input, where it is what requests are led by.
fn key_of(request: &PredictRequest, field: &str, max_tensor_bytes: usize) -> Option<unit::Key> {
    let tensor = Tensor::from_proto(request.inputs.get(field)?, max_tensor_bytes).ok()?;
    unit::of_tensor(&tensor)
}

fn metadata(core: &Core, request: &GetModelMetadataRequest, tracked: &mut Tracked<'_>) -> Result<Reply> {
    let spec = named(request.model_spec.as_ref())?;
    api::metadata::check_fields(&request.metadata_field)?;
    let lease = core.table.load().lease(target(spec))?;
    tracked.told_of(&lease.header);
    Ok(Reply { frame: message::wrap(&grpc::metadata(&lease))? })
}

fn feedback(core: &Core, request: FeedbackRequest, tracked: &mut Tracked<'_>) -> Result<Reply> {
    let judgement = match request.judgement {
        Some(Said::Labels(labels)) => Judgement::Labels(labels.label.into_iter().map(String::into_bytes).collect()),
        Some(Said::Value(value)) => Judgement::Value(value),
        Some(Said::Correct(correct)) => Judgement::Correct(correct),
        None => return Err(Error::invalid("Feedback says exactly one of labels, value and correct")),
    };
    tracked.about(&request.model);
    let counted = api::feedback::give(core, &request.model, &request.request_id, &judgement)?;
    Ok(Reply { frame: message::wrap(&FeedbackResponse { counted })? })
}

fn status(core: &Core, request: &GetModelStatusRequest) -> Result<Reply> {
    let spec = named(request.model_spec.as_ref())?;
    let table = core.table.load();
    let answer = grpc::status(api::status::status(&table, target(spec)))?;
    Ok(Reply { frame: message::wrap(&answer)? })
}

/// A lease on the version that answers a request; the request is counted under the name also when there is none. `key`
/// finds the field that decides, where one does.
pub(super) fn leased(
    core: &Core,
    spec: &ModelSpec,
    tracked: &mut Tracked<'_>,
    key: impl FnOnce(&Lease, &str) -> Option<unit::Key>,
) -> Result<Lease> {
    let table = core.table.load();
    let found = table.find(target(spec)).inspect_err(|_| tracked.about(&spec.name))?;
    let lease = found.led(tracked.caller()).go(tracked, key);
    tracked.reached(&lease.metrics, &lease.header);
    Ok(lease)
}

pub(super) fn named(spec: Option<&ModelSpec>) -> Result<&ModelSpec> {
    spec.ok_or_else(|| Error::invalid("Missing ModelSpec"))
}

pub(super) fn target(spec: &ModelSpec) -> Target<'_> {
    let choice = match &spec.version_choice {
        None => Choice::Default,
        Some(VersionChoice::Version(version)) => Choice::Version(*version),
        Some(VersionChoice::VersionLabel(label)) => Choice::Label(label),
    };
    Target { model: &spec.name, choice }
}
