// Prices on what applications compete for (Lagrangian relaxation): as prices.py has it, with the accuracy of
// levels that are settled as one more resource.
#pragma once

#include "choices.h"

namespace dynofa {

constexpr double kAccuracyScale = 10.0;

// An entry with what the prices need of it.
struct Option {
  int32_t entry, element;
  double own, busy, power, accuracy, priced;
};

class Prices {
 public:
  Prices(const Tables& tables, const Choices& choices)
      : t(tables),
        j(tables.j),
        c(choices),
        apps(int(tables.l.apps)),
        power_(int(tables.l.elements)),
        resources(int(tables.l.elements) + 1 + int(tables.j.terms)) {}

  // Bounds the term `open` from here on.
  void open_term(int open) {
    if (open == open_) return;
    open_ = open;
    scarce_.clear();
    level_.assign(apps, power_);
    for (int r = 0; r <= power_ + open_; ++r) {
      if (!scarce(r)) continue;
      scarce_.push_back(r);
      for (int a = 0; a < apps && r > power_; ++a)
        if (j.concerned[r - power_ - 1] >> a & 1) level_[a] = r;
    }
  }

  int open_term() const { return open_; }
  Vector none() const { return Vector(resources, 0.0); }

  // Of other prices those that mean something for the open term.
  Vector adapted(const Vector& prices) const {
    Vector adapted = none();
    for (int r : scarce_) adapted[r] = std::min(prices[r], highest(r));
    return adapted;
  }

  // What the options of one application are priced at.
  auto pricing(const Vector& prices, int a) const {
    const double *element = prices.data(), power = prices[power_], accuracy = prices[level_[a]];
    return [=](const Option& o) {
      return o.own + element[o.element] * o.busy + power * o.power + accuracy * o.accuracy;
    };
  }

  double room(const Vector& prices, int64_t s) const {
    double total = -c.offset(open_, s);
    for (int r : scarce_)
      if (prices[r] > 0.0) total += prices[r] * capacity(r, s);
    return total;
  }

  // One step of Polyak's rule from the choice behind the smallest bound. False where there is none to take.
  bool step(Vector& prices, int64_t s, const int64_t* entry, double bound) {
    excess_.assign(resources, 0.0);
    double norm = 0.0;
    for (int r : scarce_) {
      for (int a = 0; a < apps; ++a) excess_[r] += use(r, entry[a], a);
      excess_[r] -= capacity(r, s);
      if (excess_[r] < 0.0 && prices[r] <= 0.0) excess_[r] = 0.0;
      norm += excess_[r] * excess_[r];
    }
    const double value = c.values[open_];
    if (norm < kTolerance) return false;
    const double length = std::max(value - bound, 1e-3 * std::abs(value)) / norm;
    for (int r : scarce_) prices[r] = std::min(std::max(prices[r] + length * excess_[r], 0.0), highest(r));
    return true;
  }

  // The entries that count, segment by segment.
  template <typename Keeps>
  void list(Keeps keeps) {
    options_.clear();
    first_.assign(1, 0);
    for (int64_t n = 0; n < t.l.segments; ++n) {
      const int a = int(t.l.segment_app[n]);
      for (int64_t e = t.l.start[n]; e < t.end_of(n); ++e)
        if (keeps(e) && within(e, a)) options_.push_back(option(e, a));
      first_.push_back(int64_t(options_.size()));
    }
  }

  template <typename Visit>
  void each_in_segment(int64_t n, Visit visit) const {
    for (int64_t i = first_[n]; i < first_[n + 1]; ++i) visit(options_[i]);
  }

  template <typename Visit>
  void each(int a, int64_t s, Visit visit) const {
    t.each_segment(a, s, [&](int64_t n) { each_in_segment(n, visit); });
  }

 private:
  // Resources: busy time of each element, power, and the accuracy of each level that is settled already.
  bool scarce(int r) const {
    if (r < power_) return true;
    if (r == power_) return std::isfinite(c.most_w);
    return r - power_ - 1 < open_ && j.code[r - power_ - 1] == kAccuracy;
  }

  double highest(int r) const { return open_ == 0 && r < power_ ? 1.0 : kInfinity; }

  double use(int r, int64_t e, int a) const {
    if (r < power_) return t[e].element == r ? t[e].busy : 0.0;
    if (r == power_) return t[e].power_w / c.most_w;
    return j.concerned[r - power_ - 1] >> a & 1 ? -kAccuracyScale * t[e].wanted : 0.0;
  }

  double capacity(int r, int64_t s) const {
    if (r < power_) return j.limit[r] + (open_ > 0 ? c.values[0] : 0.0);
    if (r == power_) return 1.0 - j.background_w[s] / c.most_w;
    return kAccuracyScale * c.values[r - power_ - 1];
  }

  // Entries that alone exceed a term in which nothing is negative cannot be part of a better choice.
  bool within(int64_t e, int a) const {
    if (c.flawless) return true;
    for (int k = 0; k <= open_ && j.code[k] <= kMargin; ++k)
      if (c.part(k, e, a) > c.values[k] + kTolerance) return false;
    return true;
  }

  Option option(int64_t e, int a) const {
    const int level = level_[a];
    return {int32_t(e),
            t[e].element,
            c.part(open_, e, a),
            t[e].busy,
            std::isfinite(c.most_w) ? use(power_, e, a) : 0.0,
            level > power_ ? use(level, e, a) : 0.0,
            0.0};
  }

  const Tables& t;
  const Job& j;
  const Choices& c;
  const int apps, power_, resources;
  int open_ = -1;
  Vector excess_;
  std::vector<int> scarce_;  // resources that have a price
  std::vector<int> level_;   // of each application: the accuracy that is scarce, or `power_`
  Entries first_;
  std::vector<Option> options_;
};

}  // namespace dynofa
