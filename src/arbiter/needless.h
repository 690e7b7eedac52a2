// Options of one application at one setting that another one makes needless, whatever the others run.
#pragma once

#include "prices.h"

namespace dynofa {

inline bool differ(double a, double b) {
  return a != b && std::rint(a / kTolerance) != std::rint(b / kTolerance);
}

// Order of entries by themselves, as alone.py has it.
inline bool ranks(const Tables& t, bool flawless, int64_t p, int64_t q) {
  const Entry &x = t[p], &y = t[q];
  if (!flawless) {
    if (differ(x.overrun, y.overrun)) return x.overrun < y.overrun;
    if (differ(x.excess, y.excess)) return x.excess < y.excess;
    if (differ(x.shortfall, y.shortfall)) return x.shortfall < y.shortfall;
    if (differ(x.caution, y.caution)) return x.caution < y.caution;
  }
  if (differ(x.wanted, y.wanted)) return x.wanted > y.wanted;
  if (differ(x.power_w, y.power_w)) return x.power_w < y.power_w;
  if (differ(x.merit, y.merit)) return x.merit > y.merit;
  return p < q;
}

// Whether p, which ranks before q, also leaves as much room to the others and waits no longer. Of more than
// four applications it must take the same share: sets of three may be waited for longer than sets of two, of
// which there are more then.
inline bool spares(const Tables& t, int64_t p, int64_t q) {
  const Entry &x = t[p], &y = t[q];
  if (x.element != y.element || x.busy > y.busy || x.power_w > y.power_w) return false;
  if (!t.j.allowance_ms) return true;
  if (t.l.apps > 4 ? x.share != y.share : x.share > y.share) return false;
  return x.occupied_ms <= y.occupied_ms && x.of_target <= y.of_target && x.guarded <= y.guarded;
}

inline void drop_needless(const Tables& t, bool flawless, std::vector<Option>& options) {
  std::sort(options.begin(), options.end(),
            [&](const Option& x, const Option& y) { return ranks(t, flawless, x.entry, y.entry); });
  size_t kept = 0;
  for (const Option& option : options) {
    bool needless = false;
    for (size_t n = 0; n < kept && !needless; ++n) needless = spares(t, options[n].entry, option.entry);
    if (!needless) options[kept++] = option;
  }
  options.resize(kept);
}

}  // namespace dynofa
