// Branch and bound of the arbiter where applications compete for busy time, waiting or power.
//
// The same search as dynofa_ros/manager/search.py, which explains it and takes its place without a compiler.
// It is compiled because an exact decision needs tens of thousands of partial choices within two
// milliseconds; array operations cost more than that before the first branch. Prices are fitted once for all
// settings and again at each setting that is branched, so fewer partial choices are needed, too.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <numeric>
#include <vector>

#define EXPORT __attribute__((visibility("default")))

namespace {

constexpr double kTolerance = 1e-9;
constexpr double kFits = 1.0 + 1e-9;
constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr int kGlobalSteps = 10;
constexpr int kLocalSteps = 8;
constexpr int kOffered = 64;
constexpr int kImproved = 3;
constexpr double kAccuracyScale = 10.0;
constexpr int64_t kVisit = 32;  // what looking at a setting counts, in partial choices

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

}  // namespace

extern "C" {

// Mirrors `_Job` in dynofa_ros/manager/arbiter_kernel.py. Arrays are contiguous, row by row.
struct DynofaArbiterJob {
  int64_t apps, settings, entries, elements, terms, segments, groups, candidates, budget;
  int64_t flaws;     // the first terms, in which nothing is negative
  int64_t flawless;  // whether all of `kept` have 0 there by themselves
  // per entry
  const double *overrun, *excess, *shortfall, *caution, *wanted, *merit, *busy, *power_w;
  const double *of_target, *occupied_ms, *share;
  const int64_t* element;
  const uint8_t *guarded, *kept;
  // segments: first entry and application of each; segment of (application, group, setting)
  const int64_t *start, *segment_app, *segment_of;
  // per (application, setting)
  const int64_t* alone;
  const double *least_w, *least_busy;
  // per setting, and the settings to look at
  const double *background_w, *change_w;
  const int64_t* candidate;
  // per application, per element
  const int64_t *only_element, *order;
  const double *target_ms, *margin, *limit;
  // per (application, application, element); null where nobody waits
  const double* allowance_ms;
  // terms
  const int64_t *code, *concerned;  // concerned: a bit per application
  const double* floor;              // what no choice undercuts
  double most_w;
  // in and out: the best choice known; known = 0 where there is none
  int64_t known, setting;
  int64_t* entry;
  double* values;
  // out: smallest bound of what was left out, if any
  int64_t left_out, nodes;
  double* bound;
};

}  // extern "C"

namespace {

using Job = DynofaArbiterJob;
using Vector = std::vector<double>;
using Entries = std::vector<int64_t>;

class Search {
 public:
  explicit Search(Job& job)
      : j(job),
        apps(int(job.apps)),
        terms(int(job.terms)),
        power_(int(job.elements)),
        resources(int(job.elements) + 1 + terms),
        busy_(job.elements),
        late_(apps),
        careful_(apps),
        plain_(job.flawless && !job.allowance_ms),
        left_(job.candidate, job.candidate + job.candidates) {}

  void run() {
    lower_.resize(size_t(j.settings) * terms);
    everything_ = (uint64_t(1) << apps) - 1;
    Entries entry(apps);
    for (size_t n = 0; n < left_.size(); ++n) {
      const int64_t s = left_[n];
      for (int a = 0; a < apps; ++a) entry[a] = j.alone[a * j.settings + s];
      values(s, entry.data(), 0, &lower_[s * terms]);
      if (n % (1 + left_.size() / kOffered) == 0) offer(s, entry.data());
    }
    if (!j.known) offer_thrifty();
    if (!j.known) return;
    price_all();
    branch_all();
  }

 private:
  // -- one choice ---------------------------------------------------------------------------------------

  bool before(const double* a, const double* b) const {
    for (int k = 0; k < terms; ++k) {
      if (a[k] < b[k] - kTolerance) return true;
      if (a[k] > b[k] + kTolerance) return false;
    }
    return false;
  }

  // All terms; applications outside `fixed` are open: they add nothing that couples but what they must.
  void values(int64_t s, const int64_t* entry, uint64_t fixed, double* out) {
    const double over = couple(s, entry, fixed);
    for (int k = 0; k < terms; ++k) out[k] = term(k, s, entry, over);
  }

  // Whether a choice ranks, or may rank once complete, before the best.
  bool wins(int64_t s, const int64_t* entry, uint64_t fixed) {
    const double over = couple(s, entry, fixed);
    for (int k = 0; k < terms; ++k) {
      const bool zero = plain_ && k > 0 && k < j.flaws;
      const double value = zero ? 0.0 : term(k, s, entry, over);
      if (value < j.values[k] - kTolerance) return true;
      if (value > j.values[k] + kTolerance) return false;
    }
    return false;
  }

  // What couples the applications: fills `late_` and `careful_`, returns busy time above the limits.
  double couple(int64_t s, const int64_t* entry, uint64_t fixed) {
    double over = 0.0;
    std::fill(busy_.begin(), busy_.end(), 0.0);
    for (int a = 0; a < apps; ++a) {
      const int64_t e = entry[a];
      if (fixed >> a & 1) {
        busy_[j.element[e]] += j.busy[e];
      } else if (j.only_element[a] >= 0) {
        busy_[j.only_element[a]] += j.least_busy[a * j.settings + s];
      }
      if (plain_) continue;
      over += j.overrun[e];
      late_[a] = j.excess[e];
      careful_[a] = j.caution[e];
      if (j.allowance_ms && (fixed >> a & 1)) wait(a, entry, fixed);
    }
    for (int64_t e = 0; e < j.elements; ++e) over += std::max(busy_[e] - j.limit[e], 0.0);
    return over;
  }

  void wait(int a, const int64_t* entry, uint64_t fixed) {
    const int64_t e = entry[a];
    double waiting_ms = 0.0;
    for (int b = 0; b < apps; ++b) {
      const int64_t other = entry[b];
      if (b == a || !(fixed >> b & 1) || j.element[other] != j.element[e]) continue;
      if (j.share[e] + j.share[other] <= kFits) continue;
      const double allowed_ms = j.allowance_ms[(a * j.apps + b) * j.elements + j.element[e]];
      waiting_ms += std::max(j.occupied_ms[other] - allowed_ms, 0.0);
    }
    if (waiting_ms <= 0.0 || std::isnan(j.target_ms[a])) return;
    const double of_target = j.of_target[e] + waiting_ms / j.target_ms[a];
    late_[a] = std::max(of_target - 1.0, 0.0);
    if (j.guarded[e] && of_target > 1.0 - j.margin[a]) careful_[a] = 1.0;
  }

  double term(int k, int64_t s, const int64_t* entry, double over) const {
    if (j.code[k] == kBusy) return over;
    if (j.code[k] == kClocks) return double(s);
    double total = j.code[k] == kCost ? j.background_w[s] + j.change_w[s] : 0.0;
    for (int a = 0; a < apps; ++a) {
      if (!(j.concerned[k] >> a & 1)) continue;
      const int64_t e = entry[a];
      switch (j.code[k]) {
        case kLateCount: total += late_[a] > kTolerance; break;
        case kLate: total += late_[a]; break;
        case kInaccurateCount: total += j.shortfall[e] > kTolerance; break;
        case kInaccurate: total += j.shortfall[e]; break;
        case kMargin: total += careful_[a]; break;
        case kAccuracy: total -= j.wanted[e]; break;
        case kCost: total += j.power_w[e]; break;
        default: total -= j.merit[e];
      }
    }
    return total;
  }

  // What an entry adds to a term by itself.
  double part(int k, int64_t e, int a) const {
    if (!(j.concerned[k] >> a & 1)) return 0.0;
    switch (j.code[k]) {
      case kBusy: return j.overrun[e];
      case kLateCount: return j.excess[e] > kTolerance;
      case kLate: return j.excess[e];
      case kInaccurateCount: return j.shortfall[e] > kTolerance;
      case kInaccurate: return j.shortfall[e];
      case kMargin: return j.caution[e];
      case kAccuracy: return -j.wanted[e];
      case kCost: return j.power_w[e];
      case kOthers: return -j.merit[e];
      default: return 0.0;
    }
  }

  double offset(int k, int64_t s) const {
    if (j.code[k] == kCost) return j.background_w[s] + j.change_w[s];
    return j.code[k] == kClocks ? double(s) : 0.0;
  }

  bool allowed(int64_t s, const int64_t* entry) const {
    double total_w = j.background_w[s];
    for (int a = 0; a < apps; ++a) total_w += j.power_w[entry[a]];
    return total_w <= j.most_w + kTolerance;
  }

  // Take a complete choice where it is allowed and ranks before the best.
  bool offer(int64_t s, const int64_t* entry) {
    if (!allowed(s, entry) || (j.known && !wins(s, entry, everything_))) return false;
    j.known = 1;
    j.setting = s;
    std::copy(entry, entry + apps, j.entry);
    values(s, entry, everything_, j.values);
    return true;
  }

  // The choice of least power.
  void offer_thrifty() {
    Entries entry(apps), best;
    double least_w = kInfinity;
    int64_t setting = 0;
    for (int64_t s : left_) {
      double total_w = j.background_w[s];
      for (int a = 0; a < apps; ++a) {
        double smallest = kInfinity;
        each_entry(a, s, [&](int64_t e) {
          if (j.kept[e] && j.power_w[e] < smallest) smallest = j.power_w[e], entry[a] = e;
        });
        total_w += smallest;
      }
      if (total_w < least_w) least_w = total_w, setting = s, best = entry;
    }
    if (!best.empty()) offer(setting, best.data());
  }

  // -- prices -------------------------------------------------------------------------------------------

  // Resources: busy time of each element, power, and the accuracy of each level that is settled already.
  bool scarce(int r) const {
    if (r < power_) return true;
    if (r == power_) return std::isfinite(j.most_w);
    return r - power_ - 1 < open_ && j.code[r - power_ - 1] == kAccuracy;
  }

  double use(int r, int64_t e, int a) const {
    if (r < power_) return j.element[e] == r ? j.busy[e] : 0.0;
    if (r == power_) return j.power_w[e] / j.most_w;
    return j.concerned[r - power_ - 1] >> a & 1 ? -kAccuracyScale * j.wanted[e] : 0.0;
  }

  double capacity(int r, int64_t s) const {
    if (r < power_) return j.limit[r] + (open_ > 0 ? j.values[0] : 0.0);
    if (r == power_) return 1.0 - j.background_w[s] / j.most_w;
    return kAccuracyScale * j.values[r - power_ - 1];
  }

  double room(const Vector& prices, int64_t s) const {
    double total = -offset(open_, s);
    for (int r = 0; r < resources; ++r)
      if (prices[r] > 0.0) total += prices[r] * capacity(r, s);
    return total;
  }

  // One step of Polyak's rule from the choice behind the smallest bound. False where there is none to take.
  bool step(Vector& prices, int64_t s, const int64_t* entry, double bound) {
    Vector& excess = excess_;
    excess.assign(resources, 0.0);
    double norm = 0.0;
    for (int r = 0; r < resources; ++r) {
      if (!scarce(r)) continue;
      for (int a = 0; a < apps; ++a) excess[r] += use(r, entry[a], a);
      excess[r] -= capacity(r, s);
      if (excess[r] < 0.0 && prices[r] <= 0.0) excess[r] = 0.0;
      norm += excess[r] * excess[r];
    }
    const double value = j.values[open_];
    if (norm < kTolerance) return false;
    const double length = std::max(value - bound, 1e-3 * std::abs(value)) / norm;
    for (int r = 0; r < resources; ++r) {
      const double highest = open_ == 0 && r < power_ ? 1.0 : kInfinity;
      prices[r] = std::min(std::max(prices[r] + length * excess[r], 0.0), highest);
    }
    return true;
  }

  // Raise the bound of the open term; what follows it was bounded under a lower one and starts anew.
  void raise(int64_t s, double bound) {
    double* lower = &lower_[s * terms];
    if (bound <= lower[open_] + kTolerance) return;
    lower[open_] = bound;
    std::copy(j.floor + open_ + 1, j.floor + terms, lower + open_ + 1);
  }

  // Entries that alone exceed a term in which nothing is negative cannot be part of a better choice.
  bool within(int64_t e, int a) const {
    if (j.flawless) return true;
    for (int k = 0; k <= open_ && j.code[k] <= kMargin; ++k)
      if (part(k, e, a) > j.values[k] + kTolerance) return false;
    return true;
  }

  void drop_settled() {
    left_.erase(std::remove_if(left_.begin(), left_.end(),
                               [&](int64_t s) { return !before(&lower_[s * terms], j.values); }),
                left_.end());
  }

  // The first term in which some setting may be better than the best; -1 where none may.
  int first_open() const {
    const double* least = nullptr;
    for (int64_t s : left_)
      if (!least || before(&lower_[s * terms], least)) least = &lower_[s * terms];
    for (int k = 0; least && k < terms; ++k)
      if (std::abs(least[k] - j.values[k]) > kTolerance) return k;
    return -1;
  }

  // Bounds of the open term at all settings, again while what the prices lead to settles that term.
  void price_all() {
    prices_.assign(resources, 0.0);
    for (int round = 0; round < 4; ++round) {
      drop_settled();
      const int open = first_open();
      if (open < 0 || open == open_) return;
      open_ = open;
      price_round();
    }
  }

  void price_round() {
    Vector prices(resources, 0.0), least(j.segments);
    Entries entry(apps), at(j.segments);
    std::vector<std::pair<int64_t, Entries>> met;
    list_shares();
    double best = -kInfinity;
    for (int n = 0; n < kGlobalSteps; ++n) {
      least_of_segments(prices, least, at);
      double smallest = kInfinity;
      int64_t where = -1;
      for (int64_t s : left_) {
        const double bound = bound_at(s, least, -room(prices, s));
        raise(s, bound);
        if (bound < smallest) smallest = bound, where = s;
      }
      j.nodes += kVisit;
      if (smallest > best) best = smallest, prices_ = prices;
      if (where < 0 || smallest > j.values[open_] + kTolerance) break;
      for (int a = 0; a < apps; ++a) entry[a] = at[segment_at(a, where, least)];
      met.emplace_back(where, entry);
      offer(where, entry.data());
      if (!step(prices, where, entry.data(), smallest)) break;
    }
    std::reverse(met.begin(), met.end());
    if (met.size() > kImproved) met.resize(kImproved);
    for (auto& [s, chosen] : met) improve(s, chosen);
  }

  // The entries that count, segment by segment, with what the prices need of them.
  void list_shares() {
    listed_ = open_;
    shares_.clear();
    first_share_.assign(1, 0);
    for (int64_t n = 0; n < j.segments; ++n) {
      const int a = int(j.segment_app[n]);
      for (int64_t e = j.start[n]; e < end_of(n); ++e)
        if (j.kept[e] && within(e, a))
          shares_.push_back(option(e, a));
      first_share_.push_back(int64_t(shares_.size()));
    }
  }

  int64_t end_of(int64_t segment) const {
    return segment + 1 < j.segments ? j.start[segment + 1] : j.entries;
  }

  void least_of_segments(const Vector& prices, Vector& least, Entries& at) const {
    for (int64_t n = 0; n < j.segments; ++n) {
      double smallest = kInfinity;
      int64_t where = j.start[n];
      for (int64_t i = first_share_[n]; i < first_share_[n + 1]; ++i) {
        const double value = priced(prices, shares_[i]);
        if (value < smallest) smallest = value, where = shares_[i].entry;
      }
      least[n] = smallest;
      at[n] = where;
    }
  }

  int64_t segment_at(int a, int64_t s, const Vector& least) const {
    const int64_t* segment = j.segment_of + a * j.groups * j.settings + s;
    int64_t best = *segment;
    for (int64_t g = 1; g < j.groups; ++g) {
      const int64_t n = segment[g * j.settings];
      if (least[n] < least[best]) best = n;
    }
    return best;
  }

  double bound_at(int64_t s, const Vector& least, double total) const {
    for (int a = 0; a < apps; ++a) total += least[segment_at(a, s, least)];
    return total;
  }

  // Let one application after the other take its best point beside the others.
  void improve(int64_t s, Entries& entry) {
    Vector now(terms), then(terms);
    for (int n = 0; n < apps; ++n) {
      const int a = int(j.order[n]);
      int64_t chosen = entry[a];
      bool fits = allowed(s, entry.data());
      values(s, entry.data(), everything_, now.data());
      each_entry(a, s, [&](int64_t e) {
        if (!j.kept[e]) return;
        entry[a] = e;
        const bool ok = allowed(s, entry.data());
        if (fits && !ok) return;
        ++j.nodes;
        values(s, entry.data(), everything_, then.data());
        if ((ok && !fits) || before(then.data(), now.data())) {
          chosen = e;
          fits = ok;
          now.swap(then);
        }
      });
      entry[a] = chosen;
    }
    offer(s, entry.data());
  }

  template <typename Visit>
  void each_entry(int a, int64_t s, Visit visit) const {
    const int64_t* segment = j.segment_of + a * j.groups * j.settings + s;
    for (int64_t g = 0; g < j.groups; ++g) {
      const int64_t n = segment[g * j.settings];
      if (g > 0 && n == *segment) continue;  // filled up with the first group
      for (int64_t e = j.start[n]; e < end_of(n); ++e) visit(e);
    }
  }

  // -- branching ----------------------------------------------------------------------------------------

  // An entry with what the prices need of it.
  struct Option {
    int64_t entry, element, level;
    double own, busy, power, accuracy, priced;
  };

  Option option(int64_t e, int a) const {
    Option o{e, j.element[e], power_, part(open_, e, a), j.busy[e], 0.0, 0.0, 0.0};
    if (scarce(power_)) o.power = use(power_, e, a);
    for (int r = power_ + 1; r < resources && r - power_ - 1 < open_; ++r)
      if (scarce(r) && (j.concerned[r - power_ - 1] >> a & 1)) o.level = r, o.accuracy = use(r, e, a);
    return o;
  }

  double priced(const Vector& prices, const Option& o) const {
    return o.own + prices[o.element] * o.busy + prices[power_] * o.power + prices[o.level] * o.accuracy;
  }

  void branch_all() {
    drop_settled();
    std::sort(left_.begin(), left_.end(), [&](int64_t a, int64_t b) {
      return sooner(&lower_[a * terms], &lower_[b * terms]);
    });
    options_.resize(apps);
    trial_entry_.resize(apps);
    for (size_t n = 0; n < left_.size(); ++n) {
      const int64_t s = left_[n];
      if (!before(&lower_[s * terms], j.values)) continue;
      if (j.nodes >= j.budget) {
        leave_out(s);
        continue;
      }
      j.nodes += kVisit;
      branch(s);
    }
  }

  // A strict order for sorting, without tolerance.
  bool sooner(const double* a, const double* b) const {
    return std::lexicographical_compare(a, a + terms, b, b + terms, [](double x, double y) {
      return std::rint(x / kTolerance) < std::rint(y / kTolerance);
    });
  }

  void leave_out(int64_t s) {
    const double* bound = &lower_[s * terms];
    if (!before(bound, j.values)) return;
    if (!j.left_out || before(bound, j.bound)) std::copy(bound, bound + terms, j.bound);
    j.left_out = 1;
  }

  void branch(int64_t s) {
    double* lower = &lower_[s * terms];
    for (open_ = 0; open_ < terms - 1; ++open_)
      if (std::abs(lower[open_] - j.values[open_]) > kTolerance) break;
    if (open_ != listed_) list_shares();
    if (!price(s) || !before(lower, j.values)) return;
    list_options(s);
    for (auto& options : options_) {
      if (options.empty()) return;
      drop_needless(options);
    }
    for (auto& options : options_)
      std::sort(options.begin(), options.end(), [](const Option& x, const Option& y) {
        return x.priced != y.priced ? x.priced < y.priced : x.entry < y.entry;
      });
    rest_.assign(apps + 1, 0.0);
    rest_w_.assign(apps + 1, 0.0);
    for (int n = apps - 1; n >= 0; --n) {
      const int a = int(j.order[n]);
      rest_[n] = rest_[n + 1] + options_[a].front().priced;
      rest_w_[n] = rest_w_[n + 1] + j.least_w[a * j.settings + s];
    }
    chosen_.resize(apps);
    for (int a = 0; a < apps; ++a) chosen_[a] = j.alone[a * j.settings + s];
    stopped_ = false;
    descend(s, 0, 0, -room_, j.background_w[s]);
    if (stopped_) leave_out(s);
  }

  void descend(int64_t s, int depth, uint64_t fixed, double bound, double total_w) {
    const int a = int(j.order[depth]);
    const int64_t alone = chosen_[a];
    for (const Option& option : options_[a]) {
      const double now = bound + option.priced;
      if (now + rest_[depth + 1] > j.values[open_] + kTolerance) break;
      const double now_w = total_w + j.power_w[option.entry];
      if (now_w + rest_w_[depth + 1] > j.most_w + kTolerance) continue;
      if (++j.nodes > j.budget) {
        stopped_ = true;
        break;
      }
      chosen_[a] = option.entry;
      const uint64_t next = fixed | uint64_t(1) << a;
      if (!wins(s, chosen_.data(), next)) continue;
      if (depth + 1 == apps) {
        offer(s, chosen_.data());
      } else {
        descend(s, depth + 1, next, now, now_w);
        if (stopped_) break;
      }
    }
    chosen_[a] = alone;
  }

  template <typename Visit>
  void each_share(int a, int64_t s, Visit visit) const {
    const int64_t* segment = j.segment_of + a * j.groups * j.settings + s;
    for (int64_t g = 0; g < j.groups; ++g) {
      const int64_t n = segment[g * j.settings];
      if (g > 0 && n == *segment) continue;
      for (int64_t i = first_share_[n]; i < first_share_[n + 1]; ++i) visit(shares_[i]);
    }
  }

  // The options of each application at a setting that the prices do not rule out by themselves.
  void list_options(int64_t s) {
    rest_.assign(apps, kInfinity);
    for (int a = 0; a < apps; ++a)
      each_share(a, s, [&](const Option& share) { rest_[a] = std::min(rest_[a], priced(prices_, share)); });
    const double bound = std::accumulate(rest_.begin(), rest_.end(), -room_);
    for (int a = 0; a < apps; ++a) {
      options_[a].clear();
      const double most = j.values[open_] + kTolerance - bound + rest_[a];
      each_share(a, s, [&](const Option& share) {
        const double value = priced(prices_, share);
        if (value > most) return;
        options_[a].push_back(share);
        options_[a].back().priced = value;
      });
    }
  }

  // Leave out options that another makes needless.
  void drop_needless(std::vector<Option>& options) const {
    std::sort(options.begin(), options.end(),
              [&](const Option& x, const Option& y) { return ranks(x.entry, y.entry); });
    size_t kept = 0;
    for (const Option& option : options) {
      bool needless = false;
      for (size_t n = 0; n < kept && !needless; ++n) needless = spares(options[n].entry, option.entry);
      if (!needless) options[kept++] = option;
    }
    options.resize(kept);
  }

  // Order of entries by themselves, as `alone.py` has it.
  bool ranks(int64_t p, int64_t q) const {
    const double* const rising[] = {j.overrun, j.excess, j.shortfall, j.caution};
    for (int n = 0; n < (j.flawless ? 0 : 4); ++n)
      if (differ(rising[n][p], rising[n][q])) return rising[n][p] < rising[n][q];
    if (differ(j.wanted[p], j.wanted[q])) return j.wanted[p] > j.wanted[q];
    if (differ(j.power_w[p], j.power_w[q])) return j.power_w[p] < j.power_w[q];
    if (differ(j.merit[p], j.merit[q])) return j.merit[p] > j.merit[q];
    return p < q;
  }

  static bool differ(double a, double b) {
    return a != b && std::rint(a / kTolerance) != std::rint(b / kTolerance);
  }

  // Whether p, which ranks before q, also leaves as much room to the others and waits no longer.
  bool spares(int64_t p, int64_t q) const {
    if (j.element[p] != j.element[q] || j.busy[p] > j.busy[q] || j.power_w[p] > j.power_w[q]) return false;
    if (!j.allowance_ms) return true;
    return j.occupied_ms[p] <= j.occupied_ms[q] && j.of_target[p] <= j.of_target[q] &&
           j.share[p] <= j.share[q] && j.guarded[p] <= j.guarded[q];
  }

  // Fits the prices to one setting, from those of the last one, and raises its bound. False where it
  // cannot win.
  bool price(int64_t s) {
    Vector& prices = trial_;
    prices = prices_;
    for (int r = 0; r < resources; ++r) {
      if (open_ == 0 && r < power_) prices[r] = std::min(prices[r], 1.0);
      if (!scarce(r)) prices[r] = 0.0;
    }
    double best = -kInfinity;
    for (int n = 0; n < kLocalSteps; ++n) {
      double bound = -room(prices, s);
      for (int a = 0; a < apps; ++a) {
        double smallest = kInfinity;
        each_share(a, s, [&](const Option& share) {
          const double value = priced(prices, share);
          if (value < smallest) smallest = value, trial_entry_[a] = share.entry;
        });
        bound += smallest;
      }
      if (bound > best) best = bound, prices_ = prices;
      raise(s, bound);
      if (bound > j.values[open_] + kTolerance) return false;
      offer(s, trial_entry_.data());
      if (!step(prices, s, trial_entry_.data(), bound)) break;
    }
    room_ = room(prices_, s);
    return true;
  }

  Job& j;
  const int apps, terms, power_, resources;
  uint64_t everything_ = 0;
  int open_ = -1, listed_ = -1;
  bool stopped_ = false;
  double room_ = 0.0;
  Vector busy_, late_, careful_;
  const bool plain_;  // nothing gives way but busy time of elements
  Vector lower_, excess_, prices_, trial_, rest_, rest_w_;
  Entries left_, chosen_, trial_entry_, first_share_;
  std::vector<Option> shares_;
  std::vector<std::vector<Option>> options_;
};

}  // namespace

extern "C" {

// Improves `job`'s best choice until it is the best of all, or the budget is spent. Returns 0, or 1 for a
// job that it does not take.
EXPORT int dynofa_arbiter_search(DynofaArbiterJob* job) {
  if (job->apps < 1 || job->apps > 60 || job->candidates < 1) return 1;
  Search(*job).run();
  return 0;
}

EXPORT int64_t dynofa_arbiter_job_bytes() { return sizeof(DynofaArbiterJob); }

}  // extern "C"
