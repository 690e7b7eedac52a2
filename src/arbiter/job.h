// The interface to dynofa_ros/manager/arbiter/arbiter_kernel.py, whose structures mirror these. Arrays are
// contiguous, row by row; docstrings of layout.py and tables.py tell what the figures mean.
#pragma once

#include <cstdint>

extern "C" {

// What stays the same from decision to decision.
struct DynofaArbiterLayout {
  int64_t apps, settings, entries, elements, segments, groups;
  // per entry
  const double *time_ms, *active_w, *mhz;
  const int64_t* point;
  // per point
  const int64_t *app_of, *element_of, *domain_of;
  const double *share_of, *merit, *accuracy;
  // segments: first entry and application of each; segment of (application, group, setting)
  const int64_t *start, *segment_app, *segment_of;
  const int64_t* only_element;  // per application, -1 where there are several
};

// Of an application on an element, as `tables.parameters` has them.
struct DynofaArbiterPair {
  double overhead, tail, use, limit, tight, least, accurate, median;
};

// Of an application.
struct DynofaArbiterApplication {
  double target_ms, margin;
  double merit;       // of the point that runs; -inf where there is none
  double switch_use;  // use by a change of point
};

// One decision.
struct DynofaArbiterJob {
  const DynofaArbiterLayout* layout;
  int64_t terms, budget;
  int64_t flaws;                        // the first terms, in which nothing is negative
  const DynofaArbiterPair* pair;        // per (application, element)
  const DynofaArbiterApplication* app;  // per application
  const int64_t* current;               // per application: the point that runs, numbered through; or -1
  const double* current_mhz;            // limit in force per domain, and NaN
  const uint8_t* forbidden;             // per point; null where nothing is
  const double *background_w, *change_w;  // per setting
  const double* limit;                  // per element
  const int64_t* order;                 // applications by falling priority
  const double* allowance_ms;           // (size of set, application, application, element); or null
  const double* period_ms;              // (application, application); both null where nobody waits
  const int64_t *code, *concerned;      // per term: its kind, and a bit per application
  const double* floor;                  // per term: what no choice undercuts
  double limit_w;                       // that budget and heat allow, infinite without either
  // out: the best choice; known = 0 where there is none
  int64_t known, setting, nodes;
  int64_t* entry;
  double* values;
  double* figures;  // of its entries, as `dynofa_arbiter_evaluate` has them
  // out: smallest bound of what was left out, if any
  int64_t left_out;
  double* bound;
};

}  // extern "C"
