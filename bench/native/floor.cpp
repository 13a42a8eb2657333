// The least that a token costs on its way from a thread to JavaScript: a threadsafe function called from a std::thread.
//
// emit(count, burst, workMicros, callback) has a thread compute `count` times for so long and call back with every `burst` texts:
// callback(texts, at), `at` the nanoseconds of the monotonic clock when the last of them was there, as process.hrtime has it. At the
// end callback(null, cpu), the nanoseconds of CPU time that the computing took.
#include <napi.h>
#include <time.h>

#include <cstdint>
#include <string>
#include <thread>
#include <vector>

namespace {

int64_t Now(clockid_t clock) {
  timespec now;
  clock_gettime(clock, &now);
  return int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

// What the engine would do: the CPU time it took, in nanoseconds.
int64_t Compute(int64_t micros) {
  const int64_t cpu = Now(CLOCK_THREAD_CPUTIME_ID);
  const int64_t end = Now(CLOCK_MONOTONIC) + micros * 1000;
  while (Now(CLOCK_MONOTONIC) < end) {
  }
  return Now(CLOCK_THREAD_CPUTIME_ID) - cpu;
}

struct Burst {
  std::vector<std::string> texts;
  int64_t value;  // when it was there; of the last, which has no texts, the CPU time
};

void Deliver(Napi::Env env, Napi::Function callback, Burst* burst) {
  Napi::Value texts = env.Null();
  if (!burst->texts.empty()) {
    Napi::Array array = Napi::Array::New(env, burst->texts.size());
    for (size_t i = 0; i < burst->texts.size(); ++i) array.Set(static_cast<uint32_t>(i), Napi::String::New(env, burst->texts[i]));
    texts = array;
  }
  callback.Call({texts, Napi::Number::New(env, static_cast<double>(burst->value))});
  delete burst;
}

void Emit(const Napi::CallbackInfo& info) {
  const uint32_t count = info[0].As<Napi::Number>().Uint32Value();
  const uint32_t burst = info[1].As<Napi::Number>().Uint32Value();
  const int64_t micros = info[2].As<Napi::Number>().Int64Value();
  auto function = Napi::ThreadSafeFunction::New(info.Env(), info[3].As<Napi::Function>(), "floor", 0, 1);
  std::thread([=]() mutable {
    int64_t cpu = 0;
    std::vector<std::string> texts;
    for (uint32_t i = 0; i < count; ++i) {
      cpu += Compute(micros);
      texts.push_back(" token");
      if (texts.size() == burst || i + 1 == count) {
        function.NonBlockingCall(new Burst{std::move(texts), Now(CLOCK_MONOTONIC)}, Deliver);
        texts.clear();
      }
    }
    function.NonBlockingCall(new Burst{{}, cpu}, Deliver);
    function.Release();
  }).detach();
}

Napi::Object Init(Napi::Env env, Napi::Object exports) {
  exports.Set("emit", Napi::Function::New(env, Emit));
  return exports;
}

}  // namespace

NODE_API_MODULE(floor, Init)
