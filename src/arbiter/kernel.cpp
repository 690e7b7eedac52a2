// The compiled arbiter: what dynofa_ros/manager/arbiter/search.py and the modules that it uses do with numpy, and
// takes the place of without a compiler. It is compiled because an exact decision needs thousands of partial
// choices within two milliseconds; array operations cost more than that before the first branch.

#include "search.h"

#define EXPORT __attribute__((visibility("default")))

namespace dynofa {

// The power that keeps budget and heat, or exceeds them as little as can be: as reach.py has it.
double most_power(const Tables& t, Vector& least_w) {
  const int64_t settings = t.l.settings;
  least_w.assign(settings, 0.0);
  if (std::isinf(t.j.limit_w)) return kInfinity;
  for (int64_t s = 0; s < settings; ++s) {
    double applications_w = t.least_w[s];
    for (int64_t a = 1; a < t.l.apps; ++a) applications_w += t.least_w[a * settings + s];
    least_w[s] = t.j.background_w[s] + applications_w;
  }
  return std::max(t.j.limit_w, *std::min_element(least_w.begin(), least_w.end()));
}

void report(Job& j, const Search& search) {
  j.known = 1;
  j.setting = search.best.setting;
  j.nodes += search.nodes;
  std::copy(search.best.entry.begin(), search.best.entry.end(), j.entry);
  std::copy(search.best.values.begin(), search.best.values.end(), j.values);
  std::copy(search.bound.begin(), search.bound.end(), j.bound);
  j.left_out = search.left_out;
}

// Search, first among choices in which nothing has to give way.
void solve(Job& j) {
  const Tables tables(j);
  Vector least_w;
  const double most_w = most_power(tables, least_w);
  for (bool flawless : {true, false}) {
    const Alone alone(tables, flawless);
    Entries settings;
    for (int64_t s = 0; s < tables.l.settings; ++s)
      if (alone.complete(s) && least_w[s] <= most_w + kTolerance) settings.push_back(s);
    if (settings.empty()) continue;
    Search search(tables, alone, flawless, most_w, std::move(settings));
    search.run();
    if (!search.best.known) continue;
    report(j, search);
    if (std::all_of(j.values, j.values + j.flaws, [](double value) { return value <= kTolerance; })) return;
  }
}

// What the entries of a complete choice lead to, waiting included: `figures` has a row per application.
void evaluate(const Job& j, const int64_t* entry, double* figures) {
  const int apps = int(j.layout->apps);
  std::vector<Entry> chosen;
  for (int a = 0; a < apps; ++a) chosen.push_back(tabulate(j, entry[a]));
  for (int a = 0; a < apps; ++a) {
    const Entry& e = chosen[a];
    double late = e.excess, careful = e.caution;
    Waiting waiting(j, a, e);
    for (int b = 0; b < apps && j.allowance_ms; ++b)
      if (b != a) waiting.add(b, chosen[b]);
    const double waited_ms = waiting.ms();
    wait(j, a, e, waited_ms, late, careful);
    const double row[] = {e.overrun, late,      e.shortfall, careful,  e.wanted,
                          e.merit,   e.power_w, e.busy,      waited_ms};
    figures = std::copy(std::begin(row), std::end(row), figures);
  }
}

}  // namespace dynofa

extern "C" {

// Finds `job`'s best choice, or the best until the budget is spent. Returns 0, or 1 for a job that it does
// not take.
EXPORT int dynofa_arbiter_solve(DynofaArbiterJob* job) {
  if (job->layout->apps < 1 || job->layout->apps > dynofa::kApplications) return 1;
  dynofa::solve(*job);
  if (job->known) dynofa::evaluate(*job, job->entry, job->figures);
  return 0;
}

EXPORT void dynofa_arbiter_evaluate(const DynofaArbiterJob* job, const int64_t* entry, double* figures) {
  dynofa::evaluate(*job, entry, figures);
}

EXPORT int64_t dynofa_arbiter_bytes() { return sizeof(DynofaArbiterLayout) + sizeof(DynofaArbiterJob); }

}  // extern "C"
