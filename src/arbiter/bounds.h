// Bounds of all settings: first what applications would take alone, then by prices that are fitted once for
// all. The choices met on the way soon come close to the best.
#pragma once

#include "alone.h"
#include "prices.h"

namespace dynofa {

constexpr int kGlobalSteps = 10;
constexpr int kOffered = 64;
constexpr int kImproved = 3;
constexpr int64_t kVisit = 32;  // what looking at a setting counts, in partial choices

class Bounds {
 public:
  Bounds(const Tables& tables, const Alone& alone, bool flawless, double most_w, Entries settings)
      : best(tables, flawless, most_w),
        t(tables),
        j(tables.j),
        alone_(alone),
        apps(int(tables.l.apps)),
        terms(int(tables.j.terms)),
        prices(tables, best),
        left_(std::move(settings)),
        lower_(size_t(tables.l.settings) * terms) {}

  // Bounds every setting, and keeps those at which something may be better than the best.
  void bound_all() {
    Entries entry(apps);
    for (size_t n = 0; n < left_.size(); ++n) {
      const int64_t s = left_[n];
      take_alone(s, entry);
      best.evaluate(s, entry.data(), 0, lower(s));
      if (n % (1 + left_.size() / kOffered) == 0) best.offer(s, entry.data());
    }
    if (!best.known) offer_thrifty();
    if (!best.known) return;
    price_all();
    drop_settled();
  }

  Choices best;
  int64_t nodes = 0;

 protected:
  double* lower(int64_t s) { return &lower_[s * terms]; }
  bool promising(int64_t s) { return best.before(lower(s), best.values.data()); }
  bool keeps(int64_t e) const { return alone_.keeps(e); }

  void take_alone(int64_t s, Entries& entry) const {
    for (int a = 0; a < apps; ++a) entry[a] = alone_.entry[a * t.l.settings + s];
  }

  template <typename Visit>
  void each_entry(int a, int64_t s, Visit visit) const {
    t.each_segment(a, s, [&](int64_t n) {
      for (int64_t e = t.l.start[n]; e < t.end_of(n); ++e)
        if (keeps(e)) visit(e);
    });
  }

  // The choice of least power.
  void offer_thrifty() {
    Entries entry(apps), thrifty;
    double least_w = kInfinity;
    int64_t setting = 0;
    for (int64_t s : left_) {
      double total_w = j.background_w[s];
      for (int a = 0; a < apps; ++a) {
        double smallest = kInfinity;
        each_entry(a, s, [&](int64_t e) {
          if (t[e].power_w < smallest) smallest = t[e].power_w, entry[a] = e;
        });
        total_w += smallest;
      }
      if (total_w < least_w) least_w = total_w, setting = s, thrifty = entry;
    }
    if (!thrifty.empty()) best.offer(setting, thrifty.data());
  }

  // Raise the bound of the open term; what follows it was bounded under a lower one and starts anew.
  void raise(int64_t s, double value) {
    double* low = lower(s);
    const int open = prices.open_term();
    if (value <= low[open] + kTolerance) return;
    low[open] = value;
    std::copy(j.floor + open + 1, j.floor + terms, low + open + 1);
  }

  bool settled(double value) const { return value > best.values[prices.open_term()] + kTolerance; }

  void drop_settled() {
    left_.erase(std::remove_if(left_.begin(), left_.end(), [&](int64_t s) { return !promising(s); }),
                left_.end());
  }

  // The first term in which some setting may be better than the best; -1 where none may.
  int first_open() {
    const double* least = nullptr;
    for (int64_t s : left_)
      if (!least || best.before(lower(s), least)) least = lower(s);
    for (int k = 0; least && k < terms; ++k)
      if (std::abs(least[k] - best.values[k]) > kTolerance) return k;
    return -1;
  }

  // Bounds of the open term at all settings, again while what the prices lead to settles that term.
  void price_all() {
    prices_ = prices.none();
    for (int round = 0; round < 4; ++round) {
      drop_settled();
      const int open = first_open();
      if (open < 0 || open == prices.open_term()) return;
      prices.open_term(open);
      price_round();
    }
  }

  void list_options() {
    listed_ = prices.open_term();
    prices.list([&](int64_t e) { return keeps(e); });
  }

  void price_round() {
    Vector trial = prices.none(), least(t.l.segments);
    Entries entry(apps), at(t.l.segments);
    std::vector<std::pair<int64_t, Entries>> met;
    list_options();
    double largest = -kInfinity;
    for (int n = 0; n < kGlobalSteps; ++n) {
      least_of_segments(trial, least, at);
      double smallest = kInfinity;
      int64_t where = -1;
      for (int64_t s : left_) {
        double value = -prices.room(trial, s);
        for (int a = 0; a < apps; ++a) value += least[segment_at(a, s, least)];
        raise(s, value);
        if (value < smallest) smallest = value, where = s;
      }
      nodes += kVisit;
      if (smallest > largest) largest = smallest, prices_ = trial;
      if (where < 0 || settled(smallest)) break;
      for (int a = 0; a < apps; ++a) entry[a] = at[segment_at(a, where, least)];
      met.emplace_back(where, entry);
      best.offer(where, entry.data());
      if (!prices.step(trial, where, entry.data(), smallest)) break;
    }
    std::reverse(met.begin(), met.end());
    if (met.size() > kImproved) met.resize(kImproved);
    for (auto& [s, chosen] : met) improve(s, chosen);
  }

  void least_of_segments(const Vector& trial, Vector& least, Entries& at) const {
    for (int64_t n = 0; n < t.l.segments; ++n) {
      double smallest = kInfinity;
      int64_t where = t.l.start[n];
      const auto priced = prices.pricing(trial, int(t.l.segment_app[n]));
      prices.each_in_segment(n, [&](const Option& option) {
        const double value = priced(option);
        if (value < smallest) smallest = value, where = option.entry;
      });
      least[n] = smallest;
      at[n] = where;
    }
  }

  int64_t segment_at(int a, int64_t s, const Vector& least) const {
    int64_t first = -1;
    t.each_segment(a, s, [&](int64_t n) {
      if (first < 0 || least[n] < least[first]) first = n;
    });
    return first;
  }

  // Let one application after the other take its best point beside the others.
  void improve(int64_t s, Entries& entry) {
    Vector now(terms), then(terms);
    for (int n = 0; n < apps; ++n) {
      const int a = int(j.order[n]);
      int64_t chosen = entry[a];
      bool fits = best.allowed(s, entry.data());
      best.evaluate(s, entry.data(), best.everything, now.data());
      each_entry(a, s, [&](int64_t e) {
        entry[a] = e;
        const bool ok = best.allowed(s, entry.data());
        if (fits && !ok) return;
        ++nodes;
        best.evaluate(s, entry.data(), best.everything, then.data());
        if ((ok && !fits) || best.before(then.data(), now.data())) {
          chosen = e;
          fits = ok;
          now.swap(then);
        }
      });
      entry[a] = chosen;
    }
    best.offer(s, entry.data());
  }

  const Tables& t;
  const Job& j;
  const Alone& alone_;
  const int apps, terms;
  Prices prices;
  int listed_ = -1;  // the term for which options are listed
  Entries left_;     // settings that may still win
  Vector lower_;     // (setting, term)
  Vector prices_;    // the best that were found
};

}  // namespace dynofa
