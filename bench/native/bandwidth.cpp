// Read bandwidth of the machine: the best of four loops over plain and over huge pages.
//   bandwidth THREADS...     one line of JSON a measurement
//
// No loop is best everywhere: a processor's prefetcher may see a stream or not (virtual machines often hide it), and some want to
// be asked for lines by hand. What any of them reads is what decode could read.
#include <immintrin.h>
#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <thread>
#include <vector>

namespace {

constexpr size_t kBytes = size_t{512} << 20;  // beyond any last-level cache
constexpr int kRepeats = 4;
constexpr size_t kAhead = 2048;  // bytes that prefetching loops ask ahead

using Loop = uint64_t (*)(const char*, size_t);

uint64_t Sum(__m256i a) {
  alignas(32) uint64_t lanes[4];
  _mm256_store_si256(reinterpret_cast<__m256i*>(lanes), a);
  return lanes[0] + lanes[1] + lanes[2] + lanes[3];
}

__m256i Load(const char* at) { return _mm256_load_si256(reinterpret_cast<const __m256i*>(at)); }

template <bool kPrefetch, size_t kStreams>
uint64_t Streams(const char* data, size_t bytes) {
  __m256i sums[4] = {};
  const size_t part = bytes / kStreams;
  for (size_t at = 0; at < part; at += 128) {
    for (size_t stream = 0; stream < kStreams; ++stream) {
      const char* here = data + stream * part + at;
      if (kPrefetch) {
        _mm_prefetch(here + kAhead, _MM_HINT_T0);
        _mm_prefetch(here + kAhead + 64, _MM_HINT_T0);
      }
      for (int i = 0; i < 4; ++i) sums[i] = _mm256_add_epi64(sums[i], Load(here + 32 * i));
    }
  }
  return Sum(_mm256_add_epi64(_mm256_add_epi64(sums[0], sums[1]), _mm256_add_epi64(sums[2], sums[3])));
}

const struct {
  const char* name;
  Loop loop;
} kLoops[] = {
    {"one stream", Streams<false, 1>},
    {"four streams", Streams<false, 4>},
    {"one stream, prefetch", Streams<true, 1>},
    {"four streams, prefetch", Streams<true, 4>},
};

std::atomic<uint64_t> g_sink;

// Bytes a second of one pass, each thread over its share.
double Pass(Loop loop, const char* data, size_t threads) {
  std::atomic<size_t> ready{0};
  std::atomic<bool> go{false};
  std::vector<std::thread> team;
  const size_t share = kBytes / threads / 4096 * 4096;
  for (size_t t = 0; t < threads; ++t) {
    team.emplace_back([&, t] {
      ++ready;
      while (!go) std::this_thread::yield();
      g_sink += loop(data + t * share, share);
    });
  }
  while (ready < threads) std::this_thread::yield();
  const auto began = std::chrono::steady_clock::now();
  go = true;
  for (auto& thread : team) thread.join();
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - began;
  return static_cast<double>(share * threads) / took.count();
}

}  // namespace

int main(int argc, char** argv) {
  for (const bool huge : {false, true}) {
    // Prefetching loops ask for a little more than there is to read.
    const size_t size = kBytes + (size_t{4} << 20);
    void* memory = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) {
      std::perror("mmap");
      return 1;
    }
    madvise(memory, size, huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
    std::memset(memory, 1, size);
    for (int i = 1; i < argc; ++i) {
      const size_t threads = std::max(1, std::atoi(argv[i]));
      for (const auto& [name, loop] : kLoops) {
        double best = 0;
        for (int n = 0; n < kRepeats; ++n) best = std::max(best, Pass(loop, static_cast<const char*>(memory), threads));
        std::printf("{\"threads\":%zu,\"pages\":\"%s\",\"loop\":\"%s\",\"bytesPerSecond\":%.0f}\n", threads, huge ? "huge" : "plain", name, best);
      }
    }
    munmap(memory, size);
  }
  return 0;
}
