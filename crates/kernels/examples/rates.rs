//! Rates of the products, for work on the kernels: `rates [N K MIB] [TYPE ...] [rows=1,8] [threads=2] [file=PATH]`.
//!
//! For each type and number of rows of x the giga multiply-adds a second, and the gigabytes of weights read a second, of (n, k)
//! weights; defaults 2048, 2048, 256. So many MiB of weights are gone through: more than the caches hold, as of a model, or less,
//! to see what the instructions alone cost. With a file its bytes, mapped, are the weights, whatever they are: a map is read at
//! another speed than memory of the process.

use std::ops::Range;
use std::time::Instant;

use memmap2::Mmap;
use wick_kernels::{Activations, Isa, Pool, grid, known, product};
use wick_testkit::Random;
use wick_weights::DType;

/// What the command line asks for.
struct Options {
    n: usize,
    k: usize,
    bytes: usize,
    types: Vec<DType>,
    rows: Vec<usize>,
    threads: usize,
    file: Option<Mmap>,
}

impl Options {
    fn read() -> Self {
        let (mut sizes, mut types) = (Vec::new(), Vec::new());
        let (mut rows, mut threads, mut file) = (vec![1, 2, 4, 8, 12, 32, 256], 1, None);
        for word in std::env::args().skip(1) {
            let number = |text: &str| text.parse::<usize>().unwrap_or_else(|_| panic!("{word}: not a number"));
            match word.split_once('=') {
                Some(("rows", value)) => rows = value.split(',').map(number).collect(),
                Some(("threads", value)) => threads = number(value),
                Some(("file", path)) => {
                    let opened = std::fs::File::open(path).expect("a file");
                    // SAFETY: weights are read as whatever bytes there are; nobody cuts the file meanwhile.
                    file = Some(unsafe { Mmap::map(&opened) }.expect("a file to map"));
                }
                _ => match DType::known().find(|dtype| dtype.to_string().eq_ignore_ascii_case(&word)) {
                    Some(dtype) => types.push(dtype),
                    None => sizes.push(number(&word)),
                },
            }
        }
        if types.is_empty() {
            types = vec![DType::Q5_K, DType::Q4_K, DType::Q6_K, DType::Q8_0, DType::Q4_0];
        }
        let size = |i: usize, default| sizes.get(i).copied().unwrap_or(default);
        Self { n: size(0, 2048), k: size(1, 2048), bytes: size(2, 256) << 20, types, rows, threads, file }
    }
}

/// A pointer that threads share to write columns of their own.
#[derive(Clone, Copy)]
struct Shared(*mut f32);

// SAFETY: no two pieces of a job have a column in common.
unsafe impl Sync for Shared {}

impl Shared {
    fn get(self) -> *mut f32 {
        self.0
    }
}

/// Eight bytes of weights: any, but of plain types numbers of about 1, because others take the processor longer.
fn numbers(dtype: DType, random: &mut Random) -> [u8; 8] {
    let (fraction, one) = match dtype {
        DType::F32 => (0x807f_ffff_807f_ffff, 0x3f80_0000_3f80_0000),
        DType::F16 => (0x83ff_83ff_83ff_83ff, 0x3c00_3c00_3c00_3c00),
        DType::BF16 => (0x807f_807f_807f_807f, 0x3f80_3f80_3f80_3f80),
        _ => (u64::MAX, 0),
    };
    (random.bits() & fraction | one).to_le_bytes()
}

fn main() {
    let options = Options::read();
    let Options { n, k, .. } = options;
    let (isa, pool) = (Isa::chosen().expect("WICK_CPU names what there is"), Pool::new(options.threads));
    println!("{} {n} x {k}", isa.name());
    for &dtype in &options.types {
        assert!(known(dtype, k), "{dtype}: no product with rows of {k}");
        let size = n * k / dtype.layout().elements * dtype.layout().bytes;
        let mut random = Random::new(1);
        let mut some: Vec<u8> = match &options.file {
            Some(_) => Vec::new(),
            None => (0..options.bytes.max(size).div_ceil(8)).flat_map(|_| numbers(dtype, &mut random)).collect(),
        };
        if dtype == DType::MXFP4 {
            // Scales, powers of two, as of a model.
            some.chunks_exact_mut(dtype.layout().bytes).for_each(|block| block[0] = 120);
        }
        let matrices: Vec<&[u8]> =
            options.file.as_deref().unwrap_or(&some).chunks_exact(size).take((options.bytes / size).max(1)).collect();
        print!("{dtype:>5}");
        for &t in &options.rows {
            let x: Vec<f32> = (0..t * k).map(|_| random.signed(1.0)).collect();
            let (mut rounded, mut y) = (Activations::default(), vec![0.0f32; t * n]);
            rounded.set(isa, grid(dtype).expect("a type with a product"), &x, k);
            let y = Shared(y.as_mut_ptr());
            let some = &matrices[..if t > 8 { matrices.len().min(4) } else { matrices.len() }];
            let best = (0..if options.bytes > 1 << 24 { 3 } else { 40 })
                .map(|_| {
                    let started = Instant::now();
                    for matrix in some {
                        pool.each(n / 8, &|octets: Range<usize>| {
                            let columns = 8 * octets.start..8 * octets.end;
                            // SAFETY: room for every column, and pieces have none in common.
                            unsafe { product(isa, dtype, matrix, n, &rounded, columns, y.get()) };
                        });
                    }
                    started.elapsed().as_secs_f64() / some.len() as f64
                })
                .fold(f64::INFINITY, f64::min);
            print!("  {t}: {:.1} Gmadd/s {:.1} GB/s", (t * n * k) as f64 / best / 1e9, size as f64 / best / 1e9);
        }
        println!();
    }
}
