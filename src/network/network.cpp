// The library's interface: create a network from its steps and weights, run it, peek into its activations.
//
// Networks with the same number of threads share these threads and the memory for activations, which so stays
// in the caches from one sub-network to the next. One of them runs at a time; others wait for their turn.

#include <sys/mman.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <mutex>
#include <new>
#include <system_error>
#include <vector>

#include "program.h"
#include "steps.h"
#include "team.h"

#define EXPORT __attribute__((visibility("default")))

namespace dynofa {
namespace {

constexpr size_t kHugePage = size_t(2) << 20;
constexpr int kMaxThreads = 256;

// Floats on huge pages where the system has them.
class Floats {
 public:
  Floats() = default;
  explicit Floats(int64_t n) : n_(n) {
    const size_t wanted = size_t(std::max<int64_t>(n, 1)) * sizeof(float);
    const size_t bytes = (wanted + kHugePage - 1) / kHugePage * kHugePage;
    void* data = std::aligned_alloc(kHugePage, bytes);
    if (data == nullptr) throw std::bad_alloc();
    data_.reset(static_cast<float*>(data));
#if defined(MADV_HUGEPAGE)
    madvise(data, bytes, MADV_HUGEPAGE);
#endif
    std::memset(data, 0, size_t(n) * sizeof(float));
  }
  float* get() const { return data_.get(); }
  int64_t size() const { return n_; }

 private:
  struct Free {
    void operator()(float* data) const { std::free(data); }
  };
  std::unique_ptr<float, Free> data_;
  int64_t n_ = 0;
};

// Threads and memory that networks share.
struct Workshop {
  explicit Workshop(int threads) : team(new Team(threads)) {}
  ~Workshop() {
    if (team->is_forked()) team.release();
  }

  void grow(int64_t activations_wanted, int64_t scratch_wanted) {
    const std::lock_guard<std::mutex> lock(mutex);
    if (activations.size() < activations_wanted) activations = Floats(activations_wanted);
    if (scratch_floats < scratch_wanted) {
      scratch = Floats(scratch_wanted * team->threads());
      scratch_floats = scratch_wanted;
    }
  }

  std::unique_ptr<Team> team;
  std::mutex mutex;
  Floats activations, scratch;
  int64_t scratch_floats = 0;
};

std::shared_ptr<Workshop> workshop_of(int threads) {
  static std::mutex* const mutex = new std::mutex;
  static auto* const workshops = new std::map<int, std::weak_ptr<Workshop>>;
  const std::lock_guard<std::mutex> lock(*mutex);
  std::shared_ptr<Workshop> found = (*workshops)[threads].lock();
  if (found == nullptr) (*workshops)[threads] = found = std::make_shared<Workshop>(threads);
  return found;
}

class Network {
 public:
  Network(const Step* steps, int64_t n_steps, const float* weights, int64_t n_weights, int64_t n_activations,
          int threads)
      : workshop_(workshop_of(threads)), weights_(n_weights), n_activations_(n_activations) {
    std::memcpy(weights_.get(), weights, size_t(n_weights) * sizeof(float));
    int64_t parts = 1, scratch = 0;
    for (int64_t i = 0; i < n_steps; ++i) {
      steps_.push_back(plan_step(steps[i], threads, parts));
      parts = steps_.back()->parts();
      tasks_.push_back(steps_.back()->tasks());
      scratch = std::max(scratch, steps_.back()->scratch_floats());
    }
    for (int64_t i = 0; i < n_steps; ++i) steps_[size_t(i)]->prepare(soon_after(steps, n_steps, i));
    workshop_->grow(n_activations, padded(scratch) + kLanes);
    task_ = [this](int phase, int task, int thread) {
      Memory memory = memory_;
      memory.scratch += thread * workshop_->scratch_floats;
      steps_[size_t(phase)]->run(task, memory);
    };
  }

  ~Network() {
    const std::lock_guard<std::mutex> lock(workshop_->mutex);
    workshop_->team->settle();
  }
  Network(const Network&) = delete;
  Network& operator=(const Network&) = delete;

  // What the steps between this convolution and the one after the next read.
  static std::vector<Soon> soon_after(const Step* steps, int64_t n_steps, int64_t step) {
    std::vector<Soon> soon;
    for (int64_t i = step + 1; i < n_steps; ++i) {
      for (const Soon& read : read_by(steps[i])) soon.push_back(read);
      if (steps[i].kind == kFront || steps[i].kind == kPointwise) break;
    }
    return soon;
  }

  bool holds(int64_t offset, int64_t n) const {
    return offset >= 0 && n >= 0 && offset <= n_activations_ - n;
  }

  void run(const uint8_t* image, int64_t offset, float* output, int64_t n, double* ends) {
    const std::lock_guard<std::mutex> lock(workshop_->mutex);
    memory_ = {image, workshop_->activations.get(), weights_.get(), workshop_->scratch.get()};
    workshop_->team->run(tasks_, task_, ends);
    std::memcpy(output, memory_.activations + offset, size_t(n) * sizeof(float));
  }

  void poke(int64_t offset, const float* values, int64_t n) {
    const std::lock_guard<std::mutex> lock(workshop_->mutex);
    std::memcpy(workshop_->activations.get() + offset, values, size_t(n) * sizeof(float));
  }

 private:
  std::shared_ptr<Workshop> workshop_;
  Floats weights_;
  int64_t n_activations_;
  std::vector<std::unique_ptr<PlannedStep>> steps_;
  std::vector<int> tasks_;
  Team::Task task_;
  Memory memory_{};
};

}  // namespace
}  // namespace dynofa

using dynofa::Network;
using dynofa::Status;

extern "C" {

// Instruction set of the kernels; empty where this processor lacks it.
EXPORT const char* dynofa_network_isa(void) { return dynofa::processor_suits() ? "avx512" : ""; }

// Checks and copies everything; `bad_step` tells which step was refused.
EXPORT int dynofa_network_create(const DynofaNetworkStep* steps, int64_t n_steps, const float* weights,
                                 int64_t n_weights, int64_t n_activations, int32_t threads, Network** made,
                                 int64_t* bad_step) {
  *made = nullptr;
  *bad_step = dynofa::kNone;
  if (!dynofa::processor_suits()) return dynofa::kNoInstructionSet;
  if (threads < 1 || threads > dynofa::kMaxThreads) return dynofa::kBadThreads;
  for (int64_t i = 0; i < n_steps; ++i) {
    const Status status = dynofa::check(steps[i], n_activations, n_weights);
    if (status == dynofa::kDone) continue;
    *bad_step = i;
    return status;
  }
  try {
    *made = new Network(steps, n_steps, weights, n_weights, n_activations, threads);
  } catch (const std::bad_alloc&) {
    return dynofa::kNoMemory;
  } catch (const std::system_error&) {
    return dynofa::kBadThreads;
  }
  return dynofa::kDone;
}

// One inference; `n` floats of the activations from `offset` on are copied to `output`. `ends` may be null;
// otherwise it gets the time at which each step was over, in seconds from the begin.
EXPORT int dynofa_network_run(Network* network, const uint8_t* image, int64_t offset, float* output,
                              int64_t n, double* ends) {
  if (!network->holds(offset, n)) return dynofa::kBadOutput;
  network->run(image, offset, output, n, ends);
  return dynofa::kDone;
}

// Writes into the activations; what another network did since is lost.
EXPORT int dynofa_network_poke(Network* network, int64_t offset, const float* values, int64_t n) {
  if (!network->holds(offset, n)) return dynofa::kBadOutput;
  network->poke(offset, values, n);
  return dynofa::kDone;
}

EXPORT void dynofa_network_destroy(Network* network) { delete network; }
}
