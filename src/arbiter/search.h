// Branch and bound where applications compete for busy time, waiting or power.
//
// The same search as dynofa_ros/manager/arbiter/search.py, which explains it. Prices are fitted once for all settings
// and again at each setting that is branched, so fewer partial choices are needed.
#pragma once

#include <numeric>

#include "bounds.h"
#include "needless.h"

namespace dynofa {

constexpr int kLocalSteps = 8;
constexpr int kDives = 4;

class Search : public Bounds {
 public:
  Search(const Tables& tables, const Alone& alone, bool flawless, double most_w, Entries settings)
      : Bounds(tables, alone, flawless, most_w, std::move(settings)),
        bound(terms),
        chosen_(apps),
        trial_entry_(apps),
        options_(apps) {}

  void run() {
    bound_all();
    if (best.known) branch_all();
  }

  bool left_out = false;
  Vector bound;  // the smallest of what was left out

 private:
  void branch_all() {
    if (j.allowance_ms) dive();
    std::sort(left_.begin(), left_.end(), [&](int64_t a, int64_t b) { return sooner(lower(a), lower(b)); });
    for (int64_t s : left_) {
      if (!promising(s)) continue;
      if (nodes >= j.budget) {
        leave_out(s);
        continue;
      }
      nodes += kVisit;
      branch(s);
    }
  }

  // A few settings from the fastest down, of those left by rising setting.
  void dive() {
    for (int n = 0; n < kDives && !left_.empty(); ++n) {
      const int64_t s = left_[(left_.size() - 1) * (kDives - n) / kDives];
      if (!promising(s) || nodes >= j.budget) continue;
      nodes += kVisit;
      branch(s);
    }
  }

  // A strict order for sorting, without tolerance.
  bool sooner(const double* a, const double* b) const {
    for (int k = 0; k < terms; ++k)
      if (differ(a[k], b[k])) return a[k] < b[k];
    return false;
  }

  void leave_out(int64_t s) {
    if (!promising(s)) return;
    if (!left_out || best.before(lower(s), bound.data())) bound.assign(lower(s), lower(s) + terms);
    left_out = true;
  }

  void branch(int64_t s) {
    int open = 0;
    while (open < terms - 1 && std::abs(lower(s)[open] - best.values[open]) <= kTolerance) ++open;
    prices.open_term(open);
    if (open != listed_) list_options();
    if (!price(s) || !promising(s) || !lay_out(s)) return;
    take_alone(s, chosen_);
    stopped_ = false;
    descend(s, 0, 0, -room_, j.background_w[s]);
    if (stopped_) leave_out(s);
  }

  // Fits the prices to one setting, from those of the last one, and raises its bound. False where it
  // cannot win.
  bool price(int64_t s) {
    Vector trial = prices.adapted(prices_);
    double largest = -kInfinity;
    for (int n = 0; n < kLocalSteps; ++n) {
      double value = -prices.room(trial, s);
      for (int a = 0; a < apps; ++a) {
        double smallest = kInfinity;
        int64_t where = trial_entry_[a];
        const auto priced = prices.pricing(trial, a);
        prices.each(a, s, [&](const Option& option) {
          const double price = priced(option);
          if (price < smallest) smallest = price, where = option.entry;
        });
        trial_entry_[a] = where;
        value += smallest;
      }
      if (value > largest) largest = value, prices_ = trial;
      raise(s, value);
      if (settled(value)) return false;
      best.offer(s, trial_entry_.data());
      if (!prices.step(trial, s, trial_entry_.data(), value)) break;
    }
    room_ = prices.room(prices_, s);
    return true;
  }

  // The options of each application that the prices do not rule out by themselves, cheapest first, and the
  // least that those behind a depth add. False where an application has none.
  bool lay_out(int64_t s) {
    list_unpriced(s);
    for (auto& options : options_) {
      if (options.empty()) return false;
      drop_needless(t, best.flawless, options);
      std::sort(options.begin(), options.end(), [](const Option& x, const Option& y) {
        return x.priced != y.priced ? x.priced < y.priced : x.entry < y.entry;
      });
    }
    rest_.assign(apps + 1, 0.0);
    rest_w_.assign(apps + 1, 0.0);
    for (int n = apps - 1; n >= 0; --n) {
      const int a = int(j.order[n]);
      rest_[n] = rest_[n + 1] + options_[a].front().priced;
      rest_w_[n] = rest_w_[n + 1] + t.least_w[a * t.l.settings + s];
    }
    return true;
  }

  void list_unpriced(int64_t s) {
    rest_.assign(apps, kInfinity);
    for (int a = 0; a < apps; ++a) {
      const auto priced = prices.pricing(prices_, a);
      prices.each(a, s, [&](const Option& option) { rest_[a] = std::min(rest_[a], priced(option)); });
    }
    const double least = std::accumulate(rest_.begin(), rest_.end(), -room_);
    for (int a = 0; a < apps; ++a) {
      options_[a].clear();
      const double most = best.values[prices.open_term()] + kTolerance - least + rest_[a];
      const auto priced = prices.pricing(prices_, a);
      prices.each(a, s, [&](const Option& option) {
        const double price = priced(option);
        if (price > most) return;
        options_[a].push_back(option);
        options_[a].back().priced = price;
      });
    }
  }

  void descend(int64_t s, int depth, uint64_t fixed, double value, double total_w) {
    const int a = int(j.order[depth]);
    const int64_t alone = chosen_[a];
    for (const Option& option : options_[a]) {
      const double now = value + option.priced;
      if (settled(now + rest_[depth + 1])) break;
      const double now_w = total_w + t[option.entry].power_w;
      if (now_w + rest_w_[depth + 1] > best.most_w + kTolerance) continue;
      if (++nodes > j.budget) {
        stopped_ = true;
        break;
      }
      chosen_[a] = option.entry;
      const uint64_t next = fixed | uint64_t(1) << a;
      if (!best.wins(s, chosen_.data(), next)) continue;
      if (depth + 1 == apps) {
        best.offer(s, chosen_.data());
      } else {
        descend(s, depth + 1, next, now, now_w);
        if (stopped_) break;
      }
    }
    chosen_[a] = alone;
  }

  bool stopped_ = false;
  double room_ = 0.0;
  Vector rest_, rest_w_;
  Entries chosen_, trial_entry_;
  std::vector<std::vector<Option>> options_;
};

}  // namespace dynofa
