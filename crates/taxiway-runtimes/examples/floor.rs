//! The floor: how long an engine takes for a run when nothing stands around it.
//!
//! `floor --engine tensorflow|litert --library PATH[,PATH] MODEL_DIR [--rows 1] [--seconds 2] [--signature NAME]`
//! runs a signature on zeros in a loop and prints one line of JSON, times in µs. `--library` names
//! `libtensorflow_cc.so.2,libtensorflow_framework.so.2` or `libLiteRt.so`; without it they are taken from
//! `$TAXIWAY_SITE_PACKAGES`.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use taxiway_engine::{Call, DEFAULT_SIGNATURE, Engine, Port, Strings, Tensor};
use taxiway_runtimes::{EngineChoice, Libraries, LoadSpec, SessionOptions, TensorFlowLibraries, WarmUp, open};

type Failure = Box<dyn std::error::Error>;

struct Arguments {
    engine: EngineChoice,
    model: PathBuf,
    libraries: Libraries,
    signature: String,
    rows: usize,
    seconds: f64,
}

fn main() -> Result<(), Failure> {
    let arguments = read_arguments()?;
    let opening = Instant::now();
    let engine = open(&spec(&arguments))?;
    let load_ms = opening.elapsed().as_secs_f64() * 1e3;
    let mut times = measure(engine.as_ref(), &arguments)?;
    times.sort_by(f64::total_cmp);
    let at = |part: f64| times[((times.len() - 1) as f64 * part) as usize];
    println!(
        "{}",
        serde_json::json!({
            "engine": engine.name(), "rows": arguments.rows, "runs": times.len(), "load_ms": load_ms,
            "us_min": at(0.0), "us_p50": at(0.5), "us_p99": at(0.99),
            "us_mean": times.iter().sum::<f64>() / times.len() as f64,
        })
    );
    Ok(())
}

fn measure(engine: &dyn Engine, arguments: &Arguments) -> Result<Vec<f64>, Failure> {
    let signature = engine.signatures().get(&arguments.signature).ok_or("no such signature")?.map_err(Clone::clone)?;
    let inputs = signature.inputs.iter().map(|port| zeros(port, arguments.rows)).collect::<Result<Vec<_>, _>>()?;
    let outputs: Vec<usize> = (0..signature.outputs.len()).collect();
    let call = Call { signature, inputs: &inputs, outputs: &outputs, timeout: None };
    for _ in 0..200 {
        engine.run(&call)?; // optimises the graph, fills caches
    }
    let mut times = Vec::new();
    let end = Instant::now() + Duration::from_secs_f64(arguments.seconds);
    while times.is_empty() || Instant::now() < end {
        let start = Instant::now();
        engine.run(&call)?;
        times.push(start.elapsed().as_secs_f64() * 1e6);
    }
    Ok(times)
}

/// A tensor of zeros for an input, `rows` where an extent is open.
fn zeros(port: &Port, rows: usize) -> taxiway_engine::Result<Tensor> {
    let shape: Vec<usize> =
        port.shape.0.as_deref().unwrap_or(&[None]).iter().map(|extent| extent.unwrap_or(rows)).collect();
    let count: usize = shape.iter().product();
    match port.dtype.size() {
        None => Tensor::from_strings(&shape, vec![""; count].into_iter().collect::<Strings>()),
        // Built from bytes in aligned memory, as the server's tensors are.
        Some(size) => {
            let zeros = Tensor::from_values([count * size], &vec![0u8; count * size])?;
            Tensor::from_bytes(port.dtype, &shape, zeros.aligned_bytes().unwrap_or_default())
        }
    }
}

fn spec(arguments: &Arguments) -> LoadSpec {
    LoadSpec {
        name: "floor".to_owned(),
        version: 1,
        path: arguments.model.clone(),
        engine: arguments.engine,
        shown: Vec::new(),
        tags: vec!["serve".to_owned()],
        libraries: arguments.libraries.clone(),
        op_libraries: Vec::new(),
        session: SessionOptions {
            intra_op_threads: 1,
            inter_op_threads: 1,
            gpu_memory_fraction: 0.0,
            gpu_allow_growth: false,
            allow_soft_placement: true,
        },
        warm_up: WarmUp { enabled: false, iterations: 0 },
        batching: None,
        request_log: None,
        faults: None,
        urgent: false,
    }
}

fn read_arguments() -> Result<Arguments, Failure> {
    let mut arguments = Arguments {
        engine: EngineChoice::Auto,
        model: PathBuf::new(),
        libraries: Libraries { tensorflow: None, litert: None },
        signature: DEFAULT_SIGNATURE.to_owned(),
        rows: 1,
        seconds: 2.0,
    };
    let mut library = None;
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or(format!("{word} needs a value"));
        match word.as_str() {
            "--engine" => arguments.engine = serde_json::from_value(value()?.into())?,
            "--library" => library = Some(value()?),
            "--signature" => arguments.signature = value()?,
            "--rows" => arguments.rows = value()?.parse()?,
            "--seconds" => arguments.seconds = value()?.parse()?,
            path => arguments.model = path.into(),
        }
    }
    arguments.libraries = libraries(arguments.engine, library)?;
    Ok(arguments)
}

fn libraries(engine: EngineChoice, given: Option<String>) -> Result<Libraries, Failure> {
    if let Some(given) = given {
        let (core, framework) = given.split_once(',').unwrap_or((&given, ""));
        let tensorflow = TensorFlowLibraries { core: core.into(), framework: framework.into() };
        return Ok(match engine {
            EngineChoice::LiteRt => Libraries { tensorflow: None, litert: Some(given.into()) },
            _ => Libraries { tensorflow: Some(tensorflow), litert: None },
        });
    }
    let packages = PathBuf::from(std::env::var_os("TAXIWAY_SITE_PACKAGES").ok_or("give --library PATH")?);
    Ok(Libraries {
        tensorflow: Some(TensorFlowLibraries {
            core: packages.join("tensorflow/libtensorflow_cc.so.2"),
            framework: packages.join("tensorflow/libtensorflow_framework.so.2"),
        }),
        litert: Some(packages.join("ai_edge_litert/libLiteRt.so")),
    })
}
