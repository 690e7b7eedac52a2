// What every application would take alone at each setting: as alone.py has it.
#pragma once

#include <array>

#include "tables.h"

namespace dynofa {

constexpr double kGrid = 1.0 / kTolerance;

class Alone {
 public:
  // With `flawless` only among entries of which nothing has to give way.
  Alone(const Tables& tables, bool flawless) : t(tables), flawless_(flawless) {
    const Layout& l = t.l;
    best_.resize(l.segments);
    for (int64_t n = 0; n < l.segments; ++n) best_[n] = best_of(n);
    entry.resize(size_t(l.apps * l.settings));
    for (int a = 0; a < l.apps; ++a)
      for (int64_t s = 0; s < l.settings; ++s) entry[a * l.settings + s] = best_at(a, s);
  }

  bool keeps(int64_t e) const { return flawless_ ? t[e].flawless : t[e].allowed; }

  // Whether every application has an entry.
  bool complete(int64_t s) const {
    for (int a = 0; a < t.l.apps; ++a)
      if (entry[a * t.l.settings + s] < 0) return false;
    return true;
  }

  Entries entry;  // (application, setting); -1 where there is none

 private:
  static constexpr int kTerms = 7;

  static double term(const Entry& t, int k) {
    switch (k) {
      case 0: return t.overrun;
      case 1: return t.excess;
      case 2: return t.shortfall;
      case 3: return t.caution;
      case 4: return -t.wanted;
      case 5: return t.power_w;
      default: return -t.merit;
    }
  }

  int first_term() const { return flawless_ ? 4 : 0; }

  // First entry of a segment with the least terms, each among those that are least in all before it.
  int64_t best_of(int64_t segment) {
    alive_.clear();
    for (int64_t e = t.l.start[segment]; e < t.end_of(segment); ++e)
      if (keeps(e)) alive_.push_back(e);
    for (int k = first_term(); k < kTerms && alive_.size() > 1; ++k) {
      double least = kInfinity;
      for (int64_t e : alive_) least = std::min(least, term(t[e], k));
      const double most = least + kTolerance;
      alive_.erase(
          std::remove_if(alive_.begin(), alive_.end(), [&](int64_t e) { return !(term(t[e], k) <= most); }),
          alive_.end());
    }
    return alive_.empty() ? -1 : alive_.front();
  }

  int64_t best_at(int a, int64_t s) const {
    int64_t first = -1;
    t.each_segment(a, s, [&](int64_t n) {
      if (best_[n] >= 0 && (first < 0 || ranks(n, first))) first = n;
    });
    return first < 0 ? -1 : best_[first];
  }

  // Whether the best of segment n comes before that of m.
  bool ranks(int64_t n, int64_t m) const {
    for (int k = first_term(); k < kTerms; ++k) {
      const double p = std::rint(term(t[best_[n]], k) * kGrid), q = std::rint(term(t[best_[m]], k) * kGrid);
      if (p != q) return p < q;
    }
    return n < m;
  }

  const Tables& t;
  const bool flawless_;
  Entries best_, alive_;  // best entry of each segment, -1 where there is none
};

}  // namespace dynofa
