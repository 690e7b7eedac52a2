// One step of a network, cut into tasks for a number of threads.

#pragma once

#include <memory>
#include <vector>

#include "program.h"

namespace dynofa {

// What a task reads and writes. `scratch` belongs to the thread.
struct Memory {
  const uint8_t* image;
  float* activations;
  const float* weights;
  float* scratch;
};

// Weights that a later step reads, to be brought near meanwhile: `shared` ones by every thread.
struct Soon {
  int64_t begin, floats;
  bool shared;
};

class PlannedStep {
 public:
  virtual ~PlannedStep() = default;
  virtual int tasks() const = 0;
  virtual void run(int task, const Memory& memory) const = 0;
  // Floats of scratch memory that a task needs.
  virtual int64_t scratch_floats() const = 0;
  // Parts in which `sums_out` is written.
  virtual int64_t parts() const { return 1; }
  // Tells what steps after this one read.
  virtual void prepare(const std::vector<Soon>&) {}
};

// What `step` reads of the weights.
std::vector<Soon> read_by(const Step& step);

// Whether this processor has what the kernels need.
bool processor_suits();

// Plans `step`, which has passed `check`. `parts` are those of the step before.
std::unique_ptr<PlannedStep> plan_step(const Step& step, int threads, int64_t parts);

}  // namespace dynofa
