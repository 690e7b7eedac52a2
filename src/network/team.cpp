#include "team.h"

#include <pthread.h>
#include <sched.h>
#include <unistd.h>

#include <chrono>

namespace dynofa {
namespace {

constexpr int kSpins = 4000, kIdleSpins = 1000;

inline void pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

}  // namespace

Team::Team(int threads) : threads_(threads), process_(getpid()) {
  for (int thread = 1; thread < threads; ++thread) helpers_.emplace_back([this, thread] { help(thread); });
}

Team::~Team() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    stop_ = true;
  }
  wake_.notify_all();
  for (std::thread& helper : helpers_) helper.join();
}

void Team::run(const std::vector<int>& tasks, const Task& task, double* ends) {
  settle();
  tasks_ = &tasks;
  task_ = &task;
  reset();
  if (has_helpers()) {
    leave_callers_core();
    busy_.value.store(threads_ - 1, std::memory_order_relaxed);
    job_.fetch_add(1);
    if (sleeping_.value.load() > 0) {
      { const std::lock_guard<std::mutex> lock(mutex_); }
      wake_.notify_all();
    }
  }
  work(0, ends);
}

bool Team::is_forked() const { return getpid() != process_; }

bool Team::has_helpers() const { return threads_ > 1 && !is_forked(); }

void Team::settle() const {
  while (has_helpers() && busy_.value.load(std::memory_order_acquire) > 0) std::this_thread::yield();
}

void Team::help(int thread) {
  for (uint64_t seen = 0;; ++seen) {
    await_job(seen);
    if (stop_) return;
    work(thread, nullptr);
    busy_.value.fetch_sub(1, std::memory_order_release);
  }
}

void Team::await_job(uint64_t seen) {
  for (int spin = 0; spin < kIdleSpins; ++spin) {
    if (stop_ || job_ != seen) return;
    pause();
  }
  sleeping_.value.fetch_add(1);
  {
    std::unique_lock<std::mutex> lock(mutex_);
    wake_.wait(lock, [&] { return stop_ || job_ != seen; });
  }
  sleeping_.value.fetch_sub(1);
}

void Team::leave_callers_core() {
#if defined(__linux__)
  const int core = sched_getcpu();
  if (core < 0 || core == callers_core_) return;
  callers_core_ = core;
  cpu_set_t cores;
  if (sched_getaffinity(0, sizeof cores, &cores) != 0) return;
  if (CPU_COUNT(&cores) > 1) CPU_CLR(core, &cores);
  for (std::thread& helper : helpers_) pthread_setaffinity_np(helper.native_handle(), sizeof cores, &cores);
#endif
}

void Team::work(int thread, double* ends) {
  using Clock = std::chrono::steady_clock;
  const Clock::time_point begin = ends == nullptr ? Clock::time_point{} : Clock::now();
  for (int phase = 0; phase < int(tasks_->size()); ++phase) {
    work_phase(phase, thread);
    await(phase);
    if (ends != nullptr) ends[phase] = std::chrono::duration<double>(Clock::now() - begin).count();
  }
}

void Team::work_phase(int phase, int thread) {
  for (int turn = 0; turn < threads_; ++turn) {
    const int share = (thread + turn) % threads_;
    for (int task = claim(phase, share); task >= 0; task = claim(phase, share)) {
      (*task_)(phase, task, thread);
      finish_task(phase);
    }
  }
}

int Team::first(int phase, int share) const {
  return int(int64_t((*tasks_)[size_t(phase)]) * share / threads_);
}

int Team::claim(int phase, int share) {
  std::atomic<int>& next = next_[size_t(phase * threads_ + share)].value;
  const int end = first(phase, share + 1);
  if (next.load(std::memory_order_relaxed) >= end) return -1;
  const int task = next.fetch_add(1, std::memory_order_relaxed);
  return task < end ? task : -1;
}

bool Team::is_done(int phase) const {
  return done_[size_t(phase)].value.load() >= (*tasks_)[size_t(phase)];
}

void Team::finish_task(int phase) {
  const int done = done_[size_t(phase)].value.fetch_add(1) + 1;
  if (done < (*tasks_)[size_t(phase)] || waiting_.value.load() == 0) return;
  { const std::lock_guard<std::mutex> lock(mutex_); }
  progress_.notify_all();
}

void Team::await(int phase) {
  for (int spin = 0; spin < kSpins; ++spin) {
    if (is_done(phase)) return;
    pause();
  }
  waiting_.value.fetch_add(1);
  {
    std::unique_lock<std::mutex> lock(mutex_);
    progress_.wait(lock, [&] { return is_done(phase); });
  }
  waiting_.value.fetch_sub(1);
}

void Team::reset() {
  const size_t phases = tasks_->size(), counters = phases * size_t(threads_);
  if (next_.size() < counters) next_ = std::vector<Counter>(counters);
  if (done_.size() < phases) done_ = std::vector<Counter>(phases);
  for (size_t phase = 0; phase < phases; ++phase) {
    done_[phase].value.store(0, std::memory_order_relaxed);
    for (int share = 0; share < threads_; ++share)
      next_[phase * size_t(threads_) + size_t(share)].value.store(first(int(phase), share),
                                                                  std::memory_order_relaxed);
  }
}

}  // namespace dynofa
