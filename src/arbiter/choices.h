// Ranks choices (a setting and an entry per application) by the terms of the documented order, and keeps the
// best: as choice.py has it. Applications outside `fixed` are open: they add nothing that couples but what
// they cannot avoid, so that the terms bound whatever completes the choice.
#pragma once

#include "waiting.h"

namespace dynofa {

enum Code : int64_t {
  kBusy,
  kLateCount,
  kLate,
  kInaccurateCount,
  kInaccurate,
  kMargin,
  kAccuracy,
  kCost,
  kOthers,
  kClocks
};

class Choices {
 public:
  // `flawless`: of the entries to be ranked nothing has to give way by itself.
  Choices(const Tables& tables, bool flawless, double most_w)
      : most_w(most_w),
        flawless(flawless),
        everything((uint64_t(1) << tables.l.apps) - 1),
        values(tables.j.terms),
        entry(tables.l.apps),
        t(tables),
        j(tables.j),
        apps(int(tables.l.apps)),
        terms(int(tables.j.terms)),
        plain_(flawless && !tables.j.allowance_ms),
        busy_(tables.l.elements),
        late_(apps),
        careful_(apps) {}

  bool before(const double* a, const double* b) const {
    for (int k = 0; k < terms; ++k) {
      if (a[k] < b[k] - kTolerance) return true;
      if (a[k] > b[k] + kTolerance) return false;
    }
    return false;
  }

  void evaluate(int64_t s, const int64_t* entry, uint64_t fixed, double* out) {
    out[0] = over_limits(s, entry, fixed);
    couple(entry, fixed);
    for (int k = 1; k < terms; ++k) out[k] = vanishes(k) ? 0.0 : term(k, s, entry);
  }

  // Whether a choice ranks, or may rank once complete, before the best.
  bool wins(int64_t s, const int64_t* entry, uint64_t fixed) {
    double value = over_limits(s, entry, fixed);
    if (value > values[0] + kTolerance) return false;
    if (value < values[0] - kTolerance) return true;
    couple(entry, fixed);
    for (int k = 1; k < terms; ++k) {
      value = vanishes(k) ? 0.0 : term(k, s, entry);
      if (value < values[k] - kTolerance) return true;
      if (value > values[k] + kTolerance) return false;
    }
    return false;
  }

  bool allowed(int64_t s, const int64_t* entry) const {
    double total_w = j.background_w[s];
    for (int a = 0; a < apps; ++a) total_w += t[entry[a]].power_w;
    return total_w <= most_w + kTolerance;
  }

  // Takes a complete choice where it is allowed and ranks before the best.
  bool offer(int64_t s, const int64_t* chosen) {
    if (!allowed(s, chosen) || (known && !wins(s, chosen, everything))) return false;
    known = true;
    setting = s;
    std::copy(chosen, chosen + apps, entry.begin());
    evaluate(s, chosen, everything, values.data());
    return true;
  }

  // What an entry adds to a term by itself, and what a setting does.
  double part(int k, int64_t e, int a) const {
    const Entry& own = t[e];
    if (!(j.concerned[k] >> a & 1)) return 0.0;
    switch (j.code[k]) {
      case kBusy: return own.overrun;
      case kLateCount: return own.excess > kTolerance;
      case kLate: return own.excess;
      case kInaccurateCount: return inaccurate(own);
      case kInaccurate: return own.shortfall;
      case kMargin: return own.caution;
      case kAccuracy: return -own.wanted;
      case kCost: return own.power_w;
      case kOthers: return -own.merit;
      default: return 0.0;
    }
  }

  double offset(int k, int64_t s) const {
    if (j.code[k] == kCost) return j.background_w[s] + j.change_w[s];
    return j.code[k] == kClocks ? double(s) : 0.0;
  }

  const double most_w;
  const bool flawless;
  const uint64_t everything;
  // The best; only if `known`.
  bool known = false;
  int64_t setting = 0;
  Vector values;
  Entries entry;

 private:
  // The first term: busy time above the limits, of applications and of elements.
  double over_limits(int64_t s, const int64_t* entry, uint64_t fixed) {
    double over = 0.0;
    std::fill(busy_.begin(), busy_.end(), 0.0);
    for (int a = 0; a < apps; ++a) {
      const Entry& e = t[entry[a]];
      over += e.overrun;
      if (fixed >> a & 1) {
        busy_[e.element] += e.busy;
      } else if (t.l.only_element[a] >= 0) {
        busy_[t.l.only_element[a]] += t.least_busy[a * t.l.settings + s];
      }
    }
    for (int64_t n = 0; n < t.l.elements; ++n) over += std::max(busy_[n] - j.limit[n], 0.0);
    return over;
  }

  // Fills `late_` and `careful_`.
  void couple(const int64_t* entry, uint64_t fixed) {
    if (plain_) return;
    for (int a = 0; a < apps; ++a) {
      const Entry& e = t[entry[a]];
      late_[a] = e.excess;
      careful_[a] = e.caution;
      if (j.allowance_ms && (fixed >> a & 1)) wait(a, entry, fixed);
    }
  }

  void wait(int a, const int64_t* entry, uint64_t fixed) {
    const Entry& own = t[entry[a]];
    Waiting waiting(j, a, own);
    for (int b = 0; b < apps; ++b)
      if (b != a && fixed >> b & 1) waiting.add(b, t[entry[b]]);
    dynofa::wait(j, a, own, waiting.ms(), late_[a], careful_[a]);
  }

  static bool inaccurate(const Entry& e) { return e.shortfall > kTolerance; }

  // Whether a term is zero in all choices among these entries.
  bool vanishes(int k) const { return plain_ && k < j.flaws; }

  double term(int k, int64_t s, const int64_t* entry) const {
    const auto sum = [&](double total, auto figure) {
      for (uint64_t rest = j.concerned[k]; rest; rest &= rest - 1) {
        const int a = __builtin_ctzll(rest);
        total += figure(a, t[entry[a]]);
      }
      return total;
    };
    switch (j.code[k]) {
      case kLateCount: return sum(0.0, [&](int a, const Entry&) { return double(late_[a] > kTolerance); });
      case kLate: return sum(0.0, [&](int a, const Entry&) { return late_[a]; });
      case kInaccurateCount: return sum(0.0, [](int, const Entry& e) { return double(inaccurate(e)); });
      case kInaccurate: return sum(0.0, [](int, const Entry& e) { return e.shortfall; });
      case kMargin: return sum(0.0, [&](int a, const Entry&) { return careful_[a]; });
      case kAccuracy: return sum(0.0, [](int, const Entry& e) { return -e.wanted; });
      case kCost: return sum(offset(k, s), [](int, const Entry& e) { return e.power_w; });
      case kOthers: return sum(0.0, [](int, const Entry& e) { return -e.merit; });
      default: return offset(k, s);
    }
  }

  const Tables& t;
  const Job& j;
  const int apps, terms;
  const bool plain_;  // nothing gives way but busy time of elements
  Vector busy_, late_, careful_;
};

}  // namespace dynofa
