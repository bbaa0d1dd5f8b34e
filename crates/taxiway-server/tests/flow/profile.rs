//! TensorFlow's profiler service.

use prost::Message;
use serde_json::json;
use taxiway_server::profile_proto::profiler::XSpace;
use taxiway_server::profile_proto::{
    MonitorRequest, MonitorResponse, ProfileOptions, ProfileRequest, ProfileResponse, TerminateRequest,
    TerminateResponse,
};
use tonic::Code;

use crate::grpc_client::refusal;
use crate::serving::Serving;

const PROFILE: &str = "/tensorflow.ProfilerService/Profile";
const TERMINATE: &str = "/tensorflow.ProfilerService/Terminate";
const MONITOR: &str = "/tensorflow.ProfilerService/Monitor";

fn asked(duration_ms: u64, emit_xspace: bool) -> ProfileRequest {
    let opts = Some(ProfileOptions { duration_ms });
    ProfileRequest { opts, session_id: "mine".to_owned(), emit_xspace, ..ProfileRequest::default() }
}

fn names(space: &XSpace) -> Vec<&str> {
    let plane = &space.planes[0];
    let events = plane.lines.iter().flat_map(|line| &line.events);
    events.map(|event| plane.event_metadata[&event.metadata_id].name.as_str()).collect()
}

// tfs: grpc-profiler
#[test]
fn a_profile_holds_the_requests_until_its_session_is_ended() {
    let (serving, _version) = Serving::half_plus_two(&json!({"limits": {"request_timeout_ms": 60_000}}));
    let (profiler, other) = (serving.grpc(), serving.grpc());
    let hour = asked(3_600_000, true);
    std::thread::scope(|scope| {
        let profile = scope.spawn(move || profiler.ask::<ProfileResponse>(PROFILE, &hour).unwrap().into_inner());
        serving.wait_for_stat("requests_in_flight", 1);
        let mut http = serving.http();
        // The call is under way before it records, so one request may be too early: ask until it has ended.
        while !profile.is_finished() {
            assert_eq!(http.post("/v1/models/half:predict", r#"{"instances": [1.0]}"#).status, 200);
            assert_eq!(http.post("/v1/models/half:predict", r#"{"instances": [1.0]}"#).status, 200);
            let mine = TerminateRequest { session_id: "mine".to_owned() };
            other.ask::<TerminateResponse>(TERMINATE, &mine).unwrap();
        }
        let answer = profile.join().unwrap();
        assert!(!answer.empty_trace && answer.tool_data.is_empty());
        let space = answer.xspace.unwrap();
        assert!(names(&space).contains(&"Profile"), "{:?}", names(&space));
    });
}

#[test]
fn a_profile_of_no_time_is_a_file_for_tensorboard() {
    let (serving, _version) = Serving::half_plus_two(&json!({}));
    let answer: ProfileResponse = serving.grpc().ask(PROFILE, &asked(0, false)).unwrap().into_inner();
    assert_eq!(answer.tool_data[0].name, "xplane.pb");
    let space = XSpace::decode(answer.tool_data[0].data.clone()).unwrap();
    assert_eq!(names(&space), ["Profile"]);
}

// tfs: grpc-profiler
#[test]
fn the_service_can_be_watched_and_turned_off() {
    let (serving, _version) = Serving::half_plus_two(&json!({}));
    let ask = MonitorRequest { duration_ms: 1, monitoring_level: 1, timestamp: true };
    let said: MonitorResponse = serving.grpc().ask(MONITOR, &ask).unwrap().into_inner();
    assert!(said.data.starts_with("Timestamp: ") && said.data.contains(" requests in "), "{}", said.data);
    let (serving, _version) = Serving::half_plus_two(&json!({"grpc_profiler": false}));
    for path in [PROFILE, TERMINATE, MONITOR] {
        assert_eq!(refusal(serving.grpc().ask::<MonitorResponse>(path, &ask)).0, Code::Unimplemented);
    }
}
