// The tape: the list of stages that a plan runs. build_tape() makes it once from a graph, by the passes listed at the
// end; nothing changes it afterwards. Nothing on this floor depends on the element type, nor on threads or addresses.
#pragma once

#include <string>
#include <vector>

#include "base/share.h"
#include "graph/graph.h"
#include "kernels/table.h"

namespace fastbp {

// What an item reads or writes: `width` elements per row, or in all if it has no rows; contiguous, row-major.
struct Value {
  enum class Place {
    unused,
    constant,
    parameter,  // storage: slot
    input,      // storage: slot
    arena,      // lives in the plan's arena at `offset`
    output,     // written for the caller: storage = number of the output
    local,      // exists for one tile of rows, in slot `storage` of the thread's scratch
    unstored,   // a gradient that updates its weight in the product's tiles; stored only on demand
  };
  bool rows = false;
  Index width = 0;
  Place place = Place::unused;
  int storage = -1;
  Index offset = 0;  // elements
  int first_stage = -1, last_stage = -1;
  int measured = -1;      // read by the tail: the index under which its largest magnitude is noted
  bool in_block = false;  // arena and input: holds one block of rows, in the thread's block arena
  Index sum_offset = -1;  // a sum over rows in the block loop: offset of each block's partial sum
};

// An operand of a map: element (r, c) is at r*row_stride + c*col_stride of the value.
struct Operand {
  int value;
  Index row_stride, col_stride;
};

// One strided copy within a row (or within an array without rows).
struct Copy {
  std::vector<Index> sizes, in_strides, out_strides;
  Index in_offset = 0, out_offset = 0;
};

struct Item {
  enum class Kind {
    map,           // elementwise: Kernels::map
    row,           // one of Kernels' row functions, on `lead` runs of `last` elements in every row
    move,          // strided copies: slices, concatenation, transposes, general broadcasts
    dropout,       //
    product,       // rule 1
    product_rows,  // rule 2
    over_rows,     // sum or max over rows
    flat,          // sum or max of `lead` runs of `last` elements, without rows
    first_max,     // marks the first maximum of groups that span rows or scattered axes
  };
  Kind kind;
  Op op;
  std::vector<Operand> operands;
  int output = -1;
  Index lead = 1, last = 1;
  Index integer = 0;
  double number = 0;
  bool count_rows = false;              // divide_by_count: multiply the count by the rows of the run
  bool per_batch = false;               // dropout: all rows of a batch drop the same elements
  Index exact = -1;                     // dropout: elements dropped per row; -1: by `threshold`
  std::uint32_t threshold = 0;          // dropout: drop if the 16 random bits are below it; `number` scales the rest
  std::vector<Copy> copies;             // move: one per operand
  bool zero_first = false;              // move: what no copy writes is +0
  Index m = 0, n = 0, k = 0;            // products; m or k is per row if the operand has rows
  bool transpose_a = false, transpose_b = false;
  Finish finish = Finish::none;         // product: what happens to its sums, with operand 2
  std::vector<Index> dims;              // first_max: the operand's feature axes
  std::vector<bool> reduced;            // first_max: the axes that a group spans; [0] is the rows
};

// How a team's threads share a stage. A thread's part depends only on the size of the team and the rows of the run, so
// the next stage finds the parts of a value on the threads that wrote them; not so in the block loop.
enum class Sharing {
  one,      // thread 0 does all of it
  rows,     // by rows of the run; a product without rows: by rows of its result
  columns,  // of a product's result, a reduction over rows or a plain map: whole units (plain map: kPlainUnit)
};
constexpr Index kPlainUnit = 64;

// Items that run together. Row programs and products' epilogues run tile by tile while the tile is in cache.
struct Stage {
  enum class Kind { plain, row, product, product_rows, over_rows, first_max };
  Kind kind;
  std::vector<int> items;      // a product comes first, the rest is its epilogue
  Sharing sharing = Sharing::one;
  int section = 0;             // number of its section (the stages between two barriers), set by share_out
  bool asks_ahead = true;      // products: prefetch the rows that will be gathered next
  bool by_columns = false;     // plain maps of one width, and epilogues: columns may be split
  Index width = 0;             // by_columns, products: number of columns
  Index tile_elements = 0;     // capacity of one local slot where all have one width (epilogues, by_columns)
  Index tile_rows = 1;         // row programs
  std::vector<Index> slots;    // offset in scratch (elements) of every local slot
  Index scratch = 0;           // elements of scratch per thread
  std::vector<int> measured;   // the values that it writes and the tail reads
  double fixed_cost = 0;       // nanoseconds on one thread, by a rough model
  double row_cost = 0;         // the same, per row of the run
  bool is_product() const { return kind == Kind::product || kind == Kind::product_rows; }
};

struct Tape {
  Index max_rows = 0;  // of a run
  std::vector<Value> values;
  std::vector<Item> items;
  std::vector<Stage> stages;
  std::vector<std::vector<double>> constants;  // by Value::storage
  std::vector<int> outputs;                    // values, in the order of the request
  std::vector<int> inputs;                     // value by input slot; -1: not read
  Index arena = 0;                             // elements
  // Stages from tail_begin on are the products whose results are unstored. No stage depends on one of them.
  int tail_begin = 0;
  int measured = 0;  // number of values that the tail reads
  bool in_loop(int stage) const { return stage >= loop_begin && stage < loop_end; }
  std::size_t tail_size() const { return stages.size() - static_cast<std::size_t>(tail_begin); }
  const Stage& tail(std::size_t k) const { return stages[static_cast<std::size_t>(tail_begin) + k]; }
  const Item& first_item(const Stage& stage) const { return items[static_cast<std::size_t>(stage.items.front())]; }
  // Stages loop_begin .. loop_end - 1 are the block loop: all of them run on one block of kRowBlock rows, then on the
  // next, so that a block's values are still in cache when the next stage reads them. Sums over rows are added up by
  // rule 2. If the range is empty, there is no loop.
  int loop_begin = 0, loop_end = 0;
  bool has_loop() const { return loop_begin < loop_end; }
  int loop_threads() const;  // that run the block loop: at most one for each block
  bool mixes_rows() const;   // whether a row of some output may depend on other rows
  Index block_arena = 0;  // elements per thread
  Index block_sums = 0;  // elements of all sums over rows in the loop, in whole pairs of cache lines
  Index scratch = 0;  // elements per thread, programs only
  int threads = 1;  // size of the team that pays
  double cost = 0;  // estimate of a run with max_rows, in nanoseconds on one thread
  Index column_unit = 1;  // unit of Sharing::columns for products and reductions over rows
  std::vector<bool> barriers;  // by stage: whether a barrier precedes it
  int lead_end = 0;  // stages before it compute plain scalars: they run before the team starts
};

// Which outputs are weight gradients that need not be stored: if it pays, their products take the optimiser's step.
struct StepsInProducts {
  std::vector<bool> outputs;  // empty: none
  bool plain = true;  // the steps are plain SGD's
};

struct TapeRequest {
  const Graph* graph;
  std::vector<int> outputs;
  bool training;
  Index max_rows;
  Index element_bytes;
  Index block_bytes;  // cache that weights and sums over rows may take in the block loop
  int threads;  // the most threads that may share a run
  Index column_unit;  // columns of a product's register tile, a multiple of 8
  double gather_cost;  // nanoseconds per row of work done while gathering (augmentation), which threads share
  TeamChoice team = TeamChoice::measured;
  StepsInProducts steps;
};

Tape build_tape(const TapeRequest& request);

// The passes, in this order, each in the file of its name or of what it makes.
void make_items(const TapeRequest& request, Tape& tape);       // nodes to items: items.cpp
void combine(const TapeRequest& request, Tape& tape);          // several items to one
void fuse(const TapeRequest& request, Tape& tape);             // items to stages: fusion.cpp
void share_out(const TapeRequest& request, Tape& tape);        // stages to threads: sharing.cpp
void place(const TapeRequest& request, Tape& tape);            // values to memory: placement.cpp
void set_barriers(const TapeRequest& request, Tape& tape);     // barriers.cpp
void choose_who_asks(const TapeRequest& request, Tape& tape);  // ahead.cpp

}  // namespace fastbp
