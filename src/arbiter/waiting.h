// How long inferences wait for others on their element: as waiting.py and together.py have it.
#pragma once

#include "tables.h"

namespace dynofa {

constexpr double kFits = 1.0 + 1e-9;
constexpr int kApplications = 60;

class Waiting {
 public:
  // Of application `a` with this entry.
  Waiting(const Job& job, int a, const Entry& own) : j(job), a(a), own(own) {}

  // Another application with its entry; by rising number.
  void add(int b, const Entry& other) {
    if (other.element != own.element) return;
    if (own.share + other.share > kFits) {
      waited_ms_ += std::max(other.occupied_ms - allowance_ms(1, b), 0.0);
    } else {
      beside_[count_] = {b, other.share, other.occupied_ms};
      shares_ += other.share;
      ++count_;
    }
  }

  // All waiting [ms].
  double ms() const { return shares_ > kFits ? waited_ms_ + together_ms() : waited_ms_; }

 private:
  struct Other {
    int app;
    double share, time_ms;
  };

  // Behind the sets of those that only together leave no room.
  double together_ms() const {
    double longest = 0.0;
    for (int n = 0; n < count_; ++n)
      for (int m = n + 1; m < count_; ++m) {
        const Other &b = beside_[n], &c = beside_[m];
        if (!fits(b, c)) {
          longest = std::max(longest, std::min(behind_ms(b, c), behind_ms(c, b)));
          continue;
        }
        for (int o = m + 1; o < count_; ++o) longest = std::max(longest, behind_three_ms(b, c, beside_[o]));
      }
    return longest;
  }

  bool fits(const Other& b, const Other& c) const { return own.share + b.share + c.share <= kFits; }

  double behind_ms(const Other& b, const Other& c) const { return left_ms(2, b, at_work(b, c)); }

  // Of which the first two leave room.
  double behind_three_ms(const Other& b, const Other& c, const Other& d) const {
    if (own.share + b.share + c.share + d.share <= kFits || !fits(b, d) || !fits(c, d)) return 0.0;
    const double first = left_ms(3, b, at_work(b, c, d)), second = left_ms(3, c, at_work(c, b, d));
    return std::min(std::min(first, second), left_ms(3, d, at_work(d, b, c)));
  }

  // What is left of b's inference, where the rest of its set is at work so often.
  double left_ms(int size, const Other& b, double often) const {
    const double allowed_ms = allowance_ms(size, b.app);
    return std::max(b.time_ms - (period_ms(a, b.app) > 0.0 ? allowed_ms / often : allowed_ms), 0.0);
  }

  double at_work(const Other& b, const Other& c) const {
    const double period = std::min(period_ms(a, c.app), period_ms(b.app, c.app));
    return c.time_ms < period ? c.time_ms / period : 1.0;
  }

  double at_work(const Other& b, const Other& c, const Other& d) const {
    const double first = at_work(b, c), second = at_work(b, d);
    return period_ms(c.app, d.app) > 0.0 ? first * second : std::min(first, second);
  }

  double allowance_ms(int size, int b) const {
    const Layout& l = *j.layout;
    return j.allowance_ms[(((size - 1) * l.apps + a) * l.apps + b) * l.elements + own.element];
  }

  double period_ms(int b, int c) const { return j.period_ms[b * j.layout->apps + c]; }

  const Job& j;
  const int a;
  const Entry& own;
  int count_ = 0;
  double waited_ms_ = 0.0, shares_ = own.share;
  Other beside_[kApplications];
};

// How late, and whether beyond its margin, application `a` is for waiting so long.
inline void wait(const Job& j, int a, const Entry& e, double waited_ms, double& late, double& careful) {
  if (waited_ms <= 0.0 || std::isnan(j.app[a].target_ms)) return;
  const double of_target = e.of_target + waited_ms / j.app[a].target_ms;
  late = std::max(of_target - 1.0, 0.0);
  if (e.guarded && of_target > 1.0 - j.app[a].margin) careful = 1.0;
}

}  // namespace dynofa
