//! Plans on candle tensors: any candle device, with the CPU's hot loops done on slices.
//!
//! A step is written once, on tensors. Four things in it are worth doing differently on the CPU (matrix products, norms and
//! rotations of rows, the gate, attention), and those dispatch: the tensor form is what a GPU runs and can be had on the CPU too
//! ([`Candle::portable`]), so that tests hold both to the reference. On the CPU weights stay in the map and one pool does
//! everything: the pool of `kernels`; candle's own loops use candle's.

mod attention;
mod call;
mod cost;
mod cpu;
mod failure;
mod kv;
mod matrix;
mod portable;
mod program;
mod rows;
mod weights;

use wick_spec::{Error, Result, Stop};
use wick_weights::Tensors;

use crate::{Backend, Cost, Plan, Program};
use program::Work;

/// Where the tensors are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Device {
    /// The processor.
    Cpu,
    /// An NVIDIA GPU.
    Cuda,
    /// An Apple GPU.
    Metal,
}

/// How the steps' inner work is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kernels {
    /// On slices, with this crate's CPU loops.
    Slices,
    /// With candle's tensor operations, as on a GPU.
    Tensors,
}

/// The backend. Keys and values are f32 on the CPU.
#[derive(Debug, Clone)]
pub struct Candle {
    device: candle_core::Device,
    kernels: Kernels,
}

impl Candle {
    /// A backend on `device`. `unsupported` for the GPUs, which this build was made without; the message names the package
    /// that has them.
    pub fn new(device: Device) -> Result<Self> {
        let missing = |name: &str, package: &str| {
            Err(Error::unsupported(format!(
                "Device {name} is not in this build; it will come with {package}. Use device cpu."
            )))
        };
        match device {
            Device::Cpu => Ok(Self::cpu()),
            Device::Cuda => missing("cuda", "the package wick-linux-x64-gnu-cuda"),
            Device::Metal => missing("metal", "the package wick-darwin-arm64"),
        }
    }

    /// On the processor.
    pub fn cpu() -> Self {
        Self { device: candle_core::Device::Cpu, kernels: Kernels::Slices }
    }

    /// On the processor with tensor operations only: what a GPU would compute, for tests. Slow.
    pub fn portable() -> Self {
        Self { device: candle_core::Device::Cpu, kernels: Kernels::Tensors }
    }
}

impl Backend for Candle {
    fn name(&self) -> &'static str {
        "candle"
    }

    /// Weights count the file's bytes, in the map, and the packed copies that candle's kernels read beside them. `scratch`
    /// leaves out [`crate::Outputs`], which is the caller's.
    fn cost(&self, plan: &Plan, tensors: &dyn Tensors, rows: usize) -> Result<Cost> {
        cost::cost(self, plan, tensors, rows)
    }

    fn prepare(
        &self,
        plan: &Plan,
        tensors: &dyn Tensors,
        progress: &mut dyn FnMut(u64),
        stop: &Stop,
    ) -> Result<Box<dyn Program>> {
        let weights = weights::Weights::load(self, plan, tensors, progress, stop)?;
        Ok(Box::new(Work::new(self, plan, weights)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wick_spec::Code;

    #[test]
    fn a_device_that_is_not_built_names_its_package() {
        for (device, package) in [(Device::Cuda, "wick-linux-x64-gnu-cuda"), (Device::Metal, "wick-darwin-arm64")] {
            let error = Candle::new(device).expect_err("this build has the CPU only");
            assert_eq!(error.code(), Code::Unsupported);
            assert!(error.message().contains(package), "{error}");
        }
        assert!(Candle::new(Device::Cpu).is_ok());
    }
}
