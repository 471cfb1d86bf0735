#include "run/block_loop.h"

#include <algorithm>

#include "base/memory.h"
#include "base/share.h"
#include "run/layout.h"

namespace fastbp {
namespace {

Index blocks_of(Index rows) { return (rows + kRowBlock - 1) / kRowBlock; }

}  // namespace

template <class T>
BlockLoop<T>::BlockLoop(const Tape& tape, const Kernels<T>& kernels, const Memory<T>& memory, InputRows<T>& inputs,
                        Workers<T>& workers, Executor<T>& executor, Recorder<T>& recorder)
    : tape_(tape),
      inputs_(inputs),
      workers_(workers),
      executor_(executor),
      recorder_(recorder),
      step_(apart(tape.block_arena * static_cast<Index>(sizeof(T)), tape.loop_threads()) /
            static_cast<Index>(sizeof(T))),
      blocks_(bytes_of({step_, static_cast<Index>(sizeof(T)), tape.loop_threads()})),
      units_(blocks_of(tape.max_rows), tape.loop_threads(),
             product_of({tape.block_sums, static_cast<Index>(sizeof(T))})),
      sums_(tape, kernels, memory, blocks_of(tape.max_rows), units_.most()) {}

template <class T>
struct BlockLoop<T>::Part {
  Worker<T> worker;
  Recording<T>* recording;  // null: stages run from the tape
  Index blocks, unit;       // of the run; of a unit
};

template <class T>
void BlockLoop<T>::run(const Frame& frame, Team& team, int thread) {
  const int threads = std::min(tape_.loop_threads(), team.size());
  const Index blocks = blocks_of(frame.rows);
  const Index unit = units_.blocks_each(blocks, threads), units = (blocks + unit - 1) / unit;
  if (thread < threads) {
    Part part{workers_.of(frame, thread), recorder_.of(thread, frame.rows), blocks, unit};
    part.worker.block = blocks_.template as<T>() + step_ * thread;
    const Share mine = share(units, threads, thread, 1);
    const Index next_run = frame.rows + mine.begin * unit * kRowBlock;
    for (Index u = mine.begin; u < mine.end; ++u)
      if (threads == 1 || units_.claim(u)) run_unit(part, u, u + 1 < mine.end ? (u + 1) * unit * kRowBlock : next_run);
    for (Index u = threads > 1 ? units : 0; u-- > 0;)
      if (team.helps_with(u) && units_.claim(u)) run_unit(part, u, next_run);
  }
  if (!sums_.exist()) return;
  team.barrier(thread);
  sums_.combine(blocks, unit, team.size(), thread);
}

// Runs the blocks of a unit and adds up their sums over rows. next: the row with which the thread will go on.
template <class T>
void BlockLoop<T>::run_unit(Part& part, Index unit, Index next) {
  typename BlockSums<T>::OfUnit sums(sums_, part.worker.thread);
  const Index end = std::min((unit + 1) * part.unit, part.blocks);
  for (Index block = unit * part.unit; block < end; ++block) {
    const Index ahead = block + 1 < end ? (block + 1) * kRowBlock : next;
    inputs_.choose_ahead(part.worker, ahead, ahead + kRowBlock);
    part.worker.sums = sums.next();
    run_block(part, block);
    sums.add(part.worker.sums);
  }
  sums.store(unit);
}

template <class T>
void BlockLoop<T>::run_block(Part& part, Index block) {
  Worker<T>& worker = part.worker;
  worker.row = block * kRowBlock;
  worker.rows = std::min(kRowBlock, worker.frame->rows - worker.row);
  inputs_.gather_block(worker);
  if (part.recording != nullptr && worker.rows == kRowBlock) {
    recorder_.run(*part.recording, worker, tape_.loop_begin, tape_.loop_end);
  } else {
    for (int s = tape_.loop_begin; s < tape_.loop_end; ++s)
      executor_.run_stage(tape_.stages[static_cast<std::size_t>(s)], worker, 1);
  }
}

template class BlockLoop<float>;
template class BlockLoop<double>;

}  // namespace fastbp
