// Runs stages of a tape, each on a worker's rows.
#pragma once

#include <vector>

#include "run/calls.h"

namespace fastbp {

template <class T>
class Executor {
 public:
  Executor(const Tape& tape, const Kernels<T>& kernels, const Memory<T>& memory, const Calls<T>& calls,
           Products<T>& products);

  // Runs a stage on the worker's rows, or on its share of them if several threads share the stage.
  void run_stage(const Stage& stage, const Worker<T>& worker, int threads);
  // The same as one of a team: a stage that nobody shares is thread 0's.
  void run_part(const Stage& stage, const Worker<T>& worker, int threads);

 private:
  struct Epilogue;

  void run_product(const Stage& stage, const Worker<T>& worker, int threads);
  // Runs the items tile by tile, so that the values that they pass on stay in cache.
  void run_program(const Stage& stage, std::size_t first_item, const Worker<T>& worker, const Region& region);
  void run_item(const Stage& stage, const Item& item, const Worker<T>& worker, const Region& tile);
  void run_move(const Stage& stage, const Item& item, const Worker<T>& worker, const Region& tile);
  void run_flat(const Stage& stage, const Item& item, const Worker<T>& worker);
  void run_over_rows(const Item& item, const Worker<T>& worker, int threads);
  void run_first_max(const Item& item, const Frame& frame);
  void measure(const Stage& stage, const Worker<T>& worker, const Region& tile) const;

  const Tape& tape_;
  const Kernels<T>& kernels_;
  const Memory<T>& memory_;
  const Calls<T>& calls_;
  Products<T>& products_;
  std::vector<Index> first_max_;  // by group: its first maximal element; one thread runs first_max
};

extern template class Executor<float>;
extern template class Executor<double>;

}  // namespace fastbp
