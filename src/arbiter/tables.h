// What every entry leads to now, and the least that each application needs: as tables.py has it.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <vector>

#include "job.h"

namespace dynofa {

constexpr double kTolerance = 1e-9;
constexpr double kInfinity = std::numeric_limits<double>::infinity();

using Vector = std::vector<double>;
using Entries = std::vector<int64_t>;
using Job = DynofaArbiterJob;
using Layout = DynofaArbiterLayout;

// What one entry leads to; as it is made, it is not allowed.
struct Entry {
  double overrun, excess, shortfall, caution, wanted, merit, busy, power_w, of_target, occupied_ms, share;
  int32_t element;
  bool guarded, allowed = false, flawless = false;
};

inline Entry tabulate(const Job& j, int64_t e) {
  const Layout& l = *j.layout;
  const int64_t p = l.point[e], a = l.app_of[p];
  const DynofaArbiterPair& pair = j.pair[a * l.elements + l.element_of[p]];
  const DynofaArbiterApplication& app = j.app[a];
  Entry t;
  t.element = int32_t(l.element_of[p]);
  t.share = l.share_of[p];
  t.of_target = pair.overhead + pair.tail * l.time_ms[e];
  double use = pair.use * l.time_ms[e];
  if (p != j.current[a]) use += app.switch_use;
  t.guarded = l.merit[p] > app.merit || l.mhz[e] < j.current_mhz[l.domain_of[p]];
  t.excess = std::max(t.of_target - 1.0, 0.0);
  t.overrun = std::max(use - pair.limit, 0.0);
  t.shortfall = std::max(pair.least - l.accuracy[p], 0.0);
  t.caution = t.guarded && std::max(t.of_target, use / pair.limit) > pair.tight;
  t.busy = use * t.share;
  t.power_w = std::min(use, 1.0) * l.active_w[e];
  t.merit = l.merit[p];
  t.wanted = t.merit * pair.accurate;
  t.occupied_ms = pair.median * l.time_ms[e];
  t.allowed = true;
  t.flawless = t.excess + t.overrun + t.shortfall + t.caution <= kTolerance;
  return t;
}

class Tables {
 public:
  explicit Tables(const Job& job) : j(job), l(*job.layout), entry_(buffer(l.entries)) {
    Vector power_w(l.segments, kInfinity), busy(l.segments, kInfinity);
    for (int64_t n = 0; n < l.segments; ++n)
      for (int64_t e = l.start[n]; e < end_of(n); ++e) {
        if (j.forbidden && j.forbidden[l.point[e]]) continue;
        entry_[e] = tabulate(j, e);
        power_w[n] = std::min(power_w[n], entry_[e].power_w);
        busy[n] = std::min(busy[n], entry_[e].busy);
      }
    least_w = least(power_w);
    if (std::any_of(l.only_element, l.only_element + l.apps, [](int64_t e) { return e >= 0; }))
      least_busy = least(busy);
  }

  const Entry& operator[](int64_t e) const { return entry_[e]; }

  int64_t end_of(int64_t segment) const {
    return segment + 1 < l.segments ? l.start[segment + 1] : l.entries;
  }

  // Every segment of an application at a setting.
  template <typename Visit>
  void each_segment(int a, int64_t s, Visit visit) const {
    const int64_t* segment = l.segment_of + a * l.groups * l.settings + s;
    for (int64_t g = 0; g < l.groups; ++g) {
      const int64_t n = segment[g * l.settings];
      if (g == 0 || n != *segment) visit(n);  // else filled up with the first group
    }
  }

  const Job& j;
  const Layout& l;
  Vector least_w, least_busy;  // (application, setting); the latter empty where no application needs it

 private:
  // Least per application and setting of what is least in each segment.
  Vector least(const Vector& of_segment) const {
    Vector found(size_t(l.apps * l.settings), kInfinity);
    for (int a = 0; a < l.apps; ++a)
      for (int64_t s = 0; s < l.settings; ++s) {
        double& smallest = found[a * l.settings + s];
        each_segment(a, s, [&](int64_t n) { smallest = std::min(smallest, of_segment[n]); });
      }
    return found;
  }

  // Kept from decision to decision: to ask the system for memory takes longer than to fill it.
  static Entry* buffer(int64_t entries) {
    static thread_local std::vector<Entry> kept;
    kept.assign(entries, Entry());
    return kept.data();
  }

  Entry* const entry_;
};

}  // namespace dynofa
