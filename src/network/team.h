// A few threads that run the phases of one job after the other; each phase is a number of equal tasks.
//
// Every thread starts with its own share of a phase and then helps the others, so that one that comes late
// or loses its core holds up no more than the task in its hands. A phase is over when all its tasks are
// done. Waiting spins first: phases last tens of microseconds, and jobs may follow each other closely.
//
// A helper that the kernel wakes on the core of the thread that wakes it would wait there for as long as a
// job lasts; so the helpers may use all cores of the calling thread but the one that it is running on.

#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

namespace dynofa {

class Team {
 public:
  using Task = std::function<void(int phase, int task, int thread)>;

  explicit Team(int threads);
  ~Team();
  Team(const Team&) = delete;
  Team& operator=(const Team&) = delete;

  int threads() const { return threads_; }
  // Runs all phases, `tasks[phase]` tasks each, with the calling thread among the threads. `ends`, if any,
  // gets the time at which each phase was over, in seconds from the begin.
  // A helper that came late may still look for tasks after that: see `settle`.
  void run(const std::vector<int>& tasks, const Task& task, double* ends = nullptr);
  // Waits until no helper looks at a job any more; then what `run` was given may go.
  void settle() const;
  // Whether this is a forked process, which has the memory of its parent but not its threads: `run` works
  // alone there, and the team must not be destroyed.
  bool is_forked() const;

 private:
  struct alignas(64) Counter {
    std::atomic<int> value{0};
  };

  void help(int thread);
  void await_job(uint64_t seen);
  void leave_callers_core();
  bool has_helpers() const;
  void work(int thread, double* ends);
  void work_phase(int phase, int thread);
  void await(int phase);
  void finish_task(int phase);
  int claim(int phase, int share);
  bool is_done(int phase) const;
  void reset();
  int first(int phase, int share) const;

  const int threads_;
  const int process_;
  const std::vector<int>* tasks_ = nullptr;
  const Task* task_ = nullptr;
  std::vector<Counter> next_, done_;
  Counter busy_, waiting_, sleeping_;
  std::mutex mutex_;
  std::condition_variable wake_, progress_;
  std::atomic<uint64_t> job_{0};
  std::atomic<bool> stop_{false};
  int callers_core_ = -1;
  std::vector<std::thread> helpers_;
};

}  // namespace dynofa
