//! A model ready to run, for one caller at a time.

use std::ffi::{CString, c_int, c_void};
use std::ptr::null_mut;
use std::sync::Arc;
use std::time::Duration;

use smallvec::SmallVec;
use taxiway_engine::{Error, ErrorKind, Result, Shape, Tensor};

use super::buffer::{Buffer, INPUT_SLACK, OUTPUT_SLACK};
use super::library::{Layout, Library, Raw};
use super::model::{FileSignature, Model};
use super::watch::{Watch, is_over};

/// An owned `LiteRtCompiledModel` with the buffers of its last runs.
pub(crate) struct Instance {
    model: Arc<Model>,
    raw: Raw,
    slots: Vec<Slot>,
    /// LiteRT points to it.
    watch: Box<Watch>,
}

// SAFETY: it may be used from any thread, by one at a time.
unsafe impl Send for Instance {}

/// How a run ended.
pub(crate) enum Run {
    Done(Vec<Tensor>),
    /// Its deadline came first.
    Stopped,
}

/// What a signature was last run with. Requests of one shape after another find everything in place.
#[derive(Default)]
struct Slot {
    shapes: Vec<Shape>,
    inputs: Vec<Buffer>,
    outputs: Vec<Answer>,
}

struct Answer {
    buffer: Buffer,
    shape: Shape,
    length: usize,
}

/// `kLiteRtHwAcceleratorCpu`.
const CPU: c_int = 1;

impl Instance {
    /// Prepares a model with that many signatures to run on `threads` threads.
    ///
    /// # Errors
    /// LiteRT's own: an operation that it does not have, for example.
    pub(crate) fn new(model: Arc<Model>, signatures: usize, threads: u32) -> Result<Instance> {
        let library = model.library;
        let options = Options::new(library, threads)?;
        let mut raw = null_mut();
        // SAFETY: environment and model outlive the instance, which holds the model; the options are read in the call.
        let status = unsafe {
            (library.functions.LiteRtCreateCompiledModel)(library.environment, model.raw, options.raw, &raw mut raw)
        };
        library.check(status, || "LiteRT cannot prepare the model".to_owned())?;
        let slots = (0..signatures).map(|_| Slot::default()).collect();
        let instance = Instance { model, raw, slots, watch: Watch::new() };
        let watch: *const Watch = &raw const *instance.watch;
        // SAFETY: the watch lives as long as the instance, and nothing runs after it.
        let status = unsafe {
            (library.functions.LiteRtSetCompiledModelCancellationFunction)(raw, watch.cast_mut().cast(), is_over)
        };
        library.check(status, || "LiteRT cannot watch deadlines".to_owned())?;
        Ok(instance)
    }

    /// Runs signature `index` and returns the outputs named by `wanted`. Inputs and outputs are in the file's order.
    ///
    /// # Errors
    /// LiteRT's own. The instance is not to be used after any: what it holds may be half changed. After a run that was
    /// stopped it is, as each run starts from its inputs.
    pub(crate) fn run(
        &mut self,
        index: usize,
        signature: &FileSignature,
        inputs: &[&Tensor],
        wanted: &[usize],
        timeout: Option<Duration>,
    ) -> Result<Run> {
        if !self.slots[index].fits(inputs) {
            self.slots[index] = self.prepare(index, signature, inputs)?;
        }
        let slot = &mut self.slots[index];
        for (buffer, tensor) in slot.inputs.iter_mut().zip(inputs) {
            buffer.fill(tensor.bytes().map_or(&[][..], |bytes| bytes));
        }
        for answer in &mut slot.outputs {
            answer.buffer.guard(answer.length);
        }
        let mut given: SmallVec<[Raw; 4]> = slot.inputs.iter().map(Buffer::as_raw).collect();
        let mut taken: SmallVec<[Raw; 4]> = slot.outputs.iter().map(|answer| answer.buffer.as_raw()).collect();
        let functions = &self.model.library.functions;
        self.watch.start(timeout);
        // SAFETY: the instance is borrowed mutably, the arrays are as long as is said, and every buffer is as large as
        // LiteRT says and has room behind.
        let status = unsafe {
            (functions.LiteRtRunCompiledModel)(
                self.raw,
                index,
                given.len(),
                given.as_mut_ptr(),
                taken.len(),
                taken.as_mut_ptr(),
            )
        };
        if status != 0 && self.watch.has_stopped() {
            return Ok(Run::Stopped);
        }
        self.model.library.check(status, || format!("signature \"{}\" cannot be run", signature.key))?;
        self.correct(index, signature)?;
        let slot = &self.slots[index];
        let answers = wanted.iter().map(|&position| slot.outputs[position].read(signature, position));
        answers.collect::<Result<_>>().map(Run::Done)
    }

    /// Tells LiteRT the shapes of the inputs, and makes buffers for them and for the outputs.
    fn prepare(&self, index: usize, signature: &FileSignature, inputs: &[&Tensor]) -> Result<Slot> {
        let library = self.model.library;
        let mut slot = Slot::default();
        for (position, (tensor, port)) in inputs.iter().zip(&signature.inputs).enumerate() {
            // A scalar has only one shape, which LiteRT takes for none.
            if !port.extents.is_empty() {
                self.resize(index, position, tensor.shape(), &port.extents)?;
            }
            let length = tensor.bytes().map_or(0, |bytes| bytes.len());
            slot.inputs.push(Buffer::new(library, port.element, tensor.shape(), length, INPUT_SLACK)?);
            slot.shapes.push(Shape::from_slice(tensor.shape()));
        }
        let shapes = self.output_shapes(index, signature, true).map_err(|error| match error.kind {
            // Each input fits the signature; LiteRT only now finds that they do not fit each other.
            ErrorKind::Internal => Error::invalid(format!("{}: {:?} do not go together", error.message, slot.shapes)),
            _ => error,
        })?;
        for (shape, port) in shapes.into_iter().zip(&signature.outputs) {
            let length = byte_length(&shape, port.dtype.size().unwrap_or(1))?;
            let buffer = Buffer::new(library, port.element, &shape, length, OUTPUT_SLACK)?;
            slot.outputs.push(Answer { buffer, shape, length });
        }
        Ok(slot)
    }

    fn resize(&self, index: usize, position: usize, shape: &[usize], told: &[i64]) -> Result<()> {
        let functions = &self.model.library.functions;
        let resize = match told.contains(&-1) {
            true => functions.LiteRtCompiledModelResizeInputTensor,
            // Old files fix every extent and are resized all the same; LiteRT finds out whether the graph can follow.
            false => functions.LiteRtCompiledModelResizeInputTensorNonStrict,
        };
        let refused = || format!("LiteRT takes no input of shape {shape:?}");
        let extents: SmallVec<[c_int; 4]> = shape
            .iter()
            .map(|&extent| c_int::try_from(extent).map_err(|_| Error::invalid(refused())))
            .collect::<Result<_>>()?;
        // SAFETY: the array is as long as is said.
        let status = unsafe { resize(self.raw, index, position, extents.as_ptr(), extents.len()) };
        self.model.library.check(status, refused)
    }

    /// The shapes of the outputs as LiteRT knows them; with `update` it works them out for the inputs' new shapes.
    fn output_shapes(&self, index: usize, signature: &FileSignature, update: bool) -> Result<Vec<Shape>> {
        let mut layouts = vec![Layout::default(); signature.outputs.len()];
        // SAFETY: the array is as long as is said.
        let status = unsafe {
            (self.model.library.functions.LiteRtGetCompiledModelOutputTensorLayouts)(
                self.raw,
                index,
                layouts.len(),
                layouts.as_mut_ptr(),
                update,
            )
        };
        self.model.library.check(status, || format!("signature \"{}\" cannot be prepared", signature.key))?;
        let negative = |_| Error::internal("LiteRT tells a negative extent of an output");
        let shape = |layout: Layout| {
            layout.extents().iter().map(|&extent| usize::try_from(extent).map_err(negative)).collect::<Result<Shape>>()
        };
        layouts.into_iter().map(shape).collect()
    }

    /// After a run: takes over the shapes of outputs whose size depends on the values, and refuses whatever LiteRT
    /// wrote past what it told.
    fn correct(&mut self, index: usize, signature: &FileSignature) -> Result<()> {
        let shapes = self.output_shapes(index, signature, false)?;
        for ((answer, shape), port) in self.slots[index].outputs.iter_mut().zip(shapes).zip(&signature.outputs) {
            if answer.shape == shape {
                if !answer.buffer.is_intact(answer.length) {
                    return Err(Error::internal(format!("LiteRT wrote past the end of output \"{}\"", port.name)));
                }
                continue;
            }
            answer.length = byte_length(&shape, port.dtype.size().unwrap_or(1))?;
            answer.shape = shape;
            if answer.length + size_of::<[u8; 64]>() > answer.buffer.bytes().len() {
                return Err(Error::internal(format!(
                    "output \"{}\" grew to {} bytes while it ran, more than is kept for it",
                    port.name, answer.length
                )));
            }
        }
        Ok(())
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        // SAFETY: it is ours, nobody runs it, and the buffers it was given go after it.
        unsafe { (self.model.library.functions.LiteRtDestroyCompiledModel)(self.raw) }
    }
}

impl Slot {
    fn fits(&self, inputs: &[&Tensor]) -> bool {
        !self.outputs.is_empty()
            && self.shapes.len() == inputs.len()
            && self.shapes.iter().zip(inputs).all(|(shape, tensor)| shape.as_slice() == tensor.shape())
    }
}

impl Answer {
    fn read(&self, signature: &FileSignature, position: usize) -> Result<Tensor> {
        let bytes = Tensor::from_values([self.length], &self.buffer.bytes()[..self.length])?;
        Tensor::from_bytes(signature.outputs[position].dtype, &self.shape, bytes.bytes().cloned().unwrap_or_default())
    }
}

fn byte_length(shape: &[usize], size: usize) -> Result<usize> {
    shape
        .iter()
        .try_fold(size, |bytes, &extent| bytes.checked_mul(extent))
        .ok_or_else(|| Error::invalid(format!("an output of shape {shape:?} is too large")))
}

/// An owned `LiteRtOptions`: run on the CPU, on that many threads.
struct Options {
    library: &'static Library,
    raw: Raw,
}

impl Options {
    fn new(library: &'static Library, threads: u32) -> Result<Options> {
        let failed = || "LiteRT does not take its options".to_owned();
        let functions = &library.functions;
        let mut options = Options { library, raw: null_mut() };
        let settings = CString::new(format!("num_threads = {}\n", threads.max(1)))
            .map_err(|_| Error::internal("a number contains a zero byte"))?;
        let mut opaque = null_mut();
        // SAFETY: places outlive the calls; LiteRT owns the text from then on and frees it with `free_settings`.
        unsafe {
            library.check((functions.LiteRtCreateOptions)(&raw mut options.raw), failed)?;
            library.check((functions.LiteRtSetOptionsHardwareAccelerators)(options.raw, CPU), failed)?;
            let created = (functions.LiteRtCreateOpaqueOptions)(
                c"xnnpack".as_ptr(),
                settings.into_raw().cast(),
                free_settings,
                &raw mut opaque,
            );
            library.check(created, failed)?;
            library.check((functions.LiteRtAddOpaqueOptions)(options.raw, opaque), failed)?;
        }
        Ok(options)
    }
}

impl Drop for Options {
    fn drop(&mut self) {
        if !self.raw.is_null() {
            // SAFETY: it is ours, and whoever read it copied what it needs.
            unsafe { (self.library.functions.LiteRtDestroyOptions)(self.raw) }
        }
    }
}

/// Frees the text of the options.
unsafe extern "C" fn free_settings(text: *mut c_void) {
    // SAFETY: it came out of `CString::into_raw`, and LiteRT calls this once.
    drop(unsafe { CString::from_raw(text.cast()) });
}
